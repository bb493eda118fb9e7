//! Where everything stands in a file: for messages that show the place.

use std::collections::BTreeMap;
use std::ops::Range;

/// The bytes of every key and value, by their path: keys and numbers of entries, counted from 0, joined by `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    values: BTreeMap<String, Range<usize>>,
    keys: BTreeMap<String, Range<usize>>,
    comments: Vec<Range<usize>>,
}

impl Places {
    /// The value at a path, or at the longest beginning of it that there is.
    pub fn value(&self, path: &str) -> Range<usize> {
        let mut path = path;
        loop {
            if let Some(found) = self.values.get(path) {
                return found.clone();
            }
            match path.rsplit_once('/') {
                Some((before, _)) => path = before,
                None => return self.values.get("").cloned().unwrap_or_default(),
            }
        }
    }

    /// The key of the value at a path; else the value.
    pub fn key(&self, path: &str) -> Range<usize> {
        self.keys.get(path).cloned().unwrap_or_else(|| self.value(path))
    }

    /// The comments, in their order.
    pub fn comments(&self) -> &[Range<usize>] {
        &self.comments
    }

    pub(super) fn note_value(&mut self, path: &str, span: Range<usize>) {
        self.values.insert(path.to_owned(), span);
    }

    pub(super) fn note_key(&mut self, path: &str, span: Range<usize>) {
        self.keys.insert(path.to_owned(), span);
    }

    pub(super) fn note_comment(&mut self, span: Range<usize>) {
        self.comments.push(span);
    }

    /// The same with every number of a character made that of its byte.
    pub(super) fn in_bytes(mut self, text: &str) -> Self {
        let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let byte = |character: usize| offsets.get(character).copied().unwrap_or(text.len());
        let spans = self.values.values_mut().chain(self.keys.values_mut()).chain(&mut self.comments);
        for span in spans {
            *span = byte(span.start)..byte(span.end);
        }
        self
    }
}
