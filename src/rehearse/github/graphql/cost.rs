//! What a request costs before it is carried out: GitHub's documentation, "Rate limits and query
//! limits for the GraphQL API", counts the requests for each connection, divides by 100 and rounds.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::Value;
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::response::JsonMap;

/// GitHub refuses requests that could return more nodes.
const MOST_NODES: u64 = 500_000;

/// The points of an operation, at least one. The error names a limit that it breaks.
pub(super) fn of(
    document: &ExecutableDocument,
    operation: &Operation,
    variables: &JsonMap,
) -> Result<u64, String> {
    let mut count = Count { document, variables, requests: 0, nodes: 0 };
    count.walk(&operation.selection_set, 1)?;
    if count.nodes > MOST_NODES {
        return Err(format!("the query may return {} nodes, more than {MOST_NODES}", count.nodes));
    }
    Ok(((count.requests + 50) / 100).max(1))
}

struct Count<'a> {
    document: &'a ExecutableDocument,
    variables: &'a JsonMap,
    requests: u64,
    nodes: u64,
}

impl Count<'_> {
    /// Counts the connections of a selection that is reached from `parents` nodes.
    fn walk(&mut self, set: &SelectionSet, parents: u64) -> Result<(), String> {
        for selection in &set.selections {
            match selection {
                Selection::InlineFragment(fragment) => self.walk(&fragment.selection_set, parents)?,
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.fragment_name) {
                        self.walk(&fragment.selection_set, parents)?;
                    }
                }
                Selection::Field(field) => {
                    let is_connection = field.selection_set.ty.ends_with("Connection");
                    let nodes = if is_connection { self.connection(field, parents)? } else { parents };
                    self.walk(&field.selection_set, nodes)?;
                }
            }
        }
        Ok(())
    }

    fn connection(&mut self, field: &Field, parents: u64) -> Result<u64, String> {
        let given = ["first", "last"].into_iter().find_map(|name| self.number(field, name));
        let size = given.ok_or_else(|| {
            format!(
                "You must provide a `first` or `last` value to properly paginate the `{}` connection.",
                field.name
            )
        })?;
        if !(1..=100).contains(&size) {
            return Err(format!("`{}` asks for {size} records; a page has 1 to 100", field.name));
        }
        self.requests = self.requests.saturating_add(parents);
        let nodes = parents.saturating_mul(size.unsigned_abs());
        self.nodes = self.nodes.saturating_add(nodes);
        Ok(nodes)
    }

    fn number(&self, field: &Field, name: &str) -> Option<i64> {
        match field.specified_argument_by_name(name)?.as_ref() {
            Value::Int(value) => value.try_to_i32().ok().map(i64::from),
            Value::Variable(variable) => self.variables.get(variable.as_str())?.as_i64(),
            _ => None,
        }
    }
}
