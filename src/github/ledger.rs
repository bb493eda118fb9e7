//! What may be sent when: GitHub's primary quotas, its secondary limits, and blocks that it has set.
//! Pure: it is told the time and what GitHub answered, and does no I/O.
//!
//! The figures are GitHub's documented ones ("Rate limits for the REST API", "Best practices for
//! using the REST API"), kept a little below where it costs nothing.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::limits::{Call, Priority};
use super::window::Window;
use crate::store::{SavedLimits, SavedQuota};

/// The documented floor after a refusal that does not say how long to wait.
pub(super) const FIRST_STRIKE: SignedDuration = SignedDuration::from_secs(60);
/// The longest block; also caps what `retry-after` may ask for.
const LONGEST_BLOCK: SignedDuration = SignedDuration::from_hours(1);
const BETWEEN_WRITES: SignedDuration = SignedDuration::from_secs(1);
const REQUESTS_BETWEEN_SAVES: u32 = 50;

/// A primary quota of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bucket {
    Core,
    Graphql,
}

impl Bucket {
    pub(super) fn of(call: Call) -> Self {
        match call {
            Call::Read | Call::Write | Call::Create => Self::Core,
            Call::Query | Call::Mutation => Self::Graphql,
        }
    }

    /// The name in `x-ratelimit-resource`; GitHub has more buckets, which tidegate never uses.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "core" => Some(Self::Core),
            "graphql" => Some(Self::Graphql),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Graphql => "graphql",
        }
    }
}

/// A primary quota as GitHub states it in headers, or in a GraphQL body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) allowance: u64,
    pub(super) remaining: u64,
    pub(super) resets_at: Timestamp,
}

/// A refusal for too many requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// GitHub said how long to wait.
    For(SignedDuration),
    /// The primary quota is used up: its reset says when.
    QuotaUsedUp,
    /// GitHub did not say.
    WithoutAWord,
}

/// Why a request has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) until: Timestamp,
    pub(super) why: &'static str,
}

/// Whether writes are kept a second apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    Kept,
    Ignored,
}

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    rest_minute: Window,
    graphql_minute: Window,
    creations_minute: Window,
    creations_hour: Window,
    quotas: BTreeMap<Bucket, Quota>,
    in_flight: BTreeMap<Bucket, u64>,
    blocked_until: Option<Timestamp>,
    strikes: u32,
    last_write: Option<Timestamp>,
    poll_reserve_percent: u8,
    saved: SavedLimits,
    requests_since_save: u32,
}

impl Ledger {
    pub(super) fn new(saved: SavedLimits, creations: &[Timestamp], poll_reserve_percent: u8) -> Self {
        let minute = SignedDuration::from_secs(60);
        let hour = SignedDuration::from_hours(1);
        let mut ledger = Self {
            rest_minute: Window::new(minute, 900),
            graphql_minute: Window::new(minute, 2000),
            creations_minute: Window::new(minute, 80),
            creations_hour: Window::new(hour, 500),
            quotas: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            blocked_until: saved.blocked_until,
            strikes: saved.strikes,
            last_write: None,
            poll_reserve_percent: poll_reserve_percent.min(100),
            saved: saved.clone(),
            requests_since_save: 0,
        };
        for quota in saved.quotas {
            if let Some(bucket) = Bucket::named(&quota.bucket) {
                let SavedQuota { allowance, remaining, resets_at, .. } = quota;
                ledger.quotas.insert(bucket, Quota { allowance, remaining, resets_at });
            }
        }
        for at in creations {
            ledger.creations_minute.spend(*at, 1);
            ledger.creations_hour.spend(*at, 1);
        }
        ledger
    }

    /// Takes the points of one call at `now`, or says until when it has to wait.
    pub(super) fn take(
        &mut self,
        call: Call,
        priority: Priority,
        now: Timestamp,
        spacing: Spacing,
    ) -> Result<(), Wait> {
        if let Some(wait) = self.wait(call, priority, now, spacing) {
            return Err(wait);
        }
        self.spend(call, now);
        *self.in_flight.entry(Bucket::of(call)).or_default() += 1;
        self.requests_since_save += 1;
        Ok(())
    }

    /// Takes the points of one call without asking.
    pub(super) fn spend(&mut self, call: Call, now: Timestamp) {
        for (window, points) in self.windows(call) {
            window.spend(now, points);
        }
    }

    /// The longest of all waits: a request goes out only when nothing speaks against it.
    fn wait(&mut self, call: Call, priority: Priority, now: Timestamp, spacing: Spacing) -> Option<Wait> {
        let mut waits = Vec::new();
        if let Some(until) = self.blocked_until.filter(|until| *until > now) {
            // A clock that was set back must not keep a block longer than any block can be.
            let until = until.min(later(now, LONGEST_BLOCK));
            waits.push(Wait { until, why: "GitHub asked to wait" });
        }
        if let Some(until) = self.quota_used_up(Bucket::of(call), priority, now) {
            let why = match priority {
                Priority::Poll => "what is left of the hourly quota is kept for writes",
                Priority::Action => "the hourly quota is used up",
            };
            waits.push(Wait { until, why });
        }
        if call.writes() && spacing == Spacing::Kept {
            let next = self.last_write.filter(|last| *last <= now).map(|last| later(last, BETWEEN_WRITES));
            waits.extend(
                next.filter(|next| *next > now).map(|until| Wait { until, why: "writes are a second apart" }),
            );
        }
        for (window, points) in self.windows(call) {
            if let Some(until) = window.full_until(now, points) {
                waits.push(Wait { until, why: "GitHub's limit for a minute or an hour is reached" });
            }
        }
        waits.into_iter().max_by_key(|wait| wait.until)
    }

    fn windows(&mut self, call: Call) -> Vec<(&mut Window, u32)> {
        let points = if call.writes() { 5 } else { 1 };
        let minute = match Bucket::of(call) {
            Bucket::Core => &mut self.rest_minute,
            Bucket::Graphql => &mut self.graphql_minute,
        };
        let mut windows = vec![(minute, points)];
        if call.creates() {
            windows.push((&mut self.creations_minute, 1));
            windows.push((&mut self.creations_hour, 1));
        }
        windows
    }

    fn quota_used_up(&self, bucket: Bucket, priority: Priority, now: Timestamp) -> Option<Timestamp> {
        let quota = self.quotas.get(&bucket).filter(|quota| quota.resets_at > now)?;
        let reserve = match priority {
            Priority::Poll => quota.allowance * u64::from(self.poll_reserve_percent) / 100,
            Priority::Action => 0,
        };
        // What is on its way counts as used, although an unchanged answer will turn out free.
        let under_way = self.in_flight.get(&bucket).copied().unwrap_or(0);
        (quota.remaining.saturating_sub(under_way) <= reserve).then_some(quota.resets_at)
    }

    /// Notes that a call has ended at `now`, however it ended.
    pub(super) fn ended(&mut self, call: Call, now: Timestamp) {
        if let Some(count) = self.in_flight.get_mut(&Bucket::of(call)) {
            *count = count.saturating_sub(1);
        }
        if call.writes() {
            self.last_write = Some(now);
        }
    }

    /// Notes a quota. Answers overtake each other, so inside one window the lowest figure counts.
    pub(super) fn note_quota(&mut self, bucket: Bucket, seen: Quota, now: Timestamp) {
        const SAME_WINDOW: SignedDuration = SignedDuration::from_secs(60);
        let kept = self.quotas.get(&bucket).copied().filter(|kept| kept.resets_at > now);
        let quota = match kept {
            Some(kept) if seen.resets_at.duration_since(kept.resets_at).abs() <= SAME_WINDOW => Quota {
                remaining: seen.remaining.min(kept.remaining),
                resets_at: seen.resets_at.max(kept.resets_at),
                ..seen
            },
            Some(kept) if seen.resets_at < kept.resets_at => kept,
            _ => seen,
        };
        self.quotas.insert(bucket, quota);
    }

    /// Notes a refusal; returns when to try again.
    pub(super) fn note_refusal(&mut self, bucket: Bucket, refused: Refused, now: Timestamp) -> Timestamp {
        let quota = self.quotas.get(&bucket).filter(|quota| quota.resets_at > now).copied();
        let until = match (refused, quota) {
            (Refused::For(wait), _) => later(now, wait.clamp(SignedDuration::from_secs(1), LONGEST_BLOCK)),
            // With quota left it was another limit, whatever GitHub calls it.
            (Refused::QuotaUsedUp, Some(quota)) if quota.remaining == 0 => return quota.resets_at,
            (Refused::QuotaUsedUp | Refused::WithoutAWord, _) => {
                let doubled = FIRST_STRIKE.saturating_mul(1 << self.strikes.min(10));
                self.strikes = self.strikes.saturating_add(1);
                later(now, doubled.min(LONGEST_BLOCK))
            }
        };
        let until = self.blocked_until.filter(|kept| *kept > now).map_or(until, |kept| kept.max(until));
        self.blocked_until = Some(until);
        until
    }

    /// Notes an answer that was no refusal: the next strike starts from the beginning.
    pub(super) fn note_success(&mut self, now: Timestamp) {
        // An answer to a request that left before the block says nothing about the block.
        if self.blocked_until.is_none_or(|until| until <= now) {
            self.strikes = 0;
            self.blocked_until = None;
        }
    }

    /// What is worth keeping now, where it changed enough since it was last kept: a block, a new
    /// window, or some fifty requests.
    pub(super) fn due_for_saving(&mut self) -> Option<SavedLimits> {
        let limits = SavedLimits {
            quotas: self.quotas.iter().map(|(bucket, quota)| saved_quota(*bucket, *quota)).collect(),
            blocked_until: self.blocked_until,
            strikes: self.strikes,
        };
        let windows = |limits: &SavedLimits| {
            limits
                .quotas
                .iter()
                .map(|q| (q.bucket.clone(), q.resets_at, q.remaining == 0))
                .collect::<Vec<_>>()
        };
        let material = limits.blocked_until != self.saved.blocked_until
            || limits.strikes != self.saved.strikes
            || windows(&limits) != windows(&self.saved);
        let many = self.requests_since_save >= REQUESTS_BETWEEN_SAVES && limits != self.saved;
        if !(material || many) {
            return None;
        }
        self.saved = limits.clone();
        self.requests_since_save = 0;
        Some(limits)
    }
}

fn saved_quota(bucket: Bucket, quota: Quota) -> SavedQuota {
    SavedQuota {
        bucket: bucket.name().to_owned(),
        allowance: quota.allowance,
        remaining: quota.remaining,
        resets_at: quota.resets_at,
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
