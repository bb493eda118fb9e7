//! `recheck`: tests the members of a metapackage again, against dependencies as they are today, and
//! publishes what is green.
//!
//! Observes the channels, takes the newest metapackage apart and solves for every member; decides by
//! [`crate::decide::recheck`] which tests are wanted; has an engine run them, and decides again with what
//! they say, until none is wanted. Once every member is green, the metapackage and its members are
//! published to the next channel in one step. A later red result leaves that channel as it is.
//!
//! Every step can be done again: a test has its row before it begins, and an engine adopts a test that
//! runs; publishing what is published already changes nothing.

mod culprit;
mod observe;
mod passed;
mod reports;
mod telling;
mod testing;
mod wishes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::settled::Settled;
use super::{Pass, Services, channel_patches, conda_channels, planned_only};
use crate::config::{CondaDistribution, Recheck as Settings};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide::conda_words;
use crate::decide::culprit::GaveUp;
use crate::decide::recheck::{
    Blamed, CaseFacts, CaseState, CaseVerdict, Gate, PastTest, RecheckFacts, RecheckPlan, recheck,
};
use crate::domain::{Build, Environment, RecheckCase, Solved};
use crate::ecosystem::conda::solve::SolveError;
use crate::store::{KeptCulpritWish, VerdictRow};
use observe::{Seen, SeenCase};

/// How often a test is tried in one pass whose machine fails.
const INFRASTRUCTURE_ATTEMPTS: u32 = 3;

/// The job.
pub struct Recheck {
    pub services: Arc<Services>,
    pub distribution: Arc<CondaDistribution>,
    pub settings: Settings,
    /// When rechecks are due, as a clause for people.
    pub due: String,
    pub pass: Pass,
}

impl JobWork for Recheck {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(async move {
            let outcome = self.recheck(&context).await;
            // A pass that tells nothing new still tells what an earlier one could not.
            if !matches!(outcome, Ok(RunOutcome::Done { .. })) && self.pass == Pass::Full {
                self.deliver(&context).await?;
            }
            outcome
        })
    }
}

impl Recheck {
    async fn recheck(&self, context: &RunContext) -> Result<RunOutcome, RunError> {
        let (services, distribution) = (&*self.services, &*self.distribution);
        if self.pass == Pass::Full {
            channel_patches::renew(services, distribution, &self.settings.to).await?;
        }
        let channels =
            conda_channels::read(services, distribution, &self.settings.from, &self.settings).await?;
        let Some(channels) = channels else {
            return Ok(RunOutcome::Skipped {
                reason: format!("{} is not published yet", self.settings.from),
            });
        };
        let wishes = self.services.store.open_culprit_wishes(&context.job).await?;
        let is_settled = wishes.is_empty() && self.settled(context).is(&channels.digest).await?;
        if self.pass == Pass::Full && is_settled {
            return Ok(RunOutcome::Unchanged { summary: "nothing new since the last pass".to_owned() });
        }
        let seen = match self.observe(&channels).await? {
            Ok(seen) => seen,
            Err(reason) => return Ok(RunOutcome::Skipped { reason }),
        };
        let settled = self.settle(&seen, &wishes, context).await?;
        if self.pass == Pass::Full && !settled.1.mixtures.is_empty() {
            // Tests of mixtures may take hours: what is red is told before it is known why.
            self.report(&settled, context).await?;
            self.tell(&settled, &channels, context).await?;
        }
        let settled = self.find_culprits(settled, &channels, context).await?;
        let (facts, plan) = &settled;
        if self.pass == Pass::Full {
            self.engine_tests().abandon(context).await?;
        }
        let now = self.services.clock.now();
        let store = &self.services.store;
        let input_digest = store.put_blob(&json(facts)?, now).await?;
        let plan_digest = store.put_blob(&json(plan)?, now).await?;
        let done = RunOutcome::Done {
            summary: conda_words::summary(plan),
            input_digest: Some(input_digest),
            plan_digest: Some(plan_digest),
        };
        if self.pass == Pass::PlanOnly {
            return Ok(planned_only(done));
        }
        self.report(&settled, context).await?;
        self.store_verdicts(facts, plan, context, now).await?;
        if plan.gate == Gate::Open {
            self.publish(&seen, context).await?;
        }
        self.tell(&settled, &channels, context).await?;
        self.answer_wishes(&wishes, (facts, plan)).await?;
        // What nobody could tell is tried again, whether anything changes outside or not.
        let told = plan.verdicts.iter().all(|verdict| {
            let broken = verdict.suspected.as_ref().is_some_and(|one| one.why == GaveUp::MachineFailed);
            verdict.state != CaseState::Unknown && !broken
        });
        let settled = told && seen.not_whole.values().all(|why| matches!(why, SolveError::Impossible { .. }));
        self.settled(context).remember(if settled { &channels.digest } else { "" }, now).await?;
        Ok(done)
    }

    /// Decides, has the wanted tests run, and decides again, until none is wanted.
    async fn settle(
        &self,
        seen: &Seen,
        wishes: &[KeptCulpritWish],
        context: &RunContext,
    ) -> Result<(RecheckFacts, RecheckPlan), RunError> {
        let before = self.verdicts_before(context.nominal).await?;
        let withdrawn = self.withdrawn(seen).await?;
        // A solver that found no answer in time says nothing of the metapackage.
        let (not_whole, whole_unknown): (BTreeMap<_, _>, BTreeMap<_, _>) =
            seen.not_whole.iter().partition(|(_, why)| matches!(why, SolveError::Impossible { .. }));
        let told = |platforms: BTreeMap<&String, &SolveError>| -> BTreeMap<String, String> {
            platforms.into_iter().map(|(platform, why)| (platform.clone(), why.in_short())).collect()
        };
        let (not_whole, whole_unknown) = (told(not_whole), told(whole_unknown));
        loop {
            let mut cases = Vec::with_capacity(seen.cases.len());
            for case in &seen.cases {
                cases.push(self.case_facts(case, &before, context).await?);
            }
            wishes::allow(wishes, &mut cases);
            let facts = RecheckFacts {
                metapackage: seen.metapackage.clone(),
                confirm_red: self.settings.confirm_red,
                culprit_tests: self.settings.culprit_tests,
                infrastructure_attempts: INFRASTRUCTURE_ATTEMPTS,
                without_tests: self.distribution.without_tests.clone(),
                withdrawn: withdrawn.clone(),
                not_whole: not_whole.clone(),
                whole_unknown: whole_unknown.clone(),
                cases,
            };
            let plan = recheck(&facts);
            if plan.tests.is_empty() || self.pass == Pass::PlanOnly {
                return Ok((facts, plan));
            }
            self.run_tests(seen, &plan.tests, context).await?;
        }
    }

    async fn case_facts(
        &self,
        seen: &SeenCase,
        before: &BTreeMap<String, CaseVerdict>,
        context: &RunContext,
    ) -> Result<CaseFacts, RunError> {
        let case = &seen.case;
        let tests = match &seen.solved {
            Solved::Environment(environment) if seen.tests.is_ok() => {
                let fingerprint = environment.fingerprint();
                self.past_tests(&case.member, &case.platform, &fingerprint, context).await?
            }
            // An environment without what its tests need is not the one in which it was tested.
            Solved::Environment(_) | Solved::Impossible(_) | Solved::Unknown(_) => Vec::new(),
        };
        let before = before.get(&format!("{}/{}", scope(case), case.member.name));
        Ok(CaseFacts {
            case: case.clone(),
            solved: seen.solved.clone(),
            carries_tests: seen.tests.as_ref().is_ok_and(|tests| !tests.is_empty()),
            unknown_tests: seen.tests.as_ref().err().cloned(),
            untestable: self.untestable(&case.platform),
            tests,
            last_green: self.last_green(case).await?,
            before: before.and_then(|verdict| verdict.settled),
            blamed_before: before.and_then(|verdict| {
                let (fingerprint, changes) = (verdict.fingerprint.clone()?, verdict.culprit.clone()?);
                Some(Blamed { fingerprint, changes })
            }),
            asked_tests: None,
            mixtures: Vec::new(),
        })
    }

    /// The tests of a build on a platform in an environment that have ended, oldest first.
    async fn past_tests(
        &self,
        member: &Build,
        platform: &str,
        fingerprint: &str,
        context: &RunContext,
    ) -> anyhow::Result<Vec<PastTest>> {
        let tests = self.services.store.recheck_tests(&member.sha256, platform, fingerprint).await?;
        let ended = tests.into_iter().filter_map(|test| {
            let this_pass = test.run == context.run_id;
            test.verdict.map(|verdict| PastTest { verdict, this_pass })
        });
        Ok(ended.collect())
    }

    /// What was said of each case last, by scope and member.
    async fn verdicts_before(&self, nominal: Timestamp) -> anyhow::Result<BTreeMap<String, CaseVerdict>> {
        let at = nominal.max(self.services.clock.now());
        let mut before = BTreeMap::new();
        for platform in &self.distribution.platforms {
            for mode in &self.settings.modes {
                let scope = format!("recheck/{platform}/{mode}");
                let verdicts = self.services.store.verdicts_at(&self.distribution.name, &scope, at).await?;
                for (member, verdict) in verdicts {
                    let stored: CaseVerdict = serde_json::from_value(verdict.body["recheck"].clone())
                        .with_context(|| format!("the verdict on {member} in {scope} cannot be read"))?;
                    before.insert(format!("{scope}/{member}"), stored);
                }
            }
        }
        Ok(before)
    }

    /// The environment in which the case was green last.
    async fn last_green(&self, case: &RecheckCase) -> anyhow::Result<Option<Environment>> {
        let store = &self.services.store;
        let green =
            store.last_verdict(&self.distribution.name, &scope(case), &case.member.name, "green").await?;
        let digest = green.as_ref().and_then(|verdict| verdict.body["environment"].as_str());
        let Some(digest) = digest else { return Ok(None) };
        let bytes = store.blob(digest).await?.with_context(|| format!("the blob {digest} is gone"))?;
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    async fn store_verdicts(
        &self,
        facts: &RecheckFacts,
        plan: &RecheckPlan,
        context: &RunContext,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let environments: BTreeMap<&RecheckCase, &Solved> =
            facts.cases.iter().map(|case| (&case.case, &case.solved)).collect();
        let mut scopes: BTreeMap<String, BTreeMap<String, VerdictRow>> = BTreeMap::new();
        for verdict in &plan.verdicts {
            let environment = match environments.get(&verdict.case) {
                Some(Solved::Environment(environment)) => {
                    Some(self.services.store.put_blob_for_good(&json(environment)?, now).await?)
                }
                _ => None,
            };
            // Whether it was tested now or before is no news: it must not begin another interval.
            let body = CaseVerdict { reused: false, ..verdict.clone() };
            let kind = serde_json::to_value(verdict.state)?.as_str().unwrap_or_default().to_owned();
            let body = serde_json::json!({ "recheck": body, "environment": environment });
            let rows = scopes.entry(scope(&verdict.case)).or_default();
            rows.insert(verdict.case.member.name.clone(), VerdictRow { kind, body });
        }
        for (scope, rows) in scopes {
            let (store, distribution) = (&self.services.store, &self.distribution.name);
            store.replace_verdicts(distribution, &scope, &rows, now, context.run_id).await?;
        }
        Ok(())
    }

    /// The memory of this job alone: another one with an engine of another platform may still have tests to run
    /// where this one has nothing left to do.
    fn settled(&self, context: &RunContext) -> Settled<'_> {
        let memory = format!("{}/{}", self.settings.to, context.job);
        Settled::of(&self.services.store, &self.distribution.name, &memory)
    }

    /// The folder of a channel of the distribution.
    fn folder(&self, channel: &str) -> Result<PathBuf, RunError> {
        conda_channels::folder(&self.services, &self.distribution, channel)
    }
}

/// The scope of a case's verdicts: a platform and a mode.
fn scope(case: &RecheckCase) -> String {
    format!("recheck/{}/{}", case.platform, case.mode)
}

/// JSON with a stable order of keys: what digests are made of.
fn json(value: &impl serde::Serialize) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}
