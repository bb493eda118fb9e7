//! How far fetching is: a bar on a terminal, lines in the log elsewhere. Neither where it is over in a moment.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

/// What takes less time is not worth a bar.
const SHOWN_AFTER: Duration = Duration::from_secs(3);
/// How often the log is told.
const LOGGED_EVERY: Duration = Duration::from_secs(30);

/// Files that are to be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) files: u64,
    /// The bytes of those whose size is known.
    pub(super) bytes: u64,
}

/// How far the fetching of some files is.
pub(super) struct Progress {
    what: String,
    total: Amount,
    began: Instant,
    bar: ProgressBar,
    state: Mutex<State>,
}

struct State {
    done: Amount,
    told_at: Instant,
}

impl Progress {
    /// Nothing was fetched yet of `total`. `what` says what is fetched, such as `the snapshot of 2026-06-15`.
    pub(super) fn new(what: impl Into<String>, total: Amount) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total.bytes), ProgressDrawTarget::hidden());
        let template = "{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let began = Instant::now();
        let state = Mutex::new(State { done: Amount::default(), told_at: began });
        Self { what: what.into(), total, began, bar, state }
    }

    /// Some bytes arrived.
    pub(super) fn received(&self, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done.bytes += bytes;
        // Universes do not say how large binaries are.
        self.bar.set_length(self.total.bytes.max(state.done.bytes));
        self.bar.set_position(state.done.bytes);
        self.tell(&mut state);
    }

    /// A file is whole.
    pub(super) fn file_done(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done.files += 1;
        self.bar.set_message(format!("{} of {} files", state.done.files, self.total.files));
        self.tell(&mut state);
    }

    fn tell(&self, state: &mut State) {
        let elapsed = self.began.elapsed();
        if elapsed < SHOWN_AFTER {
            return;
        }
        if std::io::stderr().is_terminal() {
            if self.bar.is_hidden() {
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
            }
        } else if state.told_at.elapsed() >= LOGGED_EVERY {
            state.told_at = Instant::now();
            tracing::info!("fetching {}: {}", self.what, in_words(state.done, self.total, elapsed));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How far it is after this time, with the rate and the time that is left at it.
fn in_words(done: Amount, total: Amount, elapsed: Duration) -> String {
    let rate = done.bytes as f64 / elapsed.as_secs_f64().max(0.001);
    let files = format!("{} of {} files", done.files, total.files);
    let bytes = format!("{} of {}", HumanBytes(done.bytes), HumanBytes(total.bytes.max(done.bytes)));
    let left = total.bytes.saturating_sub(done.bytes) as f64 / rate.max(1.0);
    format!(
        "{files}, {bytes}, {}/s, {} left",
        HumanBytes(rate as u64),
        HumanDuration(Duration::from_secs_f64(left.min(1e9)))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_rate_and_the_time_that_is_left() {
        let total = Amount { files: 300, bytes: 3 << 30 };
        let done = Amount { files: 100, bytes: 1 << 30 };
        let told = in_words(done, total, Duration::from_secs(60));
        assert_eq!(told, "100 of 300 files, 1.00 GiB of 3.00 GiB, 17.07 MiB/s, 2 minutes left");
        let begun = in_words(Amount::default(), total, Duration::ZERO);
        assert!(begun.starts_with("0 of 300 files, 0 B of 3.00 GiB, 0 B/s, "), "{begun}");
    }
}
