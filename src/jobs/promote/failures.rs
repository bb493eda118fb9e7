//! What failed in a pass whose other actions were carried out, told at its end as one failure.

use jiff::Timestamp;

use crate::daemon::RunError;

/// After so many passing failures in a row the service is taken to be down.
const ENOUGH: usize = 3;

/// The failures of one pass.
#[derive(Default)]
pub struct Failures {
    /// Each text once, with what it happened to.
    told: Vec<(String, Vec<String>)>,
    /// True where a later attempt may succeed with some of it.
    passing: bool,
    /// Before this time a service wants no other attempt.
    retry_at: Option<Timestamp>,
    /// True where something that the operator wrote or granted is wrong.
    configuration: bool,
    in_a_row: usize,
}

impl Failures {
    /// `about` is what was not done, such as `pull request staging/polars`.
    pub fn add(&mut self, about: &str, error: &RunError) {
        match error {
            RunError::Transient(_, retry_at) => {
                self.passing = true;
                self.retry_at = self.retry_at.max(*retry_at);
                self.in_a_row += 1;
            }
            RunError::Configuration(_) => self.configuration = true,
            RunError::Permanent(_) => {}
        }
        let text = error.to_string();
        match self.told.iter_mut().find(|(known, _)| *known == text) {
            Some((_, abouts)) => abouts.push(about.to_owned()),
            None => self.told.push((text, vec![about.to_owned()])),
        }
    }

    /// Something was carried out.
    pub fn succeeded(&mut self) {
        self.in_a_row = 0;
    }

    /// True where going on would only meet the same: a service asked for a pause, or does not answer.
    pub fn is_hopeless(&self) -> bool {
        self.retry_at.is_some() || self.in_a_row >= ENOUGH
    }

    /// All of it as one failure of the pass; one that may pass as a whole is tried again.
    pub fn result(self) -> Result<(), RunError> {
        if self.told.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> =
            self.told.iter().map(|(text, abouts)| format!("{}: {text}", abouts.join(", "))).collect();
        let error = anyhow::anyhow!("not done, while all else was: {}", lines.join("\n"));
        Err(match (self.passing, self.configuration) {
            (true, _) => RunError::Transient(error, self.retry_at),
            (false, true) => RunError::Configuration(error),
            (false, false) => RunError::Permanent(error),
        })
    }
}
