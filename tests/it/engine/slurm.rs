//! The engine of a cluster, on a real cluster of one node on this machine: controller, node and munge,
//! with ports, keys and folders of their own. Skipped with a message where Slurm is missing, or where
//! this is not root, whose daemons they are.

mod arrays;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidegate::clock::{ManualClock, SystemClock};
use tidegate::domain::TestVerdict;
use tidegate::engine::sandbox::Sandbox;
use tidegate::engine::slurm::{SlurmEngine, SlurmSettings};
use tidegate::engine::worker::WorkerSettings;
use tidegate::engine::{Assignment, Engine, Limits, Progress, Ticket};
use tidegate::failure::Failure;

use super::made::{Place, Record, command, conda_test, end_of, there, until};

/// A cluster of one node. Its processes end with it.
pub struct Cluster {
    folder: TempDir,
    processes: Vec<Child>,
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("tidegate-slurm").tempdir().unwrap();
        // munge trusts a socket only where others could not have put it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut cluster = Self { folder, processes: Vec::new() };
        cluster.start_munge();
        fs::write(cluster.configuration(), cluster.settings()).unwrap();
        let configuration = cluster.configuration();
        for program in ["slurmctld", "slurmd"] {
            let mut daemon = Command::new(format!("/usr/sbin/{program}"));
            daemon.arg("-D").arg("-f").arg(&configuration);
            cluster.spawn(program, daemon);
        }
        let began = Instant::now();
        while !cluster.ask("sinfo", &["--noheader", "--format=%T"]).contains("idle") {
            assert!(began.elapsed() < Duration::from_secs(60), "the node is not idle: {}", cluster.logs());
            std::thread::sleep(Duration::from_millis(200));
        }
        cluster
    }

    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("slurm.conf")
    }

    /// A folder that all nodes see.
    pub fn shared(&self) -> PathBuf {
        self.folder.path().join("shared")
    }

    fn munge_socket(&self) -> PathBuf {
        self.folder.path().join("munge.socket")
    }

    fn start_munge(&mut self) {
        let path = |name: &str| self.folder.path().join(name);
        fs::write(path("munge.key"), [b'k'; 1024]).unwrap();
        fs::set_permissions(path("munge.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let mut munged = Command::new("/usr/sbin/munged");
        munged.args(["--foreground", "--force"]);
        for (option, file) in [
            ("key-file", "munge.key"),
            ("pid-file", "munge.pid"),
            ("log-file", "munge.log"),
            ("seed-file", "munge.seed"),
        ] {
            munged.arg(format!("--{option}={}", path(file).display()));
        }
        munged.arg(format!("--socket={}", self.munge_socket().display()));
        self.spawn("munged", munged);
        let began = Instant::now();
        while !self.munge_socket().exists() {
            assert!(began.elapsed() < Duration::from_secs(20), "munge does not start: {}", self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn settings(&self) -> String {
        let folder = self.folder.path().display();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let host = host.trim();
        let ports: Vec<u16> = (0..2)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect::<Vec<_>>()
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        format!(
            "ClusterName=tidegate\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={}\nSlurmdPort={}\n\
             AuthType=auth/munge\nAuthInfo=socket={}\nCredType=cred/munge\nSlurmUser=root\nSlurmdUser=root\n\
             StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool\n\
             SlurmctldPidFile={folder}/slurmctld.pid\nSlurmdPidFile={folder}/slurmd.pid\n\
             SlurmctldLogFile={folder}/slurmctld.log\nSlurmdLogFile={folder}/slurmd.log\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\nReturnToService=2\n\
             AccountingStorageType=accounting_storage/none\nJobAcctGatherType=jobacct_gather/none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core_Memory\nKillWait=2\n\
             SchedulerType=sched/builtin\nSchedulerParameters=batch_sched_delay=0,sched_interval=1\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN\n\
             PartitionName=tests Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n",
            ports[0],
            ports[1],
            self.munge_socket().display(),
        )
    }

    fn spawn(&mut self, name: &str, mut command: Command) {
        let told = fs::File::create(self.folder.path().join(format!("{name}.out"))).unwrap();
        command.stdin(Stdio::null()).stdout(told.try_clone().unwrap()).stderr(told);
        self.processes.push(command.env("SLURM_CONF", self.configuration()).spawn().unwrap());
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let mut asked = Command::new(program);
        asked.args(arguments).env("SLURM_CONF", self.configuration());
        String::from_utf8_lossy(&asked.output().unwrap().stdout).into_owned()
    }

    fn logs(&self) -> String {
        let names = ["munged.out", "slurmctld.out", "slurmctld.log", "slurmd.out", "slurmd.log"];
        let read = |name: &&str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        names.iter().map(|name| format!("\n{name}:\n{}", read(name))).collect()
    }

    fn engine(&self, place: &Place, sandbox: Sandbox) -> SlurmEngine {
        let settings = SlurmSettings {
            root: place.root(),
            program: PathBuf::from(env!("CARGO_BIN_EXE_tidegate")),
            worker: WorkerSettings { sandbox, ..place.worker() },
            partition: Some("tests".to_owned()),
            account: None,
            array_size: 1000,
            array_running: Some(1),
            arguments: vec!["--cpus-per-task=1".to_owned()],
            configuration: Some(self.configuration()),
            programs: None,
        };
        SlurmEngine::new(settings, Arc::new(SystemClock)).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The node first, so that it can still tell the controller.
        for mut process in self.processes.drain(..).rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A cluster, where there can be one.
pub fn cluster() -> Option<Cluster> {
    let all = ["bwrap", "munged", "slurmctld", "slurmd", "sbatch"].iter().all(|program| there(program));
    let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if all && !root {
        eprintln!("skipped: a cluster of one node is started by root alone");
    }
    (all && root).then(Cluster::start)
}

fn logs_on_panic(cluster: &Cluster, folder: &Path) -> String {
    let slurm = fs::read_to_string(folder.join("slurm.log")).unwrap_or_default();
    format!("{slurm}\n{}", cluster.logs())
}

/// The same for a node with little memory.
fn small(assignment: Assignment) -> Assignment {
    Assignment { limits: Limits { memory: 1 << 30, ..assignment.limits }, ..assignment }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_tests_packages_adopts_jobs_and_tells_what_it_lost() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new();
    let engine = cluster.engine(&place, Sandbox::Bubblewrap);

    // A package that fails, submitted twice: one job.
    let beside = ["q2-bad-2023.7.0-0.tar.bz2", "extdep-2.0-0.tar.bz2"].map(Record::of_recheck_channel);
    let folder = place.assign(&small(conda_test("bad", &beside)));
    let ticket = engine.submit(&folder).await.unwrap();
    assert_eq!(engine.submit(&folder).await.unwrap(), ticket);
    match end_of(&engine, &ticket).await {
        Progress::Ended(report) => assert!(
            matches!(&report.verdict, TestVerdict::Fail { detail, .. } if detail == "about to fail"),
            "{report:?}"
        ),
        progress => panic!("{progress:?} {}", logs_on_panic(&cluster, folder.path())),
    }

    // The power fails between sbatch and the note of its number: the job is found by its name.
    let folder = place.assign(&small(command("found", "sleep 2")));
    let ticket = engine.submit(&folder).await.unwrap();
    fs::remove_file(folder.path().join("job.json")).unwrap();
    let later = cluster.engine(&place, Sandbox::Bubblewrap);
    assert_eq!(later.submit(&folder).await.unwrap(), ticket);
    assert!(
        matches!(end_of(&later, &ticket).await, Progress::Ended(report) if report.verdict == TestVerdict::Pass)
    );

    // Cancelled by us, and cleared up by the worker on the node.
    let folder = place.assign(&small(command("cancelled", "sleep 600")));
    let ticket = engine.submit(&folder).await.unwrap();
    until(&engine, &ticket, |_| folder.path().join("tmp/step.sh").exists()).await;
    engine.cancel(&ticket).await.unwrap();
    assert_eq!(end_of(&engine, &ticket).await, Progress::Lost { why: "it was cancelled".into() });
    assert!(!folder.path().join("tmp").exists());

    // Cancelled by somebody else, and submitted again.
    let folder = place.assign(&small(command("again", "test -e \"$PWD/../../../allowed\" || sleep 600")));
    let engine = cluster.engine(&place, Sandbox::None);
    let ticket = engine.submit(&folder).await.unwrap();
    until(&engine, &ticket, |_| folder.path().join("tmp/step.sh").exists()).await;
    cluster.ask("scancel", &[ticket.job.as_deref().unwrap()]);
    let why = format!("job {} was cancelled in Slurm", ticket.job.as_deref().unwrap());
    assert_eq!(end_of(&engine, &ticket).await, Progress::Lost { why });
    fs::write(place.root().join("allowed"), "").unwrap();
    let again = engine.submit(&folder).await.unwrap();
    assert_ne!(again.job, ticket.job);
    assert!(
        matches!(end_of(&engine, &again).await, Progress::Ended(report) if report.verdict == TestVerdict::Pass)
    );
}

/// Slurm's programs, as far as they answer: each is a shell script.
fn answering(place: &Place, programs: &[(&str, &str)]) -> SlurmEngine {
    let folder = tempfile::tempdir_in(place.folder.path()).unwrap().keep();
    for (name, code) in programs {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{code}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let settings = SlurmSettings {
        root: place.root(),
        program: PathBuf::from("/opt/tidegate"),
        worker: place.worker(),
        partition: None,
        account: None,
        array_size: 3,
        array_running: Some(2),
        arguments: Vec::new(),
        configuration: None,
        programs: Some(folder),
    };
    SlurmEngine::new(settings, ManualClock::new("2026-08-14T02:00:00Z".parse().unwrap())).unwrap()
}

/// What Debian's Slurm 22.05 says where a job is unknown, and where there is no accounting.
const UNKNOWN: &str = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1";
const NO_ACCOUNTING: &str = "echo 'Slurm accounting storage is disabled' >&2; exit 1";

#[tokio::test]
async fn what_slurm_says_counts_where_a_job_left_no_report() {
    let place = Place::new();
    let cases = [
        ("pending", "echo PENDING"),
        ("running", "echo RUNNING"),
        ("timed-out", "echo TIMEOUT"),
        ("memory", "echo OUT_OF_MEMORY"),
        ("node", "echo NODE_FAIL"),
        ("preempted", "echo PREEMPTED"),
        ("crashed", "echo FAILED"),
        (
            "down",
            "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1",
        ),
    ];
    let mut told = Vec::new();
    for (key, squeue) in cases {
        let engine =
            answering(&place, &[("squeue", squeue), ("sacct", NO_ACCOUNTING), ("scontrol", UNKNOWN)]);
        let folder = place.assign(&command(key, "true"));
        let ticket = Ticket { folder: folder.path().to_owned(), job: Some("7".to_owned()) };
        told.push(match engine.look(&ticket).await {
            Ok(Progress::Ended(report)) => {
                assert_eq!(folder.report().unwrap(), Some(report.clone()));
                format!("{key}: {:?}", report.verdict)
            }
            Ok(progress) => format!("{key}: {progress:?}"),
            Err(failure) => format!("{key}: transient={} {failure}", failure.is_transient()),
        });
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    pending: Waiting
    running: Running
    timed-out: TimedOut { after: 420 }
    memory: Infrastructure { why: "Slurm ended job 7, worker and tests together, since it used more than 9126805504 bytes of memory" }
    node: Lost { why: "Slurm ended job 7 with NODE_FAIL, which says nothing of the tests" }
    preempted: Lost { why: "Slurm ended job 7 with PREEMPTED, which says nothing of the tests" }
    crashed: Lost { why: "Slurm says FAILED of job 7, but it left no report; see slurm.log in its folder" }
    down: transient=true squeue failed: slurm_load_jobs error: Unable to contact slurm controller (connect failure)
    "#);
}

#[tokio::test]
async fn accounting_and_the_controller_are_asked_where_the_queue_has_forgotten_a_job() {
    let place = Place::new();
    let folder = place.assign(&command("asked", "true"));
    let ticket = Ticket { folder: folder.path().to_owned(), job: Some("7".to_owned()) };
    let look = async |programs: &[(&str, &str)]| match answering(&place, programs).look(&ticket).await {
        Ok(Progress::Lost { why }) => why,
        other => panic!("{other:?}"),
    };
    let told = [
        look(&[("squeue", UNKNOWN), ("sacct", "echo 'CANCELLED by 1000'")]).await,
        look(&[
            ("squeue", UNKNOWN),
            ("sacct", NO_ACCOUNTING),
            ("scontrol", "echo JobId=7 JobState=BOOT_FAIL A=b"),
        ])
        .await,
        // Without accounting its program may be missing as well.
        look(&[("squeue", UNKNOWN), ("scontrol", UNKNOWN)]).await,
    ];
    insta::assert_snapshot!(told.join("\n"), @r"
    job 7 was cancelled in Slurm
    Slurm ended job 7 with BOOT_FAIL, which says nothing of the tests
    Slurm does not know job 7 any more, and it left no report
    ");
}

#[tokio::test]
async fn what_sbatch_refuses_is_told_with_what_to_look_at() {
    let place = Place::new();
    let folder = place.assign(&command("refused", "true"));
    let refused = "echo 'sbatch: error: invalid partition specified: bogus' >&2; exit 1";
    let engine = answering(&place, &[("squeue", "exit 0"), ("sbatch", refused)]);
    let failure = engine.submit(&folder).await.unwrap_err();
    let Failure::Configuration { message, hint } = failure else { panic!("{failure:?}") };
    assert_eq!(message, "sbatch failed: sbatch: error: invalid partition specified: bogus");
    assert_eq!(hint.unwrap(), "look at the engine's partition, account and arguments");

    let missing = answering(&place, &[]).submit(&folder).await.unwrap_err();
    assert_eq!(missing.to_string(), "Slurm's program `squeue` is not installed");
    let down =
        "echo 'sbatch: error: Batch job submission failed: Unable to contact slurm controller' >&2; exit 1";
    let engine = answering(&place, &[("squeue", "exit 0"), ("sbatch", down)]);
    assert!(engine.submit(&folder).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn sbatch_is_given_the_limits_the_key_and_the_worker() {
    let place = Place::new();
    let folder = place.assign(&command("given", "true"));
    let given = place.folder.path().join("given");
    let sbatch = format!("printf '%s\\n' \"$@\" > {0}; cat >> {0}; echo '12;cluster'", given.display());
    let engine = answering(&place, &[("squeue", "exit 0"), ("sbatch", &sbatch)]);
    let ticket = engine.submit(&folder).await.unwrap();
    assert_eq!(ticket.job.as_deref(), Some("12"));
    let given = shown(&place, &fs::read_to_string(&given).unwrap());
    insta::assert_snapshot!(given, @r"
    --parsable
    --job-name=tidegate-given
    --comment=given
    --output=<place>/assignments/given/slurm.log
    --chdir=<place>/assignments/given
    --time=7
    --mem=8704M
    --export=NONE
    --ntasks=1
    --no-requeue
    #!/bin/sh
    exec '/opt/tidegate' 'worker' '<place>/assignments/given' '--cache' '<place>/cache' '--sandbox' 'bubblewrap'
    ");
}

/// A text without the place that a test has for itself.
fn shown(place: &Place, text: &str) -> String {
    let real = place.folder.path().canonicalize().unwrap();
    text.replace(real.to_str().unwrap(), "<place>").replace(place.folder.path().to_str().unwrap(), "<place>")
}
