//! Words of a command in which fields stand for what is known only when it runs.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One word of a command, such as `{source}` or `--library={library}`. A field is letters in braces without
/// spaces; all other braces are what they are, so that code can stand here too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent, extend("format" = "command-word"))]
pub struct CommandWord(String);

/// What the fields of a command stand for.
#[derive(Clone, Copy, Debug)]
pub struct CommandFields<'f> {
    /// The name of the source archive in the working folder.
    pub source: &'f str,
    /// The package.
    pub package: &'f str,
    /// Its version.
    pub version: &'f str,
    /// The folder into which dependencies are installed, seen from the working folder.
    pub library: &'f str,
    /// The address of the channel's universe.
    pub universe: &'f str,
    /// The address of the frozen CRAN of the cycle.
    pub cran: &'f str,
}

/// The names of the fields.
pub(crate) const FIELDS: [&str; 6] = ["source", "package", "version", "library", "universe", "cran"];

impl CommandWord {
    /// The word with its fields filled in.
    pub fn filled(&self, fields: &CommandFields<'_>) -> String {
        let mut filled = String::with_capacity(self.0.len());
        let mut end = 0;
        for (place, name) in fields_in(&self.0) {
            filled.push_str(&self.0[end..place.start]);
            filled.push_str(fields.value(name).unwrap_or(&self.0[place.clone()]));
            end = place.end;
        }
        filled + &self.0[end..]
    }
}

impl From<&str> for CommandWord {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<'f> CommandFields<'f> {
    fn value(&self, field: &str) -> Option<&'f str> {
        Some(match field {
            "source" => self.source,
            "package" => self.package,
            "version" => self.version,
            "library" => self.library,
            "universe" => self.universe,
            "cran" => self.cran,
            _ => return None,
        })
    }
}

/// The fields in a text with their places, known or not.
pub(crate) fn fields_in(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    text.match_indices('{').filter_map(move |(start, _)| {
        let rest = &text[start + 1..];
        let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let is_field = length > 0 && rest[length..].starts_with('}');
        is_field.then(|| (start..start + length + 2, &rest[..length]))
    })
}

#[cfg(test)]
mod tests {
    use super::{CommandFields, CommandWord};

    const FIELDS: CommandFields<'_> = CommandFields {
        source: "demo_1.0.tar.gz",
        package: "{version}",
        version: "1.0",
        library: "library",
        universe: "https://u.example.org",
        cran: "https://c.example.org",
    };

    #[test]
    fn fields_are_filled_once_and_other_braces_stay() {
        let filled = |word: &str| CommandWord::from(word).filled(&FIELDS);
        assert_eq!(filled("{source}"), "demo_1.0.tar.gz");
        assert_eq!(filled("--lib={library}:{universe}"), "--lib=library:https://u.example.org");
        assert_eq!(filled("{package}"), "{version}", "what is filled in is not looked into");
        for word in ["if (x) { y }", "{}", "{ source }", "{{source", "a{1}", "{", "ä{"] {
            assert_eq!(filled(word), word);
        }
    }
}
