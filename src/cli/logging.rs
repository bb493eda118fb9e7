//! Where the log goes: systemd's journal under systemd, standard error elsewhere.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What is logged unless `RUST_LOG` says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) enum Voice {
    /// A daemon tells what it does. The heartbeat tells of itself at every start, which nobody needs.
    Daemon,
    /// A command prints its own result, so that only what is wrong is worth a line.
    Command,
}

/// Begins to log. In a process that logs already nothing changes.
pub(super) fn begin(voice: Voice) {
    let default = match voice {
        Voice::Daemon => "info,tokio_cron_scheduler=warn",
        Voice::Command => "warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let registry = tracing_subscriber::registry().with(filter);
    // systemd sets this where standard error is the journal itself: then fields stay fields.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let begun = match journal {
        Some(journal) => registry.with(journal).try_init(),
        None => {
            let colours = std::io::stderr().is_terminal();
            let lines = tracing_subscriber::fmt::layer().compact().with_ansi(colours);
            registry.with(lines.with_writer(std::io::stderr)).try_init()
        }
    };
    // The one way to fail is that somebody began before: a test, which then has its own log.
    drop(begun);
}
