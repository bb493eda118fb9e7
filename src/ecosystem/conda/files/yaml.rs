//! The part of YAML that distribution files are written in: maps, lists and one-line texts, read with
//! the text of every scalar as it stands, and written byte for byte as PyYAML's `dump` does.
//!
//! An own writer, since no crate writes PyYAML's form; and an own tree, since serde would turn the epoch
//! `2024.10` into the number 2024.1. Parsing is granit-parser's.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use granit_parser::{Event, Parser, ScalarStyle, Span};
use regex::Regex;

use super::places::Places;

/// No sensible distribution file is larger, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;
/// No sensible distribution file nests deeper.
const DEEPEST: usize = 16;
/// PyYAML breaks lines that are longer.
const WIDTH: usize = 80;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A text, number or word.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map. PyYAML sorts the keys.
    Map(BTreeMap<String, Node>),
}

/// A one-line value as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// Its characters, without quotes.
    pub text: String,
    /// Whether it is text whatever it looks like.
    pub quoting: Quoting,
}

/// Whether a value stood in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// It did, or it is meant as text: `'2024.10'`.
    Text,
    /// It did not, so it may be a number, a word such as `true`, or nothing: `2024.10` is a number.
    Plain,
}

/// Why a file cannot be read, or a value not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// It is not the YAML that these files are written in.
    #[error("line {line}: {message}")]
    Malformed {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The file is too large.
    #[error("the file has {0} bytes, more than the {LARGEST} that a distribution file may have")]
    TooLarge(usize),
    /// PyYAML would write this value in a form that is not supported here.
    #[error("{0:?} cannot be written: only one line of plain characters can")]
    Unwritable(String),
}

impl Node {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Scalar(Scalar { text: text.into(), quoting: Quoting::Text })
    }

    /// Reads a file that holds one document. Comments are left out; anchors, tags and texts of several
    /// lines are refused.
    pub fn read(text: &str) -> Result<Self, YamlError> {
        Self::read_with_places(text).map(|(node, _)| node)
    }

    /// The same, with the place of everything.
    pub fn read_with_places(text: &str) -> Result<(Self, Places), YamlError> {
        if text.len() > LARGEST {
            return Err(YamlError::TooLarge(text.len()));
        }
        let mut reader =
            Reader { events: Parser::new_from_str(text), line: 1, span: 0..0, places: Places::default() };
        loop {
            match reader.next()? {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd | Event::DocumentEnd => return Err(reader.refuse("the file is empty")),
                event => {
                    let node = reader.node(event, "", 0)?;
                    return reader.end().map(|places| (node, places.in_bytes(text)));
                }
            }
        }
    }

    /// The map, where it is one.
    pub fn as_map(&self) -> Option<&BTreeMap<String, Node>> {
        match self {
            Self::Map(map) => Some(map),
            Self::Scalar(_) | Self::List(_) => None,
        }
    }

    /// The characters of a one-line value, where it is one and is not nothing.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Scalar(scalar) if !scalar.is_nothing() => Some(&scalar.text),
            _ => None,
        }
    }

    /// The entries of a list of one-line values. Nothing where it is another thing.
    pub fn as_texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::List(list) => list.iter().map(Self::as_text).collect(),
            Self::Scalar(_) | Self::Map(_) => None,
        }
    }

    /// True for `null`, `~` and a key without a value.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Scalar(scalar) if scalar.is_nothing())
    }

    /// The file that PyYAML's `dump` writes for this value.
    pub fn dump(&self) -> Result<String, YamlError> {
        let mut text = String::new();
        match self {
            Self::Map(map) if !map.is_empty() => dump_map(map, 0, &mut text)?,
            Self::List(list) if !list.is_empty() => dump_list(list, 0, &mut text)?,
            // PyYAML ends a document that is one plain value with an end mark.
            other => text += &format!("{}\n", inline(other, 0)?),
        }
        Ok(text)
    }
}

impl Scalar {
    fn is_nothing(&self) -> bool {
        self.quoting == Quoting::Plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

struct Reader<'t> {
    events: Parser<'t, granit_parser::StrInput<'t>>,
    line: usize,
    /// The characters of the last event.
    span: Range<usize>,
    places: Places,
}

impl<'t> Reader<'t> {
    fn refuse(&self, message: &str) -> YamlError {
        YamlError::Malformed { line: self.line, message: message.to_owned() }
    }

    fn next(&mut self) -> Result<Event<'t>, YamlError> {
        loop {
            let next: Option<Result<(Event<'t>, Span), _>> = self.events.next();
            match next {
                None => return Ok(Event::StreamEnd),
                Some(Ok((Event::Comment(..), span))) => {
                    self.places.note_comment(span.start.index()..span.end.index());
                }
                Some(Ok((event, span))) => {
                    self.line = span.start.line();
                    self.span = span.start.index()..span.end.index();
                    return Ok(event);
                }
                Some(Err(error)) => {
                    let line = error.marker().line();
                    return Err(YamlError::Malformed { line, message: error.to_string() });
                }
            }
        }
    }

    /// Reads the value that the event begins, and notes where it stands.
    fn node(&mut self, event: Event<'t>, path: &str, depth: usize) -> Result<Node, YamlError> {
        let start = self.span.start;
        let node = self.value(event, path, depth)?;
        self.places.note_value(path, start..self.span.end);
        Ok(node)
    }

    fn value(&mut self, event: Event<'t>, path: &str, depth: usize) -> Result<Node, YamlError> {
        if depth > DEEPEST {
            return Err(self.refuse("this nests deeper than any distribution file"));
        }
        match event {
            Event::Scalar(text, style, 0, None) => {
                let quoting = match style {
                    ScalarStyle::Plain => Quoting::Plain,
                    _ => Quoting::Text,
                };
                Ok(Node::Scalar(Scalar { text: text.into_owned(), quoting }))
            }
            Event::SequenceStart(_, 0, None) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => return Ok(Node::List(list)),
                        item => {
                            list.push(self.node(item, &below(path, &list.len().to_string()), depth + 1)?)
                        }
                    }
                }
            }
            Event::MappingStart(_, 0, None) => self.map(path, depth),
            _ => Err(self.refuse("anchors, aliases and tags have no place in a distribution file")),
        }
    }

    fn map(&mut self, path: &str, depth: usize) -> Result<Node, YamlError> {
        let mut map = BTreeMap::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Node::Map(map)),
                Event::Scalar(key, _, 0, None) => key.into_owned(),
                _ => return Err(self.refuse("a key has to be a plain name")),
            };
            let place = below(path, &key);
            self.places.note_key(&place, self.span.clone());
            let value = self.next()?;
            let value = self.node(value, &place, depth + 1)?;
            if map.insert(key.clone(), value).is_some() {
                return Err(self.refuse(&format!("the key `{key}` is there twice")));
            }
        }
    }

    /// Nothing may follow the one document.
    fn end(mut self) -> Result<Places, YamlError> {
        loop {
            match self.next()? {
                Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(self.places),
                _ => return Err(self.refuse("a second document begins here")),
            }
        }
    }
}

/// The path of what lies below another one.
fn below(path: &str, part: &str) -> String {
    if path.is_empty() { part.to_owned() } else { format!("{path}/{part}") }
}

fn dump_map(map: &BTreeMap<String, Node>, indent: usize, text: &mut String) -> Result<(), YamlError> {
    for (number, (key, value)) in map.iter().enumerate() {
        // The first key of a map in a list stands behind the list's own mark.
        let lead = if number == 0 && text.ends_with("- ") { 0 } else { indent };
        let key = quoted(key)?;
        *text += &format!("{}{key}:", " ".repeat(lead));
        match value {
            Node::Map(inner) if !inner.is_empty() => {
                text.push('\n');
                dump_map(inner, indent + 2, text)?;
            }
            // PyYAML does not indent a list below its key.
            Node::List(list) if !list.is_empty() => {
                text.push('\n');
                dump_list(list, indent, text)?;
            }
            other => *text += &format!(" {}\n", inline(other, indent + key.len() + 2)?),
        }
    }
    Ok(())
}

fn dump_list(list: &[Node], indent: usize, text: &mut String) -> Result<(), YamlError> {
    for (number, item) in list.iter().enumerate() {
        let lead = if number == 0 && text.ends_with("- ") { 0 } else { indent };
        *text += &format!("{}- ", " ".repeat(lead));
        match item {
            Node::Map(inner) if !inner.is_empty() => dump_map(inner, indent + 2, text)?,
            Node::List(inner) if !inner.is_empty() => dump_list(inner, indent + 2, text)?,
            other => *text += &format!("{}\n", inline(other, indent + 2)?),
        }
    }
    Ok(())
}

/// A value that fits on one line, which `column` characters of the line precede.
fn inline(node: &Node, column: usize) -> Result<String, YamlError> {
    let scalar = match node {
        Node::List(_) => return Ok("[]".to_owned()),
        Node::Map(_) => return Ok("{}".to_owned()),
        Node::Scalar(scalar) => scalar,
    };
    let text = match scalar.quoting {
        Quoting::Plain if scalar.is_nothing() => "null".to_owned(),
        Quoting::Plain => match truth(&scalar.text) {
            Some(truth) => truth.to_string(),
            None if looks_special(&scalar.text) => scalar.text.clone(),
            None => quoted(&scalar.text)?,
        },
        Quoting::Text => quoted(&scalar.text)?,
    };
    // PyYAML would break the line at a space.
    match column + text.len() > WIDTH && text.contains(' ') {
        true => Err(YamlError::Unwritable(scalar.text.clone())),
        false => Ok(text),
    }
}

/// A text as PyYAML writes it: bare where it would be read back as text, in single quotes otherwise.
fn quoted(text: &str) -> Result<String, YamlError> {
    if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(YamlError::Unwritable(text.to_owned()));
    }
    match needs_quotes(text) || looks_special(text) {
        true => Ok(format!("'{}'", text.replace('\'', "''"))),
        false => Ok(text.to_owned()),
    }
}

/// PyYAML's `analyze_scalar`, for one line of plain characters outside of brackets.
fn needs_quotes(text: &str) -> bool {
    let bytes = text.as_bytes();
    let space_after = |index: usize| bytes.get(index + 1).is_none_or(|byte| *byte == b' ');
    let Some(first) = bytes.first() else { return true };
    let bad_start = match first {
        b'?' | b':' | b'-' => space_after(0),
        first => b"#,[]{}&*!|>'\"%@`".contains(first),
    };
    let bad_inside = bytes.iter().enumerate().skip(1).any(|(index, byte)| match byte {
        b':' => space_after(index),
        b'#' => bytes[index - 1] == b' ',
        _ => false,
    });
    bad_start
        || bad_inside
        || text.starts_with("---")
        || text.starts_with("...")
        || text.starts_with(' ')
        || text.ends_with(' ')
}

/// `yes`, `on`, `true` and their like, as YAML 1.1 reads them.
fn truth(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// The forms that YAML 1.1 does not read as text: numbers (also in octal, in base 60, with `_`), times, and
/// the marks `=` and `<<`. The grammar is that of the YAML 1.1 type repository.
static SPECIAL: LazyLock<Regex> = LazyLock::new(|| {
    let forms = [
        r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?",
        r"\.[0-9][0-9_]*([eE][-+][0-9]+)?",
        r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*",
        r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        r"[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+",
        r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+",
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
        r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?([ \t]*(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?",
        r"=|<<",
    ];
    Regex::new(&format!("^({})$", forms.join("|"))).expect("the forms are fixed and sound")
});

/// What other programs make of a text that stands without quotes, where it is another one: of `2024.10` the number
/// 2024.1. None for what they read as it stands, and for what has no number that could be shown.
pub(super) fn read_by_others(text: &str) -> Option<String> {
    if !SPECIAL.is_match(text) {
        return None;
    }
    let number = text.replace('_', "");
    let shown = match (number.parse::<i64>(), number.parse::<f64>()) {
        (Ok(whole), _) => whole.to_string(),
        (Err(_), Ok(broken)) => broken.to_string(),
        (Err(_), Err(_)) => return Some("a number or a time".to_owned()),
    };
    (shown != text).then_some(shown)
}

/// True for what would not be read back as text if it stood without quotes.
fn looks_special(text: &str) -> bool {
    truth(text).is_some() || matches!(text, "" | "~" | "null" | "Null" | "NULL") || SPECIAL.is_match(text)
}
