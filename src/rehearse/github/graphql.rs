//! The GraphQL API: requests are validated against GitHub's schema and carried out field by field.
//! A field that the schema has and the simulation has no data for is an error that names it.

mod connection;
mod cost;
mod mutation;
mod node;
mod pull_request;
mod repository;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use apollo_compiler::collections::HashMap;
use apollo_compiler::executable::{Operation, Selection};
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::resolvers::Execution;
use apollo_compiler::response::JsonMap;
use apollo_compiler::schema::Implementers;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name, Schema};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::description;
use super::simulation::Inner;
use node::{Kind, Node};

/// GitHub's schema, read once in a process.
struct Described {
    schema: Valid<Schema>,
    implementers: HashMap<Name, Implementers>,
}

static DESCRIBED: LazyLock<Described> = LazyLock::new(|| {
    let text = description::graphql_schema();
    // GitHub's own schema defines two fields of `EnterpriseOwnerInfo` twice, which is an error; the
    // first definitions count. A test says that nothing else is wrong with it.
    let schema = Schema::parse(text, "schema.graphql").unwrap_or_else(|twice| twice.partial);
    let schema = Valid::assume_valid(schema);
    Described { implementers: schema.implementers_map(), schema }
});

/// Documents that fit the schema, by their text: jobs ask the same questions every hour.
static DOCUMENTS: LazyLock<Mutex<BTreeMap<String, Arc<Valid<ExecutableDocument>>>>> =
    LazyLock::new(Mutex::default);

/// Far more than one rehearsal asks; a text of a hundred repositories has some 30 KiB.
const MOST_DOCUMENTS: usize = 200;

/// A request that fits the schema.
pub(super) struct Query {
    document: Arc<Valid<ExecutableDocument>>,
    operation: Option<String>,
    variables: Valid<JsonMap>,
    names: Vec<String>,
    fields: Vec<String>,
    mutation: bool,
    cost: u64,
}

/// The body of a request, as the GraphQL convention for HTTP has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Posted {
    query: String,
    variables: Option<JsonMap>,
    operation_name: Option<String>,
}

/// The executor's errors carry one text only, with words of its own in front: between two of these
/// stands the type of an error, and behind them its message.
const SEPARATOR: char = '\u{1f}';

impl Query {
    /// Reads and validates a request's body. The error says what does not fit.
    pub(super) fn read(body: &Value) -> Result<Self, String> {
        let posted = Posted::deserialize(body)
            .map_err(|error| format!("the body is not a GraphQL request: {error}"))?;
        let schema = &DESCRIBED.schema;
        let document = document(posted.query)?;
        let operation = document.operations.get(posted.operation_name.as_deref());
        let operation = operation.map_err(|error| error.message().to_string())?;
        let variables = coerce_variable_values(schema, operation, &posted.variables.unwrap_or_default());
        let variables =
            variables.map_err(|error| format!("the variables do not fit: {}", error.message()))?;
        let fields = top_fields(operation);
        let name = operation.name.as_ref().map(ToString::to_string);
        Ok(Self {
            names: name.iter().chain(&fields).cloned().collect(),
            fields,
            mutation: operation.is_mutation(),
            cost: cost::of(&document, operation, &variables)?,
            operation: name,
            variables,
            document,
        })
    }

    /// The names of the operation and of its top-level fields.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// True for a mutation.
    pub(super) fn is_mutation(&self) -> bool {
        self.mutation
    }

    /// The points that it costs.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// How many commits it makes, which count as new content.
    pub(super) fn commits(&self) -> u64 {
        self.fields.iter().filter(|field| *field == "createCommitOnBranch").count() as u64
    }
}

/// Reads and validates a document.
fn document(text: String) -> Result<Arc<Valid<ExecutableDocument>>, String> {
    let known = || DOCUMENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(document) = known().get(&text) {
        return Ok(Arc::clone(document));
    }
    let document =
        ExecutableDocument::parse_and_validate(&DESCRIBED.schema, &text, "request").map_err(|invalid| {
            let problems: Vec<_> = invalid.errors.iter().map(|problem| problem.error.to_string()).collect();
            format!("the query does not fit GitHub's schema: {}", problems.join("; "))
        })?;
    let document = Arc::new(document);
    let mut known = known();
    if known.len() >= MOST_DOCUMENTS {
        known.clear();
    }
    known.insert(text, Arc::clone(&document));
    Ok(document)
}

fn top_fields(operation: &Operation) -> Vec<String> {
    let fields = operation.selection_set.selections.iter().filter_map(|selection| match selection {
        Selection::Field(field) => Some(field.name.to_string()),
        Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
    });
    fields.collect()
}

/// What the fields of one request share.
struct Scope<'s> {
    inner: RefCell<&'s mut Inner>,
    /// The login that asks.
    viewer: &'s str,
    now: Timestamp,
    cost: u64,
}

/// Carries a request out. Errors of single fields are beside the data, as GitHub has it.
pub(super) fn answer(inner: &mut Inner, query: &Query, viewer: &str, now: Timestamp) -> Answer {
    let scope = Scope { inner: RefCell::new(inner), viewer, now, cost: query.cost };
    let root = Node { scope: &scope, kind: if query.mutation { Kind::Mutation } else { Kind::Query } };
    let executed = Execution::new(&DESCRIBED.schema, &query.document)
        .implementers_map(&DESCRIBED.implementers)
        .coerced_variable_values(&query.variables)
        .operation_name(query.operation.as_deref())
        .and_then(|execution| execution.execute_sync(&root));
    let response = match executed {
        Ok(response) => response,
        Err(error) => return Answer::ok(&json!({"errors": [{"message": error.message().to_string()}]})),
    };
    let errors: Vec<Value> = response.errors.iter().map(|error| shape_error(&json!(error))).collect();
    let mut body = json!({"data": response.data});
    if !errors.is_empty() {
        body["errors"] = errors.into();
    }
    Answer::ok(&body)
}

/// GitHub puts the type of an error beside its message.
fn shape_error(error: &Value) -> Value {
    let mut shaped = error.clone();
    let mut parts = error["message"].as_str().unwrap_or_default().splitn(3, SEPARATOR).skip(1);
    if let (Some(kind), Some(message)) = (parts.next(), parts.next()) {
        shaped["type"] = kind.into();
        shaped["message"] = message.into();
    }
    shaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wrong_with_the_schema_but_two_fields_that_are_defined_twice() {
        let text = description::graphql_schema();
        let problems = Schema::parse_and_validate(text, "schema.graphql")
            .err()
            .map(|invalid| invalid.errors.to_string());
        let problems = problems.unwrap_or_default();
        let errors: Vec<&str> = problems.lines().filter(|line| line.starts_with("Error:")).collect();
        assert_eq!(errors.len(), 2, "{problems}");
        assert!(errors.iter().all(|error| error.contains("`repositoryDeployKeySetting")), "{problems}");
    }

    #[test]
    fn a_sweep_of_a_hundred_repositories_costs_one_point() {
        let aliases: String = (0..100)
            .map(|index| {
                format!("r{index}: repository(owner: \"o\", name: \"r{index}\") {{ releases(first: 10) {{ nodes {{ tagName }} }} }}\n")
            })
            .collect();
        let query = Query::read(&json!({"query": format!("query sweep {{ {aliases} }}")})).unwrap();
        assert_eq!(query.cost(), 1);
        assert_eq!(query.names()[..2], ["sweep", "repository"]);
    }

    #[test]
    fn nested_connections_multiply_their_cost() {
        let text = "query($n: Int!) { repository(owner: \"o\", name: \"r\") { pullRequests(first: $n) { nodes { \
                    labels(first: 10) { nodes { name } } } } } }";
        let cost = |n: u64| Query::read(&json!({"query": text, "variables": {"n": n}})).unwrap().cost();
        // One request for the pull requests, and one for the labels of each.
        assert_eq!([cost(10), cost(100)], [1, 1]);
        let wide = text.replace(
            "nodes { name }",
            "nodes { issues(first: 50) { nodes { labels(first: 1) { nodes { name } } } } }",
        );
        // 1 + 100 + 100 × 10 + 100 × 10 × 50 requests.
        assert_eq!(Query::read(&json!({"query": wide, "variables": {"n": 100}})).unwrap().cost(), 511);
    }

    #[test]
    fn what_does_not_fit_the_schema_is_named() {
        let problem = Query::read(&json!({"query": "{ repository(owner: \"o\", name: \"r\") { nothing } }"}));
        assert!(problem.err().unwrap().contains("nothing"));
        assert!(Query::read(&json!({"query": "{ viewer { login } }", "extra": 1})).is_err());
    }
}
