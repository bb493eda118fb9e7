//! `snapshot withdraw` and `snapshot rollback`: what people do to snapshots that are published.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::Args;
use jiff::civil::Date;

use super::named;
use crate::cli::shown::plain;
use crate::cli::steer::{Asked, ask_daemon, beside_the_point, user};
use crate::cli::{CommandError, Context, Output, state};
use crate::config::Configuration;
use crate::daemon::{Answer, Request};
use crate::domain::{
    LatestWish, SnapshotChange, SnapshotWish, SnapshotWishKind, WithdrawFrom, WithdrawnBytes,
};
use crate::jobs::Services;
use crate::jobs::snapshot_wishes::SnapshotWishes;

/// Withdraw a package from published snapshots, or a whole snapshot
#[derive(Debug, Args)]
#[command(
    override_usage = "tidegate snapshot withdraw DATE PACKAGE --reason R
       tidegate snapshot withdraw --everywhere PACKAGE --reason R
       tidegate snapshot withdraw --whole DATE --reason R",
    after_help = "The snapshot gets a new generation, shown to readers in one step: its indexes no longer list the
package, and its manifest and page say what was withdrawn, when and why. All other files keep their bytes.
With --keep-bytes the files stay where they lie, for who knows their path; with --drop-bytes they are gone,
and older generations with them. Other packages that need it stay, and are named.
The reason is published.

The next snapshot may hold the package again: `tidegate remove` keeps it out.

Examples:
  tidegate snapshot withdraw 2026-06-15 tidypolars --reason 'asked for by its author' --dry-run
  tidegate snapshot withdraw --everywhere tidypolars --drop-bytes --reason 'its licence forbids copies'
  tidegate snapshot withdraw --whole 2026-06-15 --reason 'built with a broken compiler'"
)]
pub(super) struct Withdraw {
    /// The snapshot's date, or the package with --everywhere
    #[arg(value_name = "DATE|PACKAGE")]
    first: String,
    /// The package
    #[arg(value_name = "PACKAGE", conflicts_with_all = ["everywhere", "whole"],
          required_unless_present_any = ["everywhere", "whole"])]
    package: Option<String>,
    /// From every snapshot that holds the package
    #[arg(long, conflicts_with = "whole")]
    everywhere: bool,
    /// The snapshot as a whole: it stays at its address, and `latest` never shows it again
    #[arg(long)]
    whole: bool,
    /// Leave the files where they lie [default: as the distribution's policy says]
    #[arg(long, conflicts_with = "drop_bytes")]
    keep_bytes: bool,
    /// Remove the files for good
    #[arg(long)]
    drop_bytes: bool,
    #[command(flatten)]
    asked: Asked,
    /// The distribution; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
}

/// Let `latest` show an earlier snapshot, or the newest again
#[derive(Debug, Args)]
#[command(
    after_help = "Only `latest` changes; every snapshot stays at the address of its date. The choice holds until a newer
snapshot is published.

Examples:
  tidegate snapshot rollback --reason 'arrow of 2026-09-15 loses rows'
  tidegate snapshot rollback 2026-03-15 --reason 'the last one that works with R 4.5'
  tidegate snapshot rollback --newest --reason 'it was not arrow after all'"
)]
pub(super) struct Rollback {
    /// The snapshot to show [default: the one before the one that is shown]
    #[arg(value_name = "DATE")]
    date: Option<Date>,
    /// Forward again: show the newest snapshot
    #[arg(long, conflicts_with = "date")]
    newest: bool,
    #[command(flatten)]
    asked: Asked,
    /// The distribution; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
}

impl Withdraw {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let date = |text: &str| {
            text.parse::<Date>().map(WithdrawFrom::Snapshot).map_err(|_| {
                CommandError::invalid(format!("`{}` is not a date", plain(text)))
                    .hint("write the snapshot's date like 2026-06-15, then the package")
            })
        };
        let (from, package) = match self.everywhere {
            true => (WithdrawFrom::Everywhere, Some(self.first)),
            false => (date(&self.first)?, self.package),
        };
        let said = match (self.keep_bytes, self.drop_bytes) {
            (true, _) => Some(WithdrawnBytes::Keep),
            (_, true) => Some(WithdrawnBytes::Drop),
            _ => None,
        };
        let change = |policy: WithdrawnBytes| SnapshotWishKind::Withdraw {
            from,
            package: package.clone(),
            bytes: said.unwrap_or(policy),
        };
        carry_out(self.asked, self.distribution.as_deref(), change, context)
    }
}

impl Rollback {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let wish = match (self.date, self.newest) {
            (Some(date), _) => LatestWish::On(date),
            (None, true) => LatestWish::Newest,
            (None, false) => LatestWish::Before,
        };
        let change = |_| SnapshotWishKind::Latest(wish);
        carry_out(self.asked, self.distribution.as_deref(), change, context)
    }
}

fn carry_out(
    asked: Asked,
    distribution: Option<&str>,
    change: impl FnOnce(WithdrawnBytes) -> SnapshotWishKind,
    context: &mut Context<'_>,
) -> Result<(), CommandError> {
    asked.has_a_reason()?;
    let configuration = where_published(context)?;
    let names = named(&configuration, distribution)?;
    let [name] = names[..] else {
        let message = "there are several distributions: name one with --distribution";
        return Err(CommandError::invalid(message));
    };
    let policy = configuration.distributions.get(name).map(|one| one.policy.withdrawn_bytes);
    let wish = SnapshotWish {
        distribution: name.to_owned(),
        change: change(policy.unwrap_or_default()),
        by: asked.by.unwrap_or_else(user),
        reason: asked.reason,
    };
    let done = match asked.dry_run {
        true => state::block_on(preview(&configuration, &wish, context))?,
        false => state::block_on(done(&configuration, &wish, context))?,
    };
    match context.output {
        Output::Json => context.print_json(&done),
        Output::Text => {
            let heading = if asked.dry_run { "Nothing was changed; this would be:\n" } else { "" };
            Ok(write!(context.out, "{heading}{}", text(&wish, &done))?)
        }
    }
}

/// The configuration of the state that is meant. A rehearsal has published beside its state, and never where the
/// machine publishes.
fn where_published(context: &Context<'_>) -> Result<Configuration, CommandError> {
    let mut configuration = context.configuration_of_state()?;
    let beside = context.state.as_ref().map(|state| state.join("published"));
    if beside.is_some_and(|directory| directory.is_dir()) {
        // Without a folder of its own a state publishes beside itself.
        configuration.settings.publish = None;
    }
    Ok(configuration)
}

/// What the wish would come to, from the state as it is.
async fn preview(
    configuration: &Configuration,
    wish: &SnapshotWish,
    context: &Context<'_>,
) -> Result<SnapshotChange, CommandError> {
    let store = context.read_state().await?;
    let services = Services::apart(configuration, store, context.clock.clone())?;
    Ok(SnapshotWishes::new(Arc::new(services), configuration).preview(wish).await?)
}

/// The daemon carries it out where one runs, so that nobody else publishes meanwhile; else this process.
async fn done(
    configuration: &Configuration,
    wish: &SnapshotWish,
    context: &Context<'_>,
) -> Result<SnapshotChange, CommandError> {
    match ask_daemon(configuration, &Request::Snapshots(wish.clone())).await? {
        Some(Answer::Snapshots(change)) => return Ok(change),
        Some(_) => return Err(beside_the_point()),
        None => {}
    }
    let store = context.write_state().await?;
    let services = Services::apart(configuration, store.clone(), context.clock.clone())?;
    let change = SnapshotWishes::new(Arc::new(services), configuration).carry_out(wish).await;
    store.close().await;
    Ok(change?)
}

fn text(wish: &SnapshotWish, change: &SnapshotChange) -> String {
    let mut text = String::new();
    let package = match &wish.change {
        SnapshotWishKind::Withdraw { package, .. } => package.as_deref().map(plain),
        SnapshotWishKind::Latest(_) => None,
    };
    for one in &change.rewritten {
        let version =
            one.version.as_deref().map(|version| format!(" {}", plain(version))).unwrap_or_default();
        let what = match &package {
            Some(package) => format!("without {package}{version}"),
            None => "withdrawn as a whole".to_owned(),
        };
        let _ = writeln!(text, "{}  generation {}  {what}", one.date, one.generation);
        let fate = match one.bytes {
            WithdrawnBytes::Keep => "no longer listed",
            WithdrawnBytes::Drop => "gone",
        };
        for file in &one.files {
            let _ = writeln!(text, "  {fate:<16}  {}", plain(file));
        }
        for dependent in &one.dependents {
            let _ = writeln!(text, "  {:<16}  {}", "needs it", plain(dependent));
        }
    }
    for date in &change.already {
        let what = package.as_deref().unwrap_or("the whole snapshot");
        let _ = writeln!(text, "{date}  {what} was withdrawn before");
    }
    if let Some(latest) = change.latest {
        let from = latest.from.map(|date| format!("{date} → ")).unwrap_or_default();
        let _ = writeln!(text, "latest  {from}{}", latest.to);
    }
    if change.kept_files_wait {
        text.push_str(
            "The kept copies of these files go once no job keeps files in the store. Where no daemon runs, do the \
             same again then.\n",
        );
    }
    if text.is_empty() {
        text.push_str("latest shows that already\n");
    }
    text
}
