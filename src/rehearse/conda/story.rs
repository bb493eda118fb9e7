//! What happened, as a person reads it: a line for each event of the jobs of conda packages.

use serde_json::Value;

use crate::store::Event;

/// The event in one line without its time; nothing for events of other jobs.
pub fn told(event: &Event) -> Option<String> {
    let body = &event.body;
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    let package = event.package.as_deref().unwrap_or("an archive");
    Some(match event.kind.as_str() {
        "admitted" => format!("{package} {} came in", text("version")),
        "refused" => format!("{package} was refused: {}", text("why")),
        "expired" => format!("{package} {} was given up: {}", text("version"), text("why")),
        "conflict" => format!("the members of {package} cannot be installed together"),
        "metapackage" => {
            format!("{package} {} holds {} members", text("version"), body["members"].as_u64().unwrap_or(0))
        }
        "passed" => format!("{package} {} has passed", text("version")),
        "recheck" => {
            let from = body["from"].as_str().map(|from| format!("{from} → ")).unwrap_or_default();
            let told = format!("{package} {}: {from}{}", text("version"), text("to"));
            match at_fault(body) {
                Some(fault) => format!("{told}, {fault}"),
                None => told,
            }
        }
        _ => return None,
    })
}

/// What is at fault, or among what the fault lies.
pub(super) fn at_fault(body: &Value) -> Option<String> {
    let named = |list: &Value| {
        let words: Vec<&str> = list.as_array()?.iter().filter_map(Value::as_str).collect();
        (!words.is_empty()).then(|| words.join(" with "))
    };
    match named(&body["culprit"]) {
        Some(culprit) => Some(format!("at fault: {culprit}")),
        None => named(&body["suspected"]["left"]).map(|left| format!("at fault is one of: {left}")),
    }
}
