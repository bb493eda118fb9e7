//! Pages of lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::refused::Refused;
use super::super::state::not_simulated;
use super::node::{Arguments, Kind, Resolved};

/// One page of a list.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    type_name: &'static str,
    nodes: Vec<Kind>,
    total: usize,
    page: PageInfo,
}

/// Where a page lies in its list.
#[derive(Clone, Debug)]
pub(super) struct PageInfo {
    start: Option<String>,
    end: Option<String>,
    has_previous: bool,
    has_next: bool,
}

impl Connection {
    /// Cuts a page out of `items`, which are keyed: a cursor is the key of a node, so it stays
    /// right when nodes are added before it.
    pub(super) fn cut(
        type_name: &'static str,
        items: Vec<(String, Kind)>,
        arguments: &Arguments,
    ) -> Result<Kind, Refused> {
        if arguments.text("before").is_some() {
            return Err(not_simulated("`before` of a connection"));
        }
        let total = items.len();
        let start = match arguments.text("after") {
            None => 0,
            Some(after) => {
                let place = items.iter().position(|(key, _)| cursor(key) == after);
                place.ok_or_else(|| {
                    let message = format!("`{after}` does not appear to be a valid cursor.");
                    Refused::status(200, "INVALID_CURSOR_ARGUMENTS", message)
                })? + 1
            }
        };
        // The request was found to have one of the two, between 1 and 100.
        let size = |name: &str| arguments.number(name).and_then(|size| usize::try_from(size).ok());
        let end = size("first").map_or(total, |first| total.min(start + first));
        let start = size("last").map_or(start, |last| start.max(end.saturating_sub(last)));
        let page = &items[start.min(end)..end];
        Ok(Kind::Connection(Box::new(Self {
            type_name,
            total,
            page: PageInfo {
                start: page.first().map(|(key, _)| cursor(key)),
                end: page.last().map(|(key, _)| cursor(key)),
                has_previous: start > 0,
                has_next: end < total,
            },
            nodes: page.iter().map(|(_, node)| node.clone()).collect(),
        })))
    }

    pub(super) fn type_name(&self) -> &'static str {
        self.type_name
    }

    pub(super) fn field(&self, name: &str) -> Result<Resolved, Refused> {
        match name {
            "nodes" => Ok(Resolved::List(self.nodes.clone())),
            "totalCount" => Ok(Resolved::Leaf(self.total.into())),
            "pageInfo" => Ok(Resolved::Object(Kind::PageInfo(self.page.clone()))),
            _ => Err(not_simulated(&format!("the field {}.{name}", self.type_name))),
        }
    }
}

impl PageInfo {
    pub(super) fn field(&self, name: &str) -> Result<Resolved, Refused> {
        let leaf: Value = match name {
            "startCursor" => json!(self.start),
            "endCursor" => json!(self.end),
            "hasNextPage" => self.has_next.into(),
            "hasPreviousPage" => self.has_previous.into(),
            _ => return Err(not_simulated(&format!("the field PageInfo.{name}"))),
        };
        Ok(Resolved::Leaf(leaf))
    }
}

fn cursor(key: &str) -> String {
    STANDARD.encode(format!("cursor:{key}"))
}
