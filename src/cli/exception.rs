//! `exception add`: a named person's leave for one package at one version, written into the file that
//! keeps them. `exception list` shows them.

mod list;

use std::path::Path;

use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde_json::json;

use super::{CommandError, Context, Output, chosen, given_file, state, steer};
use crate::config::{Configuration, Distribution};
use crate::daemon::{Answer, Request};

/// Keep leaves to pass a freeze
#[derive(Debug, Args)]
pub(super) struct Exceptions {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Add(Add),
    List(list::List),
}

impl Exceptions {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        match self.what {
            What::Add(add) => add.run(context),
            What::List(list) => list.run(context),
        }
    }
}

/// Let one version of a package pass a freeze
#[derive(Debug, Args)]
#[command(
    after_help = "Adds to distributions/<name>.exceptions.toml and prints the difference. What is written there already stays as it is.

Examples:
  tidegate exception add polars 1.2.0 --distribution r-multiverse --by 'Ada L.' \\
      --reason 'mends a data loss' --until 2026-09-14"
)]
struct Add {
    /// The package
    package: String,
    /// The only version that may pass
    version: String,
    /// The distribution
    #[arg(long, value_name = "D")]
    distribution: String,
    /// Who gives the leave
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why
    #[arg(long, value_name = "R")]
    reason: String,
    /// The last day on which it counts
    #[arg(long, value_name = "DATE")]
    until: Date,
}

impl Add {
    fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_in_force()?;
        let name = &chosen::distribution(&configuration, &self.distribution)?.name;
        let file = Configuration::exceptions_file(&context.config, name);
        // Held until the file is written: two people who add at the same time would lose one of both.
        let _one_at_a_time = lock(&context.config.join("distributions").join(format!("{name}.toml")))?;
        let configuration = context.configuration_in_force()?;
        let distribution = chosen::distribution(&configuration, name)?;
        self.refuse_nonsense(distribution, context)?;
        let before = if file.exists() { text_of(&file)? } else { String::new() };
        let after = self.added_to(&before);
        Configuration::load_with(&context.config, &file, &after).map_err(|mistakes| {
            CommandError::mistakes(&mistakes, context.colour).hint("nothing was written")
        })?;
        given_file::write(&file, &after)?;
        let shown = file.display().to_string();
        let mut options = diffy::DiffOptions::new();
        options.set_original_filename(shown.clone()).set_modified_filename(shown.clone());
        let difference = options.create_patch(&before, &after).to_string();
        let said = match state::block_on(steer::ask_daemon(&configuration, &Request::Reload))? {
            Some(Answer::Done(said)) => Some(said),
            Some(_) => return Err(steer::beside_the_point()),
            None => None,
        };
        match context.output {
            Output::Json => context.print_json(&json!({
                "file": shown, "difference": difference, "reloaded": said.is_some(),
            })),
            Output::Text => {
                context.out.write_all(difference.as_bytes())?;
                let said = said
                    .map_or("no daemon runs; it counts from the next start on".to_owned(), |said| {
                        format!("the daemon has read the files again: {said}")
                    });
                Ok(writeln!(context.err, "note: {said}")?)
            }
        }
    }

    /// Refuses a leave that is there already, or that would never count.
    fn refuse_nonsense(
        &self,
        distribution: &Distribution,
        context: &Context<'_>,
    ) -> Result<(), CommandError> {
        let same = |known: &&crate::config::Exception| {
            known.package == self.package && known.version == self.version
        };
        if let Some(known) = distribution.exceptions.iter().find(same) {
            let message = format!(
                "{} {} has an exception already, by {} until {}",
                self.package, self.version, known.by, known.until
            );
            return Err(CommandError::invalid(message).hint("change that one in its file"));
        }
        let today = context.clock.now().to_zoned(distribution.calendar.timezone().clone()).date();
        if self.until < today {
            let message = format!("{} is over: the exception would never count", self.until);
            return Err(CommandError::invalid(message));
        }
        Ok(())
    }

    /// The text with the exception behind everything that is there, comments and all.
    fn added_to(&self, before: &str) -> String {
        let text = |value: &str| toml::Value::from(value).to_string();
        let gap = match before {
            "" => "",
            text if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        format!(
            "{before}{gap}[[exception]]\npackage = {}\nversion = {}\nby = {}\nreason = {}\nuntil = {}\n",
            text(&self.package),
            text(&self.version),
            text(&self.by),
            text(&self.reason),
            text(&self.until.to_string()),
        )
    }
}

fn text_of(file: &Path) -> Result<String, CommandError> {
    String::from_utf8(given_file::read(file)?)
        .map_err(|_| CommandError::invalid(format!("{} is not UTF-8 text", file.display())))
}

fn lock(file: &Path) -> Result<std::fs::File, CommandError> {
    let failed =
        |error: std::io::Error| CommandError::failed(format!("cannot lock {}: {error}", file.display()));
    let opened = std::fs::File::open(file).map_err(failed)?;
    opened.lock().map_err(failed)?;
    Ok(opened)
}
