//! `token`: tokens of those who send notices of builds.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CommandError, Context, Output};
use crate::web::token::{digest, fresh};

/// Make tokens for repositories that tell of their builds
#[derive(Debug, Args)]
pub(super) struct Tokens {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    New(NewToken),
}

/// Print a fresh token, once, with the line to put into the configuration
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is stored and no file is changed. The token goes to the repository's secrets; its SHA-256
goes to the `[[package]]` table of the distribution, or to `[intake]` of tidegate.toml for notices about
whole distributions.

Examples:
  tidegate token new q2-types"
)]
struct NewToken {
    /// The package that it is for, or any other word
    package: String,
}

impl Tokens {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let Action::New(NewToken { package }) = self.action;
        let token = fresh()?;
        let token_sha256 = digest(&token);
        if context.output == Output::Json {
            let printed = json!({ "package": package, "token": token, "token_sha256": token_sha256 });
            return context.print_json(&printed);
        }
        writeln!(context.out, "The token of {package}, shown this once:\n\n    {token}\n")?;
        writeln!(context.out, "The line for the configuration:\n\n    token_sha256 = \"{token_sha256}\"")?;
        Ok(())
    }
}
