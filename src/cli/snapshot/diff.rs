//! `snapshot diff`: what came in, what went out and what changed from one snapshot to another, and why.

use std::fmt::Write as _;

use clap::Args;

use super::place::{manifest, place};
use crate::cli::shown::plain;
use crate::cli::{CommandError, Context, Output};
use crate::jobs::snapshot::{Difference, difference};

/// Compare two snapshots: what was added, removed and changed, and why
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate snapshot diff 2026-03-15 2026-06-15
  tidegate snapshot diff /mnt/mirror/2026-03-15 2026-06-15 --json")]
pub(super) struct Diff {
    /// The date, or the folder, of the earlier one
    #[arg(value_name = "FROM")]
    from: String,
    /// The date, or the folder, of the later one
    #[arg(value_name = "TO")]
    to: String,
    /// The distribution; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
}

impl Diff {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let distribution = self.distribution.as_deref();
        let from = manifest(&place(&self.from, distribution, context)?)?;
        let to = manifest(&place(&self.to, distribution, context)?)?;
        let difference = difference(&from, &to);
        match context.output {
            Output::Json => context.print_json(&difference),
            Output::Text => Ok(context.out.write_all(text(&difference).as_bytes())?),
        }
    }
}

fn text(difference: &Difference) -> String {
    let Difference { from, to, r, cran_date, added, removed, changed, unchanged } = difference;
    let mut text = format!(
        "{from} → {to}: {} added, {} removed, {} changed, {unchanged} unchanged\n",
        added.len(),
        removed.len(),
        changed.len()
    );
    if let Some((from, to)) = r {
        let _ = writeln!(text, "R {} → {}", plain(from), plain(to));
    }
    if let Some((from, to)) = cran_date {
        let _ = writeln!(text, "CRAN as of {from} → {to}");
    }
    let because = |reason: &Option<String>, otherwise: &str| {
        plain(reason.as_deref().unwrap_or(otherwise)).trim_end_matches('.').to_owned()
    };
    let added = added.iter().map(|one| {
        let before = because(&one.left_out_before, "it was not listed");
        format!("{} {}  before: {before}", plain(&one.package), plain(&one.version))
    });
    let removed = removed.iter().map(|one| {
        let why = because(&one.reason, "it is not listed any more");
        format!("{} {}  {why}", plain(&one.package), plain(&one.version))
    });
    let changed = changed.iter().map(|one| {
        let commit = if one.from_version == one.to_version { "  another commit" } else { "" };
        let versions = format!("{} → {}", plain(&one.from_version), plain(&one.to_version));
        format!("{} {versions}{commit}", plain(&one.package))
    });
    for (heading, lines) in
        [("added", added.collect::<Vec<_>>()), ("removed", removed.collect()), ("changed", changed.collect())]
    {
        if !lines.is_empty() {
            let _ = writeln!(text, "\n{heading}\n  {}", lines.join("\n  "));
        }
    }
    text
}
