//! The fields of a record, read with care: every problem names its field.

use serde_json::{Map, Value};

/// The longest text of a field: titles and licences are far shorter.
const MAX_TEXT: usize = 20_000;

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadField {
    /// The field with its way there, such as `_jobs[3].job`.
    pub(super) field: String,
    /// What is wrong.
    pub(super) problem: String,
}

/// One object of a record, and the way to it.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    way: String,
}

impl<'a> Fields<'a> {
    /// The record itself.
    pub(super) fn of_record(object: &'a Map<String, Value>) -> Self {
        Self { object, way: String::new() }
    }

    /// An error about `field` of this object.
    pub(super) fn bad(&self, field: &str, problem: impl Into<String>) -> BadField {
        BadField { field: format!("{}{field}", self.way), problem: problem.into() }
    }

    /// The field, where it is there and not null.
    fn get(&self, field: &str) -> Option<&'a Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    /// A text, or none where it is absent, null or empty.
    pub(super) fn text(&self, field: &str) -> Result<Option<String>, BadField> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let text = value
            .as_str()
            .ok_or_else(|| self.bad(field, format!("expected a text, found {}", kind(value))))?;
        self.bounded(field, text).map(|text| Some(text).filter(|text| !text.is_empty()))
    }

    /// A text that has to be there.
    pub(super) fn required(&self, field: &str) -> Result<String, BadField> {
        self.text(field)?.ok_or_else(|| self.bad(field, "is missing"))
    }

    /// A text or a whole number, as a text.
    pub(super) fn text_or_number(&self, field: &str) -> Result<Option<String>, BadField> {
        match self.get(field) {
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            _ => self.text(field),
        }
    }

    /// A whole number.
    pub(super) fn number(&self, field: &str) -> Result<Option<u64>, BadField> {
        let Some(value) = self.get(field) else { return Ok(None) };
        value
            .as_u64()
            .map(Some)
            .ok_or_else(|| self.bad(field, format!("expected a whole number, found {}", kind(value))))
    }

    /// True or false.
    pub(super) fn truth(&self, field: &str) -> Result<Option<bool>, BadField> {
        let Some(value) = self.get(field) else { return Ok(None) };
        value
            .as_bool()
            .map(Some)
            .ok_or_else(|| self.bad(field, format!("expected true or false, found {}", kind(value))))
    }

    /// Texts, written as an array or as one text with commas; empty ones are dropped.
    pub(super) fn texts(&self, field: &str) -> Result<Vec<String>, BadField> {
        let parts: Vec<&str> = match self.get(field) {
            None => Vec::new(),
            Some(Value::String(text)) => text.split(',').collect(),
            Some(Value::Array(items)) => {
                let text = |item: &'a Value| match item {
                    Value::Null => Ok(""),
                    Value::String(text) => Ok(text.as_str()),
                    other => {
                        Err(self.bad(field, format!("expected texts, found {} among them", kind(other))))
                    }
                };
                items.iter().map(text).collect::<Result<_, _>>()?
            }
            Some(other) => return Err(self.bad(field, format!("expected texts, found {}", kind(other)))),
        };
        let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| self.bounded(field, part)).collect()
    }

    /// An object inside this one.
    pub(super) fn object(&self, field: &str) -> Result<Option<Fields<'a>>, BadField> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Self { object, way: format!("{}{field}.", self.way) })),
            Some(other) => Err(self.bad(field, format!("expected an object, found {}", kind(other)))),
        }
    }

    /// The objects of an array; none at all where the field is absent or null.
    pub(super) fn objects(&self, field: &str) -> Result<Option<Vec<Fields<'a>>>, BadField> {
        let items = match self.get(field) {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(self.bad(field, format!("expected an array, found {}", kind(other)))),
        };
        let object = |(position, item): (usize, &'a Value)| match item {
            Value::Object(object) => Ok(Self { object, way: format!("{}{field}[{position}].", self.way) }),
            other => Err(self
                .bad(&format!("{field}[{position}]"), format!("expected an object, found {}", kind(other)))),
        };
        items.iter().enumerate().map(object).collect::<Result<_, _>>().map(Some)
    }

    fn bounded(&self, field: &str, text: &str) -> Result<String, BadField> {
        if text.len() > MAX_TEXT {
            return Err(self.bad(field, format!("has {} bytes, more than {MAX_TEXT}", text.len())));
        }
        Ok(text.to_owned())
    }
}

/// What a value is, in a word a person knows.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
