//! What people read of a recheck, every kind of text once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tidegate::decide::culprit::GaveUp;
use tidegate::decide::recheck::{CaseState, CaseVerdict, Gate, Suspected};
use tidegate::decide::recheck_report::{
    ChannelPlace, Ending, Frame, Passed, SummaryFacts, Told, TroubledCase, body, is_troubled, moved_comment,
    over_body, package_comment, place_in_distribution, summary_body, trouble,
};
use tidegate::decide::report::{News, Troubles};
use tidegate::domain::{Build, Environment, FailedStep, RecheckCase, RecheckMode, TestVerdict};

fn day(text: &str) -> Timestamp {
    format!("{text}T04:00:00Z").parse().unwrap()
}

fn build(name: &str, version: &str, channel: &str) -> Build {
    Build {
        name: name.to_owned(),
        version: version.to_owned(),
        build: "py310_0".to_owned(),
        build_number: 0,
        subdir: "noarch".to_owned(),
        file_name: format!("{name}-{version}-py310_0.conda"),
        sha256: "5".repeat(64),
        channel: channel.to_owned(),
    }
}

const OWN: &str = "file:///srv/tidegate/tiny/staged";
const FORGE: &str = "https://conda.anaconda.org/conda-forge";

fn frame() -> Frame {
    let place = |address: &str, public: Option<&str>| ChannelPlace {
        address: address.to_owned(),
        public: public.map(str::to_owned),
    };
    Frame {
        distribution: "QIIME 2 tiny 2024.10".to_owned(),
        metapackage: build("qiime2-tiny", "2024.10.15", OWN),
        to: "passed".to_owned(),
        channels: vec![place(OWN, Some("https://packages.example.org/tiny/staged")), place(FORGE, None)],
        due: "by the schedule `37 0,8,16 * * *` (UTC)".to_owned(),
    }
}

fn environment() -> Environment {
    Environment::new([build("numpy", "2.0.0", FORGE), build("q2-types", "1.0", OWN)])
}

/// A red case of q2-types; what matters is changed by who asks.
fn red(platform: &str, mode: RecheckMode, result: TestVerdict) -> TroubledCase {
    let case = RecheckCase { member: build("q2-types", "1.0", OWN), platform: platform.to_owned(), mode };
    let is_solved = !matches!(result, TestVerdict::Fail { step: FailedStep::Solve, .. });
    TroubledCase {
        verdict: CaseVerdict {
            case,
            state: CaseState::Red,
            settled: Some(CaseState::Red),
            fingerprint: is_solved.then(|| environment().fingerprint()),
            reused: false,
            flaky: false,
            result: Some(result),
            changed_since_green: Vec::new(),
            culprit: None,
            suspected: None,
        },
        since: day("2026-11-20"),
        environment: is_solved.then(environment),
        log: None,
        run: Some(42),
    }
}

fn fail(step: FailedStep, detail: &str) -> TestVerdict {
    TestVerdict::Fail { step, detail: detail.to_owned() }
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_failed_import_in_both_modes_is_told_as_one_with_a_list_that_strangers_can_install() {
    let result = fail(FailedStep::Import("q2_types".to_owned()), "ImportError");
    let mut cases =
        [red("linux-64", RecheckMode::Latest, result.clone()), red("linux-64", RecheckMode::Pinned, result)];
    for case in &mut cases {
        case.log = Some("Traceback\n```\n</details> @everyone look at #12\nImportError: numpy\n".to_owned());
        case.verdict.changed_since_green = texts(&["numpy 1.26.4 → 2.0.0", "pandas 2.1 → 2.2"]);
        case.verdict.culprit = Some(texts(&["numpy 1.26.4 → 2.0.0"]));
    }
    insta::assert_snapshot!(body(&frame(), &cases));
}

#[test]
fn what_cannot_be_solved_is_told_with_what_the_solver_says() {
    let detail = "q2-types 1.0 cannot be installed because there are no viable options:\n└─ it requires\n   └─ numpy <2";
    let mut case = red("osx-arm64", RecheckMode::Pinned, fail(FailedStep::Solve, detail));
    case.run = None;
    insta::assert_snapshot!(body(&frame(), &[case]));
}

#[test]
fn several_ways_of_being_red_are_told_apart() {
    let mut timed_out = red("linux-64", RecheckMode::Latest, TestVerdict::TimedOut { after: 1800 });
    timed_out.verdict.flaky = true;
    timed_out.verdict.suspected =
        Some(Suspected { left: texts(&["a 1 → 2", "b 1 → 2"]), why: GaveUp::TestsUsedUp });
    let mut unseen =
        red("osx-64", RecheckMode::Latest, TestVerdict::Infrastructure { why: "no disk".to_owned() });
    unseen.verdict.state = CaseState::Unknown;
    let install = red("osx-arm64", RecheckMode::Latest, fail(FailedStep::Install, "cannot link numpy\n"));
    insta::assert_snapshot!(body(&frame(), &[timed_out, unseen, install]));
}

#[test]
fn a_package_without_tests_is_asked_for_tests() {
    let mut case = red("linux-64", RecheckMode::Latest, TestVerdict::NoTests);
    (case.verdict.state, case.verdict.settled) = (CaseState::NoTests, Some(CaseState::NoTests));
    let text = body(&frame(), &[case]);
    insta::assert_snapshot!(text.lines().take(7).collect::<Vec<_>>().join("\n"));
}

#[test]
fn however_much_failed_a_text_fits_and_says_first_what_matters() {
    let command = FailedStep::Command { number: 1, command: "make test\n".repeat(400), exit: Some(2) };
    let cases: Vec<TroubledCase> = (0..60)
        .map(|number| {
            let mut case = red(&format!("platform-{number}"), RecheckMode::Latest, fail(command.clone(), ""));
            case.log = Some("a line of a log | with a bar\n".repeat(2_000));
            case.verdict.changed_since_green = (0..400).map(|n| format!("package{n} 1 → 2")).collect();
            case
        })
        .collect();
    for most in [1, 3, 8, 20, 60] {
        let text = body(&frame(), &cases[..most]);
        assert!(text.chars().count() <= 60_000, "{most}");
        assert!(
            text.starts_with("**`q2-types` `1.0 py310_0` fails") && text.contains("### What happens next")
        );
    }
}

#[test]
fn comments_call_for_what_is_new() {
    let news = [
        News::Elsewhere { place: "osx-64/latest".to_owned(), since: day("2026-11-21") },
        News::OtherRevision { revision: "1.1 py310_0".to_owned() },
        News::Fault {
            changes: texts(&["numpy 1.26.4 → 2.0.0", "pandas 2.1 → 2.2"]),
            places: texts(&["linux-64/latest", "linux-64/pinned"]),
        },
    ];
    insta::assert_snapshot!(package_comment(&frame(), "q2-types", &Ending::Left, &news), @r"
    - It now fails on osx-64 with the newest dependencies too, since 2026-11-21.
    - Its build `1.1 py310_0` fails as well.
    - What is at fault together was found: `numpy 1.26.4 → 2.0.0` and `pandas 2.1 → 2.2`, on linux-64 with the newest dependencies, and on linux-64 within the lines of the metapackage.
    ");
    let builds: BTreeSet<String> = ["1.2 py310_0".to_owned()].into();
    let over = |ending: &Ending| package_comment(&frame(), "q2-types", ending, &[News::Over]);
    insta::assert_snapshot!(over(&Ending::Green(builds.clone())), @"`q2-types` `1.2 py310_0` is green again everywhere in QIIME 2 tiny 2024.10. There is nothing left to do, so this issue is closed.");
    insta::assert_snapshot!(over(&Ending::Otherwise(builds)), @"`q2-types` `1.2 py310_0` holds QIIME 2 tiny 2024.10 back no more. There is nothing left to do, so this issue is closed.");
    insta::assert_snapshot!(over(&Ending::Left), @"`q2-types` is no member of QIIME 2 tiny 2024.10 any more. There is nothing left to do, so this issue is closed.");
}

#[test]
fn the_last_text_of_an_issue_says_what_it_was() {
    let mut case = red("linux-64", RecheckMode::Latest, TestVerdict::TimedOut { after: 60 });
    case.verdict.culprit = Some(texts(&["numpy 1.26.4 → 2.0.0"]));
    let told: Troubles = [("linux-64/latest".to_owned(), trouble(&case.verdict, case.since))].into();
    insta::assert_snapshot!(over_body(&frame(), "q2-types", &Ending::Left, &told), @r"
    **`q2-types` is no member of QIIME 2 tiny 2024.10 any more.**

    What it was:

    - `1.0 py310_0` on linux-64 with the newest dependencies, since 2026-11-20
    - at fault: `numpy 1.26.4 → 2.0.0`

    There is nothing left to do. If it fails again, a new issue says so.
    ");
}

/// A distribution in which everything occurs.
fn verdicts() -> Vec<CaseVerdict> {
    let mut verdicts = Vec::new();
    let mut member = |name: &str, platform: &str, mode: RecheckMode, state: CaseState| {
        let mut verdict = red(platform, mode, fail(FailedStep::Import("m".to_owned()), "x")).verdict;
        verdict.case.member = build(name, "1.0", OWN);
        (verdict.state, verdict.settled) = (state, Some(state));
        if state == CaseState::Unknown {
            verdict.settled = None;
        }
        verdicts.push(verdict);
    };
    use CaseState::{Green, NoTests, Red, Unknown};
    for platform in ["linux-64", "osx-64"] {
        member("q2-closed", platform, RecheckMode::Latest, if platform == "osx-64" { Unknown } else { Red });
        member("q2-free", platform, RecheckMode::Latest, NoTests);
        member("q2-good", platform, RecheckMode::Latest, Green);
        member("q2-later", platform, RecheckMode::Latest, Red);
        member("q2-nobody", platform, RecheckMode::Latest, NoTests);
        member("q2-refused", platform, RecheckMode::Latest, Red);
        member("q2-split", platform, RecheckMode::Latest, Red);
        member("q2-split", platform, RecheckMode::Pinned, Green);
    }
    verdicts.sort_by(|a, b| a.case.cmp(&b.case));
    verdicts
}

#[test]
fn the_rolling_issue_says_how_all_stand_and_who_has_to_act() {
    let (frame, verdicts, without_tests) = (frame(), verdicts(), ["q2-free".to_owned()].into());
    let troubled = verdicts.iter().filter(|verdict| is_troubled(verdict, &without_tests));
    let troubles: Troubles = troubled
        .map(|verdict| (place_in_distribution(&verdict.case), trouble(verdict, day("2026-11-20"))))
        .collect();
    let page = |number: i64| format!("https://github.com/o/r/issues/{number}");
    let told: BTreeMap<String, Told> = [
        ("q2-closed".to_owned(), Told::ClosedByOthers(3, page(3))),
        ("q2-later".to_owned(), Told::Later),
        ("q2-refused".to_owned(), Told::Refused("the repository has issues switched off".to_owned())),
        ("q2-split".to_owned(), Told::Issue(7, page(7))),
    ]
    .into();
    let blocking: Vec<RecheckCase> = verdicts
        .iter()
        .filter(|verdict| is_troubled(verdict, &without_tests))
        .map(|verdict| verdict.case.clone())
        .collect();
    let facts = SummaryFacts {
        frame: &frame,
        verdicts: &verdicts,
        gate: &Gate::Closed(blocking),
        troubles: &troubles,
        without_tests: &without_tests,
        told: &told,
        passed: &Passed::Nothing,
    };
    insta::assert_snapshot!(summary_body(&facts));
    let before: Troubles =
        [("q2-good/linux-64/latest".to_owned(), troubles.values().next().unwrap().clone())].into();
    insta::assert_snapshot!("rolling_comment", moved_comment(&frame, &before, &troubles, facts.gate));

    let mut elsewhere = verdicts.clone();
    for verdict in elsewhere.iter_mut().filter(|verdict| verdict.state == CaseState::Unknown) {
        verdict.result = Some(TestVerdict::NoEngine { why: "no engine is for osx-64".to_owned() });
    }
    let body = summary_body(&SummaryFacts { verdicts: &elsewhere, ..facts.clone() });
    assert!(!body.contains("The machine failed"), "nothing failed: {body}");
    let section = body.split("\n### ").find(|section| section.starts_with("What was not tested"));
    insta::assert_snapshot!(section.unwrap_or_default(), @r"
    What was not tested

    No engine of these rechecks takes their tests; those who operate tidegate have to run a recheck with one for these platforms.

    - `q2-closed` on osx-64 with the newest dependencies
    ");

    let files = [("noarch/q2-good-1.0-0.conda".to_owned(), "withdrawn by @ada: loses samples".to_owned())];
    let withdrawn = SummaryFacts { gate: &Gate::Withdrawn(files.into()), ..facts };
    // A letter that nobody sees keeps people from being mentioned.
    let body = summary_body(&withdrawn).replace('\u{200b}', "");
    insta::assert_snapshot!(body.split("\n###").next().unwrap_or_default(), @r"
    **`qiime2-tiny 2024.10.15` does not pass**: nothing speaks against its 7 members, but people have taken files out of `passed`.

    - `noarch/q2-good-1.0-0.conda`, withdrawn by &#64;ada: loses samples

    Nothing has passed to `passed` yet.

    | member | linux-64 | osx-64 |
    | --- | --- | --- |
    | `q2-closed 1.0 py310_0` | **red** since 2026-11-20 | unknown |
    | `q2-free 1.0 py310_0` | no tests, which is allowed | no tests, which is allowed |
    | `q2-good 1.0 py310_0` | green | green |
    | `q2-later 1.0 py310_0` | **red** since 2026-11-20 | **red** since 2026-11-20 |
    | `q2-nobody 1.0 py310_0` | **no tests** since 2026-11-20 | **no tests** since 2026-11-20 |
    | `q2-refused 1.0 py310_0` | **red** since 2026-11-20 | **red** since 2026-11-20 |
    | `q2-split 1.0 py310_0` | **red** since 2026-11-20 (latest), green (pinned) | **red** since 2026-11-20 (latest), green (pinned) |
    ");
}
