//! Snapshots in a registry, which is Debian's `docker-registry`; read with skopeo.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use tidegate::failure::Failure;
use tidegate::publish::oci::{Registry, Rights};

use super::gate::Fault;
use super::registry::{REPOSITORY, RealRegistry, target};
use super::trees::{Notes, PACKAGE, Published, attempt, done, published, snapshot, unlike_any_other};

/// The password `word` of the user `tidegate`, as the registry wants it written.
const PASSWORDS: &str = "tidegate:$2b$05$abcdefghijklmnopqrstuuQDoL5Sa/TtfS/XN4AY/jgq.HBbO1BTu\n";

/// Whether the programs are here; where they are not, a test says so and is skipped, and fails where
/// `TIDEGATE_REQUIRE_REAL` is set.
fn installed(test: &str) -> bool {
    let missing = ["docker-registry", "skopeo"]
        .into_iter()
        .find(|program| Command::new(program).arg("--version").output().is_err());
    let Some(program) = missing else { return true };
    assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "{program} is not installed");
    let _ = writeln!(std::io::stderr(), "{test}: skipped, {program} is not installed");
    false
}

/// What skopeo says, as JSON; nothing where it fails.
fn skopeo(arguments: &[&str]) -> Option<Value> {
    let ran = Command::new("skopeo").arg("--insecure-policy").args(arguments).output().unwrap();
    ran.status.success().then(|| serde_json::from_slice(&ran.stdout).unwrap_or(Value::Null))
}

fn tags(at: SocketAddr) -> Vec<String> {
    let repository = format!("docker://{at}/{REPOSITORY}/demo");
    let Some(listed) = skopeo(&["list-tags", "--tls-verify=false", &repository]) else { return Vec::new() };
    let tags = listed["Tags"].as_array().unwrap().iter();
    let mut tags: Vec<String> = tags.map(|tag| tag.as_str().unwrap().to_owned()).collect();
    tags.sort();
    tags
}

/// The files of an artifact as skopeo copies them, by title, with their checksums.
fn copied(at: SocketAddr, tag: &str) -> BTreeMap<String, String> {
    let sum = |(title, bytes): (String, Vec<u8>)| (title, tidegate::digest::sha256_hex(&bytes));
    layers(at, tag).into_iter().map(sum).collect()
}

/// The layers of an artifact as skopeo copies them, by title.
fn layers(at: SocketAddr, tag: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let from = format!("docker://{at}/{REPOSITORY}/demo:{tag}");
    let to = format!("dir:{}", folder.path().display());
    skopeo(&["copy", "--src-tls-verify=false", &from, &to]).expect("skopeo copies it");
    let manifest: Value =
        serde_json::from_slice(&fs::read(folder.path().join("manifest.json")).unwrap()).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    let file = |layer: &Value| {
        let title = layer["annotations"]["org.opencontainers.image.title"].as_str().unwrap();
        let digest = layer["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        (title.to_owned(), fs::read(folder.path().join(digest)).unwrap())
    };
    layers.map(file).collect()
}

async fn publish(target: &Registry, published: &Published) -> Result<(), Failure> {
    attempt(target, published, &Notes::default(), &[]).await.map(drop)
}

#[tokio::test]
async fn a_snapshot_is_listed_inspected_and_copied_with_common_tools() {
    if !installed("a_snapshot_is_listed_inspected_and_copied_with_common_tools") {
        return;
    }
    let registry = RealRegistry::start(None).await;
    let quarter = snapshot("2026-06-15", 10, 0);
    let target = target(registry.address, Rights::Nobody);
    let receipt = attempt(&target, &quarter, &Notes::default(), &[]).await.unwrap();
    assert_eq!(receipt.address, format!("{}/{REPOSITORY}/demo:2026-06-15", registry.address));
    assert_eq!(tags(registry.address), ["2026-06-15", "latest"]);
    let address = format!("docker://{}", receipt.address);
    let inspected = skopeo(&["inspect", "--tls-verify=false", &address]).expect("skopeo inspects it");
    assert_eq!(inspected["Created"], "2026-06-15T00:00:00Z");
    assert_eq!(inspected["Digest"], receipt.identity.as_str());
    assert_eq!(inspected["Labels"]["org.opencontainers.image.version"], "2026-06-15");
    for tag in ["2026-06-15", "latest"] {
        assert_eq!(copied(registry.address, tag), quarter.sums());
    }
}

#[tokio::test]
async fn a_quarter_with_5_of_100_packages_changed_sends_5_packages() {
    if !installed("a_quarter_with_5_of_100_packages_changed_sends_5_packages") {
        return;
    }
    let registry = RealRegistry::start(None).await;
    let gate = registry.behind_a_gate().await;
    let target = target(gate.address, Rights::Nobody);
    let (june, september) = (snapshot("2026-06-15", 100, 0), snapshot("2026-09-15", 100, 5));
    let first = attempt(&target, &june, &Notes::default(), &[]).await.unwrap();
    assert!(first.sent.bytes > june.bytes());
    let disk = registry.disk();
    gate.open();
    let second = attempt(&target, &september, &Notes::default(), &[done(&june, &first)]).await.unwrap();

    // Five packages, the index, the two files about the snapshot, and the artifact's own config and manifest.
    assert_eq!(second.sent.files, 5 + 3 + 2, "{second:?}");
    let new = september.new_bytes(&june);
    assert_eq!(new / PACKAGE as u64, 5, "{new}");
    let about_itself = second.sent.bytes - new;
    assert!(about_itself < 60_000, "a config and a manifest of 100 layers have {about_itself} bytes");
    // The manifest once more, for `latest`; and nothing else.
    assert!(gate.bytes() <= second.sent.bytes + about_itself, "{} of {second:?}", gate.bytes());
    let gained = registry.disk() - disk;
    assert!(gained < new + 2 * about_itself, "the registry's disk gained {gained} bytes");
    assert_eq!(copied(registry.address, "2026-09-15"), september.sums());
    assert_eq!(copied(registry.address, "2026-06-15"), june.sums());

    gate.open();
    let again = attempt(&target, &september, &Notes::default(), &[]).await.unwrap();
    assert_eq!((again.sent.bytes, gate.bytes()), (0, 0), "what is there is not sent again");
}

#[tokio::test]
async fn with_too_many_files_the_archives_of_a_package_are_one_layer() {
    if !installed("with_too_many_files_the_archives_of_a_package_are_one_layer") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("src/contrib")).unwrap();
    for number in 0..2001 {
        let archive = folder.path().join(format!("src/contrib/many_1.{number}.tar.gz"));
        fs::write(archive, number.to_string()).unwrap();
    }
    fs::write(folder.path().join("src/contrib/PACKAGES"), "Package: many\nVersion: 1.2000\n").unwrap();
    let quarter = published(folder, "2026-06-15");
    let registry = RealRegistry::start(None).await;
    publish(&target(registry.address, Rights::Nobody), &quarter).await.unwrap();
    let mut layers = layers(registry.address, "latest");
    let bundle = layers.remove("bundles/many.tar").unwrap();
    let mut files: BTreeMap<String, String> =
        layers.into_iter().map(|(title, bytes)| (title, tidegate::digest::sha256_hex(&bytes))).collect();
    for entry in tar::Archive::new(&bundle[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        files.insert(path, tidegate::digest::sha256_hex(&bytes));
    }
    assert_eq!(files, quarter.sums());
}

#[tokio::test]
async fn what_a_registry_does_wrong_is_named_and_leaves_no_tag() {
    if !installed("what_a_registry_does_wrong_is_named_and_leaves_no_tag") {
        return;
    }
    for (fault, named) in [
        (Fault::Status(500), "500"),
        (Fault::Status(503), "503"),
        (Fault::Status(429), "429"),
        (Fault::Cut, "error"),
        (Fault::LoseAnswer, "error"),
    ] {
        let registry = RealRegistry::start(None).await;
        let gate = registry.behind_a_gate().await;
        let target = target(gate.address, Rights::Nobody);
        let quarter = snapshot("2026-06-15", 5, 0);
        // The third body that is sent.
        gate.rule(move |number, method, _| if method == "PUT" && number > 12 { fault } else { Fault::None });
        let failure = publish(&target, &quarter).await.unwrap_err();
        assert!(failure.is_transient(), "{fault:?}: {failure}");
        let told = failure.to_string();
        assert!(told.contains(named) && told.contains(&gate.address.to_string()), "{fault:?}: {told}");
        assert_eq!(tags(registry.address), Vec::<String>::new(), "{fault:?}");
        gate.open();
        publish(&target, &quarter).await.unwrap();
        assert_eq!(copied(registry.address, "2026-06-15"), quarter.sums(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_tried_again_and_one_that_refuses_is_the_operators() {
    if !installed("a_registry_that_is_not_there_is_tried_again_and_one_that_refuses_is_the_operators") {
        return;
    }
    let quarter = snapshot("2026-06-15", 2, 0);
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap();
    let failure = publish(&target(nowhere, Rights::Nobody), &quarter).await.unwrap_err();
    assert!(failure.is_transient(), "{failure}");
    assert!(failure.to_string().contains("Connection refused"), "{failure}");

    let registry = RealRegistry::start(Some(PASSWORDS)).await;
    let user = |password: &str| Rights::User { name: "tidegate".to_owned(), password: password.into() };
    for rights in [Rights::Nobody, user("guess")] {
        let failure = publish(&target(registry.address, rights), &quarter).await.unwrap_err();
        assert!(matches!(failure, Failure::Configuration { .. }), "{failure:?}");
        assert!(!format!("{failure:?}").contains("guess"), "{failure:?}");
    }
    publish(&target(registry.address, user("word")), &quarter).await.unwrap();
}

#[tokio::test]
async fn a_kill_at_any_request_leaves_no_tag_or_the_whole_and_the_next_attempt_ends_well() {
    if !installed("a_kill_at_any_request_leaves_no_tag_or_the_whole_and_the_next_attempt_ends_well") {
        return;
    }
    let registry = RealRegistry::start(None).await;
    let gate = registry.behind_a_gate().await;
    let target = target(gate.address, Rights::Nobody);
    let mut kills = 0;
    // Each kill has a date of its own, and content of its own, so that each begins from nothing.
    for stop in [Fault::StopBefore, Fault::StopAfter] {
        for at in 0.. {
            let (month, day) = (if stop == Fault::StopBefore { 3 } else { 6 }, at % 28 + 1);
            let date = format!("20{:02}-{month:02}-{day:02}", 20 + at / 28);
            let quarter = unlike_any_other(&date, 2);
            gate.rule(move |number, _, _| if number == at { stop } else { Fault::None });
            let ended = gate.killed(publish(&target, &quarter)).await;
            gate.open();
            if let Some(ended) = ended {
                ended.unwrap();
                break;
            }
            kills += 1;
            if tags(registry.address).contains(&date) {
                assert_eq!(copied(registry.address, &date), quarter.sums(), "{stop:?} {at}");
            }
            publish(&target, &quarter).await.unwrap();
            assert_eq!(copied(registry.address, "latest"), quarter.sums(), "{stop:?} {at}");
        }
    }
    assert!(kills > 20, "only {kills} kills");
}

#[tokio::test]
async fn a_date_with_another_content_is_replaced_by_a_later_generation_of_ours_alone() {
    if !installed("a_date_with_another_content_is_replaced_by_a_later_generation_of_ours_alone") {
        return;
    }
    let registry = RealRegistry::start(None).await;
    let target = target(registry.address, Rights::Nobody);
    let (first, other) = (snapshot("2026-06-15", 3, 0), snapshot("2026-06-15", 3, 1));
    let receipt = attempt(&target, &first, &Notes::default(), &[]).await.unwrap();
    let failure = publish(&target, &other).await.unwrap_err();
    assert!(matches!(failure, Failure::Permanent { .. }), "{failure:?}");
    assert!(failure.to_string().contains("holds another snapshot 2026-06-15 of demo"), "{failure}");
    assert_eq!(copied(registry.address, "2026-06-15"), first.sums());

    let second = other.generation(2);
    attempt(&target, &second, &Notes::default(), &[done(&first, &receipt)]).await.unwrap();
    assert_eq!(copied(registry.address, "2026-06-15"), second.sums());
    assert_eq!(copied(registry.address, "latest"), second.sums());

    let mut old = snapshot("2026-03-15", 2, 0);
    old.tree.is_latest = false;
    publish(&target, &old).await.unwrap();
    assert_eq!(copied(registry.address, "latest"), second.sums(), "an older one is not the latest");
}
