//! Secrets: where a token or a private key is read from, and the check that nobody wrote one into a file.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::diagnostic::Finding;
use crate::failure::Failure;

/// The beginnings of GitHub's tokens.
const PREFIXES: [&str; 6] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];

/// Fewer characters than this after the prefix are a name, not a token; GitHub's have 36 and more.
const SHORTEST: usize = 16;

/// Far above the longest kinds: a GitHub App's token of about 500 bytes, and an RSA key of 8192 bits.
const LONGEST_FILE: u64 = 16 * 1024;

/// How a private key begins and ends as PEM, whatever its kind, or with the armour of OpenPGP.
const KEY_BEGINS: &str = "-----BEGIN ";
const KEY_ENDS: &str = "-----END ";
const KEY_LABELS: [&str; 2] = ["PRIVATE KEY-----", "PRIVATE KEY BLOCK-----"];

/// The beginnings of minisign's secret keys, with a password and without.
const MINISIGN: [&str; 2] = ["RWRTY0Iy", "RWQAAEIy"];

/// The keys in configuration files after which a secret may stand by mistake.
const SECRET_KEYS: [&str; 4] = ["token", "private_key", "secret_key", "password"];

/// Where a secret is read from; exactly one of the three is given. The secret itself never stands in a
/// configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secret" = true, "minProperties" = 1, "maxProperties" = 1))]
pub struct SecretSource {
    /// The name of a systemd credential, read from `$CREDENTIALS_DIRECTORY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "credential"))]
    pub credential: Option<String>,
    /// A file that holds nothing but the secret; a relative path begins at the folder of `tidegate.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The name of an environment variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

impl SecretSource {
    /// Reads a token, which is one word. Fails as `Configuration` where there is none, with the place that was tried.
    pub fn read_token(&self) -> Result<SecretString, Failure> {
        let missing = |reason: String| Failure::Configuration {
            message: format!("there is no token in {self}: {reason}"),
            hint: Some("`token` under [github] in tidegate.toml says where the token is read from".into()),
        };
        let text = self.read().map_err(missing)?;
        let token = text.expose_secret().trim();
        if token.is_empty() || token.contains(char::is_whitespace) {
            return Err(missing("it is empty or has more than one word".into()));
        }
        Ok(SecretString::from(token))
    }

    /// Reads a private key, which has many lines. Fails as `Configuration` where there is none, with the place that
    /// was tried; whether it is a key is for its user to say.
    pub fn read_key(&self) -> Result<SecretString, Failure> {
        let missing = |reason: String| Failure::Configuration {
            message: format!("there is no private key in {self}: {reason}"),
            hint: Some(
                "`private_key` of `app` under [github] in tidegate.toml says where it is read from".into(),
            ),
        };
        let text = self.read().map_err(missing)?;
        match text.expose_secret().trim().is_empty() {
            true => Err(missing("it is empty".into())),
            false => Ok(text),
        }
    }

    /// Reads a secret of a target, which is one word. Fails as `Configuration` where there is none; `key` is the key of
    /// `tidegate.toml` that says where it is read from.
    pub fn read_word(&self, key: &str) -> Result<SecretString, Failure> {
        let missing = |reason: String| Failure::Configuration {
            message: format!("there is no secret in {self}: {reason}"),
            hint: Some(format!("`{key}` in tidegate.toml says where it is read from")),
        };
        let text = self.read().map_err(missing)?;
        let word = text.expose_secret().trim();
        if word.is_empty() || word.contains(char::is_whitespace) {
            return Err(missing("it is empty or has more than one word".into()));
        }
        Ok(SecretString::from(word))
    }

    /// Reads `what` signs what is published: a key with its lines, or a password without the newline of its file.
    /// Fails as `Configuration` where there is none, with the place that was tried.
    pub fn read_for_signing(&self, what: &str) -> Result<SecretString, Failure> {
        let missing = |reason: String| Failure::Configuration {
            message: format!("there is no {what} in {self}: {reason}"),
            hint: Some("[publish.signing] in tidegate.toml says where it is read from".into()),
        };
        let text = self.read().map_err(missing)?;
        let text = text.expose_secret().trim_end_matches(['\r', '\n']);
        match text.trim().is_empty() {
            true => Err(missing("it is empty".into())),
            false => Ok(SecretString::from(text)),
        }
    }

    /// The whole text, or why there is none.
    fn read(&self) -> Result<SecretString, String> {
        let text = match (&self.credential, &self.file, &self.env) {
            (Some(name), ..) => {
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .ok_or("systemd set no $CREDENTIALS_DIRECTORY")?;
                read_limited(&Path::new(&folder).join(name)).map_err(|error| error.to_string())?
            }
            (_, Some(path), _) => read_limited(path).map_err(|error| error.to_string())?,
            // A variable that is not UTF-8 would be shown by its error.
            (.., Some(name)) => std::env::var(name).map_err(|_| "it is not set, or no text")?,
            (None, None, None) => return Err("no source is named".into()),
        };
        Ok(SecretString::from(text))
    }
}

impl fmt::Display for SecretSource {
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
    let read = std::fs::File::open(path)?.take(LONGEST_FILE + 1).read_to_string(&mut text)?;
    match read as u64 > LONGEST_FILE {
        // The beginning of something else is no secret.
        true => Err(std::io::Error::other(format!("it is larger than {} KiB", LONGEST_FILE / 1024))),
        false => Ok(text),
    }
}

/// The secrets that stand in `text`, comments included, each as the mistake that it is.
pub(crate) fn in_clear_text(text: &str) -> Vec<Finding> {
    let tokens = tokens(text).into_iter().map(|span| finding(span, "token"));
    let private = private_keys(text).into_iter().map(|span| finding(span, "private_key"));
    let signing = minisign_keys(text).into_iter().map(|span| finding(span, "secret_key"));
    tokens.chain(private).chain(signing).collect()
}

/// The places of private keys as PEM. One without an end reaches to the end of the text.
fn private_keys(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (start, _) in text.match_indices(KEY_BEGINS) {
        let label = label_after(&text[start..]).map(|at| &text[start + KEY_BEGINS.len()..start + at.start]);
        // "RSA ", "EC ", "ENCRYPTED " or nothing: anything longer is another thing that begins.
        if label.is_none_or(|label| label.len() > 16 || label.contains('-'))
            || found.last().is_some_and(|last| last.contains(&start))
        {
            continue;
        }
        let end = text[start..].find(KEY_ENDS).and_then(|ends| {
            let after = start + ends;
            label_after(&text[after..]).map(|at| after + at.end)
        });
        found.push(start..end.unwrap_or(text.len()));
    }
    found
}

/// The first of the labels of private keys in `text`.
fn label_after(text: &str) -> Option<Range<usize>> {
    let found = KEY_LABELS.iter().filter_map(|label| text.find(label).map(|at| at..at + label.len()));
    found.min_by_key(|place| place.start)
}

/// The places in `text` that look like a secret key of minisign.
fn minisign_keys(text: &str) -> Vec<Range<usize>> {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let found = MINISIGN
        .iter()
        .flat_map(|prefix| text.match_indices(prefix))
        .map(|(start, _)| start..start + text[start..].bytes().take_while(|byte| letter(byte)).count());
    // A whole one has 212 letters; a name that begins so by chance is far shorter.
    found.filter(|span| span.len() > 100).collect()
}

/// The places in `text` that look like a GitHub token.
fn tokens(text: &str) -> Vec<Range<usize>> {
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

/// What stands after `=` in every line whose key ends like one of [`SECRET_KEYS`]: what to hide in a file that could
/// not be parsed, since it is not known there what is a secret.
pub(crate) fn secret_lines(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some(equals) = line.find('=')
            && SECRET_KEYS.iter().any(|key| line[..equals].trim_end().ends_with(key))
        {
            found.push(start + equals + 1..start + line.trim_end().len());
        }
        start += line.len();
    }
    found
}

/// The mistake that the secret `key` at `span` is.
pub(crate) fn finding(span: Range<usize>, key: &str) -> Finding {
    let credential = match key {
        "private_key" => "github-app-key",
        "secret_key" => "secret-key",
        "password" => "password",
        _ => "github-token",
    };
    Finding::new(span, "a secret stands in clear text", "must not be written here").hint(format!(
        "revoke it, for others may have read it; then name where the new one is kept, like \
         `{key} = {{ credential = \"{credential}\" }}`",
    ))
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
    use super::*;

    fn file(path: &Path) -> SecretSource {
        SecretSource { credential: None, file: Some(path.to_owned()), env: None }
    }

    #[test]
    fn a_token_is_read_without_the_newline_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "abc123\n").unwrap();
        assert_eq!(file(&path).read_token().unwrap().expose_secret(), "abc123");
    }

    #[test]
    fn a_missing_or_empty_token_is_a_mistake_of_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(matches!(file(&path).read_token(), Err(Failure::Configuration { .. })));
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(file(&path).read_token(), Err(Failure::Configuration { .. })));
    }

    #[test]
    fn a_private_key_is_read_with_its_lines_and_an_empty_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(file(&path).read_key().unwrap().expose_secret(), "one\ntwo\n");
        std::fs::write(&path, "\n\n").unwrap();
        assert!(matches!(file(&path).read_key(), Err(Failure::Configuration { .. })));
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_and_never_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "a".repeat(16 * 1024)).unwrap();
        assert_eq!(file(&path).read_key().unwrap().expose_secret().len(), 16 * 1024);
        std::fs::write(&path, "a".repeat(16 * 1024 + 1)).unwrap();
        let failure = file(&path).read_key().unwrap_err();
        assert!(failure.to_string().contains("it is larger than 16 KiB"), "{failure}");
    }

    #[test]
    fn a_private_key_is_found_whole_or_to_the_end_of_the_text() {
        let whole =
            "k = '''\n-----BEGIN RSA PRIVATE KEY-----\nAbc\n-----END RSA PRIVATE KEY-----\n'''\nx = 1";
        let found = private_keys(whole);
        assert_eq!(found.len(), 1);
        assert!(whole[found[0].clone()].starts_with("-----BEGIN RSA"));
        assert!(whole[found[0].clone()].ends_with("-----END RSA PRIVATE KEY-----"));
        let cut = "# -----BEGIN PRIVATE KEY-----\n# Abc";
        let found = private_keys(cut);
        assert_eq!((found.len(), &cut[found[0].clone()]), (1, &cut[2..]));
        assert!(private_keys("-----BEGIN PUBLIC KEY-----\nAbc\n-----END PUBLIC KEY-----").is_empty());
        let armoured = "-----BEGIN PGP PRIVATE KEY BLOCK-----\nAbc\n-----END PGP PRIVATE KEY BLOCK-----\nx";
        let found = private_keys(armoured);
        assert_eq!((found.len(), found[0].clone()), (1, 0..armoured.len() - 2));
    }

    #[test]
    fn a_minisign_key_is_found_with_and_without_a_password() {
        for begins in MINISIGN {
            let text = format!("secret_key = \"{begins}{}\"", "a/+=".repeat(51));
            let found = minisign_keys(&text);
            assert_eq!((found.len(), found[0].clone()), (1, 14..226));
        }
        assert!(minisign_keys("the prefix RWRTY0Iy alone is no key").is_empty());
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
