//! Finds the change at fault where a member turned red: tests the mixtures of its last green environment
//! and today's that [`crate::decide::culprit`] asks for.
//!
//! A mixture is an exact environment, so it is tested, and known again, like any other one: a search that
//! was cut off goes on from the rows of its tests, and what was tested already is not tested again.

use std::sync::Arc;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};

use super::Recheck;
use super::observe::specs;
use super::testing::Trial;
use crate::daemon::{RunContext, RunError};
use crate::decide::culprit::{Outcome, mixture};
use crate::decide::recheck::{RecheckFacts, RecheckPlan, WantedMixture, mixture_outcome, recheck};
use crate::domain::{Build, Environment, Solved};
use crate::ecosystem::conda::solution::Solution;
use crate::ecosystem::conda::solve::{SolveTask, solution};
use crate::ecosystem::conda::spec::exact_spec;
use crate::jobs::Pass;
use crate::jobs::conda_channels::{Channels, SOLVE};

/// A mixture of two environments, with the build of the member that it holds.
struct Mixture {
    member: Build,
    environment: Environment,
    platform: String,
}

impl Recheck {
    /// Looks at the wanted mixtures and decides again, until none is wanted. A pass that only plans leaves
    /// it at what is wanted.
    pub(super) async fn find_culprits(
        &self,
        (mut facts, mut plan): (RecheckFacts, RecheckPlan),
        channels: &Channels,
        context: &RunContext,
    ) -> Result<(RecheckFacts, RecheckPlan), RunError> {
        while !plan.mixtures.is_empty() && self.pass == Pass::Full {
            let mut looks = Vec::with_capacity(plan.mixtures.len());
            for wanted in &plan.mixtures {
                looks.push(self.look_at(wanted, &facts, channels, context));
            }
            // One that fails does not stop the others: what they find out is kept in their rows.
            let looked: Vec<Result<Outcome, RunError>> =
                stream::iter(looks).buffered(self.settings.parallel as usize).collect().await;
            let outcomes = looked.into_iter().collect::<Result<Vec<Outcome>, RunError>>()?;
            for (wanted, outcome) in plan.mixtures.iter().zip(outcomes) {
                facts.learn(wanted, outcome);
            }
            plan = recheck(&facts);
        }
        Ok((facts, plan))
    }

    /// How a mixture comes out: from its rows where they tell it, else by testing in it.
    async fn look_at(
        &self,
        wanted: &WantedMixture,
        facts: &RecheckFacts,
        channels: &Channels,
        context: &RunContext,
    ) -> Result<Outcome, RunError> {
        let Some(mixture) = mixture_of(wanted, facts) else { return Ok(Outcome::Unsolvable) };
        let fingerprint = mixture.environment.fingerprint();
        let mut files = None;
        loop {
            let (member, platform) = (&mixture.member, mixture.platform.as_str());
            let tests = self.past_tests(member, platform, &fingerprint, context).await?;
            if let Some(outcome) = mixture_outcome(facts, &tests) {
                return Ok(outcome);
            }
            if files.is_none() {
                files = match self.files_of_mixture(&mixture, channels).await? {
                    Ok(solution) => Some(solution),
                    Err(outcome) => return Ok(outcome),
                };
            }
            let solution = files.as_ref().context("a mixture that is tested was solved")?;
            let attempt = u32::try_from(tests.len()).unwrap_or(u32::MAX - 1) + 1;
            let environment = &mixture.environment;
            let trial = Trial { member, platform, environment, solution, attempt };
            self.carry_out(&trial, context).await?;
        }
    }

    /// The files of a mixture; how it comes out where it cannot be had. It has to be what a solver would
    /// install when exactly its builds are asked for, and nothing more.
    async fn files_of_mixture(
        &self,
        mixture: &Mixture,
        channels: &Channels,
    ) -> Result<Result<Solution, Outcome>, RunError> {
        let member = &mixture.member;
        let is_there = channels.own().builds().iter().any(|build| {
            (&build.sha256, &build.file_name, &build.subdir)
                == (&member.sha256, &member.file_name, &member.subdir)
        });
        if !is_there {
            return Ok(Err(Outcome::Unsolvable));
        }
        let Ok(tests) = self.tests_of(member).await? else { return Ok(Err(Outcome::Unknown)) };
        let pins = mixture.environment.builds().filter(|build| build.name != member.name).map(exact_spec);
        let wanted: Vec<String> = specs(member, &tests).into_iter().chain(pins).collect();
        let (indexes, platform) = (Arc::clone(&channels.indexes), mixture.platform.clone());
        let solve = move || {
            let task = SolveTask { timeout: SOLVE, ..SolveTask::new(&indexes, &platform).wanting(wanted) };
            solution(&task)
        };
        let solved = tokio::task::spawn_blocking(solve).await.map_err(anyhow::Error::from)?;
        let fingerprint = mixture.environment.fingerprint();
        Ok(match solved {
            Ok(Some(solution)) if solution.environment().fingerprint() == fingerprint => Ok(solution),
            Ok(_) => Err(Outcome::Unsolvable),
            Err(error) => {
                tracing::warn!(%member, "a mixture of environments cannot be solved: {error}");
                Err(Outcome::Unknown)
            }
        })
    }
}

/// The mixture that a search asks for. Nothing where it does not hold the member.
fn mixture_of(wanted: &WantedMixture, facts: &RecheckFacts) -> Option<Mixture> {
    let case = facts.cases.iter().find(|case| case.case == wanted.case)?;
    let (Solved::Environment(red), Some(green)) = (&case.solved, &case.last_green) else { return None };
    let environment = mixture(green, red, &wanted.taken);
    let member = environment.build(&wanted.case.member.name)?.clone();
    Some(Mixture { member, environment, platform: wanted.case.platform.clone() })
}
