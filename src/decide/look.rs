//! What one look at a channel comes to: its status, past the guard, with what was known before of what nobody can
//! judge now; and what the guard remembers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::guard::{self, Confirmation, GuardMemory, GuardPolicy};
use super::status;
use crate::domain::{ChannelStatus, Evidence, EvidencePolicy, StatusFacts};

/// Everything that a status is drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LookFacts {
    /// When the sources were looked at.
    pub looked_at: Timestamp,
    /// How evidence is read.
    pub evidence: EvidencePolicy,
    /// When a change of many packages is sudden.
    pub guard: GuardPolicy,
    /// What was seen.
    pub seen: StatusFacts,
    /// What the guard remembers.
    pub guard_memory: GuardMemory,
    /// An operator's word that what was held is real; the newest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// The status that was drawn last.
    pub before: ChannelStatus,
}

/// What a look comes to.
pub struct Drawn {
    /// The status.
    pub status: ChannelStatus,
    /// What the guard is to remember; nothing where it was not asked.
    pub guard_memory: Option<GuardMemory>,
}

/// Draws the status. `faithful` knows neither the guard nor what was known before.
pub fn draw(facts: &LookFacts) -> Drawn {
    let (seen, evidence) = (&facts.seen, facts.evidence);
    let own = status::own_findings(seen, evidence);
    if evidence == EvidencePolicy::Faithful {
        return Drawn { status: status::channel_status(seen, &own, evidence), guard_memory: None };
    }
    let confirmation = facts.confirmation.as_ref();
    let reviewed =
        guard::review(&facts.guard_memory, facts.looked_at, seen, own, (facts.guard, confirmation));
    let mut status = status::channel_status(seen, &reviewed.findings, evidence);
    status.held = reviewed.held;
    settle(&mut status, &facts.before);
    Drawn { status, guard_memory: Some(reviewed.memory) }
}

/// Keeps what was known of a commit while it is being built again, or while nobody can tell. What was known
/// before a dependency was updated is not known of it as it is now.
fn settle(status: &mut ChannelStatus, before: &ChannelStatus) {
    for (package, assessment) in &mut status.packages {
        let decided = matches!(assessment.evidence, Evidence::Passing | Evidence::Failing);
        if decided || !assessment.outdated_by.is_empty() {
            continue;
        }
        let known = before.packages.get(package).filter(|known| known.commit == assessment.commit);
        assessment.settled = known.and_then(|known| match known.evidence {
            Evidence::Passing | Evidence::Failing => Some(known.evidence),
            Evidence::Pending | Evidence::Unknown => known.settled,
        });
    }
}
