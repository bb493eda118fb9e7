//! Facts as jobs read them back from the store: fresh enough to count, or unknown with the reason.

use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::domain::Fact;
use crate::store::{LatestObservation, Store};

/// Reads what `source` said last and judges whether it still counts at `at`.
///
/// A source that fails keeps its last answer for `max_age`, since a look-up that failed an hour
/// after one that worked tells nothing new. After that, or where there never was an answer, the
/// fact is unknown. Under a policy that takes a failed look-up at its word, `max_age` is zero.
pub async fn fresh_fact<T: DeserializeOwned>(
    store: &Store,
    source: &str,
    at: Timestamp,
    max_age: Duration,
) -> anyhow::Result<Fact<T>> {
    let latest = store.latest(source).await?;
    let Some(seen) = usable(&latest, at, max_age) else {
        return Ok(Fact::Unknown { why: why_unknown(source, &latest) });
    };
    let fact = serde_json::from_slice(seen)
        .with_context(|| format!("the stored observation of {source} cannot be read"))?;
    Ok(Fact::Known(fact))
}

/// Reads what `source` had said by `at`, however long ago that is, and judges whether it counted then.
pub async fn fact_at<T: DeserializeOwned>(
    store: &Store,
    source: &str,
    at: Timestamp,
    max_age: Duration,
) -> anyhow::Result<Fact<T>> {
    let name = in_words(source);
    let Some(seen) = store.seen_at(source, at).await? else {
        return Ok(Fact::unknown(format!("{name} was not read by {at}")));
    };
    if at.duration_since(seen.last_at).unsigned_abs() > max_age {
        return Ok(Fact::unknown(format!("{name} was last read at {}, too long before {at}", seen.last_at)));
    }
    let fact = serde_json::from_slice(&seen.bytes)
        .with_context(|| format!("the stored observation of {source} cannot be read"))?;
    Ok(Fact::Known(fact))
}

fn usable(latest: &LatestObservation, at: Timestamp, max_age: Duration) -> Option<&[u8]> {
    let seen = latest.seen.as_ref()?;
    let age = at.duration_since(seen.last_at).unsigned_abs();
    let counts = age <= max_age && (latest.failing.is_none() || !max_age.is_zero());
    counts.then_some(seen.bytes.as_slice())
}

fn why_unknown(source: &str, latest: &LatestObservation) -> String {
    let name = in_words(source);
    match (&latest.failing, &latest.seen) {
        (Some(failing), _) => {
            format!("{name} could not be read since {} ({})", failing.since, failing.message)
        }
        (None, Some(seen)) => format!("{name} was last read at {}, too long ago", seen.last_at),
        (None, None) => format!("{name} was never read"),
    }
}

/// The name of a source as people know it. Sources are named `<kind>:<what>` in the store.
fn in_words(source: &str) -> String {
    match source.split_once(':') {
        Some(("universe", channel)) => format!("the universe of {channel}"),
        Some(("cran", index)) => format!("the CRAN index {index}"),
        Some(("builds", channel)) => format!("the running builds of {channel}"),
        Some(("listed", channel)) => format!("the list of {channel}"),
        Some(("advisories", channel)) => format!("the advisories for {channel}"),
        Some(("status", channel)) => format!("the status of {channel}"),
        Some(("listing", channel)) => format!("the list of {channel}"),
        Some(("releases", distribution)) => format!("the releases of {distribution}"),
        _ => source.to_owned(),
    }
}

/// The names under which observations are stored.
pub mod names {
    /// What a channel's universe lists.
    pub fn universe(distribution: &str, channel: &str) -> String {
        format!("universe:{distribution}/{channel}")
    }

    /// The CRAN index of a frozen date, as it is read for a channel.
    pub fn cran(distribution: &str, channel: &str, date: jiff::civil::Date) -> String {
        format!("cran:{distribution}/{channel}/{date}")
    }

    /// The newest CRAN index, with its date, as it is read for a channel.
    pub fn newest_cran(distribution: &str, channel: &str) -> String {
        format!("cran:{distribution}/{channel}/newest")
    }

    /// The rows of a channel's list, whole, as a forecast looks at them.
    pub fn listing(distribution: &str, channel: &str) -> String {
        format!("listing:{distribution}/{channel}")
    }

    /// Unfinished builds of a channel's universe.
    pub fn builds(distribution: &str, channel: &str) -> String {
        format!("builds:{distribution}/{channel}")
    }

    /// The packages of a channel's list with their pins, as its status is drawn from them.
    pub fn listed(distribution: &str, channel: &str) -> String {
        format!("listed:{distribution}/{channel}")
    }

    /// What a promotion remembers of a channel's list, to see what people take out of it.
    pub fn taken_out(distribution: &str, channel: &str) -> String {
        format!("taken-out:{distribution}/{channel}")
    }

    /// The advisory database, as it is read for a channel.
    pub fn advisories(distribution: &str, channel: &str) -> String {
        format!("advisories:{distribution}/{channel}")
    }

    /// Since when the versions are there that a channel's universe has.
    pub fn updates(distribution: &str, channel: &str) -> String {
        format!("updates:{distribution}/{channel}")
    }

    /// The status that was drawn from all these for a channel.
    pub fn status(distribution: &str, channel: &str) -> String {
        format!("status:{distribution}/{channel}")
    }

    /// Since when packages of a channel do not pass.
    pub fn not_passing(distribution: &str, channel: &str) -> String {
        format!("not-passing:{distribution}/{channel}")
    }

    /// tidegate's own checks of a channel's packages.
    pub fn own_checks(distribution: &str, channel: &str) -> String {
        format!("own-checks:{distribution}/{channel}")
    }

    /// What the guard remembers of a channel.
    pub fn guard(distribution: &str, channel: &str) -> String {
        format!("guard:{distribution}/{channel}")
    }

    /// The newest releases of a distribution's packages.
    pub fn releases(distribution: &str) -> String {
        format!("releases:{distribution}")
    }
}
