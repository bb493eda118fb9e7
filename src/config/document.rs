//! One configuration file as written: its text, its table with the place of every value, and what was
//! found wrong with it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Finding};
use super::inspect;
use super::secret;

/// What a file is for. The text is the name that the file's stem gives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// `tidegate.toml`.
    Settings,
    /// `distributions/<name>.toml`.
    Distribution(String),
    /// `distributions/<name>.exceptions.toml`.
    Exceptions(String),
    /// `<jobs>/<name>.toml`.
    Job(String),
}

/// A file that was read, not parsed yet.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    pub role: Role,
    pub path: PathBuf,
    pub text: String,
}

/// A file that is not TOML at all has an error in every line; the first ones say so.
const MOST_SYNTAX_ERRORS: usize = 10;

/// A parsed file. Paths into it are keys joined by dots, list places counted from 0: `channel.1.name`.
pub(crate) struct Document<'t> {
    pub role: Role,
    path: &'t Path,
    table: Spanned<DeTable<'t>>,
    secrets: Vec<Range<usize>>,
    text: &'t str,
    findings: Vec<Finding>,
    /// False where the text is not TOML: then its keys say nothing, not even by their absence.
    pub parsed: bool,
}

impl<'t> Document<'t> {
    /// Parses a file; mistakes of syntax and secrets in clear text become findings.
    pub(crate) fn parse(file: &'t SourceFile) -> Self {
        let (table, errors) = DeTable::parse_recoverable(&file.text);
        let mut findings: Vec<Finding> = errors
            .iter()
            .take(MOST_SYNTAX_ERRORS)
            .map(|error| Finding::new(error.span().unwrap_or(0..0), "this is not TOML", error.message()))
            .collect();
        let parsed = findings.is_empty();
        let in_clear_text = secret::in_clear_text(&file.text);
        let mut secrets: Vec<_> = in_clear_text.iter().map(|finding| finding.span.clone()).collect();
        findings.extend(in_clear_text);
        if !parsed {
            secrets.extend(secret::secret_lines(&file.text));
        }
        Self { role: file.role.clone(), path: &file.path, table, secrets, text: &file.text, findings, parsed }
    }

    /// Checks the table against a JSON Schema: keys, types, values and formats.
    pub(crate) fn inspect(&mut self, schema: &serde_json::Value) {
        if self.parsed {
            let inspection = inspect::inspect(&self.table, schema, self.text);
            self.secrets.extend(inspection.secrets);
            // A secret at a place explains everything else that is wrong at that place.
            let known = self.findings.clone();
            let apart = |finding: &Finding| {
                !known
                    .iter()
                    .any(|known| known.span.start < finding.span.end && finding.span.start < known.span.end)
            };
            self.findings.extend(inspection.findings.into_iter().filter(apart));
        }
    }

    /// Notes a mistake at the value (or, where there is none, the table) that `path` names.
    pub(crate) fn report(
        &mut self,
        path: &str,
        message: impl Into<String>,
        label: impl Into<String>,
        hint: &str,
    ) {
        let mut finding = Finding::new(self.span(path), message, label);
        finding.hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.findings.push(finding);
    }

    /// The folder that the file lies in.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// True while nothing is wrong with this file.
    pub(crate) fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// The text at `path`, where there is one.
    pub(crate) fn text_at(&self, path: &str) -> Option<&str> {
        self.lookup(path).and_then(|value| value.get_ref().as_str())
    }

    /// The truth value at `path`, where there is one.
    pub(crate) fn flag_at(&self, path: &str) -> Option<bool> {
        self.lookup(path).and_then(|value| value.get_ref().as_bool())
    }

    /// True where anything is written at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.lookup(path).is_some()
    }

    /// How many entries the list at `path` has; none where there is no list.
    pub(crate) fn length(&self, path: &str) -> usize {
        self.lookup(path).and_then(|value| value.get_ref().as_array()).map_or(0, |list| list.len())
    }

    /// The keys of the top table, in alphabetic order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.table.get_ref().keys().map(|key| key.get_ref().as_ref())
    }

    /// Makes the typed value of the whole file, without the keys in `except`. A sound file cannot fail;
    /// should the schema ever accept what the type refuses, that becomes a finding.
    pub(crate) fn typed<T: DeserializeOwned>(&mut self, except: &[&str]) -> Option<T> {
        let mut table = self.table.clone();
        for key in except {
            table.get_mut().remove(*key);
        }
        let typed = T::deserialize(toml::Deserializer::from(table));
        self.keep(typed)
    }

    /// Makes the typed value of the part at `path`; nothing where it is missing.
    pub(crate) fn typed_at<T: DeserializeOwned>(&mut self, path: &str) -> Option<T> {
        let value = self.lookup(path)?.clone();
        let typed = T::deserialize(toml::de::ValueDeserializer::from(value));
        self.keep(typed)
    }

    fn keep<T>(&mut self, typed: Result<T, toml::de::Error>) -> Option<T> {
        match typed {
            Ok(typed) => Some(typed),
            Err(error) => {
                // The schema's findings say the same thing better.
                if self.is_sound() {
                    let span = error.span().unwrap_or(0..0);
                    self.findings.push(Finding::new(span, error.message(), ""));
                }
                None
            }
        }
    }

    /// Everything that was found, in the order of the file.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.findings.sort_by(|a, b| (a.span.start, &a.message).cmp(&(b.span.start, &b.message)));
        let shown: Arc<str> = secret::blot(self.text, &self.secrets).into();
        let drawn = self.findings.into_iter();
        drawn.map(|finding| Diagnostic::in_file(self.path, Arc::clone(&shown), finding)).collect()
    }

    fn lookup(&self, path: &str) -> Option<&Spanned<DeValue<'t>>> {
        let mut steps = path.split('.');
        let mut value = self.table.get_ref().get(steps.next()?)?;
        for step in steps {
            value = match value.get_ref() {
                DeValue::Table(table) => table.get(step)?,
                DeValue::Array(list) => list.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// The place of the value at `path`, or of the nearest table around it; the file's beginning for
    /// what is missing at the top.
    fn span(&self, path: &str) -> Range<usize> {
        let mut path = path;
        loop {
            if let Some(value) = self.lookup(path) {
                return value.span();
            }
            match path.rsplit_once('.') {
                Some((parent, _)) => path = parent,
                None => return inspect::beginning(self.text),
            }
        }
    }
}
