//! GitHub Actions without GitHub: a simulated repository that holds the shipped workflow, and a runner that
//! carries its runs out with the workflow's own scripts and the real worker.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use tempfile::TempDir;
use tidegate::clock::SharedClock;
use tidegate::domain::TestVerdict;
use tidegate::engine::github_actions::packed::unpack;
use tidegate::engine::{Assignment, Report};
use tidegate::rehearse::github::state::{Artifact, WorkflowRun};
use tidegate::rehearse::github::{Event, GitHubState, Repository, Served, SimulatedGitHub};

use crate::conda::made::zipped;

pub const REPOSITORY: &str = "qiime2/tests";
pub const WORKFLOW: &str = include_str!("../../../templates/github-actions/tidegate-test.yml");
const FILE: &str = ".github/workflows/tidegate-test.yml";

/// GitHub with one repository, which holds the workflow.
pub struct Actions {
    pub simulated: Arc<SimulatedGitHub>,
    pub served: Served,
    clock: SharedClock,
    packages: Arc<TempDir>,
    _journal: TempDir,
}

impl Actions {
    pub async fn new(clock: SharedClock) -> Self {
        Self::with_files(clock, &[(FILE, WORKFLOW)]).await
    }

    pub async fn with_files(clock: SharedClock, files: &[(&str, &str)]) -> Self {
        let journal = tempfile::tempdir().unwrap();
        let mut state = GitHubState::default();
        let files = files.iter().map(|(path, text)| (path.to_string(), text.to_string()));
        state.add(Repository::with_files(REPOSITORY, files, clock.now()).unwrap());
        let path = journal.path().join("github.journal");
        let simulated = Arc::new(SimulatedGitHub::open(state, &path, Arc::clone(&clock)).unwrap());
        let served = Arc::clone(&simulated).serve().await.unwrap();
        let packages = Arc::new(tempfile::tempdir().unwrap());
        Self { simulated, served, clock, packages, _journal: journal }
    }

    pub fn runs(&self) -> Vec<WorkflowRun> {
        self.simulated.read(|state| state.repository(REPOSITORY).unwrap().runs.clone())
    }

    /// What was given with each dispatch.
    pub fn inputs(&self) -> Vec<Map<String, Value>> {
        let inputs = |state: &GitHubState| {
            let dispatches = &state.repository(REPOSITORY).unwrap().dispatches;
            dispatches.iter().map(|dispatch| dispatch.inputs.clone()).collect()
        };
        self.simulated.read(inputs)
    }

    /// Carries out every run that waits.
    pub async fn carry_out_all(&self) {
        for run in self.runs().into_iter().filter(|run| run.status == "queued") {
            let runner = self.runner();
            tokio::task::spawn_blocking(move || runner.carry_out(run)).await.unwrap();
        }
    }

    /// Carries out runs as they come, until it is dropped.
    pub fn carry_out_always(&self) -> impl Drop {
        struct Always(tokio::task::JoinHandle<()>);
        impl Drop for Always {
            fn drop(&mut self) {
                self.0.abort();
            }
        }
        let runner = self.runner();
        Always(tokio::spawn(async move {
            loop {
                let own = runner.clone();
                let waiting = own.waiting();
                for run in waiting {
                    let own = runner.clone();
                    tokio::task::spawn_blocking(move || own.carry_out(run)).await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }))
    }

    /// Ends every run that waits as a machine does on which the tests come out as `verdict` says of each
    /// assignment: for platforms that this machine is not of.
    pub fn report_all(&self, verdict: impl Fn(&Assignment) -> TestVerdict) {
        for run in self.runs().into_iter().filter(|run| run.status == "queued") {
            let tag = run.display_title.strip_prefix("tidegate ").unwrap();
            let inputs = self.inputs().into_iter().find(|inputs| inputs["tag"] == tag).unwrap();
            let packed = STANDARD.decode(inputs["assignment"].as_str().unwrap()).unwrap();
            let assignment = unpack(&packed).unwrap();
            let report = Report {
                key: Some(assignment.key.clone()),
                verdict: verdict(&assignment),
                started_at: self.clock.now(),
                finished_at: self.clock.now(),
                log: "log.txt".to_owned(),
                exit: None,
                peak_memory: None,
            };
            let files = [("result.json".to_owned(), serde_json::to_vec(&report).unwrap())];
            self.end(&run, "success", Some(zipped(&files)));
        }
    }

    /// Ends a run, with this zip file as the artifact of the name that its title says.
    pub fn end(&self, run: &WorkflowRun, conclusion: &str, zip: Option<Vec<u8>>) {
        self.runner().end(run.clone(), conclusion, zip);
    }

    fn runner(&self) -> Runner {
        Runner {
            simulated: Arc::clone(&self.simulated),
            clock: Arc::clone(&self.clock),
            packages: Arc::clone(&self.packages),
        }
    }
}

/// Who carries runs out.
#[derive(Clone)]
struct Runner {
    simulated: Arc<SimulatedGitHub>,
    clock: SharedClock,
    packages: Arc<TempDir>,
}

impl Runner {
    fn waiting(&self) -> Vec<WorkflowRun> {
        let runs = self.simulated.read(|state| state.repository(REPOSITORY).unwrap().runs.clone());
        runs.into_iter().filter(|run| run.status == "queued").collect()
    }

    fn carry_out(&self, mut run: WorkflowRun) {
        run.status = "in_progress".to_owned();
        self.record(run.clone());
        let tag = run.display_title.strip_prefix("tidegate ").unwrap().to_owned();
        let inputs = self.simulated.read(|state| {
            let dispatches = &state.repository(REPOSITORY).unwrap().dispatches;
            dispatches.iter().find(|dispatch| dispatch.inputs["tag"] == tag).unwrap().inputs.clone()
        });
        let machine = tempfile::tempdir().unwrap();
        symlink(env!("CARGO_BIN_EXE_tidegate"), machine.path().join("tidegate")).unwrap();
        symlink(self.packages.path(), machine.path().join("packages")).unwrap();
        self.gh(machine.path(), &inputs);
        let succeeded = ["Unpack the assignment", "Test"]
            .iter()
            .all(|step| run_step(&step_called(step), &inputs, machine.path()));
        let members: Vec<(String, Vec<u8>)> = ["result.json", "log.txt"]
            .iter()
            .filter_map(|name| {
                Some((name.to_string(), std::fs::read(machine.path().join("test").join(name)).ok()?))
            })
            .collect();
        let zip = (!members.is_empty()).then(|| zipped(&members));
        self.end(run, if succeeded { "success" } else { "failure" }, zip);
    }

    fn end(&self, mut run: WorkflowRun, conclusion: &str, zip: Option<Vec<u8>>) {
        if let Some(content) = zip {
            let name = run.display_title.strip_prefix("tidegate ").unwrap().to_owned();
            let artifact = Artifact {
                id: run.id + 5_000,
                run_id: run.id,
                name,
                content,
                created_at: self.clock.now(),
                expired: false,
            };
            let mut all =
                self.simulated.read(|state| state.repository(REPOSITORY).unwrap().artifacts.clone());
            all.push(artifact);
            self.simulated.set_artifacts(REPOSITORY, all);
        }
        run.status = "completed".to_owned();
        run.conclusion = Some(conclusion.to_owned());
        self.record(run);
    }

    fn record(&self, run: WorkflowRun) {
        self.simulated.perform(Event::RunRecorded { repository: REPOSITORY.to_owned(), run }).unwrap();
    }

    /// GitHub's program on the runner's machine, as far as the workflow uses it: it prints the content of one
    /// blob as the API gives it, in lines of 60.
    fn gh(&self, machine: &Path, inputs: &Map<String, Value>) {
        let content = inputs.get("blob").and_then(Value::as_str).map(|name| {
            self.simulated.read(|state| {
                let git = state.repository(REPOSITORY).unwrap().git.clone().unwrap();
                let bytes = git.blob(name.parse().unwrap()).unwrap().to_vec();
                let text = STANDARD.encode(bytes);
                let lines: Vec<&str> =
                    text.as_bytes().chunks(60).map(|line| std::str::from_utf8(line).unwrap()).collect();
                (format!("repos/{REPOSITORY}/git/blobs/{name}"), lines.join("\n"))
            })
        });
        let Some((path, content)) = content else { return };
        std::fs::create_dir(machine.join("bin")).unwrap();
        std::fs::write(machine.join("blob"), content + "\n").unwrap();
        let script = format!(
            "#!/bin/sh\n[ \"$*\" = \"api {path} --jq .content\" ] && [ -n \"$GH_TOKEN\" ] && cat {}/blob\n",
            machine.display()
        );
        let path = machine.join("bin/gh");
        std::fs::File::create(&path).unwrap().write_all(script.as_bytes()).unwrap();
        super::made::executable(&path);
    }
}

/// The shipped workflow.
pub fn workflow() -> Value {
    serde_yaml::from_str(WORKFLOW).unwrap()
}

fn step_called(name: &str) -> Value {
    let steps = workflow()["jobs"]["test"]["steps"].as_array().unwrap().clone();
    steps.into_iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}"))
}

/// Runs a step's script as GitHub's runner does, with its variables filled in.
fn run_step(step: &Value, inputs: &Map<String, Value>, machine: &Path) -> bool {
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"].as_str().unwrap()]);
    bash.env_clear().env("PATH", format!("{}/bin:/usr/local/bin:/usr/bin:/bin", machine.display()));
    bash.env("HOME", machine).env("RUNNER_TEMP", machine).env("GITHUB_REPOSITORY", REPOSITORY);
    for (name, value) in step["env"].as_object().into_iter().flatten() {
        let expression = value.as_str().unwrap().trim_start_matches("${{").trim_end_matches("}}").trim();
        let value = match expression.strip_prefix("inputs.") {
            Some(input) => inputs.get(input).and_then(Value::as_str).unwrap_or_default(),
            None if expression == "github.token" => "a-token-of-the-run",
            None => panic!("the runner of this test does not know `{expression}`"),
        };
        bash.env(name, value);
    }
    bash.status().unwrap().success()
}
