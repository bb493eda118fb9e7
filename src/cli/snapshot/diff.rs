//! `snapshot diff`: what came in, what went out and what changed from one snapshot to another, and why.

use std::fmt::Write as _;

use clap::Args;
use jiff::Timestamp;

use super::place::{manifest, place};
use crate::cli::shown::plain;
use crate::cli::{CommandError, Context, Output};
use crate::decide::snapshot::Origin;
use crate::decide::words::listed;
use crate::jobs::snapshot::{
    Added, Changed, ChangedCheck, Difference, LeftOutNow, OutsideChange, Removed, difference,
};

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
    let Difference { from, to, added, removed, changed, unchanged, .. } = difference;
    let mut text = format!(
        "{from} → {to}: {} added, {} removed, {} changed, {unchanged} unchanged\n",
        added.len(),
        removed.len(),
        changed.len()
    );
    if let Some((from, to)) = &difference.r {
        let _ = writeln!(text, "R {} → {}", plain(from), plain(to));
    }
    if let Some((from, to)) = difference.cran_date {
        let _ = writeln!(text, "CRAN as of {from} → {to}");
    }
    let outside = difference.outside.as_ref();
    let sections: [(&str, Vec<String>); 6] = [
        ("added", added.iter().map(added_line).collect()),
        ("removed", removed.iter().map(removed_line).collect()),
        ("changed", changed.iter().map(changed_line).collect()),
        ("left out for new reasons", difference.left_out.iter().map(left_out_line).collect()),
        ("checks that came out otherwise", difference.checks.iter().map(check_line).collect()),
        ("from outside", outside.into_iter().flatten().map(outside_line).collect()),
    ];
    for (heading, lines) in sections.iter().filter(|(_, lines)| !lines.is_empty()) {
        let lines: Vec<String> = lines.iter().map(|line| plain(line)).collect();
        let _ = writeln!(text, "\n{heading}\n  {}", lines.join("\n  "));
    }
    if outside.is_none() {
        text += "\nfrom outside\n  one of the two does not say what it needs\n";
    }
    text
}

fn added_line(one: &Added) -> String {
    let before = because(one.left_out_before.as_deref(), "it was not listed");
    format!("{} {}  before: {before}{}", one.package, one.version, since(one.left_out_since))
}

fn removed_line(one: &Removed) -> String {
    let why = because(one.reason.as_deref(), "it is not listed any more");
    let apart = if one.is_apart { "; published apart, since others need it" } else { "" };
    format!("{} {}  {why}{}{apart}", one.package, one.version, since(one.since))
}

fn changed_line(one: &Changed) -> String {
    let commit = if one.from_version == one.to_version { "  another commit" } else { "" };
    format!("{} {} → {}{commit}", one.package, one.from_version, one.to_version)
}

fn left_out_line(one: &LeftOutNow) -> String {
    let version = one.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let now = because(Some(&one.reason), "");
    let before = because(one.reason_before.as_deref(), "it was not listed");
    format!("{}{version}  {now}{}; before: {before}", one.package, since(one.since))
}

fn check_line(one: &ChangedCheck) -> String {
    format!("{}  {}: {} → {}", one.package, one.config, one.from, one.to)
}

fn outside_line(one: &OutsideChange) -> String {
    let OutsideChange { name, from, to, needed_by } = one;
    let needed = format!("needed by {}", listed(needed_by));
    match (from.as_ref().map(origin), to.as_ref().map(origin)) {
        (Some(from), Some(to)) => format!("{name} {from} → {to}  {needed}"),
        (None, Some(to)) => format!("{name} {to}  new, {needed}"),
        (Some(from), None) => format!("{name} {from}  no longer needed"),
        (None, None) => name.clone(),
    }
}

/// A version, or what stands for one.
fn origin(origin: &Origin) -> &str {
    match origin {
        Origin::Cran { version } => version,
        Origin::Base => "of R itself",
        Origin::NotOnCran => "not on CRAN",
        Origin::Unknown { .. } => "of unknown version",
    }
}

/// A reason, without the end of a sentence.
fn because<'a>(reason: Option<&'a str>, otherwise: &'a str) -> &'a str {
    reason.unwrap_or(otherwise).trim_end_matches('.')
}

fn since(since: Option<Timestamp>) -> String {
    since.map(|since| since.strftime(", since %Y-%m-%d").to_string()).unwrap_or_default()
}
