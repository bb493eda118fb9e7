//! What stands above the snapshots at a target: sent once, only where it changed, and never an older one over a newer.

use std::fs;

use tidegate::failure::Failure;
use tidegate::publish::netlify::{Netlify, NetlifySettings};
use tidegate::publish::target::Target as _;

use super::gate::{Fault, Gate};
use super::registry;
use super::site::{SITE, TOKEN, serve};
use super::storage::Storage;
use super::trees::{Notes, attempt, catalogue, shown_above, size_of, snapshot};

/// What readers of the bucket find above the dates.
fn above(storage: &Storage) -> Vec<String> {
    let names = ["feed.xml", "index.html", "snapshots.json"];
    names.iter().map(|name| fs::read_to_string(storage.place(name)).unwrap_or_default()).collect()
}

fn of(edition: u32) -> Vec<String> {
    catalogue(edition).files.into_values().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

fn site_of(gate: &Gate) -> Netlify {
    let api = format!("http://{}/api/v1", gate.address);
    Netlify::new(NetlifySettings { api, site: SITE.to_owned(), token: TOKEN.into() }).unwrap()
}

#[tokio::test]
async fn a_bucket_gets_each_edition_once_with_its_list_last() {
    let storage = Storage::start().await;
    let (target, notes) = (storage.target(), Notes::default());
    storage.gate.open();
    let receipt = shown_above(&target, &catalogue(1), &notes).await.unwrap();
    assert_eq!((receipt.sent.files, receipt.sent.bytes), (3, size_of(&catalogue(1))));
    assert_eq!((above(&storage), storage.gate.bytes()), (of(1), size_of(&catalogue(1))));
    let mut written =
        storage.gate.seen().into_iter().filter(|seen| seen.method == "PUT").map(|seen| seen.path);
    assert!(written.next_back().unwrap().ends_with("/demo/snapshots.json"));

    storage.gate.open();
    let again = shown_above(&target, &catalogue(1), &notes).await.unwrap();
    assert_eq!((again.sent.there, again.sent.bytes, storage.gate.bytes()), (3, 0, 0));
    shown_above(&target, &catalogue(2), &notes).await.unwrap();
    assert_eq!(above(&storage), of(2));
}

#[tokio::test]
async fn an_older_edition_never_takes_the_place_of_a_newer_one_in_a_bucket() {
    let storage = Storage::start().await;
    let (target, notes) = (storage.target(), Notes::default());
    shown_above(&target, &catalogue(2), &notes).await.unwrap();
    let failure = shown_above(&target, &catalogue(1), &Notes::default()).await.unwrap_err();
    assert!(failure.to_string().contains("is of edition 2, and ours of 1; the newer one stays"), "{failure}");
    assert_eq!(above(&storage), of(2));

    // A newer edition comes between an older one's look and its writing.
    storage.gate.rule(|_, method, path| match method == "PUT" && path.contains("index.html") {
        true => Fault::StopBefore,
        false => Fault::None,
    });
    let stopped = storage.gate.killed(shown_above(&target, &catalogue(3), &Notes::default())).await;
    assert!(stopped.is_none());
    storage.gate.open();
    shown_above(&target, &catalogue(4), &notes).await.unwrap();
    let failure = shown_above(&target, &catalogue(3), &Notes::default()).await.unwrap_err();
    assert!(matches!(failure, Failure::Configuration { .. }), "{failure:?}");
    assert_eq!(above(&storage), of(4));
}

#[tokio::test]
async fn of_two_writers_the_newer_edition_is_what_readers_find_in_the_end() {
    for _ in 0..10 {
        let storage = Storage::start().await;
        let (one, other) = (storage.target(), storage.target());
        let (notes, others) = (Notes::default(), Notes::default());
        let (older, newer) = (catalogue(6), catalogue(7));
        let (older, newer) =
            tokio::join!(shown_above(&one, &older, &notes), shown_above(&other, &newer, &others));
        if let Err(failure) = older {
            assert!(!matches!(failure, Failure::Permanent { .. }), "{failure:?}");
        }
        newer.unwrap();
        assert_eq!(above(&storage), of(7));
    }
}

#[tokio::test]
async fn a_kill_at_any_request_to_a_bucket_is_mended_by_the_next_attempt() {
    let mut kills = 0;
    for stop in [Fault::StopBefore, Fault::StopAfter] {
        for at in 0.. {
            let storage = Storage::start().await;
            let (target, notes) = (storage.target(), Notes::default());
            shown_above(&target, &catalogue(1), &notes).await.unwrap();
            storage.gate.rule(move |number, _, _| if number == at { stop } else { Fault::None });
            let ended = storage.gate.killed(shown_above(&target, &catalogue(2), &notes)).await;
            storage.gate.open();
            if let Some(ended) = ended {
                ended.unwrap();
                break;
            }
            kills += 1;
            for (seen, (old, new)) in above(&storage).into_iter().zip(of(1).into_iter().zip(of(2))) {
                assert!(seen == old || seen == new, "{stop:?} {at}: {seen}");
            }
            let receipt = shown_above(&target, &catalogue(2), &notes).await.unwrap();
            assert_eq!(receipt.sent.files + receipt.sent.there, 3);
            assert_eq!(above(&storage), of(2), "{stop:?} {at}");
        }
    }
    assert!(kills >= 12, "only {kills} kills");
}

#[tokio::test]
async fn what_somebody_else_put_above_the_dates_stays() {
    let storage = Storage::start().await;
    let page = storage.place("index.html");
    fs::create_dir_all(page.parent().unwrap()).unwrap();
    fs::write(&page, "of somebody else").unwrap();
    let failure = shown_above(&storage.target(), &catalogue(1), &Notes::default()).await.unwrap_err();
    assert!(matches!(failure, Failure::Configuration { .. }), "{failure:?}");
    assert!(failure.to_string().contains("/demo/index.html is there already"), "{failure}");
    assert_eq!(fs::read_to_string(page).unwrap(), "of somebody else");

    let (gate, site) = serve().await;
    let target = site_of(&gate);
    shown_above(&target, &catalogue(1), &Notes::default()).await.unwrap();
    // Without its notes it is somebody else.
    let failure = shown_above(&target, &catalogue(2), &Notes::default()).await.unwrap_err();
    assert!(matches!(failure, Failure::Configuration { .. }), "{failure:?}");
    let shown = site.lock().unwrap().shown();
    assert_eq!(shown["/demo/index.html"], sum(1, "index.html"));
}

fn sum(edition: u32, name: &str) -> String {
    tidegate::digest::sha256_hex(&catalogue(edition).files[name])
}

#[tokio::test]
async fn a_site_gets_what_changed_beside_its_dates() {
    let (gate, site) = serve().await;
    let (target, notes) = (site_of(&gate), Notes::default());
    let quarter = snapshot("2026-06-15", 2, 0);
    attempt(&target, &quarter, &Notes::default(), &[]).await.unwrap();
    shown_above(&target, &catalogue(1), &notes).await.unwrap();
    gate.open();
    let receipt = shown_above(&target, &catalogue(2), &notes).await.unwrap();
    let changed = size_of(&catalogue(2)) - catalogue(2).files["snapshots.json"].len() as u64;
    let put: u64 = gate.seen().iter().filter(|seen| seen.method == "PUT").map(|seen| seen.bytes).sum();
    assert_eq!((receipt.sent.files, receipt.sent.bytes, put), (2, changed, changed));
    let shown = site.lock().unwrap().shown();
    assert_eq!(shown["/demo/index.html"], sum(2, "index.html"));
    assert_eq!(shown.len(), 2 * quarter.sums().len() + 3, "the dates are as they were");

    let deploys = site.lock().unwrap().deploys();
    shown_above(&target, &catalogue(2), &notes).await.unwrap();
    assert_eq!(site.lock().unwrap().deploys(), deploys, "what is there needs no deploy");
}

#[tokio::test]
async fn a_kill_at_any_request_to_a_site_shows_one_edition_or_the_other() {
    let mut kills = 0;
    for stop in [Fault::StopBefore, Fault::StopAfter] {
        for at in 0.. {
            let (gate, site) = serve().await;
            let (target, notes) = (site_of(&gate), Notes::default());
            shown_above(&target, &catalogue(1), &notes).await.unwrap();
            gate.rule(move |number, _, _| if number == at { stop } else { Fault::None });
            let ended = gate.killed(shown_above(&target, &catalogue(2), &notes)).await;
            gate.open();
            if let Some(ended) = ended {
                ended.unwrap();
                break;
            }
            kills += 1;
            let pages = || {
                let shown = site.lock().unwrap().shown();
                (shown["/demo/index.html"].clone(), shown["/demo/feed.xml"].clone())
            };
            let edition = |edition| (sum(edition, "index.html"), sum(edition, "feed.xml"));
            assert!([edition(1), edition(2)].contains(&pages()), "{stop:?} {at}");
            shown_above(&target, &catalogue(2), &notes).await.unwrap();
            assert_eq!(pages(), edition(2), "{stop:?} {at}");
        }
    }
    assert!(kills > 8, "only {kills} kills");
}

#[test]
fn a_registry_has_no_place_for_a_catalogue() {
    let nobody = tidegate::publish::oci::Rights::Nobody;
    assert!(registry::target("127.0.0.1:9".parse().unwrap(), nobody).catalogues().is_none());
}
