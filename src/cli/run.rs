//! `run`: the daemon.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::logging::{self, Voice};
use super::{CommandError, Context, state};
use crate::config::{Colour, Configuration, Settings, TextDuration};
use crate::daemon::{self, DaemonSettings, Job, Provided, Retention};
use crate::jobs::channel_wishes::ChannelWishes;
use crate::jobs::snapshot_wishes::SnapshotWishes;
use crate::jobs::{self, Pass, Services};
use crate::web::WebServer;

/// Run the jobs as they come due, until SIGTERM; SIGHUP reads the files again
#[derive(Debug, Args)]
#[command(after_help = "Logs to the journal under systemd, else to standard error; RUST_LOG=debug says more.
A reload takes over distributions and jobs. What changes in tidegate.toml needs a restart.

Examples:
  tidegate --config /etc/tidegate/config run")]
pub(super) struct RunDaemon {}

impl RunDaemon {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_in_force()?;
        logging::begin(Voice::Daemon);
        state::block_on(async {
            let settings = daemon_settings(&configuration.settings);
            let store = context.write_state().await?;
            let services = Services::connect(&configuration, store.clone(), context.clock.clone());
            let services = Arc::new(services.await?);
            let jobs = jobs::runnable(&configuration, &services, Pass::Full);
            let (version, state) = (env!("CARGO_PKG_VERSION"), settings.state.display().to_string());
            tracing::info!(version, state, jobs = jobs.len(), "tidegate begins");
            let web = WebServer::start(&configuration, store.clone(), context.clock.clone()).await?;
            let channels = Arc::new(ChannelWishes::new(services.clone(), &configuration));
            channels.finish().await?;
            let snapshots = Arc::new(SnapshotWishes::new(services.clone(), &configuration));
            snapshots.finish().await;
            let mut tell: Vec<Tell> = vec![Box::new({
                let (channels, snapshots) = (channels.clone(), snapshots.clone());
                move |configuration| {
                    channels.reload(configuration);
                    snapshots.reload(configuration);
                }
            })];
            if let Some(web) = &web {
                tell.push(Box::new(web.reloader()));
            }
            let reload = Box::new(reload(context.config.clone(), configuration.settings, services, tell));
            let provided = Provided { jobs, reload, channels, snapshots };
            let ended = daemon::run(settings, store, context.clock.clone(), provided).await;
            // It goes last: a notice that comes while jobs end is kept for the next start.
            if let Some(web) = web {
                web.stop().await;
            }
            ended?;
            tracing::info!("tidegate has stopped in order");
            Ok(())
        })
    }
}

fn daemon_settings(settings: &Settings) -> DaemonSettings {
    let concurrent = usize::from(settings.daemon.concurrent_runs);
    DaemonSettings {
        state: settings.state.clone(),
        heartbeat: settings.daemon.heartbeat.get(),
        stop_within: settings.daemon.stop_within.get(),
        concurrent_runs: NonZeroUsize::new(concurrent).unwrap_or(NonZeroUsize::MIN),
        retention: Retention { runs: settings.retention.runs.map(TextDuration::get) },
    }
}

/// Whoever else than the daemon wants to know of a new configuration.
type Tell = Box<dyn Fn(&Configuration) + Send + Sync>;

/// Reads the files again: all jobs, or every mistake as it would be drawn for `check`.
fn reload(
    folder: PathBuf,
    in_force: Settings,
    services: Arc<Services>,
    tell: Vec<Tell>,
) -> impl Fn() -> Result<Vec<Job>, String> + Send + Sync {
    move || {
        let configuration = Configuration::load(&folder)
            .map_err(|mistakes| CommandError::mistakes(&mistakes, Colour::Never).to_string())?;
        // `--state` is not in the file, so it is no change of the file either.
        let state = in_force.state.clone();
        if (Settings { state, ..configuration.settings.clone() }) != in_force {
            tracing::warn!("tidegate.toml has changed: that takes effect at the next start");
        }
        for tell in &tell {
            tell(&configuration);
        }
        Ok(jobs::runnable(&configuration, &services, Pass::Full))
    }
}
