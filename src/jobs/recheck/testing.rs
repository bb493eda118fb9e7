//! Which tests of members an engine is given, and with which limits; see [`crate::jobs::engine_tests`].

use anyhow::{Context as _, anyhow};
use futures_util::{StreamExt as _, stream};

use super::observe::Seen;
use super::{Recheck, json};
use crate::daemon::{RunContext, RunError};
use crate::decide::recheck::WantedTest;
use crate::domain::{Build, Environment, Solved};
use crate::ecosystem::conda::solution::Solution;
use crate::engine::{CondaTest, Limits, Work};
use crate::jobs::engine_tests::{EngineTests, Order};
use crate::store::{NewRecheckTest, TestSubject};

/// One test of a build in an environment.
pub(super) struct Trial<'t> {
    pub member: &'t Build,
    pub platform: &'t str,
    pub environment: &'t Environment,
    /// The files of the environment.
    pub solution: &'t Solution,
    /// Which try in this environment it is, counted from 1.
    pub attempt: u32,
}

impl Recheck {
    /// Why no test can be run for a platform; nothing where one can.
    pub(super) fn untestable(&self, platform: &str) -> Option<String> {
        let offered = self.services.engines.platform(self.settings.engine);
        (offered != platform).then(|| {
            let engine = self.settings.engine;
            format!("this job's engine, `{engine}`, is for {offered}; a recheck with one for {platform} has to test it")
        })
    }

    /// Runs the wanted tests, a number of them at the same time, to their ends.
    pub(super) async fn run_tests(
        &self,
        seen: &Seen,
        wanted: &[WantedTest],
        context: &RunContext,
    ) -> Result<(), RunError> {
        let mut tests = Vec::with_capacity(wanted.len());
        for test in wanted {
            tests.push(self.run_test(seen, test, context));
        }
        // One that fails does not stop the others: what they find out is kept.
        let ended: Vec<Result<(), RunError>> =
            stream::iter(tests).buffer_unordered(self.settings.parallel as usize).collect().await;
        ended.into_iter().collect()
    }

    async fn run_test(&self, seen: &Seen, wanted: &WantedTest, context: &RunContext) -> Result<(), RunError> {
        let case = &wanted.case;
        let known = seen.cases.iter().find(|known| known.case == *case);
        let known = known.with_context(|| format!("{case} was not seen"))?;
        let (Solved::Environment(environment), Some(solution)) = (&known.solved, &known.solution) else {
            return Err(RunError::Permanent(anyhow!("{case} has no environment to be tested in")));
        };
        let (member, platform) = (&case.member, &case.platform);
        let trial = Trial { member, platform, environment, solution, attempt: wanted.attempt };
        self.carry_out(&trial, context).await
    }

    /// Runs one test to its end, and writes down how it came out.
    pub(super) async fn carry_out(&self, trial: &Trial<'_>, context: &RunContext) -> Result<(), RunError> {
        let environment = json(trial.environment)?;
        let test = NewRecheckTest {
            job: &context.job,
            subject: TestSubject::from(trial.member),
            platform: trial.platform,
            fingerprint: &trial.environment.fingerprint(),
            environment: &environment,
            attempt: trial.attempt,
            run: context.run_id,
        };
        let order = Order {
            work: Work::CondaTest(CondaTest {
                member: trial.member.clone(),
                platform: trial.platform.to_owned(),
                records: trial.solution.to_install(),
            }),
            limits: Limits {
                time: self.settings.test_time.get().as_secs(),
                memory: u64::from(self.settings.test_memory) << 20,
                output: u64::from(self.settings.test_output) << 20,
                disk: u64::from(self.settings.test_disk) << 20,
            },
            network: self.settings.network,
            input: None,
            judge: |verdict, _| verdict,
        };
        self.engine_tests().carry_out(&test, order, context).await
    }

    /// The tests of this job on its engine.
    pub(super) fn engine_tests(&self) -> EngineTests<'_> {
        EngineTests { services: &self.services, engine: self.settings.engine }
    }
}
