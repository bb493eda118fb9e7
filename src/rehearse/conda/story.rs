//! What happened, as a person reads it: a line for each event of the jobs of conda packages.

use serde_json::Value;

use crate::rehearse::world::{Deed, DeedKind};
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
            format!("{package} {}: {from}{}", text("version"), text("to"))
        }
        "culprit" => format!("{package} {}: {}", text("version"), at_fault(body)?),
        _ => return None,
    })
}

/// What was found to be at fault, or among what the fault lies.
fn at_fault(body: &Value) -> Option<String> {
    let named = |list: &Value| {
        let words: Vec<&str> = list.as_array()?.iter().filter_map(Value::as_str).collect();
        (!words.is_empty()).then(|| words.join(" with "))
    };
    match named(&body["culprit"]) {
        Some(culprit) => Some(format!("at fault: {culprit}")),
        None => named(&body["suspected"]["left"]).map(|left| format!("at fault is one of: {left}")),
    }
}

/// What happened outside, in one line.
pub(super) fn done_outside(deed: &Deed) -> String {
    // The archive's name without its folder and its format says what it is.
    let short = |name: &String| {
        let file = name.rsplit('/').next().unwrap_or(name);
        file.trim_end_matches(".conda").trim_end_matches(".tar.bz2").to_owned()
    };
    let builds = deed.builds().iter().map(short).collect::<Vec<_>>().join(", ");
    match &deed.what {
        DeedKind::Appear { channel, .. } => format!("{builds}: new in the channel {channel}"),
        DeedKind::Withdraw { channel, .. } => format!("{builds}: withdrawn from the channel {channel}"),
        DeedKind::Build(build) => {
            format!("{builds}: built by run {} of {}, which sent a notice", build.run, build.repository)
        }
        DeedKind::Drop { .. } => format!("{builds}: put into the drop folder"),
    }
}
