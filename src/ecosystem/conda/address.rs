//! Where a channel is: one text for each channel, whichever way it was written.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// No address of a real channel comes near this many bytes.
const LONGEST: usize = 2048;

/// The address of a conda channel: a folder of this machine, or a place on a web server.
///
/// Its text is a `file://`, `http://` or `https://` URL without a `/` at the end, so that two channels
/// are the same exactly when their texts are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelAddress(Url);

/// Why a text is no address of a channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedAddress {
    /// There is nothing.
    #[error("the address of a channel is empty")]
    Empty,
    /// It has more than 2048 bytes.
    #[error("the address of a channel has more than {LONGEST} bytes")]
    TooLong,
    /// It cannot be read as a URL.
    #[error("`{text}` is no address of a channel: {why}")]
    Unreadable {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// A user, a password or a token is part of it. The text is not repeated: it holds a secret.
    #[error(
        "the address of a channel on `{host}` carries a user, a password or a token; addresses are stored \
         and shown, so write it without them"
    )]
    Credentials {
        /// The server.
        host: String,
    },
}

impl ChannelAddress {
    /// The address of the file `file` in the sub-directory `subdir`, such as `noarch/repodata.json`.
    /// Each name becomes one segment: what would be a separator is escaped.
    pub fn join(&self, subdir: &str, file: &str) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(subdir).push(file);
        }
        url
    }

    /// The folder of this machine that the channel is, where it is one.
    pub fn folder(&self) -> Option<PathBuf> {
        match self.0.scheme() {
            "file" => self.0.to_file_path().ok(),
            _ => None,
        }
    }

    /// The address as a URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

impl FromStr for ChannelAddress {
    type Err = MalformedAddress;

    /// Reads a URL, or else a folder; a relative one is taken from the current folder. `..` is resolved
    /// by the text alone: a symbolic link that names a channel stays the name of the channel.
    fn from_str(text: &str) -> Result<Self, MalformedAddress> {
        let unreadable =
            |why: &str| MalformedAddress::Unreadable { text: text.to_owned(), why: why.to_owned() };
        match text.len() {
            0 => return Err(MalformedAddress::Empty),
            length if length > LONGEST => return Err(MalformedAddress::TooLong),
            _ => {}
        }
        let url = match text.contains("://") {
            true => Url::parse(text).map_err(|error| match text.contains('@') {
                true => MalformedAddress::Credentials { host: "unknown".to_owned() },
                false => unreadable(&error.to_string()),
            })?,
            false => {
                let folder = std::path::absolute(text).map_err(|error| unreadable(&error.to_string()))?;
                Url::from_file_path(folder).map_err(|()| unreadable("it is no folder"))?
            }
        };
        refuse_credentials(&url)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(unreadable("it has a query or a fragment"));
        }
        match url.scheme() {
            "http" | "https" => {}
            "file" if url.host().is_none() => {}
            "file" => return Err(unreadable("a file:// address names no host; write file:///folder")),
            _ => return Err(unreadable("only http://, https://, file:// and folders are read")),
        }
        let trimmed = url.path().trim_end_matches('/').to_owned();
        let mut canonical = url;
        canonical.set_path(&trimmed);
        // Parsed once more, since only parsing resolves `..`, and the stored text has to read as itself.
        Url::parse(canonical.as_str()).map(Self).map_err(|error| unreadable(&error.to_string()))
    }
}

/// Refuses a user, a password, and the `/t/TOKEN/` paths that some servers hide a token in.
fn refuse_credentials(url: &Url) -> Result<(), MalformedAddress> {
    let token = url.path().starts_with("/t/") && matches!(url.scheme(), "http" | "https");
    if url.username().is_empty() && url.password().is_none() && !token {
        return Ok(());
    }
    Err(MalformedAddress::Credentials { host: url.host_str().unwrap_or("unknown").to_owned() })
}

impl TryFrom<&str> for ChannelAddress {
    type Error = MalformedAddress;

    fn try_from(text: &str) -> Result<Self, MalformedAddress> {
        text.parse()
    }
}

impl fmt::Display for ChannelAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for ChannelAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ChannelAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{ChannelAddress, MalformedAddress};

    fn address(text: &str) -> ChannelAddress {
        text.parse().unwrap()
    }

    #[test]
    fn one_channel_has_one_text() {
        for text in ["/srv/staged", "/srv/staged/", "file:///srv/staged", "file:///srv/x/../staged//"] {
            assert_eq!(address(text).as_str(), "file:///srv/staged", "{text}");
        }
        assert_eq!(address("HTTPS://Example.org:443/q2/").as_str(), "https://example.org/q2");
        assert_eq!(address("https://example.org/").as_str(), "https://example.org");
    }

    #[test]
    fn a_relative_folder_is_taken_from_the_current_one() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(address("some channel").folder(), Some(here.join("some channel")));
    }

    #[test]
    fn its_text_reads_as_itself() {
        for text in ["/srv/a b/../c", "https://example.org", "https://example.org/a%20b/", "file:///srv/ä"] {
            let once = address(text);
            assert_eq!(address(once.as_str()), once);
            let json = serde_json::to_string(&once).unwrap();
            assert_eq!(serde_json::from_str::<ChannelAddress>(&json).unwrap(), once);
        }
    }

    #[test]
    fn a_name_stays_one_segment() {
        let url = address("https://example.org/q2").join("noarch", "../../etc/passwd");
        assert_eq!(url.as_str(), "https://example.org/q2/noarch/..%2F..%2Fetc%2Fpasswd");
        let plain = address("/srv/q2").join("linux-64", "a-1-0.conda");
        assert_eq!(plain.as_str(), "file:///srv/q2/linux-64/a-1-0.conda");
    }

    #[test]
    fn secrets_are_refused_and_not_repeated() {
        for text in [
            "https://user:hunter2@example.org/q2",
            "https://example.org/t/hunter2/q2",
            "https://u:hunter2@/x",
        ] {
            let refused = text.parse::<ChannelAddress>().unwrap_err();
            assert!(matches!(refused, MalformedAddress::Credentials { .. }), "{text}");
            assert!(!refused.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn what_is_no_channel_is_refused() {
        for text in ["", "ftp://example.org/q2", "https://example.org/q2?x=1", "file://host/q2", "https://"] {
            assert!(text.parse::<ChannelAddress>().is_err(), "{text}");
        }
    }
}
