//! Has the engine check packages: fetches the very archive that the universe has, and runs the commands of
//! the job file on it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};

use super::RecheckR;
use super::observe::source_path;
use crate::daemon::{RunContext, RunError};
use crate::decide::own_check::{OwnCheckCase, OwnCheckFacts, verdict_of};
use crate::domain::{CheckLog, Fact, PackageName, Recipe, TestVerdict};
use crate::ecosystem::cran::check_log;
use crate::ecosystem::cran::fetch::Promise;
use crate::ecosystem::cran::layout::ArchiveKind;
use crate::engine::{CommandWork, Limits, Work};
use crate::failure::Failure;
use crate::jobs::engine_tests::{EngineTests, LOG, Order};
use crate::jobs::r_archives::PromisedArchive;
use crate::jobs::universes::{universe_client, universe_of};
use crate::store::{NewRecheckTest, TestSubject};

/// The folder in the working folder into which dependencies are installed.
pub(super) const LIBRARY: &str = "library";
/// What is said before that begins, and where it failed.
const PREPARING: &str = "[tidegate] preparing";
const UNPREPARED: &str = "[tidegate] the preparation failed";
/// Prepares, and then checks: the first argument says how many of the others are the preparation. R has to know
/// the library by its whole path, since a check runs in many folders.
const PREPARED: &str = r#"mkdir -p library && export R_LIBS="$PWD/library"
count=$1; shift
echo '[tidegate] preparing'
"${@:1:count}" || { echo; echo '[tidegate] the preparation failed'; exit 1; }
exec "${@:count+1}""#;
/// How much of a log the worker's own remarks may take, in bytes. The rest is the check's, so that the
/// whole log is kept: what a check came to is read from it.
const REMARKS: u64 = 64 * 1024;
/// The longest line of a preparation that is taken over, in characters.
const LONGEST: usize = 200;

impl RecheckR {
    /// Runs the wanted checks, a number of them at the same time, to their ends, and adds how they came out.
    pub(super) async fn run_tests(
        &self,
        facts: &mut OwnCheckFacts,
        wanted: &BTreeMap<PackageName, u32>,
        context: &RunContext,
    ) -> Result<(), RunError> {
        let mut tests = Vec::with_capacity(wanted.len());
        for (package, attempt) in wanted {
            tests.push(self.run_test(package, facts, *attempt, context));
        }
        // One that fails does not stop the others: what they find out is kept.
        let ended: Vec<Result<OwnCheckCase, RunError>> =
            stream::iter(tests).buffered(self.settings.parallel as usize).collect().await;
        let ended = ended.into_iter().collect::<Result<Vec<OwnCheckCase>, RunError>>()?;
        facts.packages.extend(wanted.keys().cloned().zip(ended));
        Ok(())
    }

    /// Checks one package, and gives back its case with how it came out. An archive that cannot be had is no
    /// fault of the package, and no end of the pass.
    async fn run_test(
        &self,
        package: &str,
        facts: &OwnCheckFacts,
        attempt: u32,
        context: &RunContext,
    ) -> Result<OwnCheckCase, RunError> {
        let mut case = facts.packages.get(package).context("only a known package is checked")?.clone();
        let Some(source) = case.source.known() else { return Ok(case) };
        let path = source_path(package, &case.version)?;
        let promise = Promise { sha256: source.sha256.clone(), size: None };
        let promised = PromisedArchive {
            package,
            version: &case.version,
            path: &path,
            kind: ArchiveKind::Source,
            promise: &promise,
        };
        let universe = universe_of(&self.distribution, &self.settings.channel)?;
        let client = universe_client(&self.services, universe)?;
        let keeping = self.services.keeping().await?;
        let kept = match promised.keep(&self.services.content(), &client, &|_| {}).await {
            Ok(kept) => kept.path,
            Err(failure @ Failure::Configuration { .. }) => return Err(failure.into()),
            Err(failure) => {
                case.source = Fact::unknown(format!("its source cannot be had: {failure}"));
                return Ok(case);
            }
        };
        let environment = facts.environment(&case).map_err(anyhow::Error::from)?;
        let test = NewRecheckTest {
            job: &context.job,
            subject: TestSubject {
                name: package,
                version: &case.version,
                build: &case.commit,
                sha256: &source.sha256,
            },
            platform: &facts.platform,
            fingerprint: &case.fingerprint,
            environment: &environment,
            attempt,
            run: context.run_id,
        };
        let order = Order {
            work: Work::Command(command(&case.recipe)),
            limits: self.limits(),
            network: self.settings.network,
            input: Some((&kept, &source.file, keeping)),
            judge,
        };
        self.engine_tests().carry_out(&test, order, context).await?;
        case.tests = self.past_checks(&case, context).await?;
        Ok(case)
    }

    fn limits(&self) -> Limits {
        Limits {
            time: self.settings.test_time.get().as_secs(),
            memory: u64::from(self.settings.test_memory) << 20,
            output: LOG - REMARKS,
            ..Limits::default()
        }
    }

    /// The checks of this job on its engine.
    pub(super) fn engine_tests(&self) -> EngineTests<'_> {
        EngineTests { services: &self.services, engine: self.settings.engine }
    }
}

/// What the engine runs.
fn command(recipe: &Recipe) -> CommandWork {
    let command = match recipe.prepare.len() {
        0 => recipe.command.clone(),
        count => {
            let script = ["bash", "-c", PREPARED, "check", &count.to_string()].map(str::to_owned);
            script.into_iter().chain(recipe.prepare.clone()).chain(recipe.command.clone()).collect()
        }
    };
    CommandWork { command, variables: BTreeMap::new() }
}

/// What the end of a check means, given its whole output.
fn judge(ended: TestVerdict, log: &[u8]) -> TestVerdict {
    verdict_of(ended, &log_of(log))
}

/// What the output of preparation and check says.
pub(super) fn log_of(output: &[u8]) -> CheckLog {
    let mut log = check_log::read(output);
    let text = String::from_utf8_lossy(output);
    if text.lines().any(|line| line == UNPREPARED) {
        let said = text.lines().skip_while(|line| *line != PREPARING).skip(1);
        let said = said.take_while(|line| *line != UNPREPARED).filter(|line| !line.trim().is_empty());
        let last: String = said.last().unwrap_or("nothing was said").trim().chars().take(LONGEST).collect();
        log.unready = Some(format!("its dependencies could not be installed: {last}"));
    }
    log
}
