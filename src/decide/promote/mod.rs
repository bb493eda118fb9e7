//! What may move into a channel now, and how.
//!
//! Two staging models, both real: `pinned` moves release by release, `follow` lets staging follow
//! community and pins healthy packages in the candidate freeze. The phase of the calendar says what
//! may move at all: see [`crate::calendar::Promote`].

mod bundle;
mod follow;
mod index;
mod pinned;
mod proposal;
mod removal;
mod taken_out;
mod text;
mod upstream;
mod verdicts;

use sha2::{Digest as _, Sha256};

use self::index::Index;
use crate::domain::{Plan, PromotionFacts, StagingModel};

pub use taken_out::TakenOut;

/// Decides. Total and deterministic: every package of either channel gets a verdict.
pub fn promote(facts: &PromotionFacts) -> Plan {
    let index = Index::new(facts);
    let mut plan = match facts.staging {
        StagingModel::Pinned => pinned::promote(&index),
        StagingModel::Follow => follow::promote(&index),
    };
    upstream::remark(facts, &mut plan);
    removal::take_out(&index, &mut plan);
    verdicts::tell_of_exceptions(facts, &mut plan);
    plan
}

/// The digest by which a pull request's text is recognised: the first 16 hexadecimal digits of the
/// SHA-256 of title and body. It travels in the hidden marker, so that a text that a person edited is
/// left alone as long as tidegate itself has nothing new to say.
pub fn text_digest(title: &str, body: &str) -> String {
    let digest = Sha256::new().chain_update(title).chain_update([0]).chain_update(body).finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
