//! `check`: validates everything that operators write.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use super::{CommandError, Context, Output};
use crate::config::{Configuration, Diagnostic};

/// Validate tidegate.toml, distributions, exceptions and jobs, and show every mistake
#[derive(Debug, Args)]
pub(super) struct Check {}

impl Check {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let loaded = Configuration::load(&context.config);
        match (context.output, &loaded) {
            (Output::Text, Ok(configuration)) => writeln!(context.out, "{}", summary(configuration))?,
            (Output::Text, Err(_)) => {}
            (Output::Json, Ok(configuration)) => {
                let distributions: BTreeSet<&String> =
                    configuration.distributions.keys().chain(configuration.conda.keys()).collect();
                let jobs: Vec<&String> = configuration.jobs.keys().collect();
                let none: [Diagnostic; 0] = [];
                let sound = json!({
                    "valid": true, "distributions": distributions, "jobs": jobs, "mistakes": none,
                });
                context.print_json(&sound)?;
            }
            (Output::Json, Err(mistakes)) => {
                context.print_json(&json!({ "valid": false, "mistakes": mistakes }))?;
            }
        }
        match (context.output, loaded) {
            (_, Ok(_)) => Ok(()),
            (Output::Text, Err(mistakes)) => Err(CommandError::mistakes(&mistakes, context.colour)),
            // The mistakes are in the JSON; a second copy on standard error helps nobody.
            (Output::Json, Err(mistakes)) => Err(CommandError::mistakes(&mistakes, context.colour).terse()),
        }
    }
}

fn summary(configuration: &Configuration) -> String {
    let counted = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let off = configuration.jobs.values().filter(|job| !job.enabled).count();
    let off = if off > 0 { format!(" ({off} switched off)") } else { String::new() };
    let distributions =
        counted(configuration.distributions.len() + configuration.conda.len(), "distribution");
    format!("configuration is valid: {distributions}, {}{off}", counted(configuration.jobs.len(), "job"))
}
