//! The engine of this machine, when daemons and workers come and go.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tidegate::domain::TestVerdict;
use tidegate::engine::local::{LocalEngine, LocalSettings, WorkerStart};
use tidegate::engine::sandbox::Sandbox;
use tidegate::engine::worker::WorkerSettings;
use tidegate::engine::{AssignmentFolder, Engine, Progress, Ticket};

use super::made::{Place, command, end_of, there, until};

fn passed(progress: &Progress) -> bool {
    matches!(progress, Progress::Ended(report) if report.verdict == TestVerdict::Pass)
}

/// The process that works in the folder.
fn worker_of(ticket: &Ticket) -> Pid {
    let begun = std::fs::read(ticket.folder.join("begun.json")).unwrap();
    let begun: serde_json::Value = serde_json::from_slice(&begun).unwrap();
    Pid::from_raw(begun["process"].as_i64().unwrap().try_into().unwrap())
}

#[tokio::test]
async fn an_engine_of_a_later_daemon_finds_what_an_earlier_one_started() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let folder = place.assign(&command("long", "sleep 1"));
    let first = place.engine(1);
    let ticket = first.submit(&folder).await.unwrap();
    let stored = serde_json::to_string(&ticket).unwrap();
    drop(first);
    let ticket: Ticket = serde_json::from_str(&stored).unwrap();
    let second = place.engine(1);
    assert_eq!(second.look(&ticket).await.unwrap(), Progress::Running);
    assert!(passed(&end_of(&second, &ticket).await));
}

#[tokio::test]
async fn an_assignment_that_is_submitted_by_two_engines_at_once_runs_once() {
    let place = Place::new();
    let count = place.folder.path().join("count");
    let folder = place.assign(&command("once", &format!("echo run >> {}; sleep 1", count.display())));
    let settings = WorkerSettings { sandbox: Sandbox::None, ..place.worker() };
    let (one, two) = (place.engine_with(2, settings.clone()), place.engine_with(2, settings));
    let (first, second) = tokio::join!(one.submit(&folder), two.submit(&folder));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first, second);
    assert!(passed(&end_of(&one, &first).await));
    assert_eq!(two.submit(&folder).await.unwrap(), first);
    assert!(passed(&end_of(&two, &second).await));
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "run\n");
}

#[tokio::test]
async fn a_killed_worker_is_lost_and_cleared_up_behind_and_can_be_submitted_again() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let folder = place.assign(&command("killed", "sleep 600"));
    let engine = place.engine(1);
    let ticket = engine.submit(&folder).await.unwrap();
    let began = ticket.folder.join("tmp/step.sh");
    until(&engine, &ticket, |_| began.exists()).await;
    kill(worker_of(&ticket), Signal::SIGKILL).unwrap();
    let Progress::Lost { why } = end_of(&engine, &ticket).await else { panic!("not lost") };
    assert!(why.starts_with(&format!("its worker, process {}", worker_of(&ticket))), "{why}");
    assert!(!ticket.folder.join("tmp").exists() && !ticket.folder.join("work").exists());

    // Once more, as a person would who found the machine's power back.
    let again = engine.submit(&folder).await.unwrap();
    until(&engine, &again, |_| began.exists()).await;
    assert_eq!(engine.look(&again).await.unwrap(), Progress::Running);
    engine.cancel(&again).await.unwrap();
    assert_eq!(end_of(&engine, &again).await, Progress::Lost { why: "it was cancelled".into() });
    assert!(!ticket.folder.join("tmp").exists());
}

#[tokio::test]
async fn a_job_that_is_ended_as_a_whole_is_no_failure_of_its_tests() {
    let place = Place::new();
    // A name that no other process on this machine has.
    let seconds = format!("8{}", std::process::id());
    let folder = place.assign(&command("whole", &format!("exec sleep {seconds}")));
    let engine = place.engine_with(1, WorkerSettings { sandbox: Sandbox::None, ..place.worker() });
    let ticket = engine.submit(&folder).await.unwrap();
    let sleeping = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let named = processes.filter(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            line == format!("sleep\0{seconds}\0").as_bytes()
        });
        named.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).next()
    };
    until(&engine, &ticket, |_| sleeping().is_some()).await;
    // The test hears of it first, as happens when a scheduler tells all processes.
    kill(Pid::from_raw(sleeping().unwrap()), Signal::SIGTERM).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    kill(worker_of(&ticket), Signal::SIGTERM).unwrap();
    let progress = end_of(&engine, &ticket).await;
    assert!(matches!(&progress, Progress::Lost { .. }), "{progress:?}");
}

#[tokio::test]
async fn no_more_workers_than_allowed_live_at_once_whoever_started_them() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let (first, second) =
        (place.assign(&command("first", "sleep 600")), place.assign(&command("second", "true")));
    let earlier = place.engine(1);
    let running = earlier.submit(&first).await.unwrap();
    let engine = place.engine(1);
    let waiting = engine.submit(&second).await.unwrap();
    assert_eq!(engine.look(&waiting).await.unwrap(), Progress::Waiting);
    engine.cancel(&running).await.unwrap();
    assert!(passed(&end_of(&engine, &waiting).await));
}

#[tokio::test]
async fn what_is_cancelled_before_it_began_never_begins() {
    let place = Place::new();
    let folder = place.assign(&command("never", "touch began"));
    let engine = place.engine_with(1, WorkerSettings { sandbox: Sandbox::None, ..place.worker() });
    let ticket = Ticket { folder: folder.path().to_owned(), job: None };
    engine.cancel(&ticket).await.unwrap();
    assert_eq!(engine.look(&ticket).await.unwrap(), Progress::Lost { why: "it was cancelled".into() });
    assert!(!folder.log().exists());
}

#[tokio::test]
async fn a_folder_elsewhere_or_with_another_assignment_is_refused() {
    let place = Place::new();
    let engine = place.engine_with(1, WorkerSettings { sandbox: Sandbox::None, ..place.worker() });
    let assignment = command("elsewhere", "true");
    let folder = AssignmentFolder::create(&place.folder.path().join("elsewhere"), &assignment).unwrap();
    let refused = engine.submit(&folder).await.unwrap_err();
    assert!(refused.to_string().contains("does not lie in"), "{refused}");
    let other = AssignmentFolder::create(folder.path(), &command("elsewhere", "false")).unwrap_err();
    assert!(other.to_string().ends_with("holds another assignment"), "{other}");
    assert_eq!(AssignmentFolder::create(folder.path(), &assignment).unwrap(), folder);
}

/// What systemd does for a socket with `Accept=yes`: one process for each connection.
fn answer_as_systemd(listener: UnixListener, root: &Path, cache: &Path) {
    let (root, cache) = (root.to_owned(), cache.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let (input, output) = (OwnedFd::from(stream.try_clone().unwrap()), OwnedFd::from(stream));
            let mut worker = Command::new(env!("CARGO_BIN_EXE_tidegate"));
            worker.args(["worker", "--sandbox", "none", "--from-socket"]).arg(&root);
            worker.arg("--cache").arg(&cache).stderr(Stdio::null());
            worker.stdin(Stdio::from(input)).stdout(Stdio::from(output));
            std::thread::spawn(move || worker.status().unwrap());
        }
    });
}

#[tokio::test]
async fn a_worker_behind_a_socket_takes_folders_below_its_own_and_no_others() {
    let place = Place::new();
    std::fs::create_dir_all(place.root()).unwrap();
    let socket = place.folder.path().join("worker.socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let own = place.folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    answer_as_systemd(listener, &own, &place.folder.path().join("cache"));

    let engine = |root: &Path| {
        let start = WorkerStart::Socket(socket.clone());
        LocalEngine::new(LocalSettings { root: root.to_owned(), workers: 1, start }).unwrap()
    };
    let folder = AssignmentFolder::create(&own.join("asked"), &command("asked", "true")).unwrap();
    let accepting = engine(&own);
    let ticket = accepting.submit(&folder).await.unwrap();
    assert!(passed(&end_of(&accepting, &ticket).await));

    let outside = place.assign(&command("outside", "true"));
    let refused = engine(&place.root()).submit(&outside).await.unwrap_err();
    assert!(refused.is_transient() && refused.to_string().contains("did not begin"), "{refused}");
    assert!(outside.report().unwrap().is_none());
}
