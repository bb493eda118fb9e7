//! Where GitHub's token comes from. The token itself is never printed, and a message about it says
//! where it was looked for.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::failure::Failure;

/// GitHub's longest tokens have some 255 characters, JSON web tokens a few thousand.
const LONGEST: usize = 8 * 1024;

/// Where to take a token from.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// A credential that systemd hands over: the file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A file that holds nothing but the token.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// The token itself: for tests and rehearsals, whose GitHub is not the real one.
    Literal(SecretString),
}

impl TokenSource {
    /// Reads the token. White space around it is taken away; an empty one, one with white space or
    /// control characters inside and one of more than 8 KiB are refused with a [`Failure::Configuration`].
    pub fn read(&self) -> Result<SecretString, Failure> {
        match self {
            Self::Credential(name) => {
                if name.contains('/') || matches!(name.as_str(), "" | "." | "..") {
                    return Err(refused(
                        format!("the credential name {name:?} is not a plain file name"),
                        "write the name that follows LoadCredential= in the unit, without a path".to_owned(),
                    ));
                }
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    refused(
                        format!("no credential {name:?}: $CREDENTIALS_DIRECTORY is not set"),
                        format!("run under systemd with LoadCredential={name}:/path/to/token, or name a file or an environment variable"),
                    )
                })?;
                from_file(&Path::new(&folder).join(name), &format!("the credential {name:?}"))
            }
            Self::File(path) => from_file(path, "the token file"),
            Self::Env(name) => {
                let text = std::env::var(name).map_err(|_| {
                    refused(
                        format!("no GitHub token: the environment variable {name} is not set, or not UTF-8"),
                        format!("set {name}, or name a credential or a file"),
                    )
                })?;
                checked(&text, &format!("the environment variable {name}"))
            }
            Self::Literal(token) => Ok(token.clone()),
        }
    }
}

fn from_file(path: &Path, called: &str) -> Result<SecretString, Failure> {
    let place = format!("{called} ({})", path.display());
    let unreadable = |error: std::io::Error| {
        refused(
            format!("cannot read the GitHub token from {place}: {error}"),
            "check that the file is there, holds text, and that this user may read it".to_owned(),
        )
    };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LONGEST as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    checked(&text, &place)
}

fn checked(text: &str, place: &str) -> Result<SecretString, Failure> {
    let token = text.trim();
    let wrong = if token.is_empty() {
        "is empty"
    } else if text.len() > LONGEST {
        "is larger than 8 KiB"
    } else if !token.chars().all(|c| c.is_ascii_graphic()) {
        "has white space, control or non-ASCII characters inside"
    } else {
        return Ok(SecretString::from(token));
    };
    Err(refused(
        format!("the GitHub token from {place} {wrong}"),
        "store the token alone there, on one line, as GitHub showed it".to_owned(),
    ))
}

fn refused(message: String, hint: String) -> Failure {
    Failure::Configuration { message, hint: Some(hint) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(text: &str) -> Result<SecretString, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        TokenSource::File(path).read()
    }

    #[test]
    fn a_token_is_read_without_the_white_space_around_it() {
        assert_eq!(read("  ghp_abc\n").unwrap().expose_secret(), "ghp_abc");
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_without_being_shown() {
        let long = "x".repeat(9000);
        for (text, said) in [("\n", "is empty"), ("ghp_a b", "inside"), (long.as_str(), "larger")] {
            let Err(Failure::Configuration { message, hint }) = read(text) else {
                panic!("accepted {text:?}")
            };
            assert!(message.contains(said) && message.contains("token"), "{message}");
            assert!(!message.contains("ghp_"), "{message}");
            assert!(hint.is_some());
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let Err(Failure::Configuration { message, .. }) = TokenSource::File("/nowhere/token".into()).read()
        else {
            panic!("read from nowhere")
        };
        assert!(message.contains("/nowhere/token"), "{message}");
    }

    #[test]
    fn a_credential_cannot_leave_its_folder() {
        let Err(Failure::Configuration { message, .. }) = TokenSource::Credential("../etc/x".into()).read()
        else {
            panic!("left the folder")
        };
        assert!(message.contains("plain file name"), "{message}");
    }

    #[test]
    fn a_source_does_not_print_its_token() {
        let shown = format!("{:?}", TokenSource::Literal("ghp_secret".into()));
        assert!(!shown.contains("ghp_secret"), "{shown}");
    }
}
