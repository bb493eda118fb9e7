//! The control socket: how commands steer a running daemon. One JSON value per line each way, on a
//! Unix socket that only the daemon's own user (and root) can open.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::report::StatusReport;
use super::steering::Steering;
use crate::domain::{
    ChannelChange, ChannelWish, CulpritWish, HeldChange, OverrideWish, PublishWish, ReleaseWish, RemovalWish,
    SnapshotChange, SnapshotWish,
};
use crate::store::NewGuardConfirmation;

/// The socket's name inside the state folder.
pub const CONTROL_SOCKET: &str = "control.sock";

/// The most bytes of a request, and of an answer.
const REQUEST_LIMIT: u64 = 64 << 10;
const ANSWER_LIMIT: u64 = 64 << 20;

/// The most connections at a time; more wait.
const CONNECTIONS: usize = 16;

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a daemon that is still at work says so, with an empty line: a withdrawal from every snapshot may take
/// longer than anybody waits for silence.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// What a person asks of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Start nothing of a job's schedule until it is resumed.
    Pause {
        /// The job.
        job: String,
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
    },
    /// End a pause.
    Resume {
        /// The job.
        job: String,
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
    },
    /// Skip the next occurrence that would run.
    SkipNext {
        /// The job.
        job: String,
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
    },
    /// Run a job now.
    RunNow {
        /// The job.
        job: String,
        /// The nominal time it is run for; `None`: now.
        at: Option<Timestamp>,
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
    },
    /// Believe what a guard holds.
    ConfirmGuard {
        /// The distribution.
        distribution: String,
        /// The channel whose status is held.
        channel: String,
        /// The changes that are held.
        changes: BTreeSet<HeldChange>,
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
    },
    /// Take a package out of channels, or undo that.
    Remove(RemovalWish),
    /// Let a person's word stand for the evidence on a package.
    OverrideEvidence(OverrideWish),
    /// Publish a snapshot that a guard holds.
    ReleaseSnapshot(ReleaseWish),
    /// Send a published snapshot to a target.
    Publish(PublishWish),
    /// Find the change that broke a member of a metapackage.
    FindCulprit(CulpritWish),
    /// Change the channels of a conda distribution.
    Channels(ChannelWish),
    /// Change published snapshots.
    Snapshots(SnapshotWish),
    /// Say how everything stands.
    Status,
    /// Read the job files again.
    Reload,
}

/// What the daemon says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done; one line on what that means.
    Done(String),
    /// What changed in channels.
    Channels(ChannelChange),
    /// What changed in published snapshots.
    Snapshots(SnapshotChange),
    /// How everything stands.
    Status(Box<StatusReport>),
    /// It is not done; why.
    Refused(String),
}

/// Asks the daemon of the state folder `state`, and waits for its answer. Fails where none answers.
pub async fn ask(state: &Path, request: &Request) -> anyhow::Result<Answer> {
    let path = state.join(CONTROL_SOCKET);
    let exchange = async {
        let stream = UnixStream::connect(&path)
            .await
            .with_context(|| format!("no daemon answers at {}: is `tidegate run` up?", path.display()))?;
        let (read, mut write) = stream.into_split();
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        write.write_all(&line).await.context("the daemon closed the connection")?;
        Ok::<_, anyhow::Error>((BufReader::new(read.take(ANSWER_LIMIT)), write))
    };
    // The half that was written to stays open: closed, it would say that nobody waits any more.
    let (mut read, _write) = patiently(exchange).await?;
    loop {
        let line = patiently(read_line(&mut read, ANSWER_LIMIT)).await?;
        if line != b"\n" {
            let unreadable = "the daemon's answer cannot be read: is it another version?";
            return serde_json::from_slice(&line).context(unreadable);
        }
    }
}

async fn patiently<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let silent = || format!("the daemon did not answer within {PATIENCE:?}");
    tokio::time::timeout(PATIENCE, work).await.with_context(silent)?
}

/// Opens the socket in the state folder `state`. Whoever calls this holds the folder's lock, so a
/// socket that lies there belongs to nobody.
pub(super) fn listen(state: &Path) -> anyhow::Result<UnixListener> {
    let path = state.join(CONTROL_SOCKET);
    // Bound inside a private folder and moved: at no moment can another user open it.
    let private = tempfile::Builder::new()
        .prefix(".c")
        .tempdir_in(state)
        .with_context(|| format!("cannot write to {}", state.display()))?;
    let beside = private.path().join("s");
    let listener = UnixListener::bind(&beside).with_context(|| {
        format!("cannot open a socket in {} (the path may be too long)", private.path().display())
    })?;
    std::fs::set_permissions(&beside, Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&beside, &path))
        .with_context(|| format!("cannot open the control socket {}", path.display()))?;
    Ok(listener)
}

/// Answers requests until the task is dropped.
pub(super) async fn answer_all(listener: UnixListener, steering: Arc<Steering>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = free.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let steering = steering.clone();
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &steering).await {
                        tracing::warn!("a request on the control socket failed: {error:#}");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("the control socket cannot take a connection: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, steering: &Steering) -> anyhow::Result<()> {
    // The name that a request gives is a courtesy; the user number is what the kernel says.
    let user = stream.peer_cred().context("cannot tell who asks")?.uid();
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read.take(REQUEST_LIMIT));
    let line = tokio::time::timeout(PATIENCE, read_line(&mut read, REQUEST_LIMIT)).await??;
    let answer = match serde_json::from_slice::<Request>(&line) {
        Ok(request) => at_work(obey(request, user, steering), &mut write).await,
        Err(error) => Answer::Refused(format!("this is not a request: {error}")),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    tokio::time::timeout(PATIENCE, write.write_all(&line)).await??;
    Ok(())
}

/// Says that there is work until it is done. Who does not wait any more has what was asked for done all the same.
async fn at_work(work: impl Future<Output = Answer>, write: &mut OwnedWriteHalf) -> Answer {
    let mut work = std::pin::pin!(work);
    loop {
        if let Ok(answer) = tokio::time::timeout(SIGN_OF_LIFE, &mut work).await {
            return answer;
        }
        // A line that nobody reads finds room in the socket's buffer, or none and is left out.
        let _ = write.try_write(b"\n");
    }
}

async fn obey(request: Request, user: u32, steering: &Steering) -> Answer {
    let who = |by: &str| format!("{by} (user {user})");
    let done = match &request {
        Request::Pause { job, by, reason } => steering.pause(job, &who(by), reason).await,
        Request::Resume { job, by, reason } => steering.resume(job, &who(by), reason).await,
        Request::SkipNext { job, by, reason } => steering.skip_next(job, &who(by), reason).await,
        Request::RunNow { job, at, by, reason } => steering.run_now(job, *at, &who(by), reason).await,
        Request::ConfirmGuard { distribution, channel, changes, by, reason } => {
            let by = who(by);
            steering
                .confirm_guard(NewGuardConfirmation { distribution, channel, changes, by: &by, reason })
                .await
        }
        Request::Remove(wish) => steering.remove(&RemovalWish { by: who(&wish.by), ..wish.clone() }).await,
        Request::OverrideEvidence(wish) => {
            steering.override_evidence(&OverrideWish { by: who(&wish.by), ..wish.clone() }).await
        }
        Request::Publish(wish) => steering.publish(&PublishWish { by: who(&wish.by), ..wish.clone() }).await,
        Request::ReleaseSnapshot(wish) => {
            steering.release_snapshot(&ReleaseWish { by: who(&wish.by), ..wish.clone() }).await
        }
        Request::FindCulprit(wish) => {
            steering.find_culprit(&CulpritWish { by: who(&wish.by), ..wish.clone() }).await
        }
        Request::Channels(wish) => {
            let wish = ChannelWish { by: who(&wish.by), ..wish.clone() };
            return match steering.channels.carry_out(&wish).await {
                Ok(change) => Answer::Channels(change),
                Err(error) => Answer::Refused(format!("{error:#}")),
            };
        }
        Request::Snapshots(wish) => {
            let wish = SnapshotWish { by: who(&wish.by), ..wish.clone() };
            return match steering.snapshots.carry_out(&wish).await {
                Ok(change) => Answer::Snapshots(change),
                Err(error) => Answer::Refused(format!("{error:#}")),
            };
        }
        Request::Reload => steering.reload().await,
        Request::Status => {
            return match steering.status().await {
                Ok(status) => Answer::Status(Box::new(status)),
                Err(error) => Answer::Refused(format!("{error:#}")),
            };
        }
    };
    match done {
        Ok(meaning) => Answer::Done(meaning),
        Err(error) => Answer::Refused(format!("{error:#}")),
    }
}

async fn read_line(read: &mut (impl AsyncBufRead + Unpin), limit: u64) -> anyhow::Result<Vec<u8>> {
    let mut line = Vec::new();
    read.read_until(b'\n', &mut line).await?;
    if line.last() != Some(&b'\n') {
        bail!("the other side sent no whole line of at most {limit} bytes");
    }
    Ok(line)
}
