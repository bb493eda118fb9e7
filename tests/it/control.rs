//! A whole daemon on its socket.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tidegate::clock::SystemClock;
use tidegate::daemon::{
    Answer, CONTROL_SOCKET, ChannelSteering, DaemonSettings, Job, Provided, Request, SnapshotSteering,
    StatusReport, ask, run, serve,
};
use tidegate::domain::{
    ChannelChange, ChannelFile, ChannelWish, ChannelWishKind, CulpritWish, HeldChange, IssueKind, LatestWish,
    OverriddenAs, OverrideWish, ReleaseWish, RewrittenSnapshot, SnapshotChange, SnapshotWish,
    SnapshotWishKind, WithdrawnBytes,
};
use tidegate::store::{Durability, OccurrenceState, Store};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::sample_jobs::{Script, definition};

struct Daemon {
    folder: tempfile::TempDir,
    store: Store,
    work: Arc<Script>,
    stop: CancellationToken,
    hangup: Arc<Notify>,
    files_are_good: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// A daemon with one job that its schedule does not touch during a test.
async fn daemon() -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_state(folder.path(), Durability::ProcessCrash, Timestamp::now()).await.unwrap();
    let settings = DaemonSettings {
        state: folder.path().to_owned(),
        heartbeat: Duration::from_secs(1),
        stop_within: Duration::from_secs(4),
        concurrent_runs: NonZeroUsize::MIN,
        retention: Default::default(),
    };
    let work = Script::quick();
    let yearly = definition("snapshot", "0 0 1 1 *", "UTC");
    let job = Job { definition: yearly, work: work.clone() };
    let files_are_good = Arc::new(AtomicBool::new(true));
    let reload = {
        let (job, good) = (job.clone(), files_are_good.clone());
        Box::new(move || match good.load(Ordering::SeqCst) {
            true => Ok(vec![job.clone()]),
            false => Err("jobs/snapshot.toml:3:1: unknown key `schedul`".to_owned()),
        })
    };
    let (stop, hangup) = (CancellationToken::new(), Arc::new(Notify::new()));
    let task = tokio::spawn(serve(
        settings,
        store.clone(),
        Arc::new(SystemClock),
        Provided { jobs: vec![job], reload, channels: Arc::new(Echo), snapshots: Arc::new(Echo) },
        (stop.clone(), hangup.clone()),
    ));
    let daemon = Daemon { folder, store, work, stop, hangup, files_are_good, task };
    daemon.until(|status| status.last_planned_at.is_some()).await;
    daemon
}

/// A reason for which a wish takes its time.
const TAKES_LONG: &str = "it takes long";

/// Channels that only say what was asked of them.
pub struct Echo;

impl ChannelSteering for Echo {
    fn carry_out<'a>(&'a self, wish: &'a ChannelWish) -> BoxFuture<'a, anyhow::Result<ChannelChange>> {
        let file = ChannelFile {
            channel: wish.distribution.clone(),
            subdir: wish.by.clone(),
            file_name: wish.reason.clone(),
            sha256: String::new(),
        };
        Box::pin(async move { Ok(ChannelChange { withdrawn: vec![file], ..ChannelChange::default() }) })
    }
}

impl SnapshotSteering for Echo {
    fn carry_out<'a>(&'a self, wish: &'a SnapshotWish) -> BoxFuture<'a, anyhow::Result<SnapshotChange>> {
        let date = "2026-06-15".parse().unwrap();
        let package = Some(format!("{} {} {}", wish.distribution, wish.by, wish.reason));
        let rewritten = RewrittenSnapshot {
            date,
            generation: 2,
            version: package,
            bytes: WithdrawnBytes::Keep,
            files: Vec::new(),
            dependents: Vec::new(),
        };
        let takes_long = wish.reason == TAKES_LONG;
        Box::pin(async move {
            if takes_long {
                tokio::time::sleep(Duration::from_millis(2500)).await;
            }
            Ok(SnapshotChange { rewritten: vec![rewritten], ..SnapshotChange::default() })
        })
    }
}

impl Daemon {
    async fn ask(&self, request: Request) -> Answer {
        ask(self.folder.path(), &request).await.unwrap()
    }

    async fn status(&self) -> Option<StatusReport> {
        match ask(self.folder.path(), &Request::Status).await {
            Ok(Answer::Status(status)) => Some(*status),
            _ => None,
        }
    }

    /// Waits until the daemon says so of itself.
    async fn until(&self, true_of: impl Fn(&StatusReport) -> bool) -> StatusReport {
        for _ in 0..400 {
            if let Some(status) = self.status().await.filter(&true_of) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the daemon did not come to say so: {:?}", self.status().await);
    }
}

fn by_anna(make: impl Fn(String, String, String) -> Request) -> Request {
    make("snapshot".into(), "anna".into(), "a test".into())
}

#[tokio::test]
async fn people_pause_resume_and_run_a_job_over_the_socket() {
    let daemon = daemon().await;
    let pause = by_anna(|job, by, reason| Request::Pause { job, by, reason });
    assert!(matches!(daemon.ask(pause).await, Answer::Done(_)));
    let status = daemon.status().await.unwrap();
    let paused = status.jobs[0].paused.as_ref().unwrap();
    assert!(paused.by.starts_with("anna (user "), "{}", paused.by);
    assert_eq!(paused.reason, "a test");

    let resume = by_anna(|job, by, reason| Request::Resume { job, by, reason });
    assert!(matches!(daemon.ask(resume).await, Answer::Done(_)));
    assert_eq!(daemon.status().await.unwrap().jobs[0].paused, None);

    let run = by_anna(|job, by, reason| Request::RunNow { job, at: None, by, reason });
    assert!(matches!(daemon.ask(run).await, Answer::Done(_)));
    let status = daemon.until(|status| status.jobs[0].last.is_some()).await;
    assert_eq!(status.jobs[0].last.as_ref().unwrap().state, OccurrenceState::Done);
    assert_eq!(daemon.work.calls().len(), 1);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_reason() {
    let daemon = daemon().await;
    let unknown = Request::Pause { job: "snapshut".into(), by: "anna".into(), reason: "x".into() };
    let Answer::Refused(why) = daemon.ask(unknown).await else { panic!("it was not refused") };
    assert_eq!(why, "there is no job snapshut; the jobs are: snapshot");
    let silent = Request::Pause { job: "snapshot".into(), by: "anna".into(), reason: " ".into() };
    let Answer::Refused(why) = daemon.ask(silent).await else { panic!("it was not refused") };
    assert_eq!(why, "a reason is needed: it is kept and shown");
    let future = Some("2999-01-01T00:00:00Z".parse().unwrap());
    let early = by_anna(|job, by, reason| Request::RunNow { job, at: future, by, reason });
    assert!(matches!(daemon.ask(early).await, Answer::Refused(_)));
}

#[tokio::test]
async fn a_reload_that_fails_keeps_the_jobs_and_the_status_says_stale() {
    let daemon = daemon().await;
    daemon.files_are_good.store(false, Ordering::SeqCst);
    let Answer::Refused(why) = daemon.ask(Request::Reload).await else { panic!("it was not refused") };
    assert!(why.contains("jobs/snapshot.toml:3:1"), "{why}");
    let status = daemon.status().await.unwrap();
    assert!(status.config_stale_since.is_some());
    assert_eq!(status.jobs.len(), 1);

    daemon.files_are_good.store(true, Ordering::SeqCst);
    daemon.hangup.notify_one();
    daemon.until(|status| status.config_stale_since.is_none()).await;
}

#[tokio::test]
async fn only_its_own_user_can_open_the_socket_and_it_goes_with_the_daemon() {
    let daemon = daemon().await;
    let socket = daemon.folder.path().join(CONTROL_SOCKET);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    daemon.stop.cancel();
    daemon.task.await.unwrap().unwrap();
    assert!(!socket.exists());
    let status = daemon.store.daemon_status().await.unwrap().unwrap();
    assert!(status.stopped_at.is_some());
    let error = ask(daemon.folder.path(), &Request::Status).await.unwrap_err();
    assert!(format!("{error:#}").contains("is `tidegate run` up?"), "{error:#}");
}

#[tokio::test]
async fn the_heartbeat_goes_on_by_itself() {
    let daemon = daemon().await;
    let first = daemon.status().await.unwrap().last_planned_at;
    daemon.until(|status| status.last_planned_at > first).await;
}

#[tokio::test]
async fn wishes_about_channels_reach_whoever_changes_them_with_the_name_of_the_user() {
    let daemon = daemon().await;
    let change = ChannelWishKind::Rollback { channel: "passed".to_owned(), to: None };
    let (distribution, by, reason) = ("tiny".to_owned(), "ada".to_owned(), "a bad day".to_owned());
    let answer = daemon.ask(Request::Channels(ChannelWish { distribution, change, by, reason })).await;
    let Answer::Channels(change) = answer else { panic!("{answer:?}") };
    let told = &change.withdrawn[0];
    assert_eq!((told.channel.as_str(), told.file_name.as_str()), ("tiny", "a bad day"));
    assert!(told.subdir.starts_with("ada (user "), "{}", told.subdir);
}

#[tokio::test]
async fn wishes_about_snapshots_reach_whoever_changes_them_with_the_name_of_the_user() {
    let daemon = daemon().await;
    let change = SnapshotWishKind::Latest(LatestWish::Before);
    let (distribution, by, reason) = ("demo".to_owned(), "ada".to_owned(), "a bad day".to_owned());
    let answer = daemon.ask(Request::Snapshots(SnapshotWish { distribution, change, by, reason })).await;
    let Answer::Snapshots(change) = answer else { panic!("{answer:?}") };
    let told = change.rewritten[0].version.as_deref().unwrap();
    assert!(told.starts_with("demo ada (user ") && told.ends_with("a bad day"), "{told}");
}

#[tokio::test]
async fn a_daemon_that_is_at_work_says_so_until_it_answers() {
    let daemon = daemon().await;
    let change = SnapshotWishKind::Latest(LatestWish::Before);
    let (distribution, by, reason) = ("demo".to_owned(), "ada".to_owned(), TAKES_LONG.to_owned());
    let request = Request::Snapshots(SnapshotWish { distribution, change, by, reason });
    let Answer::Snapshots(_) = daemon.ask(request.clone()).await else { panic!("no answer to the wish") };

    let stream = tokio::net::UnixStream::connect(daemon.folder.path().join(CONTROL_SOCKET)).await.unwrap();
    let (read, mut write) = stream.into_split();
    write.write_all(format!("{}\n", serde_json::to_string(&request).unwrap()).as_bytes()).await.unwrap();
    let mut lines = tokio::io::BufReader::new(read).lines();
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        said.push(line);
    }
    let (answer, signs) = said.split_last().unwrap();
    assert!(signs.len() >= 2 && signs.iter().all(String::is_empty), "{said:?}");
    assert!(answer.contains("it takes long"), "{answer}");
}

#[tokio::test]
async fn what_operators_say_of_evidence_is_kept_with_the_name_of_the_user() {
    let daemon = daemon().await;
    let changes = [HeldChange::Appeared(IssueKind::License)].into();
    let (distribution, channel) = ("demo".to_owned(), "staging".to_owned());
    let confirm = |reason: &str| Request::ConfirmGuard {
        distribution: distribution.clone(),
        channel: channel.clone(),
        changes: BTreeSet::clone(&changes),
        by: "ada".to_owned(),
        reason: reason.to_owned(),
    };
    assert!(matches!(daemon.ask(confirm("the list was corrected")).await, Answer::Done(_)));
    assert!(matches!(daemon.ask(confirm(" ")).await, Answer::Refused(_)));
    let (_, confirmed) = daemon.store.guard_confirmation("demo", "staging").await.unwrap().unwrap();
    assert_eq!(confirmed, changes);

    let wish = OverrideWish {
        distribution: distribution.clone(),
        channel: channel.clone(),
        package: "polars".to_owned(),
        version: "1.0".to_owned(),
        commit: "1".repeat(40),
        says: OverriddenAs::Passing,
        until: jiff::civil::date(2026, 9, 15),
        by: "ada".to_owned(),
        reason: "it passes by hand".to_owned(),
    };
    let silent = OverrideWish { reason: String::new(), ..wish.clone() };
    assert!(matches!(daemon.ask(Request::OverrideEvidence(wish)).await, Answer::Done(_)));
    assert!(matches!(daemon.ask(Request::OverrideEvidence(silent)).await, Answer::Refused(_)));
    let kept = daemon.store.evidence_overrides("demo", "staging").await.unwrap();
    assert!(kept["polars"].by.starts_with("ada (user "), "{}", kept["polars"].by);

    let date = jiff::civil::date(2026, 9, 15);
    let release = |held: &str| {
        let (held, by, reason) = (held.to_owned(), "ada".to_owned(), "they left".to_owned());
        Request::ReleaseSnapshot(ReleaseWish { distribution: "demo".to_owned(), date, held, by, reason })
    };
    assert!(matches!(daemon.ask(release("2 of 5 are missing.")).await, Answer::Done(_)));
    assert!(matches!(daemon.ask(release("")).await, Answer::Refused(_)), "nothing is held");
    let released = daemon.store.snapshot_release("demo", date).await.unwrap().unwrap();
    assert_eq!(released.held, "2 of 5 are missing.");
}

#[tokio::test]
async fn what_is_asked_of_a_recheck_is_kept_once_with_the_name_of_the_user() {
    let daemon = daemon().await;
    let wish = |job: &str| {
        Request::FindCulprit(CulpritWish {
            distribution: "tiny".to_owned(),
            job: job.to_owned(),
            member: "q2-types".to_owned(),
            platform: None,
            most_tests: 20,
            by: "ada".to_owned(),
            reason: "it is red".to_owned(),
        })
    };
    assert!(matches!(daemon.ask(wish("snapshot")).await, Answer::Done(_)));
    let Answer::Done(again) = daemon.ask(wish("snapshot")).await else { panic!("it was refused") };
    assert!(again.starts_with("ada (user "), "{again}");
    assert!(matches!(daemon.ask(wish("nothing")).await, Answer::Refused(_)), "there is no such job");
    let open = daemon.store.open_culprit_wishes("snapshot").await.unwrap();
    assert_eq!(open.len(), 1);
    daemon.store.answer_culprit_wish(&open[0], "it is not red", Timestamp::now()).await.unwrap();
    assert_eq!(daemon.store.open_culprit_wishes("snapshot").await.unwrap(), []);
    assert!(daemon.store.answer_culprit_wish(&open[0], "another", Timestamp::now()).await.is_err());
    let kept = daemon.store.culprit_wishes_about("q2-types").await.unwrap();
    assert_eq!(kept[0].answer.as_ref().unwrap().1, "it is not red");
}

#[tokio::test]
async fn signals_reload_and_stop_a_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_state(folder.path(), Durability::ProcessCrash, Timestamp::now()).await.unwrap();
    let settings = DaemonSettings {
        state: folder.path().to_owned(),
        heartbeat: Duration::from_secs(1),
        stop_within: Duration::from_secs(4),
        concurrent_runs: NonZeroUsize::MIN,
        retention: Default::default(),
    };
    let reload = Box::new(|| Err("no such folder".to_owned()));
    let provided = Provided { jobs: Vec::new(), reload, channels: Arc::new(Echo), snapshots: Arc::new(Echo) };
    let task = tokio::spawn(run(settings, store.clone(), Arc::new(SystemClock), provided));
    // An answer on the socket means that the signals are listened to: before, they would end the test.
    while ask(folder.path(), &Request::Status).await.is_err() {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    send("-HUP");
    while store.daemon_status().await.unwrap().unwrap().config_error.is_none() {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    send("-TERM");
    task.await.unwrap().unwrap();
    assert!(store.daemon_status().await.unwrap().unwrap().stopped_at.is_some());
}

fn send(signal: &str) {
    let own = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args([signal, &own]).status().unwrap().success());
}
