//! `show`: one run, with what it decided from and what it did.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::runs::took;
use super::shown::{plain, rows, word};
use super::{CommandError, Context, Output, state};
use crate::config::listed;
use crate::decide::integrate::{KeptSolution, solution_source, version_of};
use crate::decide::own_check::OwnCheckPlan;
use crate::decide::recheck::{CaseState, RecheckPlan};
use crate::decide::recheck_report::explicit_list;
use crate::domain::{PackageName, TestVerdict};
use crate::ecosystem::conda::solution::Solution;
use crate::store::{Action, RecheckTest, Run, RunId, Store};

/// Show a run: what it decided from, what it did, and how it ended
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate show 42
      The run, its actions and its digests
  tidegate show 42 --part input > input.json
      Everything that the run decided from
  tidegate show 42 --log q2-types
      What the tests of q2-types said in that run
  tidegate show 42 --environment q2-types > recheck.txt
      What they were tested in, for `conda create --name recheck --file recheck.txt`
  tidegate show 57 --solution linux-64 > whole.txt
      The exact files that the metapackage of that run was solved to, in the same form")]
pub(super) struct Show {
    /// The run's number, as `runs` lists it
    run: i64,
    /// Print one part, as it was stored
    #[arg(long)]
    part: Option<Part>,
    /// Print the log of the last test of this package in the run, in its environment of the day
    #[arg(long, value_name = "PACKAGE", conflicts_with = "part")]
    log: Option<String>,
    /// Print the exact files among which this package was tested in the run, as a list that conda installs
    #[arg(long, value_name = "PACKAGE", conflicts_with_all = ["part", "log"])]
    environment: Option<String>,
    /// Print the exact files that the metapackage made by the run was solved to on this platform, as a list
    /// that conda installs
    #[arg(long, value_name = "PLATFORM", conflicts_with_all = ["part", "log", "environment"])]
    solution: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Everything that the run decided from
    Input,
    /// What it decided
    Plan,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    run: Run,
    actions: Vec<Action>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tests: Vec<RecheckTest>,
    /// By R package that was checked: a shell command that does the same.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    reproduce: BTreeMap<PackageName, String>,
    /// By platform: the exact solution of the metapackage that was made.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    solutions: BTreeMap<String, KeptSolution>,
}

/// What is printed: the run, or something of it as it was kept.
enum Printed {
    Run(Box<Shown>),
    Kept(Vec<u8>),
}

impl Show {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let printed = state::block_on(async {
            let store = context.read_state().await?;
            let run = find(&store, self.run).await?;
            self.printed(&store, run).await
        })?;
        match (printed, context.output) {
            (Printed::Kept(bytes), _) => Ok(context.out.write_all(&bytes)?),
            (Printed::Run(shown), Output::Json) => context.print_json(&shown),
            (Printed::Run(shown), Output::Text) => Ok(context.out.write_all(text(&shown).as_bytes())?),
        }
    }

    async fn printed(&self, store: &Store, run: Run) -> Result<Printed, CommandError> {
        if let Some(part) = self.part {
            let mut bytes = stored(store, &run, part).await?;
            bytes.push(b'\n');
            return Ok(Printed::Kept(bytes));
        }
        if let Some(package) = &self.log {
            return Ok(Printed::Kept(log(store, &run, package).await?));
        }
        if let Some(package) = &self.environment {
            let test = telling_test(store, &run, package).await?;
            let environment = store.recheck_environment(test.id).await?;
            return Ok(Printed::Kept(explicit_list(&environment, &test.platform, &[]).into_bytes()));
        }
        if let Some(platform) = &self.solution {
            return Ok(Printed::Kept(solution(store, &run, platform).await?.into_bytes()));
        }
        let actions = store.actions_of(run.id).await?;
        let tests = store.recheck_tests_of_run(run.id).await?;
        let reproduce = reproductions(store, &run).await?;
        let solutions = solutions(store, &run).await?;
        Ok(Printed::Run(Box::new(Shown { run, actions, tests, reproduce, solutions })))
    }
}

/// The run of that number, or an error that says which numbers there are.
pub(super) async fn find(store: &Store, number: i64) -> Result<Run, CommandError> {
    if let Some(run) = store.run(RunId(number)).await? {
        return Ok(run);
    }
    let newest = store.runs(None, 1).await?;
    let hint = match newest.first() {
        Some(newest) => format!("the newest run is {}; `tidegate runs` lists them", newest.id),
        None => "nothing ran yet".to_owned(),
    };
    Err(CommandError::invalid(format!("there is no run {number}")).hint(hint))
}

/// What a run decided from, as it was stored.
pub(super) async fn input(store: &Store, run: &Run) -> Result<Vec<u8>, CommandError> {
    stored(store, run, Part::Input).await
}

/// What a run decided, as it was stored.
pub(super) async fn plan(store: &Store, run: &Run) -> Result<Vec<u8>, CommandError> {
    stored(store, run, Part::Plan).await
}

async fn stored(store: &Store, run: &Run, part: Part) -> Result<Vec<u8>, CommandError> {
    let (name, digest) = match part {
        Part::Input => ("input", &run.input_digest),
        Part::Plan => ("plan", &run.plan_digest),
    };
    let Some(digest) = digest else {
        let message = format!("run {} of {} kept no {name}: it ended {}", run.id, run.job, word(run.state));
        let hint = "only runs that decided on packages and ended well keep one";
        return Err(CommandError::failed(message).hint(hint));
    };
    store.blob(digest).await?.ok_or_else(|| {
        CommandError::failed(format!("the {name} of run {} (sha256 {digest}) is not kept any more", run.id))
    })
}

/// How to do the same as the own checks of a run; empty where its plan is not about any.
async fn reproductions(store: &Store, run: &Run) -> anyhow::Result<BTreeMap<PackageName, String>> {
    let plan = match &run.plan_digest {
        Some(digest) => store.blob(digest).await?,
        None => None,
    };
    // Every kind of job has plans of its own; only one is read as this.
    let plan = plan.and_then(|plan| serde_json::from_slice::<OwnCheckPlan>(&plan).ok()).unwrap_or_default();
    let checks = plan.own_checks.into_iter();
    Ok(checks.filter_map(|(package, check)| Some((package, check.reproduce()?))).collect())
}

/// The exact solutions of the metapackage that was made for the time of a run, by platform; the occurrence counts,
/// not the attempt. None where none was made.
async fn solutions(store: &Store, run: &Run) -> anyhow::Result<BTreeMap<String, KeptSolution>> {
    let version = version_of(run.scheduled_for);
    let Some(told) = store.event_of_version(&run.job, "metapackage", &version).await? else {
        return Ok(BTreeMap::new());
    };
    let text = |key: &str| told.body[key].as_str().unwrap_or_default();
    let source = solution_source(text("distribution"), text("channel"), &version);
    match store.latest_seen(&source).await? {
        Some(kept) => serde_json::from_slice(&kept.bytes).context("the exact solutions cannot be read"),
        None => Ok(BTreeMap::new()),
    }
}

/// The exact solution of a run's metapackage on a platform, as a list that conda installs.
async fn solution(store: &Store, run: &Run, platform: &str) -> Result<String, CommandError> {
    let solutions = solutions(store, run).await?;
    let Some(KeptSolution { digest, .. }) = solutions.get(platform) else {
        let message = format!("run {} of {} solved no metapackage for `{platform}`", run.id, run.job);
        let hint = match solutions.is_empty() {
            true => "`tidegate events --kind metapackage` lists those that were made".to_owned(),
            false => format!("it did for {}", listed(solutions.keys().map(String::as_str))),
        };
        return Err(CommandError::invalid(message).hint(hint));
    };
    let kept = store.blob(digest).await?;
    let kept = kept.ok_or_else(|| CommandError::failed(format!("the solution {digest} was not kept")))?;
    let solution: Solution =
        serde_json::from_slice(&kept).with_context(|| format!("the solution {digest} cannot be read"))?;
    Ok(solution.to_explicit())
}

/// The test of a package in a run that says most: the last one in a red environment of the day, else in any
/// environment of the day. Others were mixtures, to find what is at fault.
async fn telling_test(store: &Store, run: &Run, package: &str) -> Result<RecheckTest, CommandError> {
    let tests = store.recheck_tests_of_run(run.id).await?;
    let plan = match &run.plan_digest {
        Some(digest) => store.blob(digest).await?,
        None => None,
    };
    let plan: Option<RecheckPlan> = plan.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let state = |test: &RecheckTest| {
        let mut verdicts = plan.iter().flat_map(|plan| &plan.verdicts);
        verdicts
            .find(|verdict| {
                (verdict.case.member.name.as_str(), verdict.fingerprint.as_ref())
                    == (package, Some(&test.fingerprint))
            })
            .map(|verdict| verdict.state)
    };
    let rank = |test: &&RecheckTest| match state(test) {
        Some(CaseState::Red) => 2,
        Some(_) => 1,
        None => 0,
    };
    // Of several that say as much, this is the last one.
    if let Some(test) = tests.iter().filter(|test| test.name == package).max_by_key(rank) {
        return Ok(test.clone());
    }
    let tested: BTreeSet<&str> = tests.iter().map(|test| test.name.as_str()).collect();
    let hint = match tested.is_empty() {
        true => "it tested nothing; `tidegate runs` lists the others".to_owned(),
        false => format!("it tested {}", listed(tested.into_iter())),
    };
    let message = format!("run {} of {} did not test `{package}`", run.id, run.job);
    Err(CommandError::invalid(message).hint(hint))
}

/// What the tests of a package said in a run.
async fn log(store: &Store, run: &Run, package: &str) -> Result<Vec<u8>, CommandError> {
    let test = telling_test(store, run, package).await?;
    let log = match &test.log_digest {
        Some(digest) => store.blob(digest).await?,
        None => None,
    };
    log.ok_or_else(|| CommandError::failed(format!("the test of `{package}` in run {} left no log", run.id)))
}

/// One line on a test.
fn tested(test: &RecheckTest) -> String {
    let how = match &test.verdict {
        None => "goes on".to_owned(),
        Some(TestVerdict::Pass) => "passed".to_owned(),
        Some(TestVerdict::Fail { step, .. }) => format!("failed: {step}"),
        Some(TestVerdict::TimedOut { after }) => format!("did not end within {after} seconds"),
        Some(TestVerdict::NoTests) => "found no tests".to_owned(),
        Some(TestVerdict::UnknownTests { why }) => format!("found tests that are not known: {why}"),
        Some(TestVerdict::NoEngine { why }) => format!("was not made: {why}"),
        Some(TestVerdict::Infrastructure { why }) => format!("could not be carried out: {why}"),
    };
    let RecheckTest { name, version, build, platform, attempt, .. } = test;
    format!("  {}\n", plain(&format!("{name} {version} {build} on {platform}, attempt {attempt}: {how}")))
}

fn text(shown: &Shown) -> String {
    let Shown { run, actions, tests, reproduce, solutions } = shown;
    let or_none = |digest: &Option<String>| {
        digest.as_ref().map_or("none".to_owned(), |digest| format!("sha256 {digest}"))
    };
    let mut lines = vec![
        ("nominal", run.scheduled_for.to_string()),
        ("attempt", run.attempt.to_string()),
        ("began", run.started_at.to_string()),
    ];
    if let Some(end) = run.finished_at {
        lines.push(("ended", format!("{end}, after {}", took(run))));
    }
    lines.extend(run.summary.as_ref().map(|summary| ("summary", plain(summary))));
    lines.extend(run.error.as_ref().map(|error| ("error", plain(error))));
    lines.extend([("input", or_none(&run.input_digest)), ("plan", or_none(&run.plan_digest))]);
    let mut text = format!("run {} of {}: {}\n{}", run.id, run.job, word(run.state), rows(lines));
    if !tests.is_empty() {
        text += "\ntests\n";
    }
    text += &tests.iter().map(tested).collect::<String>();
    if !solutions.is_empty() {
        text += "\nsolved to\n";
    }
    for (platform, KeptSolution { digest, .. }) in solutions {
        text += &format!("  {platform}: sha256 {digest}\n");
    }
    if !reproduce.is_empty() {
        text += "\nto reproduce\n";
    }
    for (package, command) in reproduce {
        text += &format!("  {package}: {}\n", plain(command));
    }
    if !actions.is_empty() {
        text += "\nactions\n";
    }
    for action in actions {
        let message =
            action.message.as_ref().map(|message| format!(": {}", plain(message))).unwrap_or_default();
        let state = word(action.state);
        text += &format!("  {state:<9} {}  {}{message}\n", plain(&action.kind), plain(&action.key));
        if let Some(receipt) = &action.receipt {
            text += &format!("            receipt {}\n", plain(&receipt.to_string()));
        }
    }
    text
}
