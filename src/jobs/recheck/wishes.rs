//! What people asked of this recheck: which change broke a member.
//!
//! A wish is a row before its search begins, and open until a pass knows the answer. When the power fails before the
//! answer is written down, the next pass gives it from what was tested: no mixture is tested twice.

use super::Recheck;
use crate::decide::recheck::{CaseFacts, RecheckFacts, RecheckPlan, answer};
use crate::store::KeptCulpritWish;

impl Recheck {
    /// Writes down the answers that are known now. A wish whose search could not come to an end stays open.
    pub(super) async fn answer_wishes(
        &self,
        wishes: &[KeptCulpritWish],
        (facts, plan): (&RecheckFacts, &RecheckPlan),
    ) -> anyhow::Result<()> {
        for kept in wishes {
            if let Some(answer) = answer(&kept.wish, facts, plan) {
                let now = self.services.clock.now();
                self.services.store.answer_culprit_wish(kept, &answer, now).await?;
            }
        }
        Ok(())
    }
}

/// Allows each case what the wishes about it allow.
pub(super) fn allow(wishes: &[KeptCulpritWish], cases: &mut [CaseFacts]) {
    for case in cases {
        let about = wishes.iter().map(|kept| &kept.wish).filter(|wish| wish.is_about(&case.case));
        case.asked_tests = about.map(|wish| wish.most_tests).max();
    }
}
