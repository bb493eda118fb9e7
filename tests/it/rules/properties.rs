//! What holds for every scene, whatever is in it.

use proptest::prelude::*;
use tidegate::domain::{Fact, PromotionFacts, VerdictKind, Via};

use super::facts::*;

/// What may be true of one package.
#[derive(Clone, Copy, Debug)]
enum Trait {
    Released,
    Fails,
    Builds,
    Unknown,
    Unlisted,
    New,
    ByPerson,
    Malformed,
    Excepted,
    OfMonorepo,
    NotReleased,
    NotLookedUp,
    PinnedElsewhere,
}

const TRAITS: [Trait; 13] = [
    Trait::Released,
    Trait::Fails,
    Trait::Builds,
    Trait::Unknown,
    Trait::Unlisted,
    Trait::New,
    Trait::ByPerson,
    Trait::Malformed,
    Trait::Excepted,
    Trait::OfMonorepo,
    Trait::NotReleased,
    Trait::NotLookedUp,
    Trait::PinnedElsewhere,
];

fn with(scene: Scene, package: &str, traits: &[Trait]) -> Scene {
    let new = traits.iter().any(|one| matches!(one, Trait::New));
    let scene = if new { scene.new_package(package, "1.0") } else { scene.package(package, "1.0") };
    traits.iter().fold(scene, |scene, one| match one {
        Trait::Released => scene.releases(package, "1.1"),
        Trait::Malformed => scene.problem(package, "it is not valid"),
        Trait::Excepted => scene.exception(package, "1.1"),
        Trait::ByPerson => scene.pinned_by_person(package),
        Trait::OfMonorepo => scene.at_url(package, "https://github.com/owner/mono"),
        Trait::NotReleased => scene.release_fact(package, Fact::Known(None)),
        Trait::NotLookedUp => scene.release_fact(package, Fact::unknown("GitHub did not answer")),
        Trait::Fails if !new => scene.fails(package),
        Trait::Builds if !new => scene.building(package),
        Trait::Unknown if !new => scene.undetermined(package),
        Trait::Unlisted if !new => scene.without(package),
        Trait::PinnedElsewhere if !new => scene.pinned_at(package, "1.0.9"),
        _ => scene,
    })
}

fn packages() -> impl Strategy<Value = Vec<Vec<Trait>>> {
    let traits = prop::sample::subsequence(TRAITS.to_vec(), 0..5);
    prop::collection::vec(traits, 1..9)
}

fn filled(start: Scene, packages: &[Vec<Trait>]) -> Scene {
    let named = packages.iter().enumerate();
    named.fold(start, |scene, (number, traits)| with(scene, &format!("p{number}"), traits))
}

fn days() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![FREEZE_BEGINS, DEPENDENCY_FREEZE, CANDIDATE_FREEZE, STANDSTILL])
}

/// A scene of either model, with or without the cycle's group, by either way.
fn scenes() -> impl Strategy<Value = Scene> {
    (packages(), days(), 0..3, any::<bool>(), 0_usize..6).prop_map(
        |(packages, day, start, commit, max_open)| {
            let start = match start {
                0 => Scene::without_group(day),
                1 => Scene::on(day),
                _ => Scene::follow(day),
            };
            let mut scene = filled(if commit { start.by_commit() } else { start }, &packages);
            scene.facts.max_open = max_open;
            scene
        },
    )
}

fn shuffled(mut facts: PromotionFacts, seed: u64) -> PromotionFacts {
    let by = |text: &str| commit(text, &seed.to_string());
    facts.source.sort_by_key(|listing| by(&listing.package));
    facts.head.listings.sort_by_key(|listing| by(&listing.package));
    facts.exceptions.sort_by_key(|exception| by(&exception.package));
    facts.proposals.sort_by_key(|seen| by(&seen.key));
    facts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_facts_is_not_seen(packages in packages(), day in days(), acted: bool, seed: u64) {
        let scene = filled(Scene::without_group(day), &packages);
        let scene = if acted { scene.acted() } else { scene };
        let plan = |facts: &PromotionFacts| serde_json::to_vec(&tidegate::decide::promote::promote(facts)).unwrap();
        prop_assert_eq!(plan(&scene.facts), plan(&shuffled(scene.facts.clone(), seed)));
    }

    #[test]
    fn a_plan_that_came_true_leads_to_one_without_actions(scene in scenes()) {
        // What waited for room comes in a later pass.
        let mut scene = scene;
        scene.facts.max_open = 20;
        let after = scene.merged();
        prop_assert_eq!(actions(&after), Vec::<String>::new());
    }

    #[test]
    fn a_plan_whose_pull_requests_are_open_leads_to_one_without_actions(scene in scenes()) {
        prop_assume!(scene.facts.via == Via::PullRequest);
        let after = scene.acted();
        prop_assert_eq!(actions(&after), Vec::<String>::new());
    }

    #[test]
    fn every_package_has_a_verdict_in_whole_sentences(scene in scenes()) {
        let plan = scene.plan();
        for listing in scene.facts.source.iter().chain(&scene.facts.head.listings) {
            prop_assert!(plan.verdicts.contains_key(&listing.package));
        }
        for verdict in plan.verdicts.values() {
            for sentence in [&verdict.reason, &verdict.next] {
                prop_assert!(sentence.len() > 10 && sentence.ends_with('.') && !sentence.ends_with(".."), "{sentence}");
                prop_assert!(!sentence.contains("  ") && !sentence.contains(": ."), "{sentence}");
            }
        }
    }

    #[test]
    fn nothing_moves_in_the_standstill_but_by_exception(packages in packages(), commit: bool) {
        let start = Scene::on(STANDSTILL);
        let scene = filled(if commit { start.by_commit() } else { start }, &packages);
        let plan = scene.plan();
        for moved in changes(&plan).iter().flat_map(|change| &change.moves) {
            prop_assert!(scene.facts.exceptions.iter().any(|leave| leave.package == moved.package));
        }
    }

    #[test]
    fn only_what_fails_moves_in_the_candidate_freeze(packages in packages(), commit: bool) {
        let start = Scene::on(CANDIDATE_FREEZE);
        let scene = filled(if commit { start.by_commit() } else { start }, &packages);
        let plan = scene.plan();
        let status = scene.facts.status.known().expect("it is known");
        for moved in changes(&plan).iter().flat_map(|change| &change.moves) {
            let excepted = scene.facts.exceptions.iter().any(|leave| leave.package == moved.package);
            let failing = status.packages.get(&moved.package)
                .is_some_and(|known| known.evidence == tidegate::domain::Evidence::Failing);
            prop_assert!(excepted || failing, "{}", moved.package);
        }
    }

    #[test]
    fn no_more_pull_requests_are_open_than_may_be(scene in scenes()) {
        prop_assume!(scene.facts.staging == tidegate::domain::StagingModel::Pinned);
        let open = |scene: &Scene| {
            let open = scene.facts.proposals.iter();
            open.filter(|seen| seen.state == tidegate::domain::ProposalState::Open).count()
        };
        let most = scene.facts.max_open;
        let after = scene.acted();
        // The group that begins a freeze is opened in any case.
        prop_assert!(open(&after) <= most.max(1));
        let waiting = after.plan().verdicts.values().filter(|verdict| verdict.kind == VerdictKind::Queued).count();
        prop_assert!(waiting == 0 || open(&after) >= most, "it waits though there is room");
    }
}
