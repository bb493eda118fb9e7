//! What is at fault in a red case: which mixture of environments would tell, and what a search came to.

use super::facts::{Blamed, CaseFacts, PastTest, RecheckFacts};
use super::from_tests;
use super::plan::{CaseState, CaseVerdict, RecheckPlan, Suspected, WantedMixture};
use crate::decide::culprit::{self, CulpritFacts, GaveUp, Outcome, Step, Taken};
use crate::domain::{CulpritWish, EnvironmentChange, Solved};

/// Says what is at fault in a red case, or which mixture would tell.
pub(super) fn blame(
    facts: &RecheckFacts,
    case: &CaseFacts,
    verdict: &mut CaseVerdict,
) -> Option<WantedMixture> {
    let (Solved::Environment(red), Some(green), CaseState::Red) =
        (&case.solved, &case.last_green, verdict.state)
    else {
        return None;
    };
    // The green environment is the same too: a green verdict would have come between.
    let again = |blamed: &&Blamed| verdict.fingerprint.as_ref() == Some(&blamed.fingerprint);
    if let Some(blamed) = case.blamed_before.as_ref().filter(again) {
        verdict.culprit = Some(blamed.changes.clone());
        return None;
    }
    let changes = green.changes_to(red);
    let most_tests = facts.culprit_tests.max(case.asked_tests.unwrap_or(0));
    if most_tests == 0 || changes.is_empty() {
        return None;
    }
    let known = case.mixtures.iter().map(|mixture| (mixture.taken.clone(), mixture.outcome)).collect();
    let blamed = |change: &&EnvironmentChange| {
        case.blamed_before.as_ref().is_some_and(|blamed| blamed.changes.contains(&change.to_string()))
    };
    let first = changes.iter().filter(blamed).map(|change| change.name.clone()).collect();
    let search = CulpritFacts { changes: &changes, known: &known, first: &first, most_tests };
    match culprit::step(&search) {
        Step::Found(taken) => verdict.culprit = Some(told(&changes, &taken)),
        Step::GaveUp { left, why } => {
            verdict.suspected = Some(Suspected { left: told(&changes, &left), why });
        }
        // Where no engine takes the test, there is nothing to be learnt.
        Step::Try(_) if case.untestable.is_some() => {}
        Step::Try(taken) => {
            let (green, red) = (green.fingerprint(), red.fingerprint());
            return Some(WantedMixture { case: case.case.clone(), green, red, taken });
        }
    }
    None
}

fn told(changes: &[EnvironmentChange], taken: &Taken) -> Vec<String> {
    changes.iter().filter(|change| taken.contains(&change.name)).map(ToString::to_string).collect()
}

/// What the tests of a mixture mean, oldest first; nothing while a test is still wanted. They count as
/// all tests do.
pub fn mixture_outcome(facts: &RecheckFacts, tests: &[PastTest]) -> Option<Outcome> {
    match from_tests(facts, tests).0 {
        CaseState::Green => Some(Outcome::Green),
        CaseState::Red => Some(Outcome::Red),
        CaseState::NoTests => Some(Outcome::Unsolvable),
        CaseState::Unknown => Some(Outcome::Unknown),
        CaseState::Waiting => None,
    }
}

/// What a search that a person asked for came to, as clauses; nothing while that cannot be told: a test is
/// still wanted, a machine failed, or it was asked for after this pass had begun.
pub fn answer(wish: &CulpritWish, facts: &RecheckFacts, plan: &RecheckPlan) -> Option<String> {
    let mut answers = Vec::new();
    for verdict in plan.verdicts.iter().filter(|verdict| wish.is_about(&verdict.case)) {
        let case = facts.cases.iter().find(|case| case.case == verdict.case)?;
        if case.asked_tests.is_none() || plan.mixtures.iter().any(|wanted| wanted.is_for(case)) {
            return None;
        }
        let (platform, mode) = (&verdict.case.platform, verdict.case.mode);
        answers.push(format!("on {platform} ({mode}): {}", came_to(case, verdict)?));
    }
    Some(match answers.is_empty() {
        true => format!("{} {} does not hold it", plan.metapackage.name, plan.metapackage.version),
        false => answers.join("; "),
    })
}

/// What the search for the fault of one case came to, as a clause.
fn came_to(case: &CaseFacts, verdict: &CaseVerdict) -> Option<String> {
    match (verdict.state, &verdict.culprit, &verdict.suspected) {
        (CaseState::Waiting | CaseState::Unknown, ..)
        | (_, None, Some(Suspected { why: GaveUp::MachineFailed, .. })) => None,
        (CaseState::Green | CaseState::NoTests, ..) => Some("it is not red".to_owned()),
        (CaseState::Red, Some(culprit), _) => Some(format!("at fault is {}", culprit.join(" with "))),
        (CaseState::Red, None, Some(Suspected { left, why })) => {
            let why = match why {
                GaveUp::TestsUsedUp => "the tests that were allowed were used up".to_owned(),
                why => why.to_string(),
            };
            Some(format!("the fault lies among {}, which were not told apart, since {why}", left.join(", ")))
        }
        (CaseState::Red, None, None) => Some(why_no_search(case)),
    }
}

fn why_no_search(case: &CaseFacts) -> String {
    match (&case.solved, &case.last_green, &case.untestable) {
        (Solved::Impossible(_) | Solved::Unknown(_), ..) => {
            "no environment can be found for it, so there is none to compare".to_owned()
        }
        (_, None, _) => "it was never green, so there is nothing to compare with".to_owned(),
        (Solved::Environment(red), Some(green), _) if green.changes_to(red).is_empty() => {
            "nothing changed in its environment since it was green".to_owned()
        }
        (_, _, Some(why)) => format!("no test can be run for it: {why}"),
        (_, _, None) => "nobody could look for it".to_owned(),
    }
}
