//! What a universe says, in the shapes it has, and in those it must not have.

use std::time::Duration;

use tidegate::ecosystem::cran::fetch::FetchLimits;
use tidegate::ecosystem::cran::universe::{UniverseAnswer, UniverseClient, UniversePackage};
use tidegate::failure::Failure;

use super::bytes;
use super::serve::{always, answer, client, promising};

fn sample() -> Vec<UniversePackage> {
    let answer = UniverseAnswer::read("sample", &bytes("api/packages.ndjson")).unwrap();
    answer.require_whole("sample").unwrap()
}

fn failure_of(text: &str) -> Failure {
    UniverseAnswer::read("https://universe/api/packages", text.as_bytes()).unwrap_err()
}

#[test]
fn a_built_package_is_read_with_its_checks_files_and_dependencies() {
    let tidal = &sample()[0];
    assert_eq!(tidal.published.as_deref(), Some("2026-08-01 15:36:27.246 UTC"));
    assert_eq!(tidal.remotes, ["r-lib/cli"]);
    assert_eq!((tidal.foss, tidal.monorepo.as_deref()), (Some(true), Some("r-multiverse")));
    assert_eq!(tidal.strong_dependencies(), ["lunar", "cpp11"]);
    let checks: Vec<_> =
        tidal.checks.iter().map(|check| (check.config.as_str(), check.check.as_str())).collect();
    assert_eq!(
        checks,
        [("linux-release-x86_64", "OK"), ("macos-release-arm64", "WARNING"), ("source", "OK")]
    );
    assert_eq!(tidal.checks[1].url, "https://github.com/r-universe/r-multiverse/actions/runs/900/job/502");
    let file = tidal.file.as_ref().unwrap();
    assert_eq!((file.path.as_str(), file.size), ("src/contrib/tidal_1.2.0.tar.gz", Some(4096)));
    assert_eq!(file.sha256, "1".repeat(64));
}

#[test]
fn binaries_know_the_folders_they_lie_in() {
    let tidal = &sample()[0];
    let places: Vec<String> = tidal
        .binaries
        .iter()
        .flat_map(|binary| binary.paths("tidal").unwrap())
        .map(|(platform, path)| format!("{platform:?} {path}"))
        .collect();
    assert_eq!(
        places,
        [
            "MacArm64 bin/macosx/sonoma-arm64/contrib/4.6/tidal_1.2.0.tgz",
            "MacX64 bin/macosx/big-sur-x86_64/contrib/4.5/tidal_1.2.0.tgz",
            "MacArm64 bin/macosx/big-sur-arm64/contrib/4.5/tidal_1.2.0.tgz",
        ]
    );
}

#[test]
fn a_package_that_was_never_built_has_the_version_and_commit_of_the_attempt() {
    let ebbing = &sample()[1];
    assert!(ebbing.never_built);
    assert_eq!((ebbing.version.as_str(), ebbing.commit.as_str()), ("0.1.0", "b".repeat(40).as_str()));
    assert_eq!((&ebbing.published, &ebbing.license, ebbing.foss), (&None, &None, None));
    assert_eq!(ebbing.monorepo.as_deref(), Some("r-multiverse"));
    assert!(ebbing.file.is_none());
}

#[test]
fn a_failed_build_does_not_hide_the_good_one_before_it() {
    let lunar = &sample()[2];
    assert!(!lunar.never_built);
    assert_eq!(lunar.version, "0.9.1");
    assert_eq!(lunar.failure.as_ref().unwrap().version.as_deref(), Some("0.9.2"));
    assert_eq!(lunar.remotes, ["r-lib/rlang", "tidyverse/purrr"]);
    assert_eq!(lunar.published.as_deref(), Some("2026-07-30 00:00:00.500 UTC"));
}

#[test]
fn lines_and_an_array_read_the_same() {
    let lines = String::from_utf8(bytes("api/packages.ndjson")).unwrap();
    let array = format!("[{}]", lines.trim_end().replace('\n', ","));
    let read = UniverseAnswer::read("array", array.as_bytes()).unwrap();
    assert_eq!(read.packages, sample());
}

#[test]
fn the_condensed_form_is_read_whole() {
    let recorded = bytes("status/universe-packages.json");
    let packages = UniverseAnswer::read("condensed", &recorded).unwrap().require_whole("condensed").unwrap();
    assert_eq!(packages.len(), 56);
    let named = |name: &str| packages.iter().find(|package| package.package == name).unwrap();
    let failing = packages
        .iter()
        .filter(|package| package.issues_r_cmd_check.as_ref().is_some_and(|checks| !checks.is_empty()));
    assert_eq!(failing.count(), 19);
    assert_eq!(named("asylum").cran.as_deref(), Some("1.1.2"));
    assert_eq!(named("colorout").foss, Some(false));
    assert_eq!(named("stantargets").remotes, ["hyunjimoon/SBC", "stan-dev/cmdstanr"]);
    assert_eq!(named("audio.whisper").remotes, ["bnosac/audio.vadwebrtc"]);
    assert_eq!(named("adbcbigquery").strong_dependencies(), ["adbcdrivermanager"]);
}

#[test]
fn an_answer_that_ends_in_the_middle_is_worth_another_try() {
    let whole = bytes("api/packages.ndjson");
    let text = String::from_utf8(whole.clone()).unwrap();
    let array = format!("[{}]", text.trim_end().replace('\n', ","));
    let cut_array = &array.as_bytes()[..array.len() - 1];
    for cut in [&whole[..whole.len() - 20], &whole[..10], cut_array] {
        let failure = UniverseAnswer::read("cut", cut).unwrap_err();
        assert!(failure.is_transient(), "{failure}");
    }
}

#[test]
fn an_empty_answer_says_so() {
    for empty in ["", "\n", "[]"] {
        assert!(UniverseAnswer::read("empty", empty.as_bytes()).unwrap().is_empty());
    }
    assert!(!UniverseAnswer::read("odd", b"{}").unwrap().is_empty());
}

#[test]
fn a_bad_record_is_named_and_does_not_hide_the_others() {
    let good = r#"{"Package":"good","Version":"1.0","RemoteSha":"c1","_type":"src"}"#;
    let bad = [
        r#"{"Package":"../up","Version":"1.0","RemoteSha":"c1"}"#,
        r#"{"Package":"nover","RemoteSha":"c1","_type":"src"}"#,
        r#"{"Package":"badver","Version":"1.0/../..","RemoteSha":"c1"}"#,
        r#"{"Package":"badjob","Version":"1.0","RemoteSha":"c1","_jobs":[{"check":"OK","config":"source"},{"check":"OK","config":7}]}"#,
        r#"{"Package":"badtime","Version":"1.0","RemoteSha":"c1","_published":"yesterday"}"#,
        r#"{"Package":"badsum","Version":"1.0","RemoteSha":"c1","_fileid":"abc"}"#,
        r#"{"Package":"never","_type":"failure","_failure":{"version":"1.0"}}"#,
        r#"{"Package":"good","Version":"2.0","RemoteSha":"c2"}"#,
        r#"{"error":"something went wrong"}"#,
        "7",
    ];
    let read = UniverseAnswer::read("answer", format!("{good}\n{}\n", bad.join("\n")).as_bytes()).unwrap();
    assert_eq!(read.packages.len(), 1);
    let messages: Vec<String> = read.malformed.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(messages.join("\n"), @r#"
    record 2, field `Package`: `../up` is not a name that R allows for a package
    record 3 (`nover`), field `Version`: is missing
    record 4 (`badver`), field `Version`: `1.0/../..` is not a version or commit
    record 5 (`badjob`), field `_jobs[1].config`: expected a text, found a number
    record 6 (`badtime`), field `_published`: `yesterday` is not a time such as 2025-06-02T15:36:27.246Z
    record 7 (`badsum`), field `_fileid`: is not a sha256 of 64 hexadecimal digits
    record 8 (`never`), field `_failure.commit.id`: is missing
    record 9 (`good`), field `Package`: the package has a record already
    record 10, field `Package`: is missing
    record 11, field `(whole record)`: expected an object with the fields of a package
    "#);
    let failure = read.require_whole("answer").unwrap_err();
    assert!(!failure.is_transient());
}

#[test]
fn an_answer_that_is_no_json_is_permanent() {
    let failure = failure_of("<html>maintenance</html>");
    assert!(!failure.is_transient());
    insta::assert_snapshot!(failure, @r#"https://universe/api/packages, record 1: the answer is not what the packages API promises: expected value at line 1 column 1"#);
}

fn limits(bytes: u64) -> FetchLimits {
    FetchLimits { bytes, timeout: Duration::from_secs(20) }
}

#[tokio::test]
async fn the_client_asks_for_the_fields_it_reads() {
    let base = always(answer("200 OK", &bytes("api/packages.ndjson"))).await;
    let universe = UniverseClient::new(base, client(), FetchLimits::default());
    let url = universe.packages_url().unwrap();
    assert_eq!(url.path(), "/api/packages");
    assert!(url.query().unwrap().contains("stream=true"), "{url}");
    for field in ["_jobs", "RemoteSha", "_failure", "_binaries"] {
        assert!(url.query().unwrap().contains(field), "{url}");
    }
    assert_eq!(universe.packages().await.unwrap().packages, sample());
}

#[tokio::test]
async fn each_way_to_fail_is_told_apart() {
    let body = bytes("api/packages.ndjson");
    let cases = [
        ("shorter than promised", promising("200 OK", body.len() + 1, &body), 1 << 20, true),
        ("no answer", Vec::new(), 1 << 20, true),
        ("server error", answer("503 Service Unavailable", b""), 1 << 20, true),
        ("rate limit", answer("429 Too Many Requests", b""), 1 << 20, true),
        ("missing", answer("404 Not Found", b""), 1 << 20, false),
        ("refused", answer("403 Forbidden", b""), 1 << 20, false),
        ("too long", answer("200 OK", &body), 100, false),
    ];
    for (what, response, most, transient) in cases {
        let universe = UniverseClient::new(always(response).await, client(), limits(most));
        let failure = universe.packages().await.unwrap_err();
        assert_eq!(failure.is_transient(), transient, "{what}: {failure}");
        assert!(failure.to_string().contains("/api/packages"), "{what}: {failure}");
    }
}
