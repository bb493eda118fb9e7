//! One limiter for all requests of one token, or of one GitHub App whatever its token of the hour: it says when
//! a request may go out, learns from every answer, and remembers over a restart.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::ledger::{Bucket, FIRST_STRIKE, Ledger, Quota, Refused, Spacing, Wait};
use super::transport::Answer;
use crate::clock::SharedClock;
use crate::failure::Failure;
use crate::store::Store;

/// GitHub allows 100 at once; so many help nobody and cost its goodwill.
const AT_ONCE: usize = 20;
/// Longer waits are the caller's: a job that is told when to come back frees its slot meanwhile.
const LONGEST_SLEEP: SignedDuration = SignedDuration::from_secs(5);

/// What kind of request goes out, which decides what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A REST GET: 1 point.
    Read,
    /// A GraphQL query: 1 point.
    Query,
    /// A REST write that creates no content, such as editing: 5 points, one at a time.
    Write,
    /// A REST write that creates content, such as a comment: as a write, and one creation.
    Create,
    /// A GraphQL mutation: 5 points, one at a time, and one creation.
    Mutation,
}

impl Call {
    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Create | Self::Mutation)
    }

    pub(super) fn creates(self) -> bool {
        matches!(self, Self::Create | Self::Mutation)
    }
}

/// Who asks. A sweep over thousands of repositories must not starve a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A poll: leaves the reserve untouched.
    Poll,
    /// A write, or a look-up that a write needs: may use all there is.
    Action,
}

/// Whether waiting takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The clock is the system's: waits of a few seconds are slept through, writes are a second apart.
    Real,
    /// The clock is simulated and does not move by itself: nothing sleeps and writes are not spaced,
    /// but every window is still counted by the clock.
    None,
}

/// The shared limiter. Every request holds a [`Permit`] from before it is sent until it is answered.
pub struct Limiter {
    ledger: Mutex<Ledger>,
    slots: Arc<Semaphore>,
    writing: Arc<tokio::sync::Mutex<()>>,
    clock: SharedClock,
    pace: Pace,
    store: Store,
    holder: String,
}

/// Leave to send one request; gives its place back when dropped.
#[derive(Debug)]
pub struct Permit {
    limiter: Arc<Limiter>,
    call: Call,
    _slot: OwnedSemaphorePermit,
    _writing: Option<OwnedMutexGuard<()>>,
}

impl Permit {
    pub(super) fn call(&self) -> Call {
        self.call
    }

    /// Counts the request a second time, since it is sent a second time. It does not wait: it is one more in
    /// an hour.
    pub(super) fn once_more(&self) {
        let now = self.limiter.clock.now();
        self.limiter.ledger().spend(self.call, now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.limiter.clock.now();
        self.limiter.ledger().ended(self.call, now);
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl Limiter {
    /// The limiter of `holder`, a token by its fingerprint or an App, with what `store` remembers of it.
    /// Polls stop when `poll_reserve_percent` of a quota is left. Fails where the store does.
    pub async fn load(
        store: Store,
        clock: SharedClock,
        pace: Pace,
        holder: String,
        poll_reserve_percent: u8,
    ) -> anyhow::Result<Arc<Self>> {
        let saved = store.saved_limits(&holder).await?;
        let hour_ago = clock.now().checked_sub(SignedDuration::from_hours(1))?;
        let creations = store.creations_since(&holder, hour_ago).await?;
        Ok(Arc::new(Self {
            ledger: Mutex::new(Ledger::new(saved, &creations, poll_reserve_percent)),
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            writing: Arc::default(),
            clock,
            pace,
            store,
            holder,
        }))
    }

    /// Waits for a place and for the limits, a few seconds at most; a longer wait is refused with a
    /// [`Failure::Transient`] that says when to come back.
    pub async fn acquire(self: &Arc<Self>, call: Call, priority: Priority) -> Result<Permit, Failure> {
        let writing = match call.writes() {
            true => Some(self.writing.clone().lock_owned().await),
            false => None,
        };
        let slot = self.slots.clone().acquire_owned().await.expect("the semaphore is never closed");
        let mut slept = SignedDuration::ZERO;
        loop {
            let now = self.clock.now();
            let Err(Wait { until, why }) = self.ledger().take(call, priority, now, self.spacing()) else {
                break;
            };
            let wait = until.duration_since(now);
            if self.pace == Pace::None || slept.saturating_add(wait) > LONGEST_SLEEP {
                let message = format!("no request to GitHub before {until}: {why}");
                return Err(Failure::Transient { message, retry_at: Some(until) });
            }
            slept = slept.saturating_add(wait);
            tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;
        }
        let permit = Permit { limiter: self.clone(), call, _slot: slot, _writing: writing };
        if call.creates() {
            // Noted before it happens: a crash right after the request must not forget it.
            let noted = self.store.note_creation(&self.holder, self.clock.now()).await;
            noted.map_err(|error| Failure::transient(format!("nothing was sent to GitHub: {error:#}")))?;
        }
        Ok(permit)
    }

    /// Learns from the headers of an answer. Returns when to try again where it is a refusal for too
    /// many requests; `message` is what the body says, if it says something.
    pub(super) fn observe(
        &self,
        call: Call,
        status: u16,
        headers: &HeaderMap,
        message: Option<&str>,
    ) -> Option<Timestamp> {
        let now = self.clock.now();
        let mut ledger = self.ledger();
        let bucket = match header(headers, "x-ratelimit-resource") {
            None => Some(Bucket::of(call)),
            Some(name) => Bucket::named(name),
        };
        let quota = quota(headers);
        if let (Some(bucket), Some(quota)) = (bucket, quota) {
            ledger.note_quota(bucket, quota, now);
        }
        if let Some(refused) = refusal(status, headers, quota, message) {
            return Some(ledger.note_refusal(bucket.unwrap_or(Bucket::of(call)), refused, now));
        }
        if status < 400 && bucket == Some(Bucket::Core) {
            // A GraphQL answer is judged by its body, see `observe_graphql`.
            ledger.note_success(now);
        }
        None
    }

    /// Learns from a GraphQL body: the quota that it states, and whether it is a refusal, which comes
    /// with status 200. Returns when to try again where it is.
    pub(super) fn observe_graphql(
        &self,
        quota: Option<Quota>,
        refused: GraphqlVerdict,
        headers: &HeaderMap,
    ) -> Option<Timestamp> {
        let now = self.clock.now();
        let mut ledger = self.ledger();
        if let Some(quota) = quota {
            ledger.note_quota(Bucket::Graphql, quota, now);
        }
        match refused {
            GraphqlVerdict::Answered => {
                ledger.note_success(now);
                None
            }
            GraphqlVerdict::RateLimited => {
                let refused = retry_after(headers).map_or(Refused::QuotaUsedUp, Refused::For);
                Some(ledger.note_refusal(Bucket::Graphql, refused, now))
            }
        }
    }

    /// Keeps what is worth keeping. A store that cannot is reported in the log only: the request that
    /// was just answered must not count as failed for it.
    pub(super) async fn save(&self) {
        let due = self.ledger().due_for_saving();
        if let Some(limits) = due
            && let Err(error) = self.store.save_limits(&self.holder, &limits).await
        {
            tracing::warn!(error = format!("{error:#}"), "cannot keep GitHub's rate limits");
        }
    }

    fn spacing(&self) -> Spacing {
        match self.pace {
            Pace::Real => Spacing::Kept,
            Pace::None => Spacing::Ignored,
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a GraphQL body is, as far as limits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GraphqlVerdict {
    Answered,
    RateLimited,
}

/// When to ask again, where an answer that no limiter watches is a refusal for too many requests.
pub(super) fn refused_until(answer: &Answer, now: Timestamp) -> Option<Timestamp> {
    let quota = quota(&answer.headers);
    let wait = match refusal(answer.status, &answer.headers, quota, answer.message().as_deref())? {
        Refused::For(wait) => wait,
        Refused::QuotaUsedUp => return quota.map(|quota| quota.resets_at),
        Refused::WithoutAWord => FIRST_STRIKE,
    };
    now.checked_add(wait).ok()
}

fn refusal(status: u16, headers: &HeaderMap, quota: Option<Quota>, message: Option<&str>) -> Option<Refused> {
    if status != 403 && status != 429 {
        return None;
    }
    if let Some(wait) = retry_after(headers) {
        return Some(Refused::For(wait));
    }
    if quota.is_some_and(|quota| quota.remaining == 0) {
        return Some(Refused::QuotaUsedUp);
    }
    // A 403 may also mean "not allowed": then its message says so. One without a word may be either,
    // and waiting is the safe reading.
    let is_limit = status == 429 || message.is_none_or(says_rate_limit);
    is_limit.then_some(Refused::WithoutAWord)
}

/// True where GitHub's words mean a limit; they are "secondary rate limit", "abuse detection" and alike.
pub(super) fn says_rate_limit(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("rate limit") || message.contains("abuse")
}

fn retry_after(headers: &HeaderMap) -> Option<SignedDuration> {
    let seconds: u32 = header(headers, "retry-after")?.trim().parse().ok()?;
    Some(SignedDuration::from_secs(seconds.into()))
}

fn quota(headers: &HeaderMap) -> Option<Quota> {
    let number = |name| header(headers, name)?.trim().parse::<u64>().ok();
    let reset = i64::try_from(number("x-ratelimit-reset")?).ok()?;
    Some(Quota {
        allowance: number("x-ratelimit-limit")?.min(1_000_000_000),
        remaining: number("x-ratelimit-remaining")?.min(1_000_000_000),
        resets_at: Timestamp::from_second(reset).ok()?,
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
