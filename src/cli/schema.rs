//! `schema`: prints the JSON Schema of a file that operators write or users read.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{CommandError, Context};
use crate::config;
use crate::jobs::snapshot::Manifest;

/// The file that published snapshots describe themselves by.
const MANIFEST: &str = "manifest";

/// Print the JSON Schema of a configuration file, for editors, or of a snapshot's manifest
#[derive(Debug, Args)]
pub(super) struct PrintSchema {
    /// A kind of job, or which other file
    #[arg(value_parser = PossibleValuesParser::new(config::schema_names().chain([MANIFEST])))]
    kind: String,
}

impl PrintSchema {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let schema = match self.kind.as_str() {
            MANIFEST => Some(Manifest::schema()),
            kind => config::schema(kind),
        };
        let schema = schema.ok_or_else(|| CommandError::invalid(format!("no schema for `{}`", self.kind)))?;
        context.print_json(&schema)
    }
}
