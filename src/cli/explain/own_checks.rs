//! What there is to say of tidegate's own checks of a package: how they came out, and how to do the same.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use super::super::shown::{plain, rows};
use super::explanation::Explained;
use crate::decide::words::own_check_in_words;
use crate::domain::{Counts, OwnCheck, PackageName};
use crate::github::markdown::{code, escape};
use crate::jobs::sources::names;
use crate::store::Store;

/// An own check as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct ShownCheck {
    pub distribution: String,
    pub channel: String,
    #[serde(flatten)]
    pub check: OwnCheck,
    /// A shell command that does the same.
    pub reproduce: Option<String>,
}

/// The own checks of a package in the channels that something was decided for: those that were known at
/// `at`, or now.
pub(super) async fn of(
    store: &Store,
    package: &str,
    verdicts: &[Explained],
    at: Option<Timestamp>,
) -> anyhow::Result<Vec<ShownCheck>> {
    let channels: BTreeSet<(&str, &str)> =
        verdicts.iter().map(|verdict| (&*verdict.distribution, &*verdict.scope)).collect();
    let mut shown = Vec::new();
    for (distribution, channel) in channels {
        let source = names::own_checks(distribution, channel);
        let seen = match at {
            Some(at) => store.seen_at(&source, at).await?,
            None => store.latest_seen(&source).await?,
        };
        let Some(seen) = seen else { continue };
        let mut checks: BTreeMap<PackageName, OwnCheck> = serde_json::from_slice(&seen.bytes)
            .with_context(|| format!("the stored observation of {source} cannot be read"))?;
        let Some(check) = checks.remove(package) else { continue };
        shown.push(ShownCheck {
            distribution: distribution.to_owned(),
            channel: channel.to_owned(),
            reproduce: check.reproduce(),
            check,
        });
    }
    Ok(shown)
}

fn counts(check: &OwnCheck) -> String {
    match check.counts {
        Counts::Shown => "it is shown, and decides nothing".to_owned(),
        Counts::Clears => {
            format!("where it passes in the targeted R, it clears bad checks on {}", check.system())
        }
    }
}

/// For a terminal.
pub(super) fn text(package: &str, shown: &ShownCheck) -> String {
    let ShownCheck { distribution, channel, check, reproduce } = shown;
    let mut lines = vec![
        ("result", plain(&own_check_in_words(check))),
        ("version", plain(&format!("{} at {}", check.version, check.commit))),
        ("counts", counts(check)),
    ];
    lines.extend(reproduce.as_ref().map(|command| ("reproduce", plain(command))));
    format!("\nown check of {package} in {distribution}, {channel}\n{}", rows(lines))
}

/// For an issue or a comment.
pub(super) fn markdown(package: &str, shown: &ShownCheck) -> String {
    let ShownCheck { distribution, channel, check, reproduce } = shown;
    let place = format!("{}, {}", escape(distribution), escape(channel));
    let version = code(&format!("{} at {}", check.version, check.commit));
    let mut text = format!(
        "\n### Own check of {} in {place}\n\n- Result: {}\n- Version: {version}\n- Counts: {}\n",
        code(package),
        escape(&own_check_in_words(check)),
        counts(check)
    );
    if let Some(command) = reproduce {
        text += &format!("- To reproduce it: {}\n", code(command));
    }
    text
}
