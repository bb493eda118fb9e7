//! `info/index.json` of a package: what its maker says it is.

use serde_json::{Map, Value};

/// What `info/index.json` says. The typed fields were checked; `raw` has all of them as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexJson {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its build string.
    pub build: String,
    /// Its build number.
    pub build_number: u64,
    /// The sub-directory that it belongs to.
    pub subdir: String,
    /// The specs of what it needs, as written.
    pub depends: Vec<String>,
    /// The specs that hold for what is installed beside it, as written.
    pub constrains: Vec<String>,
    /// All fields.
    pub raw: Map<String, Value>,
}

/// Why a file of `info/` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexJsonError {
    /// It is not a JSON object.
    #[error("`{file}` is not a JSON object: {why}")]
    NotAnObject {
        /// The file.
        file: &'static str,
        /// What was found.
        why: String,
    },
    /// A field is missing.
    #[error("`info/index.json` has no `{0}`; build the package again with a newer conda-build")]
    Missing(&'static str),
    /// A field has a value of another kind.
    #[error("in `info/index.json` the field `{field}` should be {expected}, and is {found}")]
    Wrong {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is, shortened.
        found: String,
    },
}

impl IndexJson {
    /// Reads the bytes of `info/index.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexJsonError> {
        let raw = object("info/index.json", bytes)?;
        let text = |field| text(&raw, field);
        for field in ["license", "license_family", "python_site_packages_path"] {
            optional(&raw, field, "a text", Value::is_string)?;
        }
        optional(&raw, "timestamp", "a number", Value::is_number)?;
        optional(&raw, "noarch", "`generic` or `python`", |value| value.is_string() || value.is_boolean())?;
        Ok(Self {
            name: text("name")?,
            version: text("version")?,
            build: text("build")?,
            build_number: number(&raw, "build_number")?,
            subdir: text("subdir")?,
            depends: texts(&raw, "depends")?,
            constrains: texts(&raw, "constrains")?,
            raw,
        })
    }
}

/// Reads the JSON object in `file`.
pub(super) fn object(file: &'static str, bytes: &[u8]) -> Result<Map<String, Value>, IndexJsonError> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(IndexJsonError::NotAnObject { file, why: format!("it is {}", shown(&other)) }),
        Err(error) => Err(IndexJsonError::NotAnObject { file, why: error.to_string() }),
    }
}

fn text(raw: &Map<String, Value>, field: &'static str) -> Result<String, IndexJsonError> {
    match raw.get(field) {
        None | Some(Value::Null) => Err(IndexJsonError::Missing(field)),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(wrong(field, "a text", other)),
    }
}

fn number(raw: &Map<String, Value>, field: &'static str) -> Result<u64, IndexJsonError> {
    let value = raw.get(field).ok_or(IndexJsonError::Missing(field))?;
    value.as_u64().ok_or_else(|| wrong(field, "a whole number from 0 on", value))
}

fn texts(raw: &Map<String, Value>, field: &'static str) -> Result<Vec<String>, IndexJsonError> {
    let expected = "a list of texts";
    match raw.get(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(field, expected, value)))
            .collect(),
        Some(other) => Err(wrong(field, expected, other)),
    }
}

fn optional(
    raw: &Map<String, Value>,
    field: &'static str,
    expected: &'static str,
    fits: impl Fn(&Value) -> bool,
) -> Result<(), IndexJsonError> {
    match raw.get(field) {
        Some(value) if !value.is_null() && !fits(value) => Err(wrong(field, expected, value)),
        _ => Ok(()),
    }
}

fn wrong(field: &'static str, expected: &'static str, found: &Value) -> IndexJsonError {
    IndexJsonError::Wrong { field, expected, found: shown(found) }
}

fn shown(value: &Value) -> String {
    format!("`{}`", value.to_string().chars().take(60).collect::<String>())
}
