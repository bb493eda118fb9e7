//! What a rehearsal shows while it plays: a progress bar on a terminal, and a line per event everywhere.

use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::super::{Context, Output};
use crate::decide::event_words;
use crate::rehearse::rehearsal::Audience;
use crate::store::Event;

/// A progress bar on a terminal, and a line per event everywhere.
pub(super) struct Show {
    bar: ProgressBar,
    lines: Lines,
}

/// Where the lines of the timeline go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    Shown,
    Hidden,
}

impl Show {
    pub(super) fn new(context: &Context<'_>) -> Self {
        let bar =
            if std::io::stderr().is_terminal() { ProgressBar::new(1000) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent}% {elapsed}") {
            bar.set_style(style);
        }
        let lines = if context.output == Output::Text { Lines::Shown } else { Lines::Hidden };
        Self { bar, lines }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Audience for Show {
    fn time_moves(&mut self, now: Timestamp, start: Timestamp, end: Timestamp) {
        let total = end.duration_since(start).as_secs().max(1);
        let passed = now.duration_since(start).as_secs().clamp(0, total);
        self.bar.set_position((passed * 1000 / total).unsigned_abs());
        self.bar.set_message(now.strftime("%Y-%m-%d %H:%M").to_string());
    }

    fn happens(&mut self, event: &Event) {
        if self.lines == Lines::Hidden {
            return;
        }
        let line = line(event);
        self.bar.suspend(|| {
            // A closed pipe ends the showing, not the rehearsal.
            let _ = writeln!(std::io::stderr(), "{line}");
        });
    }
}

/// An event in one line, as a person reads it.
fn line(event: &Event) -> String {
    let words = event_words::Event::new(&event.kind, event.package.as_deref(), &event.body);
    format!("{}  {}", event.at.strftime("%Y-%m-%d %H:%M"), words.told())
}
