//! The command line: one file per command. Results go to standard output, everything else to standard
//! error. A new command is a file with a struct that has `run`, and one line in each list below.

mod backup;
mod calendar;
mod channel;
mod check;
mod chosen;
mod completions;
mod decide;
mod destructure;
mod distribution;
mod error;
mod events;
mod exception;
mod explain;
mod forecast;
mod given_file;
mod guard;
mod index;
mod logging;
mod man;
mod next;
mod once;
mod planned;
mod prune;
mod recheck;
mod reference;
mod rehearse;
mod remove;
mod replay;
mod restore;
mod run;
mod runs;
mod schema;
mod show;
mod shown;
mod snapshot;
mod state;
mod status;
mod steer;
mod store;
mod time;
mod token;
mod worker;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, Colour, Configuration};
pub use error::{CommandError, CommandErrorKind};
pub use reference::reference;

/// Runs the release train of a package distribution, unattended.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
struct GlobalOptions {
    /// The folder that holds tidegate.toml
    #[arg(long, global = true, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// The folder of the state, instead of what tidegate.toml says; a rehearsal's output folder will do
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Print JSON, with times in RFC 3339
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunDaemon),
    Once(once::Once),
    Check(check::Check),
    Schema(schema::PrintSchema),
    Next(next::Next),
    Calendar(calendar::ShowCalendar),
    Status(status::ShowStatus),
    Runs(runs::Runs),
    Show(show::Show),
    Explain(explain::Explain),
    Events(events::Events),
    Forecast(forecast::ShowForecast),
    Replay(replay::Replay),
    Pause(steer::Pause),
    Resume(steer::Resume),
    SkipNext(steer::SkipNext),
    Guard(guard::Guards),
    Exception(exception::Exceptions),
    Remove(remove::Remove),
    Recheck(recheck::Rechecks),
    Decide(decide::Decide),
    Destructure(destructure::Destructure),
    Distribution(distribution::Distributions),
    Snapshot(snapshot::Snapshots),
    Channel(channel::Channels),
    Index(index::Index),
    Rehearse(rehearse::Rehearse),
    Store(store::Stores),
    Token(token::Tokens),
    Prune(prune::Prune),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Completions(completions::Completions),
    Man(man::Man),
    #[command(hide = true)]
    Worker(worker::Worker),
}

impl Command {
    fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        match self {
            Self::Run(command) => command.run(context),
            Self::Once(command) => command.run(context),
            Self::Check(command) => command.run(context),
            Self::Schema(command) => command.run(context),
            Self::Next(command) => command.run(context),
            Self::Calendar(command) => command.run(context),
            Self::Status(command) => command.run(context),
            Self::Runs(command) => command.run(context),
            Self::Show(command) => command.run(context),
            Self::Explain(command) => command.run(context),
            Self::Events(command) => command.run(context),
            Self::Forecast(command) => command.run(context),
            Self::Replay(command) => command.run(context),
            Self::Pause(command) => command.run(context),
            Self::Resume(command) => command.run(context),
            Self::SkipNext(command) => command.run(context),
            Self::Guard(command) => command.run(context),
            Self::Exception(command) => command.run(context),
            Self::Remove(command) => command.run(context),
            Self::Recheck(command) => command.run(context),
            Self::Decide(command) => command.run(context),
            Self::Destructure(command) => command.run(context),
            Self::Distribution(command) => command.run(context),
            Self::Snapshot(command) => command.run(context),
            Self::Channel(command) => command.run(context),
            Self::Index(command) => command.run(context),
            Self::Rehearse(command) => command.run(context),
            Self::Store(command) => command.run(context),
            Self::Token(command) => command.run(context),
            Self::Prune(command) => command.run(context),
            Self::Backup(command) => command.run(context),
            Self::Restore(command) => command.run(context),
            Self::Completions(command) => command.run(context),
            Self::Man(command) => command.run(context),
            Self::Worker(command) => command.run(context),
        }
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For a person.
    Text,
    /// For a program.
    Json,
}

/// What a command works with: the global options, the clock and the standard streams.
pub struct Context<'io> {
    /// The folder that holds `tidegate.toml`.
    pub config: PathBuf,
    /// Where state is read from, where the command line says so.
    pub state: Option<PathBuf>,
    /// How results are printed.
    pub output: Output,
    /// Whether messages carry colours.
    pub colour: Colour,
    /// The time.
    pub clock: SharedClock,
    /// Where results go.
    pub out: &'io mut dyn Write,
    /// Where everything else goes.
    pub err: &'io mut dyn Write,
}

impl Context<'_> {
    /// Loads the configuration; mistakes become an error that shows all of them.
    pub fn configuration(&self) -> Result<Configuration, CommandError> {
        Configuration::load(&self.config).map_err(|mistakes| CommandError::mistakes(&mistakes, self.colour))
    }

    /// The configuration where there is one, else the shipped example: for commands that work on files
    /// alone, or on the state of a rehearsal.
    pub fn configuration_or_shipped(&self) -> Result<Configuration, CommandError> {
        match self.config.join("tidegate.toml").exists() {
            true => self.configuration(),
            false => Ok(config::shipped()),
        }
    }

    /// Prints a value as indented JSON, with a newline at the end.
    pub fn print_json(&mut self, value: &impl serde::Serialize) -> Result<(), CommandError> {
        serde_json::to_writer_pretty(&mut *self.out, value).map_err(std::io::Error::from)?;
        writeln!(self.out)?;
        Ok(())
    }
}

/// Runs the program on the process's own arguments and streams.
pub fn run() -> ExitCode {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = match std::io::stderr().is_terminal() && !no_colour {
        true => Colour::Always,
        false => Colour::Never,
    };
    // Standard error stays unlocked: the log is written there by other threads meanwhile.
    let streams = Streams { out: &mut std::io::stdout().lock(), err: &mut std::io::stderr(), colour };
    ExitCode::from(run_with(std::env::args_os(), Arc::new(SystemClock), streams))
}

/// The streams that a run writes to.
pub struct Streams<'io> {
    /// Where results go.
    pub out: &'io mut dyn Write,
    /// Where everything else goes.
    pub err: &'io mut dyn Write,
    /// Whether messages carry colours.
    pub colour: Colour,
}

/// Runs the program on these arguments (the first is the program's name) and returns its exit code: 0
/// done, 1 failed, 2 usage or configuration is invalid, 3 held by a guard.
pub fn run_with(
    arguments: impl IntoIterator<Item = OsString>,
    clock: SharedClock,
    streams: Streams<'_>,
) -> u8 {
    let Streams { out, err, colour } = streams;
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => return print_usage(&usage, out, err),
    };
    let output = if cli.global.json { Output::Json } else { Output::Text };
    let GlobalOptions { config, state, .. } = cli.global;
    let mut context = Context { config, state, output, colour, clock, out, err };
    let result = cli.command.run(&mut context).and_then(|()| Ok(context.out.flush()?));
    match result {
        Ok(()) => 0,
        Err(error) => {
            // Nobody is left to tell when standard error is gone.
            let _ = context.err.write_all(error.to_string().as_bytes());
            error.exit_code()
        }
    }
}

/// Prints what clap has to say: help and version are results, everything else is a mistake.
fn print_usage(usage: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = usage.render().to_string();
    // A closed pipe is how `tidegate --help | head` ends; there is nothing to repair.
    let _ = if usage.use_stderr() { err.write_all(text.as_bytes()) } else { out.write_all(text.as_bytes()) };
    u8::try_from(usage.exit_code()).unwrap_or(2)
}
