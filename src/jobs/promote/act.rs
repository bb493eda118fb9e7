//! How a promotion acts. Every effect is journalled as intended before it happens, and as done, with
//! its receipt, once our own rows tell of it.
//!
//! When the power fails just before an effect, nothing has happened and it is carried out the next
//! time. Between the effect and the receipt, the effect is there and the journal does not know: the
//! next pass takes it over (see `recovery`), and writes the rows that are missing.
//!
//! One action that fails holds up no other: what failed is told at the end of the pass.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Promote;
use super::failures::Failures;
use super::observe::Observed;
use super::propose::Proposal;
use crate::daemon::{RunContext, RunError};
use crate::domain::{Action, Change, Plan};
use crate::github::{CommitMessage, marker};

/// Whether the actions of a plan were carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// All of them.
    All,
    /// Somebody else changed the channel first: decide again.
    HeadMoved,
}

impl Promote {
    /// Carries out the plan's actions in their order, each whatever becomes of the others.
    pub async fn act(
        &self,
        plan: &Plan,
        seen: &Observed,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<Acted, RunError> {
        let mut failures = Failures::default();
        for action in &plan.actions {
            if context.cancel.is_cancelled() {
                return Err(RunError::Transient(
                    anyhow::anyhow!("stopped before all actions were carried out"),
                    None,
                ));
            }
            if failures.is_hopeless() {
                break;
            }
            match self.carry_out(action, seen, context, now).await {
                Ok(Acted::All) => failures.succeeded(),
                Ok(Acted::HeadMoved) => return Ok(Acted::HeadMoved),
                Err(error) => failures.add(&about(action), &error),
            }
        }
        self.dress(seen, context, now, &mut failures).await?;
        failures.result().map(|()| Acted::All)
    }

    async fn carry_out(
        &self,
        action: &Action,
        seen: &Observed,
        context: &RunContext,
        now: Timestamp,
    ) -> Result<Acted, RunError> {
        match action {
            Action::Commit(change) => return self.commit(change, seen, context, now).await,
            Action::Propose { key, update, change, body } => {
                let mut proposal = Proposal::new(self, seen, key, change, body)?;
                proposal.action_key = self.services.store.fresh_action_key(proposal.action_key).await?;
                self.propose(&proposal, *update, seen, context, now).await?;
            }
            Action::Retext { key, number, title, body } => {
                self.retext(seen, key, *number, title, body, now).await?;
            }
            Action::Close { key, number, title, body } => {
                self.withdraw(seen, key, (*number, title, body), context, now).await?;
            }
            Action::Comment { number, commits, body } => {
                self.comment(seen, *number, commits, body, context, now).await?;
            }
        }
        Ok(Acted::All)
    }

    /// Ends the action `key` in the journal where it failed for good. What may still have happened stays
    /// open, and is looked for.
    pub(super) async fn settle<T>(
        &self,
        key: &str,
        result: Result<T, RunError>,
        now: Timestamp,
    ) -> Result<T, RunError> {
        if let Err(error @ (RunError::Permanent(_) | RunError::Configuration(_))) = &result {
            self.services.store.fail(key, &error.to_string(), now).await?;
        }
        result
    }
}

/// What an action is, where it has to be said that it failed.
fn about(action: &Action) -> String {
    match action {
        Action::Commit(change) => format!("the commit {:?}", change.title),
        Action::Propose { key, update: None, .. } => format!("the pull request {key}"),
        Action::Propose { update: Some(number), .. } => format!("pull request #{number}"),
        Action::Retext { number, .. } | Action::Close { number, .. } | Action::Comment { number, .. } => {
            format!("pull request #{number}")
        }
    }
}

pub(super) fn commit_message(change: &Change, key: &str) -> CommitMessage {
    let trailer = marker::trailer(key).unwrap_or_default();
    let body = if change.message.is_empty() { trailer } else { format!("{}\n\n{trailer}", change.message) };
    CommitMessage { headline: change.title.clone(), body }
}

pub(super) fn to_json(receipt: &impl Serialize) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(receipt)?)
}
