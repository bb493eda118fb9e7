//! The queue of moves that wait to be proposed: how many may be open, how many within the hour, and whose turn it is.

use tidegate::domain::HourlyRoom;

use super::facts::*;

fn waiting(packages: &[&str]) -> Scene {
    let scene = Scene::on(DEPENDENCY_FREEZE);
    packages.iter().fold(scene, |scene, package| scene.package(package, "1.0").releases(package, "1.1"))
}

fn since(mut scene: Scene, package: &str, time: &str) -> Scene {
    scene.facts.queue.waiting_since.insert(package.to_owned(), time.parse().expect("a time"));
    scene
}

#[test]
fn what_fails_comes_first_and_then_who_waits_longest() {
    let scene = waiting(&["a", "b", "c", "d"]).fails("d");
    let scene = since(since(scene, "c", "2026-04-18T00:00:00Z"), "b", "2026-04-19T00:00:00Z");
    assert_eq!(
        actions(&scene),
        [
            "open staging/d: Promote d 1.1 to staging",
            "open staging/c: Promote c 1.1 to staging",
            "open staging/b: Promote b 1.1 to staging",
            "open staging/a: Promote a 1.1 to staging",
        ]
    );
}

#[test]
fn each_that_waits_has_its_place() {
    let mut scene = since(waiting(&["a", "b", "c"]), "c", "2026-04-18T00:00:00Z");
    scene.facts.max_open = 1;
    let plan = scene.plan();
    let places: Vec<_> = ["a", "b", "c"].map(|package| verdict(&plan, package).place).into();
    assert_eq!(places, [Some(1), Some(2), None], "c is proposed");
    insta::assert_snapshot!(words(&scene, "b"), @"Queued: At most 1 pull request may be open at once, and that many are; its place in the queue is 2. It is proposed as soon as one of the open pull requests is merged or closed.");
}

#[test]
fn no_more_are_opened_within_an_hour_than_may_be() {
    let mut scene = waiting(&["a", "b", "c"]);
    scene.facts.queue.hourly = Some(HourlyRoom { most: 2, left: 1 });
    assert_eq!(actions(&scene), ["open staging/a: Promote a 1.1 to staging"]);
    insta::assert_snapshot!(words(&scene, "c"), @"Queued: At most 2 pull requests may be opened within an hour; its place in the queue is 2. It is proposed once the last ones are an hour old.");
    scene.facts.queue.hourly = Some(HourlyRoom { most: 2, left: 0 });
    assert!(actions(&scene).is_empty());
    let open = waiting(&["a"]).acted().releases("a", "1.2");
    let mut open = open;
    open.facts.queue.hourly = Some(HourlyRoom { most: 2, left: 0 });
    assert_eq!(
        actions(&open),
        ["update #2 staging/a: Promote a 1.2 to staging"],
        "what is open is no new one"
    );
}
