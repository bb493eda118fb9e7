//! What the steps print: kept up to a limit, with its last lines at hand for a verdict.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use crate::failure::Failure;

/// How much of the end is at hand, in bytes and lines.
const TAIL: (usize, usize) = (4_096, 25);

/// The output of all steps of an assignment.
pub(super) struct Output {
    file: File,
    limit: u64,
    kept: u64,
    dropped: u64,
    tail: VecDeque<u8>,
    failed: Option<io::Error>,
}

impl Output {
    /// A new file for at most `limit` bytes of output.
    pub(super) fn create(path: &Path, limit: u64) -> Result<Self, Failure> {
        let file = File::create(path)
            .map_err(|error| Failure::transient(format!("cannot write {}: {error}", path.display())))?;
        Ok(Self { file, limit, kept: 0, dropped: 0, tail: VecDeque::new(), failed: None })
    }

    /// Takes what a step printed.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.tail.extend(bytes);
        let surplus = self.tail.len().saturating_sub(TAIL.0);
        self.tail.drain(..surplus);
        let room = usize::try_from(self.limit - self.kept).unwrap_or(usize::MAX).min(bytes.len());
        let (kept, dropped) = bytes.split_at(room);
        self.write(kept);
        self.kept += kept.len() as u64;
        if !dropped.is_empty() && self.dropped == 0 {
            self.write(format!("\n[tidegate] cut here: the limit is {} bytes\n", self.limit).as_bytes());
        }
        self.dropped += dropped.len() as u64;
    }

    /// Writes a line of our own, which does not count against the limit.
    pub(super) fn note(&mut self, line: &str) {
        self.write(format!("[tidegate] {line}\n").as_bytes());
    }

    /// Forgets the last lines: those of the next step are wanted.
    pub(super) fn begin_step(&mut self) {
        self.tail.clear();
    }

    /// The last lines of the current step, as plain text.
    pub(super) fn tail(&self) -> String {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        let text = plain(&String::from_utf8_lossy(&bytes));
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL.1)..].join("\n")
    }

    /// Brings everything to the disk. Fails where some of it could not be written, now or before.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.dropped > 0 {
            self.note(&format!("{} more bytes of output were not kept", self.dropped));
        }
        self.failed.take().map_or(Ok(()), Err)?;
        self.file.sync_all()
    }

    fn write(&mut self, bytes: &[u8]) {
        // A full disk must not end a test in the middle: it is told at the end.
        if let Err(error) = self.file.write_all(bytes) {
            self.failed.get_or_insert(error);
        }
    }
}

/// Text without what moves a terminal's cursor or colours it.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            // A control sequence runs up to its final letter.
            '\u{1b}' if characters.as_str().starts_with('[') => {
                characters.find(|next| next.is_ascii_alphabetic());
            }
            '\n' | '\t' => plain.push(character),
            character if character.is_control() => {}
            character => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Output, plain};

    #[test]
    fn output_over_the_limit_is_cut_and_counted_and_its_end_is_still_at_hand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        let mut output = Output::create(&path, 10).unwrap();
        output.take(b"12345");
        output.take(b"67890abc");
        output.take(b"last\n");
        assert_eq!(output.tail(), "1234567890abclast");
        output.finish().unwrap();
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r"
        1234567890
        [tidegate] cut here: the limit is 10 bytes
        [tidegate] 8 more bytes of output were not kept
        ");
    }

    proptest::proptest! {
        #[test]
        fn what_is_kept_is_the_beginning_however_it_comes(
            chunks in proptest::collection::vec("[a-z]{0,9}", 0..20),
            limit in 0_u64..60,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("log.txt");
            let mut output = Output::create(&path, limit).unwrap();
            chunks.iter().for_each(|chunk| output.take(chunk.as_bytes()));
            output.finish().unwrap();
            let (all, log) = (chunks.concat(), std::fs::read_to_string(&path).unwrap());
            let kept = log.split("\n[tidegate]").next().unwrap();
            proptest::prop_assert_eq!(kept, &all[..all.len().min(limit.try_into().unwrap())]);
            proptest::prop_assert_eq!(log.contains("not kept"), all.len() as u64 > limit);
            proptest::prop_assert_eq!(output.tail(), all);
        }
    }

    #[test]
    fn a_tail_holds_no_escape_sequences() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m\r\nplain\u{7}"), "red\nplain");
    }
}
