//! Hidden marks in what tidegate writes, by which it knows its own work again: comments, commits and
//! pull requests have no natural key.

use serde_json::Value;

const OPENING: &str = "<!-- tidegate: ";
const CLOSING: &str = " -->";
const TRAILER: &str = "Tidegate-Key: ";
/// Longer markers are not ours: this is as much as GitHub takes for a whole body, so that one of our own with
/// hundreds of packages is still known again.
const LONGEST: usize = 64 * 1024;

/// A comment in HTML that GitHub does not show, with `facts` in it. The JSON cannot end the comment:
/// `>` is written as its escape.
pub fn render(facts: &Value) -> String {
    // `>` occurs in JSON inside strings only, where the escape means the same.
    format!("{OPENING}{}{CLOSING}", facts.to_string().replace('>', "\\u003e"))
}

/// The facts of the first marker in `body` that can be read; people edit texts, so anything else is
/// passed over.
pub fn parse(body: &str) -> Option<Value> {
    body.match_indices(OPENING.trim_end()).find_map(|(start, opening)| {
        let rest = &body[start + opening.len()..];
        let json = &rest[..rest.find(CLOSING.trim_start())?];
        (json.len() <= LONGEST).then(|| serde_json::from_str(json.trim()).ok()).flatten()
    })
}

/// The line for the end of a commit's message that carries the key of an action. `None` where the key
/// could not be read back: it has white space or control characters, or is empty.
pub fn trailer(key: &str) -> Option<String> {
    is_key(key).then(|| format!("{TRAILER}{key}"))
}

/// The key in the last trailer of a commit's message.
pub fn key_of_commit(message: &str) -> Option<&str> {
    message.lines().rev().filter_map(|line| line.strip_prefix(TRAILER)).map(str::trim).find(|key| is_key(key))
}

fn is_key(key: &str) -> bool {
    (1..=256).contains(&key.len()) && key.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_marker_is_found_in_a_text_that_people_have_edited() {
        let marker = render(&json!({ "key": "promote/cli/3.6.5" }));
        assert_eq!(marker, r#"<!-- tidegate: {"key":"promote/cli/3.6.5"} -->"#);
        let body = format!("Hello\r\n<!-- tidegate: broken -->\r\n<!-- other -->\r\n{marker}\r\nBye");
        assert_eq!(parse(&body), Some(json!({ "key": "promote/cli/3.6.5" })));
        assert_eq!(parse("<!-- tidegate:{\"a\":1}-->"), Some(json!({ "a": 1 })));
    }

    #[test]
    fn a_text_without_a_marker_has_none() {
        for body in
            ["", "<!-- tidegate: ", "<!-- tidegate: {} ", "tidegate: {}", "<!-- tidegate: nothing -->"]
        {
            assert_eq!(parse(body), None, "{body:?}");
        }
    }

    #[test]
    fn a_commit_carries_its_key_in_a_trailer() {
        let message = format!("Promote cli\n\nWhy.\n\n{}\n", trailer("run-1/promote/cli").unwrap());
        assert_eq!(key_of_commit(&message), Some("run-1/promote/cli"));
        assert_eq!(key_of_commit("Promote cli\n\nTidegate-Key: \n"), None);
        assert_eq!(trailer("two\nlines"), None);
    }

    proptest! {
        #[test]
        fn whatever_is_marked_is_read_back_and_ends_no_comment(text in ".*", other in ".*") {
            let facts = json!({ "title": text, "other": other });
            let marker = render(&facts);
            prop_assert_eq!(marker.matches("-->").count(), 1);
            prop_assert_eq!(parse(&format!("before {marker} after")), Some(facts));
        }
    }
}
