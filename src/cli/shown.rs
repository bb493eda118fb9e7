//! Text as it may be shown on a terminal.

/// `text` on one line, without control characters: what came from outside must not move the cursor,
/// colour the screen or look like a second line.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// A word of the store (`timed-out`) as a person reads it.
pub(super) fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('-', " ")
}

/// Labelled lines with their values under each other.
pub(super) fn rows<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    rows.into_iter().map(|(label, value)| format!("  {label:<12} {value}\n")).collect()
}
