//! The commands, through the program's own front door: what they print, write and exit with.

mod decide_stage;
mod decide_status;
mod distribution;
mod events;
mod exception;
mod explain;
mod forecast;
mod guard;
mod history;
mod place;
mod published;
mod sample_state;
mod service;
mod signatures;
mod snapshot;
mod store;
mod tampering;
mod token;
mod upkeep;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tidegate::cli::{Streams, run_with};
use tidegate::clock::{Clock, ManualClock, SharedClock};
use tidegate::config::Colour;

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: u8,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The output of a command that worked without a word on standard error.
    #[track_caller]
    pub fn printed(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""));
        self.out
    }

    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.printed()).unwrap()
    }
}

/// Runs a command on 20 August 2026 at noon.
pub fn run<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Ran {
    run_at("2026-08-20T12:00:00Z", arguments)
}

/// Runs a command at a time that stands still.
fn run_at<A: Into<OsString>>(now: &str, arguments: impl IntoIterator<Item = A>) -> Ran {
    run_on(ManualClock::new(now.parse().unwrap()), arguments)
}

/// Runs a command at a time that goes on: for what has to wait between two writes.
fn run_from<A: Into<OsString>>(now: &str, arguments: impl IntoIterator<Item = A>) -> Ran {
    run_on(Arc::new(RunningClock { start: now.parse().unwrap(), begun: Instant::now() }), arguments)
}

/// A clock that runs as fast as the real one, from another start.
struct RunningClock {
    start: jiff::Timestamp,
    begun: Instant,
}

impl Clock for RunningClock {
    fn now(&self) -> jiff::Timestamp {
        self.start + self.begun.elapsed()
    }
}

fn run_on<A: Into<OsString>>(clock: SharedClock, arguments: impl IntoIterator<Item = A>) -> Ran {
    let line = std::iter::once(OsString::from("tidegate")).chain(arguments.into_iter().map(Into::into));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = Streams { out: &mut out, err: &mut err, colour: Colour::Never };
    let code = run_with(line, clock, streams);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code, out: text(out), err: text(err) }
}

/// A file or folder of R-multiverse's recorded data.
fn data(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/r-multiverse").join(relative)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
