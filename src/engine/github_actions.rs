//! The engine of GitHub Actions: each assignment is a run of a workflow, dispatched with the assignment as its
//! input, whose artifact brings the report back.
//!
//! A dispatch has no key that GitHub would know, and its answer can be lost. So the folder says what is about
//! to be asked for before it is asked, under a tag that the workflow puts into its run's title; afterwards
//! the run is looked up by that title, and only one that was not there for [`FIND`] is asked for again.

mod dispatch;
pub mod packed;
mod returned;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use tokio::sync::Mutex;

use super::folder::aside;
use super::{Assignment, AssignmentFolder, Engine, Limits, Progress, Ticket};
use crate::clock::SharedClock;
use crate::failure::Failure;
use crate::github::{DispatchFailed, DispatchedRun, GitHub, Lookup, Workflow};
use dispatch::{Dispatch, DispatchState};
use packed::ServedFolder;
use watch::{Asked, Seen, Watch};

/// How long a run may take to appear in GitHub's lists before it counts as never made.
const FIND: SignedDuration = SignedDuration::from_mins(10);
/// How long an artifact may take to appear once its run has ended.
const ARTIFACT_PATIENCE: Duration = Duration::from_secs(2);
/// How long all places count as taken before they are counted again.
const FULL: Duration = Duration::from_secs(1);
/// The most characters of an assignment that go into a dispatch. GitHub takes 65,535 of all inputs together
/// (its documentation of `workflow_dispatch`).
const LARGEST_INPUT: usize = 60_000;
/// What a run needs beside installing and testing, in minutes: its machine, and tidegate itself.
const RUNNER_MINUTES: u64 = 10;

/// How the engine of GitHub Actions is set up.
#[derive(Clone, Debug)]
pub struct GitHubActionsSettings {
    /// The folder that holds the folders of all assignments.
    pub root: PathBuf,
    /// The workflow.
    pub workflow: Workflow,
    /// The most runs at the same time.
    pub most: usize,
    /// How often GitHub is asked how far the runs are.
    pub interval: Duration,
    /// Where runners find the channels that are folders of this machine.
    pub served: Vec<ServedFolder>,
}

/// The engine of GitHub Actions.
pub struct GitHubActionsEngine {
    settings: GitHubActionsSettings,
    github: GitHub,
    clock: SharedClock,
    /// Held while a place is looked for and a run asked for, so that two do not ask for the same. When all
    /// places were taken last, for each look goes through all folders.
    dispatching: Mutex<Option<Instant>>,
    watch: Mutex<Watch>,
}

impl GitHubActionsEngine {
    /// The engine; makes its folder where it is missing. Nothing is asked of GitHub yet.
    pub fn new(
        mut settings: GitHubActionsSettings,
        github: GitHub,
        clock: SharedClock,
    ) -> Result<Self, Failure> {
        let root = &settings.root;
        let made = fs::create_dir_all(root).and_then(|()| root.canonicalize());
        settings.root = made.map_err(|error| Failure::Configuration {
            message: format!("the folder of assignments, {}, cannot be made: {error}", root.display()),
            hint: None,
        })?;
        let (dispatching, watch) = (Mutex::default(), Mutex::default());
        Ok(Self { settings, github, clock, dispatching, watch })
    }

    async fn submit_folder(&self, folder: &AssignmentFolder) -> Result<Ticket, Failure> {
        if folder.path().parent() != Some(&self.settings.root) {
            let (path, root) = (folder.path().display(), self.settings.root.display());
            return Err(Failure::permanent(format!("{path} does not lie in {root}")));
        }
        folder.assignment()?;
        if folder.report()?.is_none() {
            self.revive(folder).await?;
            self.dispatch_if_free(folder).await?;
        }
        let run = Dispatch::of(folder)?.and_then(|dispatch| dispatch.run());
        Ok(Ticket { folder: folder.path().to_path_buf(), job: run.map(|run| run.to_string()) })
    }

    /// Makes an assignment that was lost or cancelled fresh again. A run that is still being looked for
    /// stays: it is adopted when it is found.
    async fn revive(&self, folder: &AssignmentFolder) -> Result<(), Failure> {
        let mut last = Dispatch::of(folder)?;
        let lost = last.as_ref().is_some_and(|last| matches!(last.state, DispatchState::Lost(_)));
        if !lost && !folder.is_cancelled() {
            return Ok(());
        }
        if let Some(last) = last.as_mut().filter(|last| last.state != DispatchState::Intended) {
            last.note(folder, DispatchState::Refused)?;
        }
        aside(folder, AssignmentFolder::renew).await
    }

    async fn look_at(&self, ticket: &Ticket) -> Result<Progress, Failure> {
        let folder = AssignmentFolder::open(&ticket.folder)?;
        if let Some(report) = folder.report()? {
            self.watch.lock().await.forget(folder.path());
            return Ok(Progress::Ended(report));
        }
        let Some(mut dispatch) = Dispatch::of(&folder)? else { return self.dispatch_if_free(&folder).await };
        match &dispatch.state {
            DispatchState::Refused => return self.dispatch_if_free(&folder).await,
            DispatchState::Lost(why) => return Ok(Progress::Lost { why: why.clone() }),
            DispatchState::Intended | DispatchState::Run(_) => {}
        }
        match (self.seen(&folder, &dispatch).await?, dispatch.run()) {
            (Seen::Run(run), None) => {
                // Noted afterwards, so that one that could not be cancelled now is found again.
                if folder.is_cancelled() {
                    self.github.cancel_run(&self.settings.workflow.repository, run.id).await?;
                }
                dispatch.note(&folder, DispatchState::Run(run.id))?;
                self.follow(&folder, dispatch, &run).await
            }
            (Seen::Run(run), Some(_)) => self.follow(&folder, dispatch, &run).await,
            (Seen::Gone { at }, Some(run)) if at >= dispatch.intended_at + FIND => {
                let repository = &self.settings.workflow.repository;
                let why = format!("run {run} of {repository} was deleted, or the token may not see it");
                self.lose(&folder, dispatch, why).await
            }
            (Seen::Nothing { at }, None) if at >= dispatch.intended_at + FIND => {
                tracing::warn!(tag = dispatch.tag, "no run of GitHub Actions came of a dispatch");
                dispatch.note(&folder, DispatchState::Refused)?;
                self.dispatch_if_free(&folder).await
            }
            // Lists lag behind, and so may a run whose number we were told.
            (Seen::Nothing { .. } | Seen::Gone { .. }, _) => Ok(Progress::Waiting),
        }
    }

    async fn seen(&self, folder: &AssignmentFolder, dispatch: &Dispatch) -> Result<Seen, Failure> {
        let asked = Asked {
            github: &self.github,
            workflow: &self.settings.workflow,
            clock: &self.clock,
            interval: self.settings.interval,
        };
        self.watch.lock().await.look(folder.path(), dispatch, &asked).await
    }

    /// What the state of a run means for its assignment.
    async fn follow(
        &self,
        folder: &AssignmentFolder,
        dispatch: Dispatch,
        run: &DispatchedRun,
    ) -> Result<Progress, Failure> {
        match run.status.as_str() {
            "queued" | "requested" | "waiting" | "pending" => Ok(Progress::Waiting),
            "completed" if folder.is_cancelled() => {
                self.lose(folder, dispatch, "it was cancelled".to_owned()).await
            }
            "completed" => match self.fetch(folder, &dispatch, run).await? {
                Ok(report) => {
                    self.watch.lock().await.forget(folder.path());
                    Ok(report)
                }
                Err(why) => self.lose(folder, dispatch, why).await,
            },
            _ => Ok(Progress::Running),
        }
    }

    /// Brings the report of a run that has ended into the folder. The inner error says why there is none.
    async fn fetch(
        &self,
        folder: &AssignmentFolder,
        dispatch: &Dispatch,
        run: &DispatchedRun,
    ) -> Result<Result<Progress, String>, Failure> {
        let (assignment, page) = (folder.assignment()?, &run.html_url);
        let repository = &self.settings.workflow.repository;
        let mut found = self.github.run_artifact(repository, run.id, &dispatch.tag).await;
        if matches!(found, Lookup::Absent { .. }) {
            tokio::time::sleep(ARTIFACT_PATIENCE).await;
            found = self.github.run_artifact(repository, run.id, &dispatch.tag).await;
        }
        let artifact = match found {
            Lookup::Found(artifact) => artifact,
            Lookup::Absent { .. } => return Ok(Err(unreported(run))),
            Lookup::Failed(Failure::Permanent { message }) => {
                return Ok(Err(format!("{message}; see {page}")));
            }
            Lookup::Failed(failure) => return Err(failure),
        };
        let most = returned::largest(&assignment.limits);
        if artifact.expired {
            return Ok(Err(format!("the artifact of {page} has expired, and its report with it")));
        }
        if artifact.size_in_bytes > most {
            return Ok(Err(format!("the artifact of {page} is larger than {most} bytes")));
        }
        let mut zip = Vec::new();
        match self.github.download_artifact(repository, artifact.id, most, &mut zip).await {
            Ok(()) => {}
            Err(Failure::Permanent { message }) => return Ok(Err(format!("{message}; see {page}"))),
            Err(failure) => return Err(failure),
        }
        let returned = match returned::read(&zip, &assignment) {
            Ok(returned) => returned,
            Err(why) => return Ok(Err(format!("the artifact of {page} is of no use: {why}"))),
        };
        // The log first: with the report the assignment has ended, and nobody fetches again.
        fs::write(folder.log(), &returned.log).map_err(|error| {
            Failure::transient(format!("cannot write {}: {error}", folder.log().display()))
        })?;
        folder.end(&returned.report)?;
        Ok(Ok(Progress::Ended(returned.report)))
    }

    /// Notes that nothing more will come of a dispatch.
    async fn lose(
        &self,
        folder: &AssignmentFolder,
        mut dispatch: Dispatch,
        why: String,
    ) -> Result<Progress, Failure> {
        dispatch.note(folder, DispatchState::Lost(why.clone()))?;
        self.watch.lock().await.forget(folder.path());
        Ok(Progress::Lost { why })
    }

    /// Asks for a run, where none was asked for and fewer than the most are open.
    async fn dispatch_if_free(&self, folder: &AssignmentFolder) -> Result<Progress, Failure> {
        let mut full = self.dispatching.lock().await;
        if Dispatch::of(folder)?.is_some_and(|dispatch| dispatch.is_open()) {
            return Ok(Progress::Waiting);
        }
        if folder.is_cancelled() {
            return Ok(Progress::Lost { why: "it was cancelled".to_owned() });
        }
        if full.is_some_and(|full| full.elapsed() < FULL) {
            return Ok(Progress::Waiting);
        }
        *full = (self.open()? >= self.settings.most.max(1)).then(Instant::now);
        if full.is_some() {
            return Ok(Progress::Waiting);
        }
        let assignment = folder.assignment()?;
        let mut inputs = self.inputs(&assignment).await?;
        let mut dispatch = Dispatch::intend(folder, &assignment.key, self.clock.now())?;
        inputs.insert("tag", dispatch.tag.clone());
        match self.github.dispatch_workflow(&self.settings.workflow, &inputs).await {
            Ok(Some(run)) => dispatch.note(folder, DispatchState::Run(run))?,
            Ok(None) => {}
            Err(DispatchFailed::Unanswered(failure)) => {
                tracing::warn!(tag = dispatch.tag, %failure, "whether a run was dispatched has to be looked up");
            }
            Err(DispatchFailed::Refused(failure)) => {
                dispatch.note(folder, DispatchState::Refused)?;
                return Err(failure);
            }
        }
        Ok(Progress::Waiting)
    }

    /// What a run is given, but for its tag: the assignment itself, or, where it is too large for that, the
    /// name of a blob that holds it.
    async fn inputs(&self, assignment: &Assignment) -> Result<BTreeMap<&'static str, String>, Failure> {
        let packed = packed::pack(assignment, &self.settings.served)?;
        let mut inputs = BTreeMap::from([("minutes", minutes(&assignment.limits).to_string())]);
        let text = STANDARD.encode(&packed);
        if text.len() <= LARGEST_INPUT {
            inputs.insert("assignment", text);
        } else {
            let blob = self.github.keep_blob(&self.settings.workflow.repository, &packed).await?;
            inputs.insert("blob", blob.to_string());
        }
        Ok(inputs)
    }

    /// How many runs are open, whichever process asked for them.
    fn open(&self) -> Result<usize, Failure> {
        let root = &self.settings.root;
        let failed =
            |error: std::io::Error| Failure::transient(format!("cannot read {}: {error}", root.display()));
        let mut open = 0;
        for entry in fs::read_dir(root).map_err(failed)? {
            // A folder that goes away meanwhile has no run.
            let Ok(folder) = AssignmentFolder::open(&entry.map_err(failed)?.path()) else { continue };
            // One that was cancelled ends by itself, and nobody may ever look at it again.
            let wanted = !folder.is_cancelled() && folder.report()?.is_none();
            open += usize::from(wanted && Dispatch::of(&folder)?.is_some_and(|dispatch| dispatch.is_open()));
        }
        Ok(open)
    }

    async fn cancel_folder(&self, ticket: &Ticket) -> Result<(), Failure> {
        let folder = AssignmentFolder::open(&ticket.folder)?;
        if folder.report()?.is_some() {
            return Ok(());
        }
        folder.cancel()?;
        // One that is still looked for is cancelled when it is found.
        match Dispatch::of(&folder)?.and_then(|dispatch| dispatch.run()) {
            Some(run) => self.github.cancel_run(&self.settings.workflow.repository, run).await,
            None => Ok(()),
        }
    }
}

impl Engine for GitHubActionsEngine {
    fn submit<'a>(&'a self, folder: &'a AssignmentFolder) -> BoxFuture<'a, Result<Ticket, Failure>> {
        Box::pin(self.submit_folder(folder))
    }

    fn look<'a>(&'a self, ticket: &'a Ticket) -> BoxFuture<'a, Result<Progress, Failure>> {
        Box::pin(self.look_at(ticket))
    }

    fn cancel<'a>(&'a self, ticket: &'a Ticket) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.cancel_folder(ticket))
    }
}

/// The longest time of a whole run, in minutes.
fn minutes(limits: &Limits) -> u64 {
    limits.time.saturating_mul(2).div_ceil(60).saturating_add(RUNNER_MINUTES)
}

/// What is said of a run that ended without a report.
fn unreported(run: &DispatchedRun) -> String {
    let page = &run.html_url;
    match run.conclusion.as_deref() {
        Some("cancelled") => format!("somebody cancelled {page}, or its time was over"),
        Some("timed_out") => format!("the time of {page} was over before it could report"),
        Some("startup_failure") => {
            format!("{page} did not start: look there at what GitHub says of the workflow's file")
        }
        Some("action_required") => {
            format!("{page} waits for somebody's approval, and ended without a report")
        }
        conclusion => format!("{page} ended without a report ({})", conclusion.unwrap_or("no conclusion")),
    }
}
