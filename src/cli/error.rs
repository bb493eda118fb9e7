//! How a command fails: what happened, what to do, and the exit code.

use std::fmt;

use crate::config::{Colour, Diagnostic};
use crate::failure::Failure;
use crate::publish::channel::ChannelError;

/// Why a command failed; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandErrorKind {
    /// Something went wrong: 1.
    Failed,
    /// The command line or the configuration is invalid: 2.
    Invalid,
    /// A guard held it: 3.
    Held,
    /// The reader of the output went away, as `head` does: 0, without a word.
    OutputClosed,
}

/// A command that failed. Displayed as `error: ...` and `hint: ...` lines.
#[derive(Debug)]
pub struct CommandError {
    /// Why.
    pub kind: CommandErrorKind,
    /// What happened and where.
    pub message: String,
    /// What to do about it, one line each.
    pub hints: Vec<String>,
    /// Drawn diagnostics, shown before the message.
    details: String,
}

impl CommandError {
    fn new(kind: CommandErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), details: String::new() }
    }

    /// Something went wrong.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(CommandErrorKind::Failed, message)
    }

    /// The command line or the configuration is invalid.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(CommandErrorKind::Invalid, message)
    }

    /// A guard held it.
    pub fn held(message: impl Into<String>) -> Self {
        Self::new(CommandErrorKind::Held, message)
    }

    /// Mistakes in configuration files, each of them drawn.
    pub fn mistakes(mistakes: &[Diagnostic], colour: Colour) -> Self {
        Self::mistakes_in("the configuration has", mistakes, colour)
    }

    /// Mistakes in what `what` names, such as `the files have`, each of them drawn.
    pub(super) fn mistakes_in(what: &str, mistakes: &[Diagnostic], colour: Colour) -> Self {
        let details: String = mistakes.iter().map(|mistake| mistake.render(WIDTH, colour) + "\n\n").collect();
        let count = match mistakes.len() {
            1 => "1 mistake".to_owned(),
            count => format!("{count} mistakes"),
        };
        Self { details, ..Self::invalid(format!("{what} {count}")) }
    }

    /// The same without drawn diagnostics.
    #[must_use]
    pub(super) fn terse(mut self) -> Self {
        self.details.clear();
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            CommandErrorKind::OutputClosed => 0,
            CommandErrorKind::Failed => 1,
            CommandErrorKind::Invalid => 2,
            CommandErrorKind::Held => 3,
        }
    }
}

/// The width of drawn diagnostics, in columns.
const WIDTH: usize = 100;

impl fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == CommandErrorKind::OutputClosed {
            return Ok(());
        }
        write!(formatter, "{}", self.details)?;
        writeln!(formatter, "error: {}", self.message)?;
        self.hints.iter().try_for_each(|hint| writeln!(formatter, "hint: {hint}"))
    }
}

impl std::error::Error for CommandError {}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::BrokenPipe => CommandErrorKind::OutputClosed,
            _ => CommandErrorKind::Failed,
        };
        Self::new(kind, format!("the result could not be written: {error}"))
    }
}

impl From<ChannelError> for CommandError {
    fn from(error: ChannelError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Configuration { message, hint } => {
                Self { hints: hint.into_iter().collect(), ..Self::invalid(message) }
            }
            Failure::Transient { message, retry_at } => {
                let hints = retry_at.map(|at| format!("try again after {at}")).into_iter().collect();
                Self { hints, ..Self::failed(message) }
            }
            Failure::Permanent { message } => Self::failed(message),
        }
    }
}

impl From<anyhow::Error> for CommandError {
    /// A [`Failure`] keeps its kind; everything else failed. The whole chain of causes is shown.
    fn from(error: anyhow::Error) -> Self {
        let message = format!("{error:#}");
        match error.downcast::<Failure>() {
            Ok(failure) => Self { message, ..Self::from(failure) },
            Err(_) => Self::failed(message),
        }
    }
}
