//! A Galaxy suite, from its file or a folder of suites.

use std::path::Path;

use super::super::CommandError;
use super::Destructure;
use crate::domain::Destructured;
use crate::ecosystem::galaxy::{Lock, Shelf, SuiteProblem, destructure};

/// How many suites are named to somebody who names none.
const NAMED: usize = 8;

impl Destructure {
    /// The members of the suite that is named, or of the only one.
    pub(super) fn of_suite(&self) -> Result<Destructured, CommandError> {
        let taken_apart = || {
            let shelf = Shelf::read(Path::new(&self.source))?;
            let suite = shelf.suite(self.spec.as_deref())?;
            let mut lock = (!self.locks.is_empty()).then(Lock::default);
            for path in &self.locks {
                lock.get_or_insert_default().add(path)?;
            }
            destructure(&shelf, suite, lock.as_ref())
        };
        taken_apart().map_err(|problem| explained(&problem))
    }
}

/// What went wrong, and what to do about it.
fn explained(problem: &SuiteProblem) -> CommandError {
    let message = problem.to_string();
    let names = match problem {
        SuiteProblem::Unreadable { .. } | SuiteProblem::Malformed { .. } => {
            return CommandError::invalid(message);
        }
        SuiteProblem::Several { names, .. } | SuiteProblem::NoSuch { names, .. } => names,
        SuiteProblem::NoSuite { .. } | SuiteProblem::Cycle { .. } | SuiteProblem::Twice { .. } => {
            return CommandError::failed(message);
        }
    };
    let named = names.iter().take(NAMED);
    named.fold(CommandError::failed(message), |error, name| error.hint(format!("there is `{name}`")))
}
