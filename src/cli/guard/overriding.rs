//! `guard override`: a person's word in the place of the evidence on one package.

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::super::shown::plain;
use super::super::steer::user;
use super::super::{CommandError, Context, chosen, state};
use super::{say, told_by_daemon};
use crate::config::Configuration;
use crate::daemon::{Request, wishes};
use crate::decide::words::override_in_words;
use crate::domain::{
    ChannelStatus, EvidenceOverride, EvidencePolicy, OverriddenAs, OverrideWish, PackageName,
};
use crate::jobs::sources::names;
use crate::store::Store;

/// Let your word stand for the evidence on a package, at the version and commit that its universe has now
#[derive(Debug, Args)]
#[command(
    after_help = "It says what the evidence is, whatever the sources say of the package and of what it depends on.
It is void with the next version or commit and after its last day, and it is shown wherever it acts: in verdicts,
pull requests, `status`, `explain` and the manifest of a snapshot. A later one takes its place.

Examples:
  tidegate guard override r-multiverse staging polars --as passing --until 2026-06-15 \\
      --reason 'the runner had no disk left; it passes by hand'"
)]
pub(super) struct Override {
    /// The distribution
    distribution: String,
    /// The channel
    channel: String,
    /// The package
    package: String,
    /// What it counts as
    #[arg(long = "as", value_name = "EVIDENCE")]
    says: Says,
    /// The last day on which this counts
    #[arg(long, value_name = "DATE")]
    until: Date,
    /// Why; kept and shown
    #[arg(long, value_name = "R")]
    reason: String,
    /// Who asks [default: the name of this user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Says {
    /// It passes
    Passing,
    /// It fails, and so does what depends on it
    Failing,
}

/// An override as it is shown.
#[derive(Serialize)]
pub(in crate::cli) struct ShownOverride {
    distribution: String,
    channel: String,
    package: PackageName,
    /// False where the universe has another version or commit by now: it is void.
    acts: bool,
    #[serde(flatten)]
    word: EvidenceOverride,
}

impl ShownOverride {
    /// One line for a person.
    pub(in crate::cli) fn line(&self) -> String {
        let void = if self.acts { "" } else { "; void, since the universe has another version or commit" };
        let words = override_in_words(&self.word);
        plain(&format!("{}, {}: {}: {words}{void}", self.distribution, self.channel, self.package))
    }
}

/// The overrides of all channels that have not run out.
pub(in crate::cli) async fn all(
    store: &Store,
    configuration: &Configuration,
    now: Timestamp,
) -> anyhow::Result<Vec<ShownOverride>> {
    let mut shown = Vec::new();
    for distribution in configuration.distributions.values() {
        let today = now.to_zoned(distribution.calendar.timezone().clone()).date();
        for channel in &distribution.channels {
            let words = store.evidence_overrides(&distribution.name, &channel.name).await?;
            let words = words.into_iter().filter(|(_, word)| word.until >= today);
            let words: Vec<(PackageName, EvidenceOverride)> = words.collect();
            if words.is_empty() {
                continue;
            }
            let status = status(store, &distribution.name, &channel.name).await?;
            shown.extend(words.into_iter().map(|(package, word)| {
                let known = status.as_ref().and_then(|status| status.packages.get(&package));
                let acts = known.is_some_and(|known| {
                    known.version.as_ref() == Some(&word.version)
                        && known.commit.as_ref() == Some(&word.commit)
                });
                let (distribution, channel) = (distribution.name.clone(), channel.name.clone());
                ShownOverride { distribution, channel, package, acts, word }
            }));
        }
    }
    Ok(shown)
}

async fn status(store: &Store, distribution: &str, channel: &str) -> anyhow::Result<Option<ChannelStatus>> {
    let seen = store.latest_seen(&names::status(distribution, channel)).await?;
    Ok(seen.map(|seen| serde_json::from_slice(&seen.bytes)).transpose()?)
}

impl Override {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_in_force()?;
        let distribution = chosen::distribution(&configuration, &self.distribution)?;
        let channels = distribution.channels.iter().map(|channel| channel.name.as_str());
        let channel = distribution
            .channel(&self.channel)
            .ok_or_else(|| chosen::unknown("channel", &self.channel, channels))?;
        if distribution.policy.evidence == EvidencePolicy::Faithful {
            let message = "`faithful` follows upstream's rules exactly, which know no override";
            return Err(CommandError::invalid(message.to_owned()));
        }
        let today = context.clock.now().to_zoned(distribution.calendar.timezone().clone()).date();
        if self.until < today {
            return Err(CommandError::invalid(format!("{} is over: it would never count", self.until)));
        }
        let told = state::block_on(async {
            let store = context.read_state().await?;
            let status = status(&store, &distribution.name, &channel.name).await?;
            store.close().await;
            let wish = self.wish(status)?;
            if let Some(told) =
                told_by_daemon(&configuration, &Request::OverrideEvidence(wish.clone())).await?
            {
                return Ok(told);
            }
            let store = context.write_state().await?;
            let told = wishes::override_evidence(&store, &wish, context.clock.now()).await;
            store.close().await;
            Ok(told?)
        })?;
        say(&told, context)
    }

    /// The wish, for what the universe had at the last look.
    fn wish(&self, status: Option<ChannelStatus>) -> Result<OverrideWish, CommandError> {
        let (distribution, channel, package) = (&self.distribution, &self.channel, &self.package);
        let status = status.ok_or_else(|| {
            CommandError::failed(format!("nobody has looked at the packages of {distribution}/{channel} yet"))
        })?;
        let names = status.packages.keys().map(String::as_str);
        let known = status.packages.get(package).ok_or_else(|| chosen::unknown("package", package, names))?;
        let (Some(version), Some(commit)) = (known.version.clone(), known.commit.clone()) else {
            let message = format!("the universe of {distribution}/{channel} has no version of {package}");
            return Err(CommandError::failed(message));
        };
        Ok(OverrideWish {
            distribution: distribution.clone(),
            channel: channel.clone(),
            package: package.clone(),
            version,
            commit,
            says: match self.says {
                Says::Passing => OverriddenAs::Passing,
                Says::Failing => OverriddenAs::Failing,
            },
            until: self.until,
            by: self.by.clone().unwrap_or_else(user),
            reason: self.reason.clone(),
        })
    }
}
