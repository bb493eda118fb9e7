//! What a person may ask of a recheck: which change broke a member.

use serde::{Deserialize, Serialize};

use super::RecheckCase;

/// A wish that the change be found that broke a member, also where the job does not look for it by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CulpritWish {
    /// The distribution.
    pub distribution: String,
    /// The recheck that is to look for it.
    pub job: String,
    /// The member's name.
    pub member: String,
    /// The platform; absent: every one on which it is red.
    pub platform: Option<String>,
    /// How many mixtures of two environments may be tested for each environment in which it is red.
    pub most_tests: u32,
    /// Who asks.
    pub by: String,
    /// Why; kept and shown.
    pub reason: String,
}

impl CulpritWish {
    /// Whether it is about a case of its job.
    pub fn is_about(&self, case: &RecheckCase) -> bool {
        self.member == case.member.name && self.platform.as_ref().is_none_or(|one| *one == case.platform)
    }
}
