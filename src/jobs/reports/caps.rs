//! How many issues may be opened in repositories of others. Nobody can take back what a mistake told a hundred
//! maintainers at once.

use jiff::{SignedDuration, Timestamp};

use super::Delivery;
use crate::store::Report;

/// How many at most.
pub(in crate::jobs) struct Caps<'a> {
    /// The distribution's own repository, whose issues are not counted.
    pub own: &'a str,
    /// In one pass.
    pub per_pass: u32,
    /// In any hour.
    pub per_hour: u32,
}

impl<'a> Delivery<'a> {
    /// The same round within these caps. What finds no room waits, the oldest first, and `status` shows it.
    pub(in crate::jobs) fn within(self, caps: Caps<'a>) -> Self {
        Self { caps: Some(caps), ..self }
    }

    /// How many issues may still be opened in repositories of others.
    pub(super) async fn room(&self) -> anyhow::Result<usize> {
        let Some(caps) = &self.caps else { return Ok(usize::MAX) };
        let hour_ago = self.now().checked_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
        let lately = self.services.store.issues_opened_since(hour_ago, caps.own).await?;
        Ok((caps.per_hour as usize).saturating_sub(lately).min(caps.per_pass as usize))
    }

    /// True where telling a report takes room: it would open an issue of somebody else's.
    pub(super) fn takes_room(&self, report: &Report) -> bool {
        let own = self.caps.as_ref().map_or("", |caps| caps.own);
        report.number.is_none() && !report.is_over && !report.repository.eq_ignore_ascii_case(own)
    }
}
