//! How assignments become jobs of Slurm: those that are handed over at about the same moment as one array, any other
//! as a job of its own.
//!
//! Which array a folder is about to be part of is noted in it before `sbatch` is called, and its number afterwards. When
//! the power fails between, the job is found by its name: that of a single job carries the key, that of an array
//! is the one in the note.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use super::state::JobState;
use super::{SlurmEngine, SlurmSettings, is_job, slurm_time};
use crate::digest::sha256_hex;
use crate::engine::folder::{ArrayPlace, aside};
use crate::engine::shell::{exec, quoted};
use crate::engine::{Assignment, AssignmentFolder, Limits, Ticket};
use crate::failure::Failure;

/// How long the first of some assignments waits for others to come into the same array.
const GATHER: Duration = Duration::from_millis(300);
/// What a worker needs beside its tests, in bytes.
pub(super) const WORKER_MEMORY: u64 = 512 << 20;
/// What precedes the key in the name of a job.
const JOB_NAME: &str = "tidegate-";
/// What precedes the digest in the name of an array. No key has a capital letter.
const ARRAY_NAME: &str = "tidegate-Array-";

/// What was handed over and not submitted yet, and what became of what was.
#[derive(Default)]
pub(super) struct Desk {
    waiting: Vec<AssignmentFolder>,
    /// By folder: the number of its job, or why there is none.
    outcomes: BTreeMap<PathBuf, Result<Option<String>, Failure>>,
}

/// A job of ours that has not ended.
struct Living {
    job: String,
    name: String,
}

/// An assignment that needs a new job.
struct Fresh<'f> {
    folder: &'f AssignmentFolder,
    assignment: Assignment,
}

impl SlurmEngine {
    /// Hands an assignment over. Whoever comes first waits a moment, and then submits everything that was handed
    /// over meanwhile; the others find what became of theirs.
    pub(super) async fn submit_folder(&self, folder: &AssignmentFolder) -> Result<Ticket, Failure> {
        if folder.path().parent() != Some(&self.settings.root) {
            let (path, root) = (folder.path().display(), self.settings.root.display());
            return Err(Failure::permanent(format!("{path} does not lie in {root}, which the nodes share")));
        }
        folder.assignment()?;
        loop {
            self.with_desk(|desk| {
                desk.outcomes.remove(folder.path());
                if !desk.waiting.contains(folder) {
                    desk.waiting.push(folder.clone());
                }
            });
            let _submitting = self.submitting.lock().await;
            if self.with_desk(|desk| desk.waiting.contains(folder)) {
                tokio::time::sleep(GATHER).await;
                let waiting = self.with_desk(|desk| std::mem::take(&mut desk.waiting));
                let outcomes = self.submit_all(&waiting).await;
                self.with_desk(|desk| desk.outcomes.extend(outcomes));
            }
            if let Some(outcome) = self.with_desk(|desk| desk.outcomes.remove(folder.path())) {
                return Ok(Ticket { folder: folder.path().to_path_buf(), job: outcome? });
            }
            // Whoever submitted it was stopped in the middle, or somebody else handed over the same: look again.
        }
    }

    fn with_desk<T>(&self, work: impl FnOnce(&mut Desk) -> T) -> T {
        work(&mut self.desk.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adopts what has a job, and submits the rest.
    async fn submit_all(
        &self,
        folders: &[AssignmentFolder],
    ) -> BTreeMap<PathBuf, Result<Option<String>, Failure>> {
        let mut outcomes = BTreeMap::new();
        let living = match self.living().await {
            Ok(living) => living,
            Err(failure) => {
                let failed = |folder: &AssignmentFolder| (folder.path().to_path_buf(), Err(failure.clone()));
                return folders.iter().map(failed).collect();
            }
        };
        let mut fresh: BTreeMap<(u64, u64), Vec<Fresh<'_>>> = BTreeMap::new();
        for folder in folders {
            let path = folder.path().to_path_buf();
            match adopted(folder, &living).await {
                Ok(Adopted::Job(job)) => drop(outcomes.insert(path, Ok(job))),
                Ok(Adopted::Needs(assignment)) => {
                    let Limits { time, memory, .. } = assignment.limits;
                    fresh.entry((time, memory)).or_default().push(Fresh { folder, assignment: *assignment });
                }
                Err(failure) => drop(outcomes.insert(path, Err(failure))),
            }
        }
        // One `sbatch` says how much time and memory each job of it may take.
        let most = (self.settings.array_size as usize).max(1);
        for group in fresh.values().flat_map(|alike| alike.chunks(most)) {
            let submitted = match group {
                [one] => self.submit_one(one).await.map(|job| vec![job]),
                several => self.submit_array(several).await,
            };
            for (at, one) in group.iter().enumerate() {
                let outcome = submitted.clone().and_then(|jobs| {
                    one.folder.note_job(&jobs[at])?;
                    Ok(Some(jobs[at].clone()))
                });
                outcomes.insert(one.folder.path().to_path_buf(), outcome);
            }
        }
        outcomes
    }

    /// The jobs of this user that have not ended, each element of an array by itself.
    async fn living(&self) -> Result<Vec<Living>, Failure> {
        let arguments = ["--noheader", "--me", "--array", "--format=%i|%T|%j"].map(OsString::from);
        let answer = self.command("squeue", &arguments, "").await?;
        if !answer.succeeded {
            return Err(answer.failure("squeue"));
        }
        let living = |line: &str| {
            let mut parts = line.splitn(3, '|');
            let (job, state, name) = (parts.next()?.trim(), parts.next()?, parts.next()?.trim());
            let lives = is_job(job) && !JobState::from_slurm(state).has_ended();
            lives.then(|| Living { job: job.to_owned(), name: name.to_owned() })
        };
        Ok(answer.output.lines().filter_map(living).collect())
    }

    async fn submit_one(&self, one: &Fresh<'_>) -> Result<String, Failure> {
        let (path, key) = (one.folder.path().display().to_string(), &one.assignment.key);
        let own = [
            format!("--job-name={JOB_NAME}{key}"),
            format!("--comment={key}"),
            format!("--output={}/slurm.log", path.replace('%', "%%")),
            format!("--chdir={path}"),
        ];
        let script = format!("#!/bin/sh\n{}\n", self.worker(one.folder));
        self.sbatch(&own, &script, one.assignment.limits).await
    }

    /// Submits several as one array, and returns the number of each element.
    async fn submit_array(&self, several: &[Fresh<'_>]) -> Result<Vec<String>, Failure> {
        let name = array_name(several);
        let mut script = "#!/bin/sh\ncase \"$SLURM_ARRAY_TASK_ID\" in\n".to_owned();
        for (index, one) in several.iter().enumerate() {
            one.folder.note_array(&ArrayPlace { name: name.clone(), index })?;
            let path = one.folder.path().display().to_string();
            let log = quoted(&format!("{path}/slurm.log"));
            let worker = self.worker(one.folder);
            script +=
                &format!("{index})\ncd {} && exec >{log} 2>&1 || exit 1\n{worker}\n;;\n", quoted(&path));
        }
        script += "esac\n";
        let at_once = self.settings.array_running.map(|most| format!("%{most}")).unwrap_or_default();
        let own = [
            format!("--job-name={name}"),
            format!("--comment={name}"),
            format!("--array=0-{}{at_once}", several.len() - 1),
            // Each element writes into its own folder, which no pattern of Slurm's can name.
            "--output=/dev/null".to_owned(),
            format!("--chdir={}", self.settings.root.display()),
        ];
        let job = self.sbatch(&own, &script, several[0].assignment.limits).await?;
        Ok((0..several.len()).map(|index| format!("{job}_{index}")).collect())
    }

    /// Shell code that becomes the worker of a folder.
    fn worker(&self, folder: &AssignmentFolder) -> String {
        let SlurmSettings { program, worker, .. } = &self.settings;
        let words: Vec<String> = std::iter::once(program.clone().into_os_string())
            .chain(worker.arguments(folder.path()))
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        exec(&words)
    }

    async fn sbatch(&self, own: &[String], script: &str, limits: Limits) -> Result<String, Failure> {
        let SlurmSettings { partition, account, arguments, .. } = &self.settings;
        let (minutes, mebibytes) = (
            slurm_time(limits.time).div_ceil(60),
            limits.memory.saturating_add(WORKER_MEMORY).div_ceil(1 << 20),
        );
        let mut all = vec!["--parsable".to_owned()];
        all.extend(own.iter().cloned());
        all.extend([
            format!("--time={minutes}"),
            format!("--mem={mebibytes}M"),
            "--export=NONE".to_owned(),
            "--ntasks=1".to_owned(),
            // A worker that is begun anew elsewhere would not know what the first one left there.
            "--no-requeue".to_owned(),
        ]);
        all.extend(partition.iter().map(|partition| format!("--partition={partition}")));
        all.extend(account.iter().map(|account| format!("--account={account}")));
        all.extend(arguments.iter().cloned());
        let all: Vec<OsString> = all.into_iter().map(OsString::from).collect();
        let answer = self.command("sbatch", &all, script).await?;
        // On clusters of clusters the name of the cluster follows.
        let job = answer.output.trim().split(';').next().unwrap_or_default().to_owned();
        if answer.succeeded && is_job(&job) {
            return Ok(job);
        }
        Err(match answer.failure("sbatch") {
            passing @ Failure::Transient { .. } => passing,
            failure => Failure::Configuration {
                message: failure.to_string(),
                hint: Some("look at the engine's partition, account and arguments".to_owned()),
            },
        })
    }
}

/// What a folder that was handed over needs.
enum Adopted {
    /// Nothing: it has this job, or has ended.
    Job(Option<String>),
    /// A job for this assignment.
    Needs(Box<Assignment>),
}

/// Finds the job of a folder: the one that is noted, or one that a crash kept from being noted.
async fn adopted(folder: &AssignmentFolder, living: &[Living]) -> Result<Adopted, Failure> {
    let noted = folder.job()?;
    if folder.report()?.is_some() {
        return Ok(Adopted::Job(noted));
    }
    let assignment = folder.assignment()?;
    if let Some(job) = noted {
        if !folder.is_cancelled() && living.iter().any(|one| one.job == job) {
            return Ok(Adopted::Job(Some(job)));
        }
        aside(folder, AssignmentFolder::renew).await?;
    }
    let (own, place) = (format!("{JOB_NAME}{}", assignment.key), folder.array()?);
    let is_its = |one: &&Living| {
        let element = place.as_ref().is_some_and(|place| {
            one.name == place.name
                && one.job.split_once('_').is_some_and(|(_, index)| index == place.index.to_string())
        });
        one.name == own || element
    };
    match living.iter().find(is_its) {
        Some(found) => {
            folder.note_job(&found.job)?;
            Ok(Adopted::Job(Some(found.job.clone())))
        }
        None => Ok(Adopted::Needs(Box::new(assignment))),
    }
}

/// The same assignments in the same order have the same name.
fn array_name(several: &[Fresh<'_>]) -> String {
    let keys: Vec<&str> = several.iter().map(|one| one.assignment.key.as_str()).collect();
    format!("{ARRAY_NAME}{}", &sha256_hex(keys.join("\n").as_bytes())[..16])
}
