//! What is wrong with a world's files: where, and what was expected instead.

use std::fmt;

/// The first mistake found in a world. Shown as `folder/file:line:column: what is wrong`, with a
/// line of advice where there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct WorldProblem {
    /// The folder of the world, or where else its files came from.
    pub origin: String,
    /// The file's name inside the folder.
    pub file: String,
    /// Line and column, counted from one, where a place in the file is to blame.
    pub place: Option<(usize, usize)>,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for WorldProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.origin, self.file)?;
        if let Some((line, column)) = self.place {
            write!(formatter, ":{line}:{column}")?;
        }
        write!(formatter, ": {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// What is wrong at a place of a file whose name the caller knows.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) place: Option<(usize, usize)>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Mistake {
    /// A mistake in the file as a whole.
    pub(super) fn whole_file(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), hint: None }
    }

    /// A mistake at a line and column, counted from one.
    pub(super) fn at(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { place: Some((line, column)), message: message.into(), hint: None }
    }

    /// The same with the name that was probably meant.
    pub(super) fn meant(self, nearest: Option<String>) -> Self {
        self.hint(nearest.map(|name| format!("did you mean {name}?")))
    }

    /// The same with advice.
    pub(super) fn hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// A mistake that serde found, with the nearest valid key or value where it lists them.
    pub(super) fn from_serde(place: Option<(usize, usize)>, message: &str) -> Self {
        let message = message.trim_end();
        // serde names fields and variants; the person who reads this sees keys and values.
        let shown = message.replace(" field `", " key `").replace("unknown variant `", "unknown value `");
        Self { place, message: shown, hint: None }.meant(nearest_of_message(message))
    }

    /// A mistake that serde_json found in a text which begins at `line` of the file.
    pub(super) fn from_json(line: usize, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let message = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
        // serde_json counts columns from zero where it has read nothing of the line.
        let place = Some((line + error.line().max(1) - 1, error.column().max(1)));
        if error.is_eof() {
            return Self::from_serde(place, &format!("the JSON ends too early ({message})"));
        }
        Self::from_serde(place, message)
    }
}

/// The nearest valid name where serde's message is of the kind "unknown field `a`, expected one of `b`, `c`".
fn nearest_of_message(message: &str) -> Option<String> {
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    nearest(unknown, quoted)
}

/// The candidate most like `word`, quoted, where one is alike enough to be meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(2))
        .min()
        .map(|(_, candidate)| format!("`{candidate}`"))
}

/// Line and column (from one) of a byte offset.
pub(super) fn place_of(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
