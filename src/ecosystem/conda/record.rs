//! What an index says about one package archive.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::archive::Archive;

/// The fields that conda-index takes over from `info/index.json` as they are. Others are left out: a
/// stranger's `url` or `fn` in a record would tell some readers where to look.
const FROM_INDEX_JSON: [&str; 17] = [
    "arch",
    "build",
    "build_number",
    "constrains",
    "depends",
    "features",
    "license",
    "license_family",
    "name",
    "noarch",
    "platform",
    "preferred_env",
    "python_site_packages_path",
    "run_exports",
    "timestamp",
    "track_features",
    "version",
];

/// One record of an index, with its fields in order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Record(BTreeMap<String, Value>);

impl Record {
    /// The record of `archive`. Fields that are `null` are left out; `depends` is always there.
    pub fn of(archive: &Archive) -> Self {
        let raw = FROM_INDEX_JSON.iter().filter_map(|field| archive.index.raw.get_key_value(*field));
        let known = raw.filter(|(_, value)| !value.is_null());
        let mut fields: BTreeMap<String, Value> =
            known.map(|(field, value)| (field.clone(), in_order(value))).collect();
        fields.entry("depends".to_owned()).or_insert_with(|| Value::Array(Vec::new()));
        fields.insert("subdir".to_owned(), archive.index.subdir.clone().into());
        fields.insert("md5".to_owned(), archive.sums.md5.clone().into());
        fields.insert("sha256".to_owned(), archive.sums.sha256.clone().into());
        fields.insert("size".to_owned(), archive.sums.size.into());
        Self(fields)
    }

    /// SHA-256 of the file, lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        self.text("sha256")
    }

    /// The size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.0.get("size").and_then(Value::as_u64).unwrap_or_default()
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Gives a field another value, or takes it away.
    pub(super) fn set(&mut self, name: &str, value: Option<Value>) {
        match value {
            Some(value) => self.0.insert(name.to_owned(), in_order(&value)),
            None => self.0.remove(name),
        };
    }

    fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The value with the keys of all its objects in order, so that equal values give equal bytes.
fn in_order(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, Value> =
                map.iter().map(|(key, value)| (key, in_order(value))).collect();
            sorted.into_iter().map(|(key, value)| (key.clone(), value)).collect()
        }
        Value::Array(values) => values.iter().map(in_order).collect(),
        other => other.clone(),
    }
}
