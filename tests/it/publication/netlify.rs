//! Snapshots on a site of a simulated Netlify.

use std::collections::BTreeMap;

use tidegate::failure::Failure;
use tidegate::publish::netlify::{Netlify, NetlifySettings};

use super::gate::{Fault, Gate};
use super::site::{SITE, TOKEN, serve};
use super::trees::{Notes, PACKAGE, Published, attempt, done, snapshot, unlike_any_other};

fn target(gate: &Gate, token: &str) -> Netlify {
    let api = format!("http://{}/api/v1", gate.address);
    Netlify::new(NetlifySettings { api, site: SITE.to_owned(), token: token.into() }).unwrap()
}

/// What a site shows that has these snapshots, the last of which is the latest.
fn shown(snapshots: &[&Published]) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for published in snapshots {
        for (path, sum) in published.sums() {
            shown.insert(format!("/demo/{}/{path}", published.tree.date), sum.clone());
        }
    }
    for (path, sum) in snapshots.last().unwrap().sums() {
        shown.insert(format!("/demo/latest/{path}"), sum);
    }
    shown
}

#[tokio::test]
async fn a_quarter_with_5_of_100_packages_changed_sends_5_packages() {
    let (gate, site) = serve().await;
    let target = target(&gate, TOKEN);
    let (june, september) = (snapshot("2026-06-15", 100, 0), snapshot("2026-09-15", 100, 5));
    let first = attempt(&target, &june, &Notes::default(), &[]).await.unwrap();
    assert_eq!(first.sent.bytes, june.bytes());
    assert_eq!(site.lock().unwrap().shown(), shown(&[&june]));
    gate.open();
    let second = attempt(&target, &september, &Notes::default(), &[done(&june, &first)]).await.unwrap();
    let new = september.new_bytes(&june);
    assert_eq!((second.sent.files, second.sent.bytes), (5 + 3, new), "{second:?}");
    assert_eq!(new / PACKAGE as u64, 5);
    let sent: u64 = gate.seen().iter().filter(|seen| seen.method == "PUT").map(|seen| seen.bytes).sum();
    assert_eq!(sent, new, "nothing but what is missing is sent");
    assert_eq!(site.lock().unwrap().shown(), shown(&[&june, &september]));

    let deploys = site.lock().unwrap().deploys();
    attempt(&target, &september, &Notes::default(), &[]).await.unwrap();
    assert_eq!(site.lock().unwrap().deploys(), deploys, "what is there needs no deploy");
}

#[tokio::test]
async fn a_kill_at_any_request_shows_the_old_or_the_new_and_goes_on_with_its_own_deploy() {
    let mut kills = 0;
    for stop in [Fault::StopBefore, Fault::StopAfter] {
        for at in 0.. {
            let (gate, site) = serve().await;
            let target = target(&gate, TOKEN);
            let (old, new) = (unlike_any_other("2026-06-15", 1), unlike_any_other("2026-09-15", 2));
            attempt(&target, &old, &Notes::default(), &[]).await.unwrap();
            let (before, after) = (shown(&[&old]), shown(&[&old, &new]));
            gate.rule(move |number, _, _| if number == at { stop } else { Fault::None });
            let notes = Notes::default();
            let ended = gate.killed(attempt(&target, &new, &notes, &[])).await;
            gate.open();
            if let Some(ended) = ended {
                ended.unwrap();
                break;
            }
            kills += 1;
            let seen = site.lock().unwrap().shown();
            assert!(seen == before || seen == after, "{stop:?} {at}");
            attempt(&target, &new, &notes, &[]).await.unwrap();
            assert_eq!(site.lock().unwrap().shown(), after, "{stop:?} {at}");
            // A deploy whose number never came back is begun once more; it is never shown.
            assert!(site.lock().unwrap().deploys() <= 3, "{stop:?} {at}");
        }
    }
    assert!(kills > 10, "only {kills} kills");
}

#[tokio::test]
async fn limits_are_waited_for_and_refusals_are_named() {
    let (gate, site) = serve().await;
    let june = snapshot("2026-06-15", 2, 0);
    site.lock().unwrap().too_soon = 5;
    attempt(&target(&gate, TOKEN), &june, &Notes::default(), &[]).await.unwrap();
    assert_eq!(site.lock().unwrap().shown(), shown(&[&june]));

    site.lock().unwrap().too_soon = 100;
    let failure = attempt(&target(&gate, TOKEN), &june, &Notes::default(), &[]).await.unwrap_err();
    assert!(failure.is_transient() && failure.to_string().contains("asks to wait"), "{failure}");
    site.lock().unwrap().too_soon = 0;

    let failure = attempt(&target(&gate, "guess"), &june, &Notes::default(), &[]).await.unwrap_err();
    assert!(matches!(failure, Failure::Configuration { .. }), "{failure:?}");
    assert!(!format!("{failure:?}").contains("guess"), "{failure:?}");

    let september = snapshot("2026-09-15", 2, 1);
    for (fault, transient) in [(Fault::Status(500), true), (Fault::Cut, true), (Fault::Status(422), false)] {
        gate.rule(move |_, method, _| if method == "PUT" { fault } else { Fault::None });
        let failure = attempt(&target(&gate, TOKEN), &september, &Notes::default(), &[]).await.unwrap_err();
        assert_eq!(failure.is_transient(), transient, "{fault:?}: {failure:?}");
        assert_eq!(site.lock().unwrap().shown(), shown(&[&june]), "{fault:?}");
    }
    gate.open();
    attempt(&target(&gate, TOKEN), &september, &Notes::default(), &[]).await.unwrap();
    assert_eq!(site.lock().unwrap().shown(), shown(&[&june, &september]));
}

#[tokio::test]
async fn a_date_with_another_content_is_replaced_by_a_later_generation_of_ours_alone() {
    let (gate, site) = serve().await;
    let target = target(&gate, TOKEN);
    let (first, other) = (snapshot("2026-06-15", 3, 0), snapshot("2026-06-15", 2, 1));
    let receipt = attempt(&target, &first, &Notes::default(), &[]).await.unwrap();
    let failure = attempt(&target, &other, &Notes::default(), &[]).await.unwrap_err();
    assert!(matches!(failure, Failure::Permanent { .. }), "{failure:?}");
    assert_eq!(site.lock().unwrap().shown(), shown(&[&first]));
    let second = other.generation(2);
    attempt(&target, &second, &Notes::default(), &[done(&first, &receipt)]).await.unwrap();
    assert_eq!(site.lock().unwrap().shown(), shown(&[&second]), "what left it is not shown any more");
}
