//! The JSON Schemas of the configuration files, made from the types that read them. Editors complete
//! and check files with them; [`super::inspect`] finds mistakes with them.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::conda::CondaDistributionFile;
use super::distribution::{DistributionFile, ExceptionsFile};
use super::job::JobFile;
use super::jobs::{KINDS, Kind};
use super::settings::Settings;

/// The names that [`schema`] knows: each kind of job, and the other files. `recheck` is that of conda
/// distributions, `r-recheck` that of R packages.
pub fn schema_names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.schema_name).chain([
        "tidegate",
        "distribution",
        "conda-distribution",
        "exceptions",
    ])
}

/// The JSON Schema (2020-12) of the file that `name` names: a kind of job, `tidegate`, `distribution` (of
/// R packages), `conda-distribution` or `exceptions`. Deterministic, with the keys in the order in which the types declare them.
pub fn schema(name: &str) -> Option<Value> {
    match name {
        "tidegate" => Some(of::<Settings>("tidegate.toml")),
        "distribution" => Some(of::<DistributionFile>("distributions/<name>.toml")),
        "conda-distribution" => {
            Some(of::<CondaDistributionFile>("distributions/<name>.toml, ecosystem conda"))
        }
        "exceptions" => Some(of::<ExceptionsFile>("distributions/<name>.exceptions.toml")),
        name => KINDS.iter().find(|kind| kind.schema_name == name).map(job),
    }
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_deserialize().into_generator()
}

fn of<T: JsonSchema>(title: &str) -> Value {
    let mut schema = generator().into_root_schema_for::<T>().to_value();
    schema["title"] = title.into();
    schema
}

/// The schema of a job file: the common keys, with `kind` before them and the kind's table after them.
fn job(kind: &Kind) -> Value {
    let mut generator = generator();
    let settings = (kind.schema)(&mut generator).to_value();
    let mut schema = generator.into_root_schema_for::<JobFile>().to_value();
    let of = if kind.schema_name == kind.name { "" } else { " of R packages" };
    schema["title"] = format!("jobs/<name>.toml, kind {}{of}", kind.name).into();
    schema["description"] = format!("A job of the kind `{}`{of}.", kind.name).into();
    let mut properties = Map::new();
    let kind_schema = json!({ "description": "What the job does.", "type": "string", "const": kind.name });
    properties.insert("kind".into(), kind_schema);
    if let Some(common) = schema["properties"].as_object() {
        properties.extend(common.clone());
    }
    properties.insert(kind.name.into(), settings);
    schema["properties"] = properties.into();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let required = [Value::from("kind")].into_iter().chain(required).chain([Value::from(kind.name)]);
    schema["required"] = required.collect();
    schema
}
