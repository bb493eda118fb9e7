//! Builds taken out of channels by people, channels gone back, and what was put back: with the real jobs.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tidegate::domain::{ChannelWish, ChannelWishKind};
use tidegate::ecosystem::conda::archive::{Archive, ArchiveLimits};
use tidegate::publish::channel::{ChannelFolder, PackageFile};
use tidegate::store::RunState;

use super::real::bubblewrap;
use super::scene::{Package, Scene};

const MEMBERS: &str = r#""q2-good", "q2-other""#;

fn good(version: &str) -> Package {
    Package::new("q2-good", version).test("true\n")
}

fn other(version: &str) -> Package {
    Package::new("q2-other", version).test("true\n")
}

/// Publishes packages in a channel, beside what it holds, as `intake` does.
pub fn publish(root: &Path, packages: &[Package]) {
    let made = tempfile::tempdir().unwrap();
    Scene::offer(made.path(), packages);
    let files = Scene::files(made.path()).into_iter().map(|file| {
        let (subdir, file_name) = file.split_once('/').unwrap();
        let path = made.path().join(&file);
        let archive = Archive::read_as(&path, subdir, file_name, &ArchiveLimits::default()).unwrap();
        let (sha256, size) = (archive.sums.sha256, archive.sums.size);
        let (subdir, file_name) = (subdir.to_owned(), file_name.to_owned());
        ((subdir.clone(), file_name.clone()), PackageFile { subdir, file_name, sha256, size, path })
    });
    ChannelFolder::new(root).unwrap().change(|held| held.extend(files)).unwrap();
}

/// A distribution whose first metapackage has passed, and whose second one has too.
async fn passed_twice() -> Scene {
    let scene = Scene::new(MEMBERS).await;
    std::fs::create_dir_all(scene.tested().parent().unwrap()).unwrap();
    Scene::offer(&scene.forge(), &[]);
    publish(&scene.tested(), &[good("1.0"), other("1.0")]);
    round(&scene).await;
    publish(&scene.tested(), &[good("2.0")]);
    round(&scene).await;
    scene
}

/// Integrates what there is, once it has settled, and rechecks it.
async fn round(scene: &Scene) {
    scene.next_day("integrate").await;
    scene.next_day("integrate").await;
    scene.next_day("recheck").await;
}

fn wish(change: ChannelWishKind) -> ChannelWish {
    let (by, reason) = ("ada".to_owned(), "it loses samples".to_owned());
    ChannelWish { distribution: "tiny".to_owned(), change, by, reason }
}

fn withdraw(spec: &str, from: &[&str]) -> ChannelWish {
    let from = from.iter().map(|channel| (*channel).to_owned()).collect();
    wish(ChannelWishKind::Withdraw { spec: spec.to_owned(), from })
}

#[tokio::test]
async fn a_withdrawn_build_goes_from_every_channel_with_the_metapackages_that_pin_it() {
    if !bubblewrap() {
        return;
    }
    let scene = passed_twice().await;
    let before = Scene::files(&scene.passed());
    let wishes = scene.wishes().await;
    let asked = withdraw("q2-good=2.0", &[]);
    let preview = wishes.preview(&asked).await.unwrap();
    assert_eq!(Scene::files(&scene.passed()), before, "to look ahead changes nothing");

    let change = wishes.carry_out(&asked).await.unwrap();
    assert_eq!(change, preview);
    let gone: Vec<String> =
        change.withdrawn.iter().map(|file| format!("{} {}", file.channel, file.file_name)).collect();
    insta::assert_snapshot!(gone.join("\n"), @r"
    passed q2-good-2.0-0.tar.bz2
    passed qiime2-tiny-2026.11.25.04.00.00-0.conda
    staged q2-good-2.0-0.tar.bz2
    staged qiime2-tiny-2026.11.25.04.00.00-0.conda
    tested q2-good-2.0-0.tar.bz2
    ");
    assert_eq!(listed(&scene.passed()), listed(&scene.staged()));
    insta::assert_snapshot!(listed(&scene.passed()).join("\n"), @r"
    q2-good-1.0-0.tar.bz2
    q2-other-1.0-0.tar.bz2
    qiime2-tiny-2026.11.22.04.00.00-0.conda
    ");

    // Nothing brings it back: the next passes work with what is left, which is what passed before.
    let integrated = scene.next_day("integrate").await;
    assert_eq!(integrated.state, RunState::Unchanged, "{integrated:?}");
    let rechecked = scene.next_day("recheck").await;
    insta::assert_snapshot!(rechecked.summary.unwrap(), @"qiime2-tiny 2026.11.22.04.00.00 passes: 2 green; 2 not tested again in the same environment");
    assert!(!listed(&scene.passed()).iter().any(|file| file.contains("q2-good-2.0")));

    let again = wishes.carry_out(&asked).await.unwrap_err().to_string();
    insta::assert_snapshot!(again, @"no channel of tiny offers a build that fits; nothing is withdrawn");
}

#[tokio::test]
async fn what_was_taken_out_of_passed_alone_holds_its_metapackage_until_it_is_put_back() {
    if !bubblewrap() {
        return;
    }
    let scene = passed_twice().await;
    let wishes = scene.wishes().await;
    wishes.carry_out(&withdraw("q2-good=2.0", &["passed"])).await.unwrap();
    let held = scene.next_day("recheck").await;
    insta::with_settings!({filters => vec![(r"2026[\d.]+", "<version>")]}, {
        insta::assert_snapshot!(held.summary.unwrap(), @"qiime2-tiny <version> does not pass, since a person took out noarch/q2-good-2.0-0.tar.bz2 (withdrawn by ada: it loses samples), noarch/qiime2-tiny-<version>-0.conda (withdrawn by ada: it loses samples): 2 green; 2 not tested again in the same environment");
    });
    assert_eq!(listed(&scene.passed()).len(), 3, "the first metapackage and its members");

    let back =
        wishes.carry_out(&wish(ChannelWishKind::Reinstate { spec: "q2-good".to_owned() })).await.unwrap();
    assert_eq!(back.reinstated.len(), 2, "the build, and the metapackage that went with it");
    assert_eq!(listed(&scene.passed()), listed(&scene.staged()));
    let green = scene.next_day("recheck").await;
    assert_eq!(green.state, RunState::Done, "what may be published has changed: {green:?}");
    let none = wishes.carry_out(&wish(ChannelWishKind::Reinstate { spec: "q2-good".to_owned() })).await;
    assert_eq!(none.unwrap_err().to_string(), "nothing that fits is withdrawn from tiny");
}

#[tokio::test]
async fn a_channel_that_was_rolled_back_stays_there() {
    if !bubblewrap() {
        return;
    }
    let scene = passed_twice().await;
    let wishes = scene.wishes().await;
    let back = wish(ChannelWishKind::Rollback { channel: "passed".to_owned(), to: None });
    let change = wishes.carry_out(&back).await.unwrap();
    assert_eq!(change.withdrawn.len(), 2, "the second metapackage and its new member");
    assert_eq!(listed(&scene.passed()).len(), 3);
    scene.next_day("recheck").await;
    assert_eq!(listed(&scene.passed()).len(), 3, "no job undoes it");
    let told: Vec<String> = scene.events().await.into_iter().map(|event| event.kind).collect();
    assert_eq!(told.iter().filter(|kind| *kind == "withdrawn").count(), 1);
    let unknown = wish(ChannelWishKind::Rollback { channel: "passed".to_owned(), to: Some(17) });
    let refused = wishes.carry_out(&unknown).await.unwrap_err().to_string();
    assert!(refused.ends_with("passed keeps no generation 17; kept are 1, 2, 3"), "{refused}");
}

#[tokio::test]
async fn a_crash_between_the_row_and_the_channel_is_made_good_at_the_next_start() {
    if !bubblewrap() {
        return;
    }
    let scene = passed_twice().await;
    let everything = listed(&scene.passed());
    let wishes = scene.wishes().await;
    let asked = withdraw("q2-good=2.0", &["passed"]);
    let change = wishes.preview(&asked).await.unwrap();
    let event = |_| tidegate::store::NewEvent {
        at: "2026-12-01T00:00:00Z".parse().unwrap(),
        kind: "withdrawn".to_owned(),
        job: "withdraw".to_owned(),
        package: None,
        body: serde_json::json!({}),
        dedup_key: "a test".to_owned(),
    };
    // The row is there, and then the power failed.
    let at = "2026-12-01T00:00:00Z".parse().unwrap();
    scene.store.withdraw("tiny", &change.withdrawn, ("ada", "it loses samples"), event, at).await.unwrap();
    assert_eq!(listed(&scene.passed()), everything);

    wishes.finish().await.unwrap();
    assert_eq!(listed(&scene.passed()).len(), 3);
    wishes.finish().await.unwrap();
    assert_eq!(listed(&scene.passed()).len(), 3);
}

/// What a command prints, without what differs between machines and days.
fn printed(scene: &Scene, arguments: &[&str]) -> String {
    let output = scene.command(arguments).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let folder = scene.passed().parent().unwrap().display().to_string();
    let version = regex::Regex::new(r"20\d\d[-.][-.\dT:]+Z?").unwrap();
    version.replace_all(&said.replace(&folder, "<published>"), "<time>").into_owned()
}

#[tokio::test]
async fn operators_look_ahead_withdraw_and_look_back_on_the_command_line() {
    if !bubblewrap() {
        return;
    }
    let scene = passed_twice().await;
    let by = ["--by", "ada", "--reason", "it loses samples"];
    let asked = ["channel", "withdraw", "tiny", "q2-good=2.0", "--from", "passed"];
    insta::assert_snapshot!(printed(&scene, &[&asked[..], &by[..], &["--dry-run"]].concat()), @r"
    Nothing was changed; this would be:
    passed  noarch/q2-good-2.0-0.tar.bz2  withdrawn
    passed  noarch/qiime2-tiny-<time>conda  withdrawn
    ");
    insta::assert_snapshot!(printed(&scene, &[&asked[..], &by[..]].concat()), @r"
    passed  noarch/q2-good-2.0-0.tar.bz2  withdrawn
    passed  noarch/qiime2-tiny-<time>conda  withdrawn
    ");
    insta::assert_snapshot!(printed(&scene, &["channel", "list"]), @r"
    tiny/tested                     generation 2, 3 files
    tiny/staged                     generation 2, 5 files
    tiny/passed                     generation 3, 3 files, 2 withdrawn
    ");
    insta::assert_snapshot!(printed(&scene, &["channel", "show", "tiny", "passed"]), @r"
    tiny/passed
      now          generation 3, 3 files
      folder       <published>/passed

    files
      noarch/q2-good-1.0-0.tar.bz2
      noarch/q2-other-1.0-0.tar.bz2
      noarch/qiime2-tiny-<time>conda

    kept generations
      1: 3 files
      2: 5 files
        with noarch/q2-good-2.0-0.tar.bz2
        with noarch/qiime2-tiny-<time>conda

    withdrawn
      <time> by ada: it loses samples
        noarch/q2-good-2.0-0.tar.bz2
        noarch/qiime2-tiny-<time>conda
    ");
    insta::assert_snapshot!(printed(&scene, &[&["channel", "withdraw", "tiny", "q2-good"], &by[..]].concat()), @"error: `q2-good` means every version; say which one, such as `q2-good=1.0`, or `q2-good=*` for all");
    insta::assert_snapshot!(printed(&scene, &["channel", "show", "tiny", "pased"]), @r"
    error: there is no channel `pased`
    hint: did you mean `passed`?
    ");
}

#[tokio::test]
async fn a_running_daemon_carries_out_what_is_asked_of_it() {
    if !bubblewrap() {
        return;
    }
    let scene = passed_twice().await;
    scene.store.clone().close().await;
    let mut daemon = scene.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let socket = scene.state().join("control.sock");
    let begun = Instant::now();
    while !socket.exists() && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let arguments =
        ["channel", "rollback", "tiny", "passed", "--by", "ada", "--reason", "it loses samples", "--json"];
    let said = printed(&scene, &arguments);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let change: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(change["withdrawn"][0]["file_name"], "q2-good-2.0-0.tar.bz2", "{said}");
    assert_eq!(listed(&scene.passed()).len(), 3);
}

/// What readers find in a channel.
fn listed(channel: &Path) -> Vec<String> {
    let bytes = std::fs::read(channel.join("noarch/repodata.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let names =
        ["packages", "packages.conda"].iter().flat_map(|part| index[part].as_object().unwrap().keys());
    names.cloned().collect()
}
