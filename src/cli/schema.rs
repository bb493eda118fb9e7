//! `schema`: prints the JSON Schema of a configuration file.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{CommandError, Context};
use crate::config;

/// Print the JSON Schema of a configuration file, for editors
#[derive(Debug, Args)]
pub(super) struct PrintSchema {
    /// A kind of job, or which other file
    #[arg(value_parser = PossibleValuesParser::new(config::schema_names()))]
    kind: String,
}

impl PrintSchema {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let schema = config::schema(&self.kind);
        let schema = schema.ok_or_else(|| CommandError::invalid(format!("no schema for `{}`", self.kind)))?;
        context.print_json(&schema)
    }
}
