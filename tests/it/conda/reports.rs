//! Whom a recheck tells: real archives, real tests, and issues on a simulated GitHub.

use std::sync::Arc;
use std::time::Duration;

use tidegate::clock::Clock as _;
use tidegate::rehearse::github::event::Event;
use tidegate::rehearse::github::issues::{Issue, IssueEdit};
use tidegate::rehearse::github::state::Standing;
use tidegate::rehearse::github::{GitHubState, Repository, SimulatedGitHub};
use tidegate::store::{Run, RunState};

use super::real::bubblewrap;
use super::scene::{Package, Scene};

const PICKY: &str = "qiime2/q2-picky";
const OWN: &str = "qiime2/package-integration";
const REPORTS: &str = "[reports]\nrepository = \"qiime2/package-integration\"\nlabels = [\"recheck\"]\n\
                       [[package]]\nname = \"q2-picky\"\nrepository = \"qiime2/q2-picky\"\n";

/// A distribution of two members, of which one works with the first version of `extdep` only; both are
/// green, and people are told by issues.
struct Told {
    scene: Scene,
    github: Arc<SimulatedGitHub>,
    _journal: tempfile::TempDir,
}

fn extdep(version: &str) -> Package {
    Package::new("extdep", version).file("share/extdep.txt", &format!("{version}\n"))
}

fn picky(version: &str, range: &str) -> Package {
    let test = "echo looking at extdep\ngrep -q '^1' $PREFIX/share/extdep.txt\n";
    Package::new("q2-picky", version).depends(&[range]).test(test).test_needs(&["helper"])
}

fn metapackage(version: &str, picky: &str) -> Package {
    Package::new("qiime2-tiny", version).depends(&[&format!("q2-picky {picky} 0"), "q2-steady 1.0 0"])
}

impl Told {
    /// Where nothing was rechecked yet.
    async fn unseen() -> Self {
        let mut scene = Scene::new(r#""q2-picky", "q2-steady""#).await;
        let journal = tempfile::tempdir().unwrap();
        let mut state = GitHubState::default();
        state.add(Repository::upstream(PICKY));
        state.add(Repository::with_files(OWN, [("README", "hello")], scene.clock.now()).unwrap());
        let path = journal.path().join("github.jsonl");
        let github = Arc::new(SimulatedGitHub::open(state, &path, scene.clock.clone()).unwrap());
        scene.github = Some(Arc::clone(&github).serve().await.unwrap());
        scene.reports = REPORTS;
        let others = [extdep("1.0"), Package::new("other", "1.0"), Package::new("helper", "1.0")];
        Scene::offer(&scene.forge(), &others);
        let steady = Package::new("q2-steady", "1.0").depends(&["other"]).test("true\n");
        Scene::offer(&scene.staged(), &[picky("1.0", "extdep"), steady, metapackage("2026.10.01", "1.0")]);
        Self { scene, github, _journal: journal }
    }

    /// Where all is green, and was told.
    async fn green() -> Self {
        let told = Self::unseen().await;
        assert_eq!(told.next_day().await.state, RunState::Done);
        told
    }

    /// Where `extdep` 2.0 is out since, and nobody looked.
    async fn drifted() -> Self {
        let told = Self::green().await;
        Scene::offer(&told.scene.forge(), &[extdep("2.0")]);
        told
    }

    async fn next_day(&self) -> Run {
        self.scene.next_day("recheck").await
    }

    /// A whole pass, since something appeared that concerns nobody.
    async fn look_again(&self) -> Run {
        let name = format!("bystander{}", self.scene.clock.now().as_second());
        Scene::offer(&self.scene.forge(), &[Package::new(&name, "1.0")]);
        self.next_day().await
    }

    /// A new build that excludes what breaks it.
    fn mend(&self, version: &str) {
        let builds = [picky(version, "extdep <2"), metapackage(&format!("2026.11.{version}"), version)];
        Scene::offer(&self.scene.staged(), &builds);
    }

    fn issues(&self, repository: &str) -> Vec<Issue> {
        let repository = repository.to_owned();
        self.github.read(|state| {
            state.repository(&repository).map(|r| r.issues.values().cloned().collect()).unwrap_or_default()
        })
    }

    /// The comments in a repository, each with its issue.
    fn comments(&self, repository: &str) -> Vec<String> {
        self.github.read(|state| {
            let comments = state.repository(repository).unwrap().comments.iter();
            comments.map(|comment| format!("#{}: {}", comment.number, comment.body)).collect()
        })
    }

    /// How many requests wrote something.
    fn writes(&self) -> u64 {
        let requests = self.github.requests();
        let writes =
            requests.iter().filter(|(call, _)| !call.starts_with("GET") && !call.contains("graphql"));
        writes.map(|(_, count)| count).sum()
    }

    fn strike(&self, fault: &str) {
        self.github.set_faults(vec![fault.parse().unwrap()]);
    }

    fn act(&self, number: u64, open: bool) {
        let edit = IssueEdit {
            repository: PICKY.to_owned(),
            number,
            title: None,
            body: None,
            open: Some(open),
            state_reason: (!open).then(|| "not_planned".to_owned()),
            by: "maintainer".to_owned(),
            at: self.scene.clock.now(),
        };
        self.github.perform(Event::IssueEdited(edit)).unwrap();
    }

    async fn refusals(&self) -> Vec<String> {
        let events = self.scene.events().await.into_iter().filter(|event| event.kind == "report");
        events.map(|event| event.body["refused"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The subjects of which something is still to be told.
    async fn untold(&self) -> Vec<String> {
        let untold = self.scene.store.untold_reports("tiny", self.scene.clock.now()).await.unwrap();
        untold.into_iter().map(|report| report.subject).collect()
    }

    fn end(&self) {
        assert_eq!(self.github.violations(), Vec::<String>::new());
    }
}

/// A text as a snapshot keeps it: without folders, digests and numbers that differ from run to run.
fn shown(text: &str) -> String {
    let mut settled = text.to_owned();
    for (pattern, shown) in
        [("[0-9a-f]{64}", "<digest>"), ("file:///[^#` ']*/(published|forge)", "file:///<folder>/$1")]
    {
        settled = regex::Regex::new(pattern).unwrap().replace_all(&settled, shown).into_owned();
    }
    settled
}

#[tokio::test]
async fn a_member_that_turns_red_is_told_once_and_so_is_its_recovery() {
    if !bubblewrap() {
        return;
    }
    let told = Told::green().await;
    assert!(told.issues(PICKY).is_empty(), "green is no news");
    insta::assert_snapshot!("summary_green", shown(&told.issues(OWN)[0].body));

    Scene::offer(&told.scene.forge(), &[extdep("2.0"), Package::new("helper", "2.0")]);
    let red = told.next_day().await;
    insta::assert_snapshot!(red.summary.unwrap(), @"qiime2-tiny 2026.10.01 does not pass: 1 green, 1 red; 1 not tested again in the same environment");
    let issues = told.issues(PICKY);
    assert_eq!(issues.len(), 1);
    insta::assert_snapshot!("package_title", issues[0].title);
    insta::assert_snapshot!("package_red", shown(&issues[0].body));
    insta::assert_snapshot!("package_culprit", told.comments(PICKY).join("\n---\n"));
    insta::assert_snapshot!("summary_red", shown(&told.issues(OWN)[0].body));
    insta::assert_snapshot!("summary_red_comment", told.comments(OWN).join("\n---\n"));

    // What the issue tells is the red environment, and not one of those that were tested to find the fault.
    let list = told.scene.says(&["show", &red.id.0.to_string(), "--environment", "q2-picky"]);
    let told_list = issues[0].body.split("@EXPLICIT\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(told_list.contains("extdep-2.0") && list.ends_with(told_list), "{list}");

    // Something else appears, so that there is a whole pass: the same red is no news.
    let writes = told.writes();
    told.look_again().await;
    assert_eq!(told.next_day().await.state, RunState::Unchanged);
    assert_eq!(told.writes(), writes, "nothing is written where nothing changed");

    told.mend("1.1");
    told.next_day().await;
    let issues = told.issues(PICKY);
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].state_reason.as_deref(), Some("completed"));
    insta::assert_snapshot!("package_green_again", shown(&issues[0].body));
    insta::assert_snapshot!("package_recovered_comment", told.comments(PICKY)[1]);
    insta::assert_snapshot!("summary_recovered_comment", told.comments(OWN)[1]);
    told.end();
}

#[tokio::test]
async fn a_person_who_closes_the_issue_is_left_in_peace_until_it_fails_anew() {
    if !bubblewrap() {
        return;
    }
    let told = Told::drifted().await;
    told.next_day().await;
    told.act(1, false);
    // Another build that fails would be news, and so would be the recovery.
    Scene::offer(&told.scene.staged(), &[picky("1.1", "extdep"), metapackage("2026.11.1", "1.1")]);
    told.next_day().await;
    let summary = shown(&told.issues(OWN)[0].body);
    assert!(summary.contains(", which told them, was closed by a person."), "{summary}");
    told.mend("1.2");
    told.next_day().await;
    assert_eq!(told.comments(PICKY), Vec::<String>::new());
    assert_eq!(told.issues(PICKY)[0].state_reason.as_deref(), Some("not_planned"));

    Scene::offer(&told.scene.staged(), &[picky("1.3", "extdep"), metapackage("2026.11.3", "1.3")]);
    told.next_day().await;
    let issues = told.issues(PICKY);
    assert_eq!(issues.len(), 2);
    assert!(issues[1].closed_at.is_none() && issues[1].body.contains("`1.3 0`"));

    // Opened again by a person, it is kept up to date again.
    told.act(2, false);
    Scene::offer(&told.scene.staged(), &[picky("1.4", "extdep"), metapackage("2026.11.4", "1.4")]);
    told.next_day().await;
    told.act(2, true);
    Scene::offer(&told.scene.staged(), &[picky("1.5", "extdep"), metapackage("2026.11.5", "1.5")]);
    told.next_day().await;
    assert!(told.issues(PICKY)[1].body.contains("`1.5 0`"));
    let comments = told.comments(PICKY);
    assert!(
        comments.len() == 1 && comments[0].starts_with("#2: Its build `1.5 0` fails as well."),
        "{comments:?}"
    );
    told.end();
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_one_issue_and_one_comment() {
    if !bubblewrap() {
        return;
    }
    let opening = "POST /repos/qiime2/q2-picky/issues nth 1";
    let editing = "PATCH /repos/qiime2/q2-picky/issues/1 nth 1";
    let commenting = "POST /repos/qiime2/q2-picky/issues/1/comments nth 1";
    let closing = "PATCH /repos/qiime2/q2-picky/issues/1 nth 2";
    let faults = [
        (opening, "drop-after"),
        (opening, "drop-before"),
        (editing, "drop-after"),
        (commenting, "drop-after"),
        (closing, "drop-after"),
    ];
    for (step, effect) in faults {
        let (told, fault, at_red) = (Told::drifted().await, format!("{step} {effect}"), step == opening);
        if !at_red {
            told.next_day().await;
            told.mend("1.1");
        }
        told.strike(&fault);
        let run = told.next_day().await;
        assert_eq!(run.state, RunState::Done, "{fault}: {run:?}");
        told.github.set_faults(Vec::new());
        told.next_day().await;
        let issues = told.issues(PICKY);
        assert_eq!(issues.len(), 1, "{fault}");
        assert_eq!(issues[0].closed_at.is_none(), at_red, "{fault}");
        assert_eq!(told.comments(PICKY).len(), usize::from(!at_red), "{fault}");
        assert!(told.scene.store.open_actions().await.unwrap().is_empty(), "{fault}");
        assert!(told.untold().await.is_empty(), "{fault}");
        told.end();
    }
}

#[tokio::test]
async fn a_repository_that_takes_no_issues_is_a_state_and_not_a_failure() {
    if !bubblewrap() {
        return;
    }
    for (status, why) in [(410, "issues switched off"), (403, "does not let the token"), (404, "is gone")] {
        let told = Told::drifted().await;
        told.strike(&format!("POST /repos/qiime2/q2-picky/issues every 1 status {status}"));
        let run = told.next_day().await;
        assert_eq!(run.state, RunState::Done, "{run:?}");
        let refusals = told.refusals().await;
        assert!(refusals.len() == 1 && refusals[0].contains(why), "{refusals:?}");
        let summary = told.issues(OWN)[0].body.clone();
        assert!(summary.contains("**were not told**") && summary.contains(why), "{summary}");

        let requests = told.github.requests()["POST /repos/{owner}/{repo}/issues"];
        told.look_again().await;
        assert_eq!(told.github.requests()["POST /repos/{owner}/{repo}/issues"], requests, "asked once");

        // There is something new to tell, and GitHub takes it now.
        told.github.set_faults(Vec::new());
        Scene::offer(&told.scene.staged(), &[picky("1.1", "extdep"), metapackage("2026.11.1", "1.1")]);
        told.next_day().await;
        assert!(told.issues(PICKY)[0].body.contains("`1.1 0`"));
        told.end();
    }
}

#[tokio::test]
async fn a_repository_that_vanished_is_said_in_the_summary() {
    if !bubblewrap() {
        return;
    }
    let told = Told::drifted().await;
    let gone = Event::StandingChanged { repository: PICKY.to_owned(), standing: Standing::Gone };
    told.github.perform(gone).unwrap();
    told.next_day().await;
    insta::assert_snapshot!(told.refusals().await.join("\n"), @"the repository is gone, private or renamed away");
    let summary = told.issues(OWN)[0].body.clone();
    assert!(summary.contains("since the repository is gone, private or renamed away"), "{summary}");
    told.end();
}

#[tokio::test]
async fn what_github_could_not_hear_is_told_by_a_pass_that_has_nothing_new() {
    if !bubblewrap() {
        return;
    }
    let told = Told::drifted().await;
    told.github.set_unreachable([PICKY, OWN]);
    let red = told.next_day().await;
    assert_eq!(red.state, RunState::Done, "{red:?}");
    assert!(told.issues(PICKY).is_empty());

    told.github.set_unreachable([]);
    assert_eq!(told.next_day().await.state, RunState::Unchanged);
    assert_eq!(told.issues(PICKY).len(), 1);
    assert_eq!(told.comments(OWN).len(), 1);
    told.end();
}

#[tokio::test]
async fn without_a_github_the_recheck_does_its_work_and_tells_later() {
    if !bubblewrap() {
        return;
    }
    let mut told = Told::drifted().await;
    let served = told.scene.github.take();
    let red = told.next_day().await;
    assert_eq!(red.state, RunState::Done, "{red:?}");
    told.scene.github = served;
    told.next_day().await;
    assert_eq!(told.issues(PICKY).len(), 1);
    told.end();
}

#[tokio::test]
async fn a_red_that_was_over_before_anybody_could_be_told_is_not_told() {
    if !bubblewrap() {
        return;
    }
    let told = Told::drifted().await;
    told.github.set_unreachable([PICKY]);
    told.next_day().await;
    told.mend("1.1");
    // The attempt may have worked for all that is known, so it is looked for before it is let go.
    told.next_day().await;
    told.github.set_unreachable([]);
    told.next_day().await;
    assert!(told.issues(PICKY).is_empty());
    assert!(told.untold().await.is_empty());
    told.end();
}

#[tokio::test]
async fn a_state_that_was_lost_finds_its_issues_again_and_takes_nobody_elses() {
    if !bubblewrap() {
        return;
    }
    let told = Told::drifted().await;
    told.next_day().await;
    let forged = told.issues(PICKY)[0].body.clone();
    told.act(1, false);
    let forged = tidegate::rehearse::github::issues::NewIssue {
        repository: PICKY.to_owned(),
        title: "Look at me".to_owned(),
        body: forged,
        labels: Vec::new(),
        by: "stranger".to_owned(),
        at: told.scene.clock.now(),
    };
    told.github.perform(Event::IssueOpened(forged)).unwrap();

    let mut scene = Scene::with_channels_of(&told.scene).await;
    scene.clock.set(told.scene.clock.now());
    scene.reports = REPORTS;
    scene.github = Some(Arc::clone(&told.github).serve().await.unwrap());
    let run = scene.next_day("recheck").await;
    assert_eq!(run.state, RunState::Done, "{run:?}");
    assert_eq!(told.issues(OWN).len(), 1, "the rolling issue was found again");
    let titles: Vec<String> = told.issues(PICKY).into_iter().map(|issue| issue.title).collect();
    insta::assert_snapshot!(titles.join("\n"), @r"
    q2-picky fails its recheck in Tiny
    Look at me
    q2-picky fails its recheck in Tiny
    ");
    told.end();
}

#[test]
fn a_pass_that_is_killed_as_soon_as_its_issue_is_there_opens_no_second_one() {
    if !bubblewrap() {
        return;
    }
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let (doomed, survivor) = (runtime(), runtime());
    let told = doomed.block_on(Told::drifted());
    doomed.block_on(async {
        let opened = async {
            while told.issues(PICKY).is_empty() {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        };
        tokio::select! {
            run = told.next_day() => panic!("it was not killed: {run:?}"),
            () = opened => {}
        }
    });
    doomed.shutdown_timeout(Duration::ZERO);
    survivor.block_on(async {
        let mut scene = told.scene.after_a_crash().await;
        scene.github = Some(Arc::clone(&told.github).serve().await.unwrap());
        let run = scene.next_day("recheck").await;
        assert_eq!(run.state, RunState::Done, "{run:?}");
        assert_eq!(told.issues(PICKY).len(), 1);
        assert!(told.comments(PICKY).is_empty() && told.comments(OWN).len() == 1);
        assert!(scene.store.open_actions().await.unwrap().is_empty());
        told.end();
    });
}
