//! One mistake in one file, and how a person or a program is shown it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// Whether a rendered diagnostic carries terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// ANSI escapes.
    Always,
}

/// What is wrong and where inside one text: a [`Diagnostic`] that does not know its file yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub span: Range<usize>,
    pub message: String,
    pub label: String,
    pub hint: Option<String>,
}

impl Finding {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { span, message: message.into(), label: label.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// One mistake in one file.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// The file, as a path that the operator recognises.
    pub file: PathBuf,
    /// The bytes of the file that are wrong; `None` where the file as a whole is (missing, unreadable).
    pub span: Option<Range<usize>>,
    /// What is wrong, in one line.
    pub message: String,
    /// What to say at the marked place; may be empty.
    pub label: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The file's text as it may be shown: secrets are blotted out.
    text: Arc<str>,
}

impl Diagnostic {
    /// A mistake that concerns a whole file or folder.
    pub(crate) fn whole_file(file: &Path, message: impl Into<String>, hint: Option<String>) -> Self {
        let file = file.to_owned();
        Self { file, span: None, message: message.into(), label: String::new(), hint, text: "".into() }
    }

    pub(crate) fn in_file(file: &Path, text: Arc<str>, finding: Finding) -> Self {
        let Finding { span, message, label, hint } = finding;
        // A span past the end would make the renderer panic; the text may be shorter than a parser says.
        let end = floor_boundary(&text, span.end);
        let span = floor_boundary(&text, span.start.min(end))..end;
        Self { file: file.to_owned(), span: Some(span), message, label, hint, text }
    }

    /// Line and column of the marked place, both from 1; the column counts characters.
    pub fn position(&self) -> Option<(usize, usize)> {
        let before = &self.text[..self.span.as_ref()?.start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
    }

    /// The diagnostic as rustc would draw it, at most `width` columns wide where lines can be cut.
    pub fn render(&self, width: usize, colour: Colour) -> String {
        let path = self.file.display().to_string();
        let title = Level::ERROR.primary_title(self.message.as_str());
        let group = match &self.span {
            Some(span) => title.element(
                Snippet::source(&*self.text).path(path).annotation(
                    AnnotationKind::Primary
                        .span(span.clone())
                        .label((!self.label.is_empty()).then_some(self.label.as_str())),
                ),
            ),
            None => title.element(Origin::path(path)),
        };
        let mut report = vec![group];
        if let Some(hint) = &self.hint {
            report.push(Group::with_title(Level::HELP.secondary_title(hint.as_str())));
        }
        let renderer = match colour {
            Colour::Never => Renderer::plain(),
            Colour::Always => Renderer::styled(),
        };
        renderer.term_width(width).render(&report)
    }
}

/// The nearest character boundary at or before `index`.
fn floor_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let position = self.position();
        let mut fields = serializer.serialize_struct("Diagnostic", 6)?;
        fields.serialize_field("file", &self.file)?;
        fields.serialize_field("line", &position.map(|(line, _)| line))?;
        fields.serialize_field("column", &position.map(|(_, column)| column))?;
        fields.serialize_field("message", &self.message)?;
        fields.serialize_field("label", &self.label)?;
        fields.serialize_field("hint", &self.hint)?;
        fields.end()
    }
}
