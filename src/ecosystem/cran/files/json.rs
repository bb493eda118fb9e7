//! JSON as R's jsonlite writes it, and what a reader says about a file that is not as expected.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::Value;

/// No file of R-multiverse comes near this: 30,000 packages are about 10 MiB.
const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;

/// A file that is not what its name promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {problem}", place(*.line, *.column))]
pub struct MalformedFile {
    /// The file as the caller names it: a path, or a path with its repository.
    pub file: String,
    /// Counted from 1; 0 where the whole file is meant.
    pub line: usize,
    /// Counted from 1, in bytes; 0 where the whole line is meant.
    pub column: usize,
    /// What is wrong and what was expected.
    pub problem: String,
}

fn place(line: usize, column: usize) -> String {
    match (line, column) {
        (0, _) => String::new(),
        (line, 0) => format!(", line {line}"),
        (line, column) => format!(", line {line}, column {column}"),
    }
}

/// Reads one JSON document into `T`. `expected` names in a few words what the file should hold.
pub(super) fn read<T: DeserializeOwned>(
    file: &str,
    bytes: &[u8],
    expected: &str,
) -> Result<T, MalformedFile> {
    let malformed = |line, column, problem| MalformedFile { file: file.to_owned(), line, column, problem };
    if bytes.len() > MAX_FILE_BYTES {
        let problem = format!("the file has {} bytes, more than the {MAX_FILE_BYTES} allowed", bytes.len());
        return Err(malformed(0, 0, problem));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let full = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = full.strip_suffix(&place).unwrap_or(&full);
        let what = if error.is_eof() { "the file ends too early" } else { what };
        malformed(error.line(), error.column(), format!("{what}; the file should be {expected}"))
    })
}

/// Writes `value` as jsonlite's `pretty = TRUE` does: two spaces per level, an array of scalars on
/// one line, every other array and every object expanded, one newline at the end.
pub(super) fn write(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0);
    text.push('\n');
    text
}

fn write_value(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Array(items) if items.iter().all(|item| !item.is_array() && !item.is_object()) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            text.push_str(&format!("[{}]", items.join(", ")));
        }
        Value::Array(items) => {
            let rows = items.iter().map(|item| (None, item));
            write_block(text, ('[', ']'), rows, depth);
        }
        Value::Object(fields) if fields.is_empty() => text.push_str("{}"),
        Value::Object(fields) => {
            let rows = fields.iter().map(|(key, item)| (Some(key.as_str()), item));
            write_block(text, ('{', '}'), rows, depth);
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn write_block<'a>(
    text: &mut String,
    (open, close): (char, char),
    rows: impl Iterator<Item = (Option<&'a str>, &'a Value)>,
    depth: usize,
) {
    text.push(open);
    for (position, (key, item)) in rows.enumerate() {
        text.push_str(if position == 0 { "\n" } else { ",\n" });
        text.push_str(&"  ".repeat(depth + 1));
        if let Some(key) = key {
            text.push_str(&Value::from(key).to_string());
            text.push_str(": ");
        }
        write_value(text, item, depth + 1);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(close);
}

/// A value that may be boxed: `x` and `[x]` read the same; `null`, `[null]`, `[]` and `{}` (how
/// jsonlite writes R's `NULL`) read as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unboxed<T>(pub(super) Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unboxed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnboxedVisitor(PhantomData))
    }
}

struct UnboxedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> UnboxedVisitor<T> {
    fn scalar<E: serde::de::Error>(value: impl serde::de::IntoDeserializer<'de, E>) -> Result<Unboxed<T>, E> {
        T::deserialize(value.into_deserializer()).map(|value| Unboxed(Some(value)))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for UnboxedVisitor<T> {
    type Value = Unboxed<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("one value, plain or in an array of one")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Self::scalar(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Self::scalar(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Self::scalar(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Self::scalar(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
        T::deserialize(serde::de::value::StrDeserializer::new(value)).map(|value| Unboxed(Some(value)))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Unboxed(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let first: Option<Option<T>> = items.next_element()?;
        if items.next_element::<serde::de::IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("an array of several values where one was expected"));
        }
        Ok(Unboxed(first.flatten()))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        match fields.next_key::<String>()? {
            None => Ok(Unboxed(None)),
            Some(key) => {
                Err(A::Error::custom(format!("an object with `{key}` where one value was expected")))
            }
        }
    }
}

/// Strings that may be written as an array, as one plain string, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Strings(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringsVisitor)
    }
}

struct StringsVisitor;

impl<'de> Visitor<'de> for StringsVisitor {
    type Value = Strings;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string or an array of strings")
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Strings, E> {
        Ok(Strings(vec![value.to_owned()]))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Strings, E> {
        Ok(Strings::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strings, A::Error> {
        let mut strings = Vec::new();
        while let Some(item) = items.next_element::<Option<String>>()? {
            strings.extend(item);
        }
        Ok(Strings(strings))
    }
}
