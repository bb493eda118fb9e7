//! What a person may ask of a job, as rows in the store: the daemon writes them for whoever asks on its
//! socket, and a command writes them itself where no daemon runs. Each returns one line on what it means.

use anyhow::ensure;
use jiff::Timestamp;

use crate::domain::{
    CulpritWish, OverrideWish, PublishWish, ReleaseWish, Removal, RemovalChange, RemovalWish,
};
use crate::store::{NewGuardConfirmation, NewPublication, Store, Undone};

/// A person's wish about one job.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'w> {
    /// The job.
    pub job: &'w str,
    /// Who asks.
    pub by: &'w str,
    /// Why; kept and shown.
    pub reason: &'w str,
}

/// Nothing of the job's schedule starts until it is resumed. Fails for a job that was never planned.
pub async fn pause(store: &Store, wish: Wish<'_>, now: Timestamp) -> anyhow::Result<String> {
    store.pause_job(wish.job, wish.by, wish.reason, now).await?;
    Ok(format!("{} is paused; a run under way goes on, nothing new begins", wish.job))
}

/// Ends a pause. Fails where there is none.
pub async fn resume(store: &Store, wish: Wish<'_>, now: Timestamp) -> anyhow::Result<String> {
    store.resume_job(wish.job, &format!("{}: {}", wish.by, wish.reason), now).await?;
    Ok(format!("{} runs again; what the pause kept from running is skipped", wish.job))
}

/// The next occurrence that would run is skipped. Fails for a job that was never planned.
pub async fn skip_next(store: &Store, wish: Wish<'_>, now: Timestamp) -> anyhow::Result<String> {
    store.skip_next(wish.job, wish.by, wish.reason, now).await?;
    Ok(format!("the next occurrence of {} is skipped", wish.job))
}

/// What a guard holds is believed at the next look. Fails without a reason, or where nothing is held.
pub async fn confirm_guard(
    store: &Store,
    new: NewGuardConfirmation<'_>,
    now: Timestamp,
) -> anyhow::Result<String> {
    ensure!(!new.reason.trim().is_empty(), "a reason is needed: it is kept and shown");
    ensure!(!new.changes.is_empty(), "nothing of {}/{} is held", new.distribution, new.channel);
    let told = format!("what is held of {}/{} counts from the next look on", new.distribution, new.channel);
    store.confirm_guard(new, now).await?;
    Ok(told)
}

/// A package leaves channels, and no job takes it in again. Fails without a reason, or where it was asked for
/// before.
pub async fn remove(store: &Store, wish: &RemovalWish, now: Timestamp) -> anyhow::Result<String> {
    ensure!(!wish.reason.trim().is_empty(), "a reason is needed: it is kept and shown");
    let (package, distribution) = (&wish.package, &wish.distribution);
    match &wish.change {
        RemovalChange::Remove { channels } => {
            let (by, reason) = (wish.by.clone(), wish.reason.clone());
            let removal = Removal { at: now, by, reason, channels: channels.clone() };
            store.remove_package(distribution, package, &removal).await?;
            let from = match channels.as_slice() {
                [] => format!("all channels of {distribution}"),
                some => format!("{} of {distribution}", some.join(", ")),
            };
            Ok(format!(
                "{package} leaves {from} with the next passes, and the next snapshot leaves it out; published \
                 snapshots stay as they are"
            ))
        }
        RemovalChange::Undo => {
            let undone = Undone { at: now, by: wish.by.clone(), reason: wish.reason.clone() };
            store.undo_removal(distribution, package, &undone).await?;
            Ok(format!("{package} may enter {distribution} again, by the usual rules"))
        }
    }
}

/// A person's word stands for the evidence on a package from the next look on. Fails without a reason.
pub async fn override_evidence(store: &Store, wish: &OverrideWish, now: Timestamp) -> anyhow::Result<String> {
    ensure!(!wish.reason.trim().is_empty(), "a reason is needed: it is kept and shown");
    store.override_evidence(wish, now).await?;
    let OverrideWish { distribution, channel, package, version, says, until, .. } = wish;
    Ok(format!(
        "{package} {version} of {distribution}/{channel} counts as {says} from the next look on, until {until} or \
         the next version"
    ))
}

/// The next pass of a recheck looks for the change that broke a member. Fails without a reason; asking twice for
/// the same changes nothing.
pub async fn find_culprit(store: &Store, wish: &CulpritWish, now: Timestamp) -> anyhow::Result<String> {
    ensure!(!wish.reason.trim().is_empty(), "a reason is needed: it is kept and shown");
    let CulpritWish { job, member, platform, most_tests, .. } = wish;
    let place = platform.as_ref().map(|platform| format!(" on {platform}")).unwrap_or_default();
    Ok(match store.ask_for_culprit(wish, now).await? {
        None => format!(
            "the next pass of {job} looks for the change that broke {member}{place} (tests at most: {most_tests})"
        ),
        Some(kept) => format!(
            "{} asked for that already, at {}: the next pass of {job} looks for it",
            kept.wish.by, kept.at
        ),
    })
}

/// A held snapshot is meant as it is. Fails without a reason, or where nothing is held.
pub async fn release_snapshot(store: &Store, wish: &ReleaseWish, now: Timestamp) -> anyhow::Result<String> {
    ensure!(!wish.reason.trim().is_empty(), "a reason is needed: it is kept and shown");
    ensure!(!wish.held.is_empty(), "the snapshot {} of {} is not held", wish.date, wish.distribution);
    store.release_snapshot(wish, now).await?;
    let (distribution, date) = (&wish.distribution, wish.date);
    Ok(format!(
        "the snapshot {date} of {distribution} is published by the next run of its job, if it is held for the same"
    ))
}

/// A published snapshot is to lie at a target; one that the target refused is offered to it again.
pub async fn publish(store: &Store, wish: &PublishWish, now: Timestamp) -> anyhow::Result<String> {
    let PublishWish { distribution, date, generation, target, by } = wish;
    let new = NewPublication { distribution, date: *date, generation: *generation, target, by };
    match store.want_publication(&new, now).await? {
        true => Ok(format!("the snapshot {date} of {distribution} is sent to {target}")),
        false => {
            Ok(format!("the snapshot {date} of {distribution} is at {target} already, or is sent there"))
        }
    }
}
