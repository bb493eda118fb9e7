//! `snapshot diff`: what came in, what went out and what changed from one snapshot to another, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;
use jiff::civil::Date;
use serde::Serialize;

use super::place::{manifest, place};
use crate::cli::shown::plain;
use crate::cli::{CommandError, Context, Output};
use crate::jobs::snapshot::{Manifest, ManifestPackage};

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

/// What is different between two snapshots.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    from: Date,
    to: Date,
    /// The targeted R of each, where they differ.
    r: Option<(String, String)>,
    /// The frozen date of CRAN of each, where they differ.
    cran_date: Option<(Date, Date)>,
    added: Vec<Added>,
    removed: Vec<Removed>,
    changed: Vec<Changed>,
    /// How many packages are the same in both.
    unchanged: usize,
}

/// A package that only the later one has.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Added {
    package: String,
    version: String,
    commit: String,
    /// Why the earlier one left it out; none where it was no candidate then.
    left_out_before: Option<String>,
}

/// A package that only the earlier one has.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Removed {
    package: String,
    version: String,
    /// Why the later one leaves it out; none where it is no candidate any more.
    reason: Option<String>,
    root_causes: Vec<String>,
}

/// A package that both have at different commits.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Changed {
    package: String,
    from_version: String,
    to_version: String,
    from_commit: String,
    to_commit: String,
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

fn difference(from: &Manifest, to: &Manifest) -> Difference {
    let by_name = |manifest: &'_ Manifest| -> BTreeMap<String, ManifestPackage> {
        manifest.packages.iter().map(|package| (package.name.clone(), package.clone())).collect()
    };
    let (before, after) = (by_name(from), by_name(to));
    let left_out = |manifest: &Manifest, package: &str| {
        manifest.left_out.iter().find(|left| left.name == package).cloned()
    };
    let added = after.values().filter(|package| !before.contains_key(&package.name)).map(|package| Added {
        package: package.name.clone(),
        version: package.version.clone(),
        commit: package.commit.clone(),
        left_out_before: left_out(from, &package.name).map(|left| left.reason),
    });
    let removed = before.values().filter(|package| !after.contains_key(&package.name)).map(|package| {
        let left = left_out(to, &package.name);
        Removed {
            package: package.name.clone(),
            version: package.version.clone(),
            root_causes: left.as_ref().map(|left| left.root_causes.clone()).unwrap_or_default(),
            reason: left.map(|left| left.reason),
        }
    });
    let both = before.values().filter_map(|old| Some((old, after.get(&old.name)?)));
    let (same, different): (Vec<_>, Vec<_>) =
        both.partition(|(old, new)| (&old.version, &old.commit) == (&new.version, &new.commit));
    let changed = different.into_iter().map(|(old, new)| Changed {
        package: old.name.clone(),
        from_version: old.version.clone(),
        to_version: new.version.clone(),
        from_commit: old.commit.clone(),
        to_commit: new.commit.clone(),
    });
    Difference {
        from: from.date,
        to: to.date,
        r: (from.r != to.r).then(|| (from.r.clone(), to.r.clone())),
        cran_date: (from.cran_date != to.cran_date).then_some((from.cran_date, to.cran_date)),
        added: added.collect(),
        removed: removed.collect(),
        changed: changed.collect(),
        unchanged: same.len(),
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
