//! GitHub's own description of its API, carried in the binary, and requests checked against it: path,
//! method, query and body. Stricter than GitHub in one thing: a property of a body that the
//! description does not know is an error, where GitHub ignores it, because it is a mistake.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{LazyLock, OnceLock};

use flate2::read::GzDecoder;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// GitHub's GraphQL schema, as text.
pub(super) fn graphql_schema() -> String {
    inflate(include_bytes!(concat!(env!("OUT_DIR"), "/src-rehearse-github-description-schema.graphql.gz")))
}

fn inflate(compressed: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(compressed).read_to_string(&mut text).expect("the build script compressed this text");
    text
}

/// One REST call of the description.
pub(super) struct Operation {
    /// The path with its parameters, such as `/repos/{owner}/{repo}/pulls`.
    pub(super) template: String,
    method: String,
    segments: Vec<Segment>,
    /// Schemas of the query's parameters.
    query: BTreeMap<String, Value>,
    body: Option<Body>,
}

enum Segment {
    Literal(String),
    Parameter {
        name: String,
        schema: Value,
    },
    /// A parameter that takes the rest of the path, slashes and all.
    Rest(String),
}

struct Body {
    required: bool,
    schema: Value,
    validator: OnceLock<Validator>,
}

/// What lies behind a method and a path.
pub(super) enum Lookup {
    /// This call, with its path's parameters by name.
    Found(&'static Operation, BTreeMap<String, String>),
    /// Nothing that the description has.
    Unknown,
}

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let text = inflate(include_bytes!(concat!(
        env!("OUT_DIR"),
        "/src-rehearse-github-description-rest.openapi.json.gz"
    )));
    let description: Value = serde_json::from_str(&text).expect("the description in the binary is JSON");
    let mut operations = Vec::new();
    for (template, methods) in description["paths"].as_object().into_iter().flatten() {
        for (method, details) in methods.as_object().into_iter().flatten() {
            operations.push(Operation::read(template, method, details));
        }
    }
    operations
});

/// Looks a call up; `path` begins with a slash and is percent-encoded. Where several templates fit,
/// the one with the most literal parts is meant.
pub(super) fn find(method: &str, path: &str) -> Lookup {
    let parts: Vec<String> = path.split('/').skip(1).map(percent_decode).collect();
    let candidates = OPERATIONS.iter().filter(|operation| operation.method == method);
    let best = candidates
        .filter_map(|operation| Some((operation.literals(), operation, operation.match_path(&parts)?)))
        .max_by_key(|(literals, ..)| *literals);
    best.map_or(Lookup::Unknown, |(_, operation, parameters)| Lookup::Found(operation, parameters))
}

/// True where the description has the path under another method.
pub(super) fn has_path(path: &str) -> bool {
    let parts: Vec<String> = path.split('/').skip(1).map(percent_decode).collect();
    OPERATIONS.iter().any(|operation| operation.match_path(&parts).is_some())
}

fn percent_decode(part: &str) -> String {
    let bytes = part.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = (bytes[at] == b'%').then(|| part.get(at + 1..at + 3)).flatten();
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

impl Operation {
    fn read(template: &str, method: &str, details: &Value) -> Self {
        let parameters = |place: &str| -> BTreeMap<String, Value> {
            let all = details["parameters"].as_array().into_iter().flatten();
            all.filter(|parameter| parameter["in"] == place)
                .filter_map(|parameter| {
                    Some((parameter["name"].as_str()?.to_owned(), parameter["schema"].clone()))
                })
                .collect()
        };
        let in_path = parameters("path");
        let parts: Vec<&str> = template.split('/').skip(1).collect();
        let segment = |(index, part): (usize, &&str)| match part.strip_prefix('{') {
            None => Segment::Literal((*part).to_owned()),
            Some(name) => {
                let name = name.trim_end_matches('}').to_owned();
                let last = index + 1 == parts.len();
                // Paths of files and names of refs have slashes in them that clients do not encode.
                if last && (name == "path" || template.contains("/git/ref")) {
                    Segment::Rest(name)
                } else {
                    let schema = in_path.get(&name).cloned().unwrap_or_else(|| json!({}));
                    Segment::Parameter { name, schema }
                }
            }
        };
        let body = details.pointer("/requestBody/content/application~1json/schema").map(|schema| Body {
            required: details["requestBody"]["required"] == true,
            schema: strict(schema),
            validator: OnceLock::new(),
        });
        Self {
            segments: parts.iter().enumerate().map(segment).collect(),
            template: template.to_owned(),
            method: method.to_uppercase(),
            query: parameters("query"),
            body,
        }
    }

    fn literals(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count()
    }

    fn match_path(&self, parts: &[String]) -> Option<BTreeMap<String, String>> {
        let mut parameters = BTreeMap::new();
        for (index, segment) in self.segments.iter().enumerate() {
            let part = parts.get(index).filter(|part| !part.is_empty())?;
            match segment {
                Segment::Literal(literal) if literal == part => {}
                Segment::Literal(_) => return None,
                Segment::Parameter { name, schema } if fits(schema, part) => {
                    parameters.insert(name.clone(), part.clone());
                }
                Segment::Parameter { .. } => return None,
                Segment::Rest(name) => {
                    parameters.insert(name.clone(), parts[index..].join("/"));
                    return Some(parameters);
                }
            }
        }
        (parts.len() == self.segments.len()).then_some(parameters)
    }

    /// Checks a query: `(name, value)` as decoded. The error says what is wrong with it.
    pub(super) fn check_query(&self, query: &[(String, String)]) -> Result<BTreeMap<String, String>, String> {
        let mut checked = BTreeMap::new();
        for (name, value) in query {
            let schema = self.query.get(name).ok_or_else(|| {
                let known: Vec<_> = self.query.keys().map(String::as_str).collect();
                format!(
                    "the query has `{name}`, which this call does not know; it knows {}",
                    known.join(", ")
                )
            })?;
            if !fits(schema, value) {
                return Err(format!("`{name}={value}` in the query does not fit {schema}"));
            }
            if name == "per_page" && !matches!(value.parse(), Ok(1..=100)) {
                return Err(format!("`per_page={value}`: a page has 1 to 100 entries"));
            }
            if checked.insert(name.clone(), value.clone()).is_some() {
                return Err(format!("`{name}` is in the query twice"));
            }
        }
        Ok(checked)
    }

    /// Checks a body, which is empty where the request has none.
    pub(super) fn check_body(&self, bytes: &[u8]) -> Result<Value, String> {
        if bytes.is_empty() {
            let needed = self.body.as_ref().is_some_and(|body| body.required);
            return if needed { Err("the body is missing".into()) } else { Ok(Value::Null) };
        }
        let body = self.body.as_ref().ok_or("this call has no body, but the request has one")?;
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("the body is not JSON: {error}"))?;
        let validator = body.validator.get_or_init(|| {
            let options =
                jsonschema::options().should_validate_formats(true).should_ignore_unknown_formats(true);
            options.build(&body.schema).expect("the schemas in the description are valid")
        });
        let misfit = validator
            .iter_errors(&value)
            .next()
            .map(|error| format!("the body does not fit at `body{}`: {error}", error.instance_path()));
        misfit.map_or(Ok(value), Err)
    }
}

/// Whether a text of a path or query fits its schema.
fn fits(schema: &Value, text: &str) -> bool {
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().any(|choice| fits(choice, text));
    }
    let typed = match schema["type"].as_str() {
        Some("integer") => text.parse::<i64>().is_ok(),
        Some("boolean") => matches!(text, "true" | "false"),
        _ if schema["format"] == "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        _ => true,
    };
    typed && schema["enum"].as_array().is_none_or(|values| values.iter().any(|value| value == text))
}

/// A schema of OpenAPI 3.0 as JSON Schema, with every object closed: `nullable` becomes a type, and
/// properties that are not listed are refused.
fn strict(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(strict).collect(),
        Value::Object(fields) => {
            let mut made = Map::new();
            for (key, value) in fields {
                match key.as_str() {
                    "nullable" => {}
                    "properties" => {
                        let all = value.as_object().into_iter().flatten();
                        let closed: Map<_, _> =
                            all.map(|(name, inner)| (name.clone(), strict(inner))).collect();
                        made.insert(key.clone(), closed.into());
                    }
                    "enum" | "required" | "default" => drop(made.insert(key.clone(), value.clone())),
                    _ => drop(made.insert(key.clone(), strict(value))),
                }
            }
            if made.contains_key("properties") && !made.contains_key("additionalProperties") {
                made.insert("additionalProperties".into(), false.into());
            }
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                return json!({"anyOf": [{"type": "null"}, made]});
            }
            made.into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> Option<(&'static Operation, BTreeMap<String, String>)> {
        match find(method, path) {
            Lookup::Found(operation, parameters) => Some((operation, parameters)),
            Lookup::Unknown => None,
        }
    }

    fn body(method: &str, path: &str, body: &Value) -> Result<Value, String> {
        found(method, path).unwrap().0.check_body(body.to_string().as_bytes())
    }

    #[test]
    fn the_most_literal_template_is_meant() {
        let template = |path| found("GET", path).unwrap().0.template.clone();
        assert_eq!(template("/repos/o/r/releases/latest"), "/repos/{owner}/{repo}/releases/latest");
        assert_eq!(template("/repos/o/r/releases/17"), "/repos/{owner}/{repo}/releases/{release_id}");
        assert!(found("GET", "/repos/o/r/releases/seventeen").is_none());
        assert!(found("GET", "/repos/o/r/nothing").is_none());
        assert!(found("PUT", "/repos/o/r/pulls").is_none() && has_path("/repos/o/r/pulls"));
    }

    #[test]
    fn refs_and_files_keep_their_slashes() {
        let (_, parameters) = found("GET", "/repos/o/r/git/ref/heads/tidegate/a%20b").unwrap();
        assert_eq!(parameters["ref"], "heads/tidegate/a b");
        assert_eq!(found("GET", "/repos/o/r/contents/a/b.json").unwrap().1["path"], "a/b.json");
    }

    #[test]
    fn a_query_is_checked_by_name_and_type() {
        let (pulls, _) = found("GET", "/repos/o/r/pulls").unwrap();
        let check = |name: &str, value: &str| pulls.check_query(&[(name.into(), value.into())]);
        assert!(check("state", "all").is_ok());
        for (name, value) in [("state", "any"), ("page", "one"), ("per_page", "101"), ("status", "open")] {
            assert!(check(name, value).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn a_body_is_checked_and_unknown_properties_are_refused() {
        let pull = json!({"title": "t", "head": "h", "base": "main", "draft": true});
        assert!(body("POST", "/repos/o/r/pulls", &pull).is_ok());
        for wrong in [
            json!({"title": "t", "head": "h"}),
            json!({"title": "t", "head": "h", "base": 1}),
            json!({"title": "t", "head": "h", "base": "main", "labels": []}),
        ] {
            assert!(body("POST", "/repos/o/r/pulls", &wrong).is_err(), "{wrong}");
        }
        let tree =
            |sha: Value| json!({"tree": [{"path": "a", "mode": "100644", "type": "blob", "sha": sha}]});
        assert!(body("POST", "/repos/o/r/git/trees", &tree(Value::Null)).is_ok());
        assert!(body("POST", "/repos/o/r/git/trees", &tree(json!(1))).is_err());
        assert!(body("POST", "/repos/o/r/issues/1/labels", &json!({"labels": ["a"]})).is_ok());
        assert!(body("POST", "/repos/o/r/issues/1/labels", &json!({"label": ["a"]})).is_err());
    }
}
