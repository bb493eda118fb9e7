//! `explain`: why a package moves, or does not.

mod change;
mod culprit_wishes;
mod explanation;
mod markdown;
mod own_checks;
mod text;
mod upstream;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::chosen;
use super::time::{self, GivenTime};
use super::{CommandError, Context, Output, state};
use crate::store::Store;
use explanation::{Explanation, Question};

/// Explain the decisions on a package: why, since when, what happens next and who has to act
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate explain polars
      Where polars stands in every channel and snapshot
  tidegate explain polars --at 2026-06-01 --chain
      What was decided at that time, with all that stands behind it
  tidegate explain polars --history --markdown
      Every change, as text for an issue")]
pub(super) struct Explain {
    /// The package
    package: String,
    /// What was in force at this time, in RFC 3339 or as a date in UTC [default: now]
    #[arg(long, value_name = "T", value_parser = time::parse)]
    at: Option<GivenTime>,
    /// Only this distribution
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
    /// Follow root causes to their own root causes, to the end
    #[arg(long)]
    chain: bool,
    /// Also show every change of the decision
    #[arg(long)]
    history: bool,
    /// Print Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

impl Explain {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let at = self.at.map(|given| given.instant(&TimeZone::UTC)).transpose()?;
        let explanation = state::block_on(async {
            let store = context.read_state().await?;
            self.explain(&store, at).await
        })?;
        match (context.output, self.markdown) {
            (Output::Json, _) => context.print_json(&explanation),
            (Output::Text, true) => Ok(context.out.write_all(markdown::page(&explanation).as_bytes())?),
            (Output::Text, false) => Ok(context.out.write_all(text::page(&explanation).as_bytes())?),
        }
    }

    async fn explain(&self, store: &Store, at: Option<Timestamp>) -> Result<Explanation, CommandError> {
        let packages = store.judged_packages().await?;
        if packages.is_empty() {
            let message = "nothing was decided on any package yet";
            return Err(
                CommandError::failed(message).hint("decisions come with the first promotion or snapshot")
            );
        }
        if !packages.contains(&self.package) {
            return Err(not_known(&self.package, &packages));
        }
        let question = Question {
            package: &self.package,
            distribution: self.distribution.as_deref(),
            at,
            depth: if self.chain { explanation::Depth::Whole } else { explanation::Depth::OneLevel },
            past: if self.history { explanation::Past::Shown } else { explanation::Past::Hidden },
        };
        Ok(explanation::answer(store, &question).await?)
    }
}

/// A package that no decision names: the nearest one that some decision does.
fn not_known(package: &str, packages: &[String]) -> CommandError {
    if packages.len() <= 12 {
        return chosen::unknown("package", package, packages.iter().map(String::as_str));
    }
    let error = CommandError::invalid(format!("no decision names a package `{package}`"));
    match crate::config::nearest(package, packages.iter().map(String::as_str)) {
        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
        None => error.hint(format!("there are decisions on {} packages", packages.len())),
    }
}
