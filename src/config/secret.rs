//! Secrets: where a token is read from, and the check that nobody wrote one into a file.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::diagnostic::Finding;
use crate::failure::Failure;

/// The beginnings of GitHub's tokens.
const PREFIXES: [&str; 6] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];

/// Fewer characters than this after the prefix are a name, not a token; GitHub's have 36 and more.
const SHORTEST: usize = 16;

/// A token is one line; this is far above the longest kind (a GitHub App's of about 500 bytes).
const LONGEST_FILE: u64 = 16 * 1024;

/// Where a token is read from; exactly one of the three is given. The token itself never stands in a
/// configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secret" = true, "minProperties" = 1, "maxProperties" = 1))]
pub struct TokenSource {
    /// The name of a systemd credential, read from `$CREDENTIALS_DIRECTORY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "credential"))]
    pub credential: Option<String>,
    /// A file that holds nothing but the token; a relative path begins at the folder of `tidegate.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The name of an environment variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

impl TokenSource {
    /// Reads the token. Fails as `Configuration` where there is none, with the place that was tried.
    pub fn read(&self) -> Result<SecretString, Failure> {
        let missing = |reason: String| Failure::Configuration {
            message: format!("there is no token in {self}: {reason}"),
            hint: Some("`token` under [github] in tidegate.toml says where the token is read from".into()),
        };
        let text = match (&self.credential, &self.file, &self.env) {
            (Some(name), ..) => {
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .ok_or_else(|| missing("systemd set no $CREDENTIALS_DIRECTORY".into()))?;
                read_limited(&Path::new(&folder).join(name)).map_err(|error| missing(error.to_string()))?
            }
            (_, Some(path), _) => read_limited(path).map_err(|error| missing(error.to_string()))?,
            (.., Some(name)) => std::env::var(name).map_err(|error| missing(error.to_string()))?,
            (None, None, None) => return Err(missing("no source is named".into())),
        };
        let token = text.trim();
        if token.is_empty() || token.contains(char::is_whitespace) {
            return Err(missing("it is empty or has more than one word".into()));
        }
        Ok(SecretString::from(token))
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.credential, &self.file, &self.env) {
            (Some(name), ..) => write!(formatter, "the credential `{name}`"),
            (_, Some(path), _) => write!(formatter, "the file {}", path.display()),
            (.., Some(name)) => write!(formatter, "the environment variable `{name}`"),
            (None, None, None) => formatter.write_str("no place at all"),
        }
    }
}

fn read_limited(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(LONGEST_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// The places in `text` that look like a GitHub token, comments included.
pub(crate) fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for prefix in PREFIXES {
        for (start, _) in text.match_indices(prefix) {
            let body = &text[start + prefix.len()..];
            let letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let length = body.bytes().take_while(|byte| letter(byte)).count();
            if length >= SHORTEST {
                found.push(start..start + prefix.len() + length);
            }
        }
    }
    found.sort_by_key(|span| span.start);
    found
}

/// What stands after `=` in every line whose key ends in `token`: what to hide in a file that could not be
/// parsed, since it is not known there what is a secret.
pub(crate) fn token_lines(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some(equals) = line.find('=')
            && line[..equals].trim_end().ends_with("token")
        {
            found.push(start + equals + 1..start + line.trim_end().len());
        }
        start += line.len();
    }
    found
}

/// The mistake that a secret at `span` is.
pub(crate) fn finding(span: Range<usize>) -> Finding {
    Finding::new(span, "a secret stands in clear text", "must not be written here").hint(
        "revoke it, for others may have read it; then name where the new one is kept, like \
         `token = { credential = \"github-token\" }`",
    )
}

/// The text with every secret blotted out, byte for byte, so that places stay the same.
pub(crate) fn blot(text: &str, secrets: &[Range<usize>]) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, letter) in text.char_indices() {
        if letter != '\n' && secrets.iter().any(|secret| secret.contains(&index)) {
            shown.extend(std::iter::repeat_n('*', letter.len_utf8()));
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn file(path: &Path) -> TokenSource {
        TokenSource { credential: None, file: Some(path.to_owned()), env: None }
    }

    #[test]
    fn a_token_is_read_without_the_newline_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "abc123\n").unwrap();
        assert_eq!(file(&path).read().unwrap().expose_secret(), "abc123");
    }

    #[test]
    fn a_missing_or_empty_token_is_a_mistake_of_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(matches!(file(&path).read(), Err(Failure::Configuration { .. })));
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(file(&path).read(), Err(Failure::Configuration { .. })));
    }

    #[test]
    fn blotting_keeps_every_place() {
        let text = "a = 'ghp_0123456789abcdefXYZ' # caf\u{e9}\n";
        let shown = blot(text, &tokens(text));
        assert_eq!(shown, "a = '***********************' # caf\u{e9}\n");
        assert_eq!(shown.len(), text.len());
        assert!(tokens("the prefix ghp_ alone is no token").is_empty());
    }
}
