//! A notice as it comes in: the fields of a form or of a JSON object, checked one by one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::domain::BuildTarget;
use crate::ecosystem::conda::layout::ArchiveName;
use crate::github::RepositoryName;

/// The most letters that a field may have, but for lists of versions.
const LONGEST: usize = 255;
/// The most packages that a list of versions may have.
const MOST_PACKAGES: usize = 5000;

/// What is wrong, by field.
pub(super) type Errors = BTreeMap<String, Vec<String>>;

/// The fields of a notice as texts, as far as they were looked at.
pub(super) struct Fields {
    given: BTreeMap<String, String>,
    errors: Errors,
    kept: Map<String, Value>,
}

impl Fields {
    /// The fields of a form (`application/x-www-form-urlencoded`). A field that is given twice is an error.
    pub(super) fn of_form(body: &[u8]) -> Result<Self, Errors> {
        let mut given = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if given.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(error(&name, "This field is given twice."));
            }
        }
        Ok(Self { given, errors: Errors::new(), kept: Map::new() })
    }

    /// The members of a JSON object; numbers and objects count as what they look like in a form.
    pub(super) fn of_json(body: &[u8]) -> Result<Self, Errors> {
        let object: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|problem| error("body", &format!("It is not a JSON object: {problem}")))?;
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let given = object.into_iter().filter(|(_, value)| !value.is_null());
        let given = given.map(|(name, value)| (name, text(value))).collect();
        Ok(Self { given, errors: Errors::new(), kept: Map::new() })
    }

    /// The token, which is not kept.
    pub(super) fn token(&mut self) -> Result<String, Errors> {
        let token = self.given.remove("token").filter(|token| !token.is_empty());
        match token {
            Some(token) if token.len() <= LONGEST => Ok(token),
            Some(_) => Err(error("token", "It is too long.")),
            None => Err(error("token", "This field is required.")),
        }
    }

    /// A version of a conda package. Clients that send it as it is let the form turn `+` into a space; no
    /// version has a space, so it is turned back.
    pub(super) fn version(&mut self, name: &str) -> String {
        let text = self.required(name).replace(' ', "+");
        if ArchiveName::parse(&format!("a-{text}-0.conda")).is_err() || text.contains('-') {
            self.wrong(name, "This is no version that conda can read.");
        }
        self.keep(name, json!(text));
        text
    }

    /// The name of a conda package.
    pub(super) fn package(&mut self, name: &str) -> String {
        let text = self.required(name);
        if ArchiveName::parse(&format!("{text}-1-0.conda")).is_err() {
            self.wrong(name, "This is no name that a conda package can have.");
        }
        self.keep(name, json!(text));
        text
    }

    /// A repository of GitHub, `owner/name`.
    pub(super) fn repository(&mut self, name: &str) -> Option<RepositoryName> {
        let text = self.required(name);
        let repository = text.parse();
        if let Err(problem) = &repository {
            self.wrong(name, &format!("{problem}."));
        }
        self.keep(name, json!(text));
        repository.ok()
    }

    /// A positive number, such as that of a run.
    pub(super) fn number(&mut self, name: &str) -> u64 {
        let text = self.required(name);
        let number = text.parse().ok().filter(|number| (1..=i64::MAX as u64).contains(number));
        if number.is_none() {
            self.wrong(name, "Enter a positive whole number.");
        }
        self.keep(name, json!(number));
        number.unwrap_or_default()
    }

    /// One plain word: letters, digits and `.`, `_`, `-`, as in the name of an artifact or a distribution.
    pub(super) fn word(&mut self, name: &str) -> String {
        let text = self.required(name);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !text.bytes().all(allowed) || text.starts_with('.') {
            self.wrong(name, "Only letters, digits and `.`, `_` and `-` are allowed.");
        }
        self.keep(name, json!(text));
        text
    }

    /// What a build was made for, where it says so.
    pub(super) fn target(&mut self, name: &str) -> Option<BuildTarget> {
        let text = self.given.get(name).filter(|text| !text.is_empty()).cloned()?;
        let target = BuildTarget::named(&text);
        if target.is_none() {
            self.wrong(name, "It is `dev` or `release`.");
        }
        self.keep(name, json!(target));
        target
    }

    /// Versions by package: a JSON object of texts.
    pub(super) fn versions(&mut self, name: &str) {
        let text = self.given.get(name).cloned().unwrap_or_default();
        match serde_json::from_str::<BTreeMap<String, String>>(&text) {
            Ok(versions) if versions.len() <= MOST_PACKAGES => self.keep(name, json!(versions)),
            Ok(_) => self.wrong(name, "There are too many packages in it."),
            Err(_) => self.wrong(name, "Enter a JSON object with a version for each package."),
        }
    }

    /// Everything that was looked at, unless something is wrong.
    pub(super) fn finish(self) -> Result<Value, Errors> {
        if self.errors.is_empty() { Ok(Value::Object(self.kept)) } else { Err(self.errors) }
    }

    /// A field that has to be there; empty where it is not, which is noted as its error.
    fn required(&mut self, name: &str) -> String {
        let text = self.given.get(name).cloned().unwrap_or_default();
        if text.is_empty() {
            self.wrong(name, "This field is required.");
        } else if text.len() > LONGEST {
            self.wrong(name, "It is too long.");
        }
        text
    }

    fn keep(&mut self, name: &str, value: Value) {
        self.kept.insert(name.to_owned(), value);
    }

    /// Notes the first error of a field; later ones would follow from it.
    fn wrong(&mut self, name: &str, message: &str) {
        self.errors.entry(name.to_owned()).or_insert_with(|| vec![message.to_owned()]);
    }
}

/// One error of one field.
pub(super) fn error(name: &str, message: &str) -> Errors {
    Errors::from([(name.to_owned(), vec![message.to_owned()])])
}
