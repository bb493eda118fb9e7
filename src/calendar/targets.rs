//! What a cycle targets in an R distribution: a version of R, a frozen CRAN, and the address of the
//! coming snapshot.
//!
//! R-multiverse builds a whole cycle against the R that is newest when its dependency freeze begins
//! and against CRAN as it was that day (`meta_snapshot` in multiverse.internals).

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::CyclePoint;
use crate::domain::RVersion;

/// The phase whose first day freezes the dependencies.
const DEPENDENCY_FREEZE: &str = "dependency-freeze";
/// The phase in which only what fails may still move.
const CANDIDATE_FREEZE: &str = "candidate-freeze";
/// The milestone on which the snapshot is taken.
const SNAPSHOT: &str = "snapshot";

/// A release of R.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RRelease {
    /// Its version, such as `4.6.0`.
    pub version: RVersion,
    /// The day it came out.
    pub date: Date,
}

/// How a distribution finds its targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RTargets {
    /// The known releases of R, by ascending date.
    pub releases: Vec<RRelease>,
    /// The frozen CRAN, with `{date}` for the first day of the dependency freeze.
    pub cran: String,
    /// The published snapshot, with `{date}` for the day of the snapshot.
    pub production: String,
}

/// What one cycle targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// The first day of the dependency freeze.
    pub dependency_freeze: Date,
    /// The first day of the candidate freeze.
    pub candidate_freeze: Date,
    /// The day of the snapshot.
    pub snapshot: Date,
    /// Major and minor version of R, such as `4.6`.
    pub r: String,
    /// The address of the frozen CRAN.
    pub cran: String,
    /// The address under which the snapshot is published.
    pub production: String,
}

/// Why a cycle has no targets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetsError {
    /// The cycle begins before the first release of R that is known.
    #[error("no release of R on or before {0} is listed under [[r.release]]")]
    NoRelease(Date),
    /// The calendar has no phase or milestone of this name.
    #[error("the calendar has no {0}")]
    Missing(&'static str),
}

impl RTargets {
    /// The names of the phases that a calendar must have for its cycles to have targets.
    pub const PHASES: [&'static str; 2] = [DEPENDENCY_FREEZE, CANDIDATE_FREEZE];
    /// The milestone that a calendar must have for its cycles to have targets.
    pub const MILESTONE: &'static str = SNAPSHOT;

    /// Major and minor version of the newest R that was released on or before `day`.
    pub fn r_series_for(&self, day: Date) -> Option<String> {
        let released = self.releases.iter().filter(|release| release.date <= day);
        released.max_by_key(|release| release.date).map(|release| release.version.minor_series())
    }

    /// Major and minor version of the R before `series`: the highest of those that are lower.
    pub fn series_before(&self, series: &str) -> Option<String> {
        let target = RVersion::parse(series).ok()?;
        let lower = self.releases.iter().map(|release| &release.version);
        let lower = lower.filter(|version| **version < target && version.minor_series() != series);
        lower.max().map(RVersion::minor_series)
    }

    /// What the cycle of `point` targets.
    pub fn targets(&self, point: &CyclePoint) -> Result<Targets, TargetsError> {
        let phase =
            |name: &'static str| point.phase_starts.get(name).copied().ok_or(TargetsError::Missing(name));
        let dependency_freeze = phase(DEPENDENCY_FREEZE)?;
        let snapshot = *point.milestones.get(SNAPSHOT).ok_or(TargetsError::Missing(SNAPSHOT))?;
        Ok(Targets {
            dependency_freeze,
            candidate_freeze: phase(CANDIDATE_FREEZE)?,
            snapshot,
            r: self.r_series_for(dependency_freeze).ok_or(TargetsError::NoRelease(dependency_freeze))?,
            cran: self.cran.replace("{date}", &dependency_freeze.to_string()),
            production: self.production.replace("{date}", &snapshot.to_string()),
        })
    }
}
