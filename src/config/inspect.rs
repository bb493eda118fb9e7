//! Holds a parsed file against a JSON Schema and finds every mistake at once, where serde stops at the
//! first: unknown and missing keys, wrong types, values that are not allowed, malformed texts.
//!
//! The schema is the one that is published for editors, made from the types themselves, so there is
//! one truth. Only the keywords that schemars writes for our types are understood.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::diagnostic::Finding;
use super::nearest::{listed, nearest};
use super::{format, secret};

/// What an inspection found.
pub(crate) struct Inspection {
    pub findings: Vec<Finding>,
    /// Places that must not be shown.
    pub secrets: Vec<Range<usize>>,
}

/// Holds `table`, which was parsed from `text`, against `schema`.
pub(crate) fn inspect(table: &Spanned<DeTable<'_>>, schema: &Value, text: &str) -> Inspection {
    let definitions = schema.get("$defs").and_then(Value::as_object);
    let mut inspector = Inspector { definitions, text, findings: Vec::new(), secrets: Vec::new() };
    inspector.table(schema, table.get_ref(), &beginning(text));
    Inspection { findings: inspector.findings, secrets: inspector.secrets }
}

/// Where a mistake is shown that concerns the top of a file: its first line that is not a comment.
pub(crate) fn beginning(text: &str) -> Range<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        if !content.is_empty() && !content.starts_with('#') {
            return start..start + line.trim_end().len();
        }
        start += line.len();
    }
    0..0
}

struct Inspector<'s> {
    definitions: Option<&'s Map<String, Value>>,
    text: &'s str,
    findings: Vec<Finding>,
    secrets: Vec<Range<usize>>,
}

impl<'s> Inspector<'s> {
    /// The schema itself, behind references and behind the `or null` of an optional field.
    fn resolve(&self, schema: &'s Value) -> &'s Value {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.trim_start_matches("#/$defs/");
            if let Some(definition) = self.definitions.and_then(|definitions| definitions.get(name)) {
                return self.resolve(definition);
            }
        }
        let alternatives = schema.get("anyOf").and_then(Value::as_array);
        match alternatives.and_then(|all| all.iter().find(|one| one.get("type") != Some(&"null".into()))) {
            Some(alternative) => self.resolve(alternative),
            None => schema,
        }
    }

    fn table(&mut self, schema: &'s Value, table: &DeTable<'_>, span: &Range<usize>) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let secret = schema.get("x-secret").is_some();
        let mut meant = BTreeSet::new();
        for (key, value) in table {
            match properties.get(key.get_ref().as_ref()) {
                Some(property) => self.value(property, key.get_ref(), value),
                None => {
                    if secret {
                        self.secrets.push(value.span());
                    }
                    meant.extend(self.unknown_key(key, properties, table));
                }
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str) {
            if !table.contains_key(key) && !meant.contains(key) {
                let message = format!("the key `{key}` is missing");
                self.findings.push(Finding::new(span.clone(), message, "missing here").hint(about(
                    properties.get(key).map(|property| (property, self.resolve(property))),
                    key,
                )));
            }
        }
        self.count_of_keys(schema, table, span);
    }

    /// For a table of which one key is wanted out of several.
    fn count_of_keys(&mut self, schema: &'s Value, table: &DeTable<'_>, span: &Range<usize>) {
        let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_u64).map(|bound| bound as usize);
        let few = bound("minProperties").is_some_and(|least| table.len() < least);
        let many = bound("maxProperties").is_some_and(|most| table.len() > most);
        if let Some(properties) = schema.get("properties").and_then(Value::as_object)
            && (few || many)
        {
            let keys = listed(properties.keys().map(String::as_str));
            let message = format!("exactly one of {keys} is wanted");
            self.findings.push(Finding::new(span.clone(), message, format!("{} given", table.len())));
        }
    }

    /// Reports a key that is not valid here, and returns the key that was probably meant.
    fn unknown_key<'k>(
        &mut self,
        key: &Spanned<DeString<'_>>,
        properties: &'k Map<String, Value>,
        table: &DeTable<'_>,
    ) -> Option<&'k str> {
        let free = || properties.keys().map(String::as_str).filter(|known| !table.contains_key(*known));
        let meant = nearest(key.get_ref(), free());
        let label = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "not known here".to_owned(),
        };
        let hint = format!("valid keys here are {}", listed(properties.keys().map(String::as_str)));
        let message = format!("unknown key `{}`", key.get_ref());
        self.findings.push(Finding::new(key.span(), message, label).hint(hint));
        meant
    }

    fn value(&mut self, property: &'s Value, key: &str, value: &Spanned<DeValue<'_>>) {
        let schema = self.resolve(property);
        if let Some(allowed) = allowed_words(schema) {
            return self.word(&allowed, key, value);
        }
        if !has_type(schema, value.get_ref()) {
            return self.wrong_type(property, schema, key, value);
        }
        match value.get_ref() {
            DeValue::String(text) => self.string(property, schema, key, (text, value.span())),
            DeValue::Integer(_) | DeValue::Float(_) => self.number(schema, property, key, value),
            DeValue::Array(list) => {
                let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
                if (list.len() as u64) < least {
                    let message = format!("`{key}` needs at least {least} entry");
                    self.findings.push(Finding::new(value.span(), message, "too short"));
                }
                if let Some(items) = schema.get("items") {
                    list.iter().for_each(|item| self.value(items, key, item));
                }
            }
            DeValue::Table(table) => self.table(schema, table, &value.span()),
            DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }

    fn word(&mut self, allowed: &[&str], key: &str, value: &Spanned<DeValue<'_>>) {
        let given = value.get_ref().as_str();
        if given.is_some_and(|given| allowed.contains(&given)) {
            return;
        }
        let label = match given.and_then(|given| nearest(given, allowed.iter().copied())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "not a valid value".to_owned(),
        };
        let message = match given {
            Some(given) => format!("unknown value `{given}` for `{key}`"),
            None => format!("`{key}` must be text, not {}", type_name(value.get_ref())),
        };
        let hint = format!("valid values are {}", listed(allowed.iter().copied()));
        self.findings.push(Finding::new(value.span(), message, label).hint(hint));
    }

    fn wrong_type(&mut self, property: &Value, schema: &Value, key: &str, value: &Spanned<DeValue<'_>>) {
        if schema.get("x-secret").is_some() && value.get_ref().is_str() {
            self.secrets.push(value.span());
            self.findings.push(secret::finding(value.span(), key));
            return;
        }
        let wanted = wanted_type(schema);
        let found = type_name(value.get_ref());
        let mut finding = Finding::new(
            value.span(),
            format!("`{key}` must be {wanted}, not {found}"),
            format!("expected {wanted}"),
        );
        let quotable = matches!(
            value.get_ref(),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_)
        );
        if wanted == "text" && quotable {
            let written = &self.text[value.span()];
            // In quotes it may be wrong still: 20 is no length of time, "20m" is.
            let complaint = format_of(property, schema).and_then(|name| format::check(name, written).err());
            let quoted = format!("put it in quotes: \"{written}\"");
            finding = finding.hint(complaint.and_then(|complaint| complaint.hint).unwrap_or(quoted));
        }
        self.findings.push(finding);
    }

    fn string(&mut self, property: &Value, schema: &Value, key: &str, (text, span): (&str, Range<usize>)) {
        let longest = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(4096);
        let length = text.chars().count() as u64;
        if length > longest {
            let message = format!("`{key}` is longer than {longest} characters");
            self.findings.push(Finding::new(span, message, format!("{length} characters")));
            return;
        }
        if length < schema.get("minLength").and_then(Value::as_u64).unwrap_or(0) {
            self.findings.push(Finding::new(span, format!("`{key}` must not be empty"), "nothing here"));
            return;
        }
        let Some(name) = format_of(property, schema) else { return };
        if let Err(complaint) = format::check(name, text) {
            if name == "sha256" {
                // What stands in the place of a token's digest may be the token.
                self.secrets.push(span.clone());
            }
            let place = complaint.within.map(|within| self.part_of(&span, text, within)).unwrap_or(span);
            let mut finding = Finding::new(place, format!("`{key}` {}", complaint.message), complaint.label);
            finding.hint = complaint.hint;
            self.findings.push(finding);
        }
    }

    /// The place of a part of a text, where the text stands in the file as it is (without escapes).
    fn part_of(&self, span: &Range<usize>, text: &str, within: Range<usize>) -> Range<usize> {
        match self.text.get(span.clone()).and_then(|written| written.find(text)) {
            Some(offset) => span.start + offset + within.start..span.start + offset + within.end,
            None => span.clone(),
        }
    }

    fn number(&mut self, schema: &Value, property: &Value, key: &str, value: &Spanned<DeValue<'_>>) {
        let number = match value.get_ref() {
            DeValue::Integer(integer) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|i| i as f64)
            }
            DeValue::Float(float) => float.as_str().parse().ok(),
            _ => None,
        };
        let bound = |keyword: &str| {
            let bound = property.get(keyword).or_else(|| schema.get(keyword));
            bound.and_then(Value::as_f64)
        };
        let (least, most) = (bound("minimum"), bound("maximum"));
        let within =
            |number: f64| least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most);
        if !number.is_some_and(within) {
            let range = match (least, most) {
                (Some(least), Some(most)) => format!("between {least} and {most}"),
                (Some(least), None) => format!("{least} or more"),
                (None, Some(most)) => format!("{most} or less"),
                (None, None) => "a smaller number".to_owned(),
            };
            let message = format!("`{key}` is out of range");
            self.findings.push(Finding::new(value.span(), message, format!("must be {range}")));
        }
    }
}

/// The name of a text's format; a field's own one goes before that of its type.
fn format_of<'v>(property: &'v Value, schema: &'v Value) -> Option<&'v str> {
    property.get("format").or_else(|| schema.get("format")).and_then(Value::as_str)
}

/// The words that an enumeration allows; nothing where the schema is not one.
fn allowed_words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(only) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![only]);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    let alternatives = schema.get("oneOf")?.as_array()?;
    Some(alternatives.iter().filter_map(allowed_words).flatten().collect())
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).filter(|n| *n != "null").collect()
        }
        _ => Vec::new(),
    }
}

fn has_type(schema: &Value, value: &DeValue<'_>) -> bool {
    let types = types(schema);
    let matching: &[&str] = match value {
        DeValue::String(_) => &["string"],
        DeValue::Integer(_) => &["integer", "number"],
        DeValue::Float(_) => &["number"],
        DeValue::Boolean(_) => &["boolean"],
        DeValue::Datetime(_) => &[],
        DeValue::Array(_) => &["array"],
        DeValue::Table(_) => &["object"],
    };
    types.is_empty() || types.iter().any(|name| matching.contains(name))
}

fn wanted_type(schema: &Value) -> &'static str {
    match types(schema).first() {
        Some(&"string") => "text",
        Some(&"integer") => "a whole number",
        Some(&"number") => "a number",
        Some(&"boolean") => "true or false",
        Some(&"array") => "a list",
        _ => "a table",
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date without quotes",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// What a missing key is for: the first sentence of its description in the schema.
fn about(property: Option<(&Value, &Value)>, key: &str) -> String {
    let description = property.and_then(|(outer, inner)| {
        let description = outer.get("description").or_else(|| inner.get("description"));
        description.and_then(Value::as_str)
    });
    match description.map(|text| text.split(". ").next().unwrap_or(text)) {
        Some(sentence) => format!("`{key}`: {}", sentence.trim_end_matches('.').replace('\n', " ")),
        None => format!("add `{key}`"),
    }
}
