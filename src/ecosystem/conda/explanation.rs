//! Why the solver found nothing, as much of it as a person reads.

use std::fmt::{self, Write};

/// The most that is kept of an explanation.
const LINES: usize = 40;
const BYTES: usize = 8 * 1024;

/// The beginning of what `shown` displays: 40 lines and 8 KiB at most, without control characters but
/// line ends.
///
/// The solver draws a graph as a tree. One with a few dozen packages can have more paths than memory
/// has bytes, so the drawing is stopped on its way instead of being cut afterwards.
pub(super) fn beginning_of(shown: &dyn fmt::Display) -> String {
    let mut beginning = Beginning { text: String::new(), lines: 0 };
    // The one thing that fails is the limit.
    let whole = write!(beginning, "{shown}").is_ok();
    let mut text = beginning.text;
    text.truncate(text.trim_end().len());
    if !whole {
        text.push_str("\n… and more");
    }
    text
}

/// Takes text up to the limits, and fails beyond.
struct Beginning {
    text: String,
    lines: usize,
}

impl Write for Beginning {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for letter in piece.chars() {
            if self.lines == LINES || self.text.len() + letter.len_utf8() > BYTES {
                return Err(fmt::Error);
            }
            self.lines += usize::from(letter == '\n');
            // Records come from outside; their words must not steer a terminal.
            self.text.push(if letter.is_control() && letter != '\n' { ' ' } else { letter });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::beginning_of;

    /// Text without an end.
    struct Endless(&'static str);

    impl fmt::Display for Endless {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                formatter.write_str(self.0)?;
            }
        }
    }

    #[test]
    fn a_drawing_without_an_end_is_stopped() {
        let lines = beginning_of(&Endless("a line\n"));
        assert_eq!(lines.lines().count(), 41);
        assert!(lines.ends_with("a line\n… and more"));
        assert!(beginning_of(&Endless("─")).len() < 8 * 1024 + 20);
    }

    #[test]
    fn a_short_one_is_kept_whole_but_for_what_steers_a_terminal() {
        assert_eq!(beginning_of(&"two\nlines \u{1b}[31m\n"), "two\nlines  [31m");
    }
}
