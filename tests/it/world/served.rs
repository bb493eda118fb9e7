//! The simulated universe and CRAN, asked over HTTP.

use std::io::Read as _;
use std::sync::Arc;

use flate2::read::GzDecoder;
use jiff::Timestamp;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tidegate::clock::ManualClock;
use tidegate::domain::Listing;
use tidegate::rehearse::universe::{MadePackage, PackageMaker, Platform, SimulatedUniverse, Surroundings};
use tidegate::rehearse::world::{Playback, World};

use super::folder::{Folder, alpha, commit, row, time};

/// Packages that consist of their DESCRIPTION alone.
struct BareMaker;

impl PackageMaker for BareMaker {
    fn source(&self, package: &MadePackage) -> Vec<u8> {
        package.description.clone().into_bytes()
    }

    fn binary(&self, package: &MadePackage, platform: Platform, r: &str) -> Vec<u8> {
        format!("{}Built: R {r}; {}\n", package.description, platform.built().0).into_bytes()
    }
}

/// A served world, its clock, and somebody who asks.
struct Scene {
    server: SimulatedUniverse,
    clock: Arc<ManualClock>,
    client: Client,
}

impl Scene {
    /// Serves a world whose repositories list `listings`, whichever channel is asked for.
    async fn with_listings(playback: Arc<Playback>, at: &str, listings: Vec<Listing>) -> Self {
        // Where another test was first, its provider is this same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = ManualClock::new(time(at));
        let surroundings = Surroundings {
            clock: clock.clone(),
            listings: Arc::new(move |_| listings.clone()),
            targeted_r: Arc::new(|at: Timestamp| {
                let series = if at < "2026-04-19T00:00:00Z".parse().unwrap() { "4.5" } else { "4.6" };
                series.to_owned()
            }),
            maker: Arc::new(BareMaker),
        };
        let server = SimulatedUniverse::start(playback, surroundings).await.unwrap();
        Self { server, clock, client: Client::new() }
    }

    /// Serves `alpha` alone, with these rows of evidence.
    async fn with_evidence(at: &str, rows: &[String]) -> Self {
        let playback = Folder::new().with("evidence.jsonl", rows.concat()).playback();
        Self::with_listings(playback, at, vec![alpha("*release")]).await
    }

    async fn get(&self, address: String) -> Response {
        self.client.get(address).send().await.unwrap()
    }

    /// Asks the universe of a channel for a path.
    async fn universe(&self, channel: &str, path: &str) -> Response {
        self.get(format!("{}/{path}", self.server.universe_url(channel))).await
    }

    async fn text(&self, channel: &str, path: &str) -> String {
        let response = self.universe(channel, path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.unwrap()
    }

    /// The records of `/api/packages` with all fields.
    async fn records(&self, channel: &str) -> Vec<Value> {
        let text = self.text(channel, "api/packages?stream=true").await;
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn cran(&self, channel: &str, date: &str, file: &str) -> Response {
        let base = self.server.cran_url(channel).replace("{date}", date);
        self.get(format!("{base}/src/contrib/{file}")).await
    }
}

const NOON: &str = "2026-04-15T12:00:00Z";

fn check(config: &str, r: &str, result: &str, run: u64, job: u64) -> String {
    format!(
        "{{\"config\": \"{config}\", \"r\": \"{r}\", \"check\": \"{result}\", \
         \"url\": \"https://github.com/r-universe/someone/actions/runs/{run}/job/{job}\"}}"
    )
}

fn built(more: &str) -> String {
    row("2026-04-15T06:00:00Z", "community", '1', more)
}

#[tokio::test]
async fn a_record_has_r_universes_shape() {
    let checks = check("windows-release", "4.5.3", "ERROR", 7, 71);
    let more = format!(", \"checks\": [{checks}], \"remotes\": [\"a/b\"]");
    let scene = Scene::with_evidence(NOON, &[built(&more)]).await;
    let records = scene.records("community").await;
    insta::assert_snapshot!("record", serde_json::to_string_pretty(&records).unwrap());
}

#[tokio::test]
async fn a_selection_has_only_its_fields_and_the_identity() {
    let scene = Scene::with_evidence(NOON, &[built("")]).await;
    let text = scene.text("community", "api/packages?stream=true&fields=Version,RemoteSha,_published").await;
    insta::assert_snapshot!(text, @r#"{"Package":"alpha","_user":"someone-community","_type":"src","Version":"1.0.0","RemoteSha":"1111111111111111111111111111111111111111","_published":"2026-04-14T10:00:00.250Z"}"#);
    let array = scene.text("community", "api/packages?fields=Version").await;
    assert!(array.starts_with("[{") && array.ends_with("}]"), "{array}");
}

#[tokio::test]
async fn the_log_of_every_recorded_check_can_be_addressed() {
    let checks =
        [check("source", "4.5.3", "WARNING", 7, 70), check("linux-oldrel-x86_64", "4.5.2", "ERROR", 7, 72)];
    let scene = Scene::with_evidence(NOON, &[built(&format!(", \"checks\": [{}]", checks.join(",")))]).await;
    let record = &scene.records("community").await[0];
    let run = record["_buildurl"].as_str().unwrap();
    let logs: Vec<String> = record["_jobs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|job| job["check"] != "OK")
        .map(|job| format!("{run}/job/{}", job["job"]))
        .collect();
    let base = "https://github.com/r-universe/someone/actions/runs/7/job";
    assert_eq!(logs, [format!("{base}/70"), format!("{base}/72")]);
}

#[tokio::test]
async fn a_configuration_of_the_targeted_r_without_a_recorded_check_has_passed() {
    let more = format!(", \"checks\": [{}]", check("source", "4.5.3", "ERROR", 7, 70));
    let scene = Scene::with_evidence(NOON, &[row("2026-04-15T06:00:00Z", "community", '3', &more)]).await;
    scene.clock.set(time("2026-04-18T00:00:00Z"));
    let jobs = |record: &Value| -> Vec<String> {
        let jobs = record["_jobs"].as_array().unwrap().iter();
        jobs.map(|job| format!("{} {} {}", job["config"], job["r"], job["check"]).replace('"', "")).collect()
    };
    let others = ["linux-release-x86_64", "macos-release-arm64", "macos-release-x86_64", "windows-release"];
    let mut expected = vec!["source 4.5.3 ERROR".to_owned()];
    expected.extend(others.map(|config| format!("{config} 4.5.3 OK")));
    assert_eq!(jobs(&scene.records("community").await[0]), expected);

    // A check with the R of the cycle before says nothing of the new one, of which no patch is known.
    scene.clock.set(time("2026-04-19T00:00:00Z"));
    let mut expected = vec!["source 4.5.3 ERROR".to_owned(), "source 4.6.0 OK".to_owned()];
    expected.extend(others.map(|config| format!("{config} 4.6.0 OK")));
    assert_eq!(jobs(&scene.records("community").await[0]), expected);
}

#[tokio::test]
async fn a_package_that_never_could_be_built_is_a_failure_without_files() {
    let never = built("").replace("\"2026-04-14 10:00:00.250 UTC\"", "null");
    let scene = Scene::with_evidence(NOON, &[never]).await;
    let record = &scene.records("community").await[0];
    assert_eq!(record["_type"], "failure");
    assert_eq!(record["_failure"]["version"], "1.0.0");
    assert_eq!(record["_failure"]["commit"]["id"], commit('1'));
    for absent in ["Version", "RemoteSha", "_published", "_file"] {
        assert_eq!(record.get(absent), None, "{absent}");
    }
    let response = scene.universe("community", "src/contrib/alpha_1.0.0.tar.gz").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(scene.text("community", "src/contrib/PACKAGES").await, "");
}

#[tokio::test]
async fn a_build_that_ended_minutes_ago_is_published_a_minute_before_now() {
    let scene = Scene::with_evidence(NOON, &[built(", \"building\": \"recent\"")]).await;
    assert_eq!(scene.records("community").await[0]["_published"], "2026-04-15T11:59:00.000Z");
    scene.clock.set(time("2026-04-15T13:00:30Z"));
    assert_eq!(scene.records("community").await[0]["_published"], "2026-04-15T12:59:30.000Z");
}

#[tokio::test]
async fn a_commit_that_is_not_built_yet_has_neither_jobs_nor_files() {
    let scene = Scene::with_evidence(NOON, &[]).await;
    let record = &scene.records("staging").await[0];
    assert_eq!((&record["_type"], &record["Version"]), (&Value::from("src"), &Value::from("1.0.0")));
    assert_eq!(record["_jobs"], Value::Array(Vec::new()));
    assert_eq!(record.get("_published"), None);
    let response = scene.universe("staging", "src/contrib/alpha_1.0.0.tar.gz").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_package_that_is_gone_or_of_an_unknown_commit_is_left_out() {
    let gone = "{\"at\": \"2026-04-15T08:00:00Z\", \"universe\": \"community\", \"package\": \"alpha\", \"gone\": true}\n";
    let playback = Folder::new().with("evidence.jsonl", built("") + gone).playback();
    let unknown = Listing { package: "Beta".to_owned(), ..alpha(&commit('9')) };
    let scene = Scene::with_listings(playback, NOON, vec![alpha("*release"), unknown]).await;
    assert!(scene.records("community").await.is_empty());
    assert_eq!(scene.records("staging").await.len(), 1);
}

#[tokio::test]
async fn every_listed_hash_is_the_hash_of_what_is_served() {
    let scene = Scene::with_evidence(NOON, &[built("")]).await;
    let hash =
        |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let record = &scene.records("community").await[0];
    let source = scene.universe("community", "src/contrib/alpha_1.0.0.tar.gz").await.bytes().await.unwrap();
    assert_eq!(record["_sha256"], hash(&source));
    assert_eq!(record["_filesize"], source.len());
    let folders = [
        ("bin/windows/contrib/4.5", "zip"),
        ("bin/macosx/big-sur-x86_64/contrib/4.5", "tgz"),
        ("bin/macosx/big-sur-arm64/contrib/4.5", "tgz"),
    ];
    for (index, (folder, ending)) in folders.into_iter().enumerate() {
        let path = format!("{folder}/alpha_1.0.0.{ending}");
        let binary = scene.universe("community", &path).await.bytes().await.unwrap();
        assert_eq!(record["_binaries"][index]["fileid"], hash(&binary), "{path}");
        let packages = scene.text("community", &format!("{folder}/PACKAGES")).await;
        assert!(packages.contains(&format!("SHA256: {}\n", hash(&binary))), "{packages}");
    }
}

#[tokio::test]
async fn binaries_for_apples_processors_move_with_r_4_6() {
    let scene = Scene::with_evidence(NOON, &[row("2026-04-15T06:00:00Z", "community", '3', "")]).await;
    let status = async |path: &str| scene.universe("community", path).await.status();
    scene.clock.set(time("2026-04-18T00:00:00Z"));
    assert_eq!(status("bin/macosx/big-sur-arm64/contrib/4.5/PACKAGES").await, StatusCode::OK);
    assert_eq!(status("bin/macosx/sonoma-arm64/contrib/4.5/PACKAGES").await, StatusCode::NOT_FOUND);
    scene.clock.set(time("2026-04-19T00:00:00Z"));
    assert_eq!(status("bin/macosx/sonoma-arm64/contrib/4.6/PACKAGES").await, StatusCode::OK);
    assert_eq!(status("bin/macosx/big-sur-arm64/contrib/4.6/PACKAGES").await, StatusCode::NOT_FOUND);
    assert_eq!(status("bin/windows/contrib/4.5/PACKAGES").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_index_lists_what_can_be_installed() {
    let scene = Scene::with_evidence(NOON, &[built("")]).await;
    insta::assert_snapshot!(scene.text("community", "bin/windows/contrib/4.5/PACKAGES").await, @"
    Package: alpha
    Version: 1.0.0
    License: GPL (>= 3)
    NeedsCompilation: no
    Built: R 4.5.0; x86_64-w64-mingw32; 2026-04-14 10:00:00 UTC; windows
    MD5sum: fcfbf460ce9af28d0d1c5833d413a1bf
    Filesize: 381
    SHA256: d90c7a7df562de8dc553a072a3b1859d28ba49c23d516bc7afe2bea934d82a9e
    Imports: Beta
    ");
    let packed = scene.universe("community", "src/contrib/PACKAGES.gz").await.bytes().await.unwrap();
    let mut text = String::new();
    GzDecoder::new(packed.as_ref()).read_to_string(&mut text).unwrap();
    assert_eq!(text, scene.text("community", "src/contrib/PACKAGES").await);
}

#[tokio::test]
async fn the_cran_index_of_a_date_has_the_recorded_versions_among_others() {
    let scene = Scene::with_evidence(NOON, &[]).await;
    let text = scene.cran("community", "2026-04-20", "PACKAGES").await.text().await.unwrap();
    assert!(text.contains("Package: alpha\nVersion: 1.1.0\n"), "{text}");
    assert_eq!(text.matches("Package: ").count(), 52, "a plausible index is not tiny");
    let earlier = scene.cran("community", "2026-03-01", "PACKAGES.gz").await.bytes().await.unwrap();
    let mut unpacked = String::new();
    GzDecoder::new(earlier.as_ref()).read_to_string(&mut unpacked).unwrap();
    assert!(unpacked.contains("Package: alpha\nVersion: 0.9.0\n"), "{unpacked}");
    assert_eq!(scene.cran("community", "2025-12-31", "PACKAGES").await.status(), StatusCode::NOT_FOUND);
    assert!(scene.server.violations().is_empty());
}

#[tokio::test]
async fn an_outage_is_a_503_for_the_channel_it_concerns() {
    let scene = Scene::with_evidence("2026-04-17T01:30:00Z", &[]).await;
    let cran = async |channel| scene.cran(channel, "2026-04-15", "PACKAGES").await.status();
    let universe = async |channel| scene.universe(channel, "api/packages").await.status();
    assert_eq!(cran("staging").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(cran("community").await, StatusCode::OK);
    assert_eq!(universe("staging").await, StatusCode::OK);
    scene.clock.set(time("2026-04-17T03:00:00Z"));
    assert_eq!(cran("staging").await, StatusCode::OK);
    assert_eq!(universe("community").await, StatusCode::SERVICE_UNAVAILABLE);
    let index = scene.universe("community", "src/contrib/PACKAGES").await;
    assert_eq!(index.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let rows = [built(""), row("2026-04-15T13:00:00Z", "community", '1', ", \"remotes\": [\"a/b\"]")];
    let scene = Scene::with_evidence(NOON, &rows).await;
    let address = format!("{}/api/packages?stream=true", scene.server.universe_url("community"));
    let first = scene.get(address.clone()).await;
    let tag = first.headers()["etag"].clone();
    let again = async || scene.client.get(&address).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(again().await.status(), StatusCode::NOT_MODIFIED);
    scene.clock.set(time("2026-04-15T13:00:00Z"));
    let changed = again().await;
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(changed.headers()["etag"], tag);
}

#[tokio::test]
async fn what_the_real_services_do_not_know_is_refused_and_remembered() {
    let scene = Scene::with_evidence(NOON, &[]).await;
    for path in [
        "api/packages?stream=true&fields=Version,_pubished",
        "api/packages?limit=5",
        "api/nothing",
        "src/contrib/alpha.tar.gz",
        "src/contrib/PACKAGES?fields=x",
        "bin/linux/contrib/4.5/PACKAGES",
        "bin/windows/contrib/new/PACKAGES",
    ] {
        assert_eq!(scene.universe("community", path).await.status(), StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(scene.universe("production", "api/packages").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(scene.cran("staging", "latest", "PACKAGES").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(scene.cran("staging", "2026-04-15", "PACKAGES.rds").await.status(), StatusCode::BAD_REQUEST);
    let posted = scene.client.post(format!("{}/api/packages", scene.server.universe_url("staging"))).send();
    assert_eq!(posted.await.unwrap().status(), StatusCode::BAD_REQUEST);
    insta::assert_snapshot!(scene.server.violations().join("\n"));
    scene.server.stop().await.unwrap();
}

#[tokio::test]
async fn the_bundled_world_is_served_for_every_day_and_each_hash_holds() {
    let world = Arc::new(World::bundled().unwrap());
    let playback = Arc::new(Playback::new(Arc::clone(&world)));
    let listings = world.initial["community"].packages.clone();
    let scene = Scene::with_listings(playback, "2026-04-15T00:00:00Z", listings).await;
    let mut at = world.start;
    while at < world.end {
        scene.clock.set(at);
        let records = scene.records("staging").await;
        assert!(records.len() > 85, "{} packages at {at}", records.len());
        at += jiff::SignedDuration::from_hours(24);
    }
    for record in scene.records("staging").await.iter().filter(|record| record["_type"] == "src").take(5) {
        let Some(file) = record["_file"].as_str() else { continue };
        let bytes = scene.universe("staging", &format!("src/contrib/{file}")).await.bytes().await.unwrap();
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(record["_sha256"], hash);
    }
    assert!(scene.server.violations().is_empty());
}
