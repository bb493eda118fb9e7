//! What people read of published snapshots: a page in every tree, one over all snapshots of a distribution, and a
//! feed. Each is made of manifests and of rows alone, so that the same snapshots give the same bytes. No page has a
//! script, and every text from outside is escaped.

mod feed;
mod overview;
mod snapshot;

use super::manifest::Manifest;
pub(crate) use feed::feed;
pub(crate) use overview::{Overview, overview};
pub(crate) use snapshot::page;

/// The name of a page, in a tree and above all of them.
pub(crate) const PAGE: &str = "index.html";

/// The name of the feed, above all trees.
pub(crate) const FEED: &str = "feed.xml";

/// An address that a page may lead to; none for any other text.
fn link(address: &str) -> Option<&str> {
    let is_web = address.starts_with("https://") || address.starts_with("http://");
    (is_web && !address.contains(char::is_whitespace)).then_some(address)
}

/// The repositories that a snapshot is installed from, in R: one line each, since addresses are long.
fn repositories(manifest: &Manifest) -> String {
    vector(&[&manifest.production, &manifest.cran])
}

/// The same with binaries for Linux, which lie in the folder `below`: R takes those of two equal versions that it
/// finds first.
fn repositories_with_linux(manifest: &Manifest, below: &str) -> String {
    vector(&[&format!("{}/{below}", manifest.production), &manifest.production, &manifest.cran])
}

/// The same with the repository of failing packages in the folder `below`.
fn repositories_with_failing(manifest: &Manifest, below: &str) -> String {
    vector(&[&manifest.production, &format!("{}/{below}", manifest.production), &manifest.cran])
}

/// A vector of R.
fn vector(addresses: &[&str]) -> String {
    let strings: Vec<String> = addresses.iter().map(|address| format!("  {}", r_string(address))).collect();
    format!("c(\n{}\n)", strings.join(",\n"))
}

/// The same with names, as R keeps them for a session.
fn named(manifest: &Manifest) -> String {
    let name = r_string(&manifest.distribution);
    format!("c(\n  {name} = {},\n  CRAN = {}\n)", r_string(&manifest.production), r_string(&manifest.cran))
}

/// `text` as a string of R's language.
fn r_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push(' '),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A reason as a sentence: reasons are clauses in some places and sentences in others.
fn sentence(reason: &str) -> String {
    let trimmed = reason.trim();
    let mut letters = trimmed.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if trimmed.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_links() {
        assert_eq!(link("https://github.com/a/b"), Some("https://github.com/a/b"));
        for other in ["javascript:alert(1)", "data:text/html,x", "//a", "https://a b", ""] {
            assert_eq!(link(other), None, "{other}");
        }
    }

    #[test]
    fn nothing_leaves_a_string_of_r() {
        assert_eq!(r_string(r#"a"); system("x"#), r#""a\"); system(\"x""#);
        assert_eq!(r_string("a\\\nb"), "\"a\\\\ b\"");
    }
}
