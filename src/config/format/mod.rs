//! The formats of text values: a schema names one under `format`, and this room checks it. The same
//! parsers make the typed value later, so what was accepted here cannot fail there.

mod address;
mod conda;
mod time;

use std::ops::Range;
use std::time::Duration;

use self::address::{address, bucket, dated_address, oci_repository, origin, socket_address};
use self::conda::{channel_path, conda_channel, conda_name, conda_platform};
use self::time::cron;
pub(crate) use self::time::{date, duration, time, time_zone};
use super::nearest::{listed, nearest};
use super::template;
use crate::domain::{RVersion, is_epoch};
use crate::github::{BranchName, WorkflowFile};

/// Why a text does not have its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// What is wrong, after the name of the key: "is not a date".
    pub message: String,
    /// What to say at the place.
    pub label: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The bytes of the text that are wrong, where it is not all of it.
    pub within: Option<Range<usize>>,
}

impl Complaint {
    fn new(message: &str, label: impl Into<String>, hint: &str) -> Self {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        Self { message: message.to_owned(), label: label.into(), hint, within: None }
    }
}

/// Checks `text` against the format of that name; formats that are not known here (they are for
/// editors only) accept everything.
pub(crate) fn check(format: &str, text: &str) -> Result<(), Complaint> {
    match format {
        "duration" => duration(text).map(drop),
        "positive-duration" => match duration(text)? {
            Duration::ZERO => Err(Complaint::new("must not be zero", "no time at all", "")),
            _ => Ok(()),
        },
        "date" => date(text).map(drop),
        "time" => time(text).map(drop),
        "time-zone" => time_zone(text).map(drop),
        "cron" => cron(text),
        "name" => name(text),
        "r-version" => r_version(text),
        "repository" => repository(text),
        "workflow-file" => workflow_file(text),
        "branch" => branch(text),
        "uri" => address(text),
        "origin" => origin(text),
        "oci-repository" => oci_repository(text),
        "bucket" => bucket(text),
        "dated-uri" => dated_address(text),
        "advisories" if text.starts_with('/') => absolute_path(text),
        "advisories" => address(text),
        "credential" => credential(text),
        "branch-prefix" => branch_prefix(text),
        "word" => word(text),
        "epoch" => epoch(text),
        "conda-name" => conda_name(text),
        "conda-platform" => conda_platform(text),
        "conda-channel" => conda_channel(text),
        "channel-path" => channel_path(text),
        "sha256" => sha256(text),
        "socket-address" => socket_address(text),
        "absolute-path" => absolute_path(text),
        "command-word" => command_word(text),
        _ => Ok(()),
    }
}

/// A word of a command names only fields that there are.
fn command_word(text: &str) -> Result<(), Complaint> {
    let Some((place, name)) = template::fields_in(text).find(|(_, name)| !template::FIELDS.contains(name))
    else {
        return Ok(());
    };
    let label = match nearest(name, template::FIELDS) {
        Some(meant) => format!("did you mean `{{{meant}}}`?"),
        None => "no such field".to_owned(),
    };
    let fields = listed(template::FIELDS);
    let hint = format!("the fields are {fields}; braces of another meaning take a space: `{{ {name} }}`");
    let mut complaint = Complaint::new(&format!("names the unknown field `{{{name}}}`"), label, &hint);
    complaint.within = Some(place);
    Err(complaint)
}

/// Checks a name: lower-case letters, digits and hyphens, beginning with a letter or digit, at most 64.
pub(crate) fn name(text: &str) -> Result<(), Complaint> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let sound = text.len() <= 64 && !text.starts_with('-') && text.bytes().all(allowed);
    if sound && !text.is_empty() {
        return Ok(());
    }
    let hint = "a name has up to 64 lower-case letters, digits and hyphens, and does not begin with a hyphen";
    Err(Complaint::new("is not a name", "not a name", hint))
}

fn r_version(text: &str) -> Result<(), Complaint> {
    let parts = text.split('.').count();
    if RVersion::parse(text).is_ok() && parts == 3 {
        return Ok(());
    }
    Err(Complaint::new("is not a version of R", "not understood", r#"write it like "4.6.0""#))
}

/// Checks `owner/name` as GitHub allows them.
fn repository(text: &str) -> Result<(), Complaint> {
    let sound = text.split_once('/').is_some_and(|(owner, name)| {
        let owner_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let name_allowed = |byte: u8| owner_allowed(byte) || byte == b'.' || byte == b'_';
        (1..=39).contains(&owner.len())
            && owner.bytes().all(owner_allowed)
            && (1..=100).contains(&name.len())
            && name.bytes().all(name_allowed)
            && !matches!(name, "." | "..")
    });
    if sound {
        return Ok(());
    }
    let hint = r#"write owner and name without an address, like "r-multiverse/staging""#;
    Err(Complaint::new("is not a GitHub repository", "expected `owner/name`", hint))
}

fn workflow_file(text: &str) -> Result<(), Complaint> {
    let hint = "write the name of a file of `.github/workflows`, such as `tidegate-test.yml`";
    let wrong = |_| Complaint::new("is no workflow's file", "expected a name that ends with `.yml`", hint);
    text.parse::<WorkflowFile>().map(drop).map_err(wrong)
}

fn branch(text: &str) -> Result<(), Complaint> {
    let wrong = |_| Complaint::new("is no branch", "not allowed in git", "write it as in `git branch`");
    text.parse::<BranchName>().map(drop).map_err(wrong)
}

/// A credential is a file name under `$CREDENTIALS_DIRECTORY`: never a path.
fn credential(text: &str) -> Result<(), Complaint> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !text.is_empty() && text.len() <= 255 && text.bytes().all(allowed) && !text.starts_with('.') {
        return Ok(());
    }
    let hint = "write the name that the unit's `LoadCredential=` gives it, without a folder";
    Err(Complaint::new("is not the name of a credential", "not a plain file name", hint))
}

/// Checks a package's name or version in the widest sense that any ecosystem has: no spaces, and short.
fn word(text: &str) -> Result<(), Complaint> {
    if (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Complaint::new("is not one plain word", "empty, too long, or with spaces", ""))
}

/// Checks a SHA-256 as it is written everywhere: 64 lower-case hexadecimal digits.
fn sha256(text: &str) -> Result<(), Complaint> {
    if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    let hint = "`tidegate token new` prints the line to put here; the token itself belongs in no file";
    Err(Complaint::new("is not a SHA-256", "expected 64 lower-case hexadecimal digits", hint))
}

/// Checks the path of a folder that has nothing to do with any file's own place.
fn absolute_path(text: &str) -> Result<(), Complaint> {
    let plain = text.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    if text.starts_with('/') && text.len() > 1 && plain {
        return Ok(());
    }
    Err(Complaint::new("is not an absolute path", "expected a path such as `/srv/drop`", ""))
}

/// Checks an epoch, year and month without a leading zero.
fn epoch(text: &str) -> Result<(), Complaint> {
    if is_epoch(text) {
        return Ok(());
    }
    Err(Complaint::new("is not an epoch", "not a year and a month", r#"write it like "2024.5" or "2024.10""#))
}

/// The part of `git check-ref-format` that matters for the beginning of a branch's name.
fn branch_prefix(text: &str) -> Result<(), Complaint> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/');
    let sound = !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed);
    if sound && !text.starts_with(['/', '-']) && !text.contains("//") {
        return Ok(());
    }
    let hint = "use letters, digits, `-`, `_` and `/`";
    Err(Complaint::new("cannot begin a branch's name", "not allowed", hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each format, with texts that have it and texts that do not.
    #[test]
    fn formats_accept_what_they_say_and_nothing_else() {
        let formats: [(&str, &[&str], &[&str]); 24] = [
            ("duration", &["0s", "90s", "1h 30m", "7d", "2 weeks"], &["", "20", "-1h", "1y", "4000d"]),
            ("positive-duration", &["1s"], &["0s", "0d"]),
            ("date", &["2026-07-15"], &["2026-7-15", "2026-02-30", "2026-07-15T00:00", "15.07.2026"]),
            ("time", &["02:00", "23:59:59"], &["2:00", "24:00", "02", "0200", "02:00:00.5"]),
            ("time-zone", &["UTC", "Europe/Berlin"], &["", "Mars/Base", "../etc/passwd", "+02:00"]),
            ("cron", &["17 * * * *", "0 6 * * MON#1", "@hourly"], &["", "* * * *", "60 * * * *", "@often"]),
            ("name", &["a", "r-multiverse", "4"], &["", "-a", "A", "a/b", ".."]),
            ("r-version", &["4.6.0"], &["4.6", "4.6.0.1", "R 4.6.0"]),
            (
                "repository",
                &["r-multiverse/staging", "a/b.c_d"],
                &["a", "a/..", "a/b/c", "/b", "a/", "a b/c"],
            ),
            (
                "uri",
                &["https://a.example", "http://127.0.0.1:8080", "http://[::1]/x"],
                &[
                    "a.example",
                    "http://a.example",
                    "https://a.example/",
                    "https://user:word@a.example",
                    "file:///etc/passwd",
                    "http://localhost.evil.example",
                ],
            ),
            (
                "advisories",
                &["https://a.example/db/main.zip", "/srv/advisories"],
                &["", "/", "advisories", "../advisories", "http://a.example/db.zip", "file:///srv"],
            ),
            (
                "origin",
                &["https://a.example", "http://127.0.0.1:5000"],
                &["https://a.example/x", "a.example"],
            ),
            ("oci-repository", &["a", "a-b/c.d"], &["", "A", "/a", "a/", "a//b", "a..b", "-a", "../a"]),
            ("bucket", &["snapshots", "a.b-c"], &["", "ab", "A-B-C", "a..b", "-ab", "a/b"]),
            ("credential", &["github-token"], &["", "../x", "a/b", ".hidden"]),
            ("epoch", &["2024.10", "2023.7"], &["", "2024", "2024.13", "2024.07", "24.1", "2024.1.1"]),
            ("conda-name", &["q2-types", "_libgcc_mutex", "r-base"], &["", "Q2", "a b", "../a", "-x", ".x"]),
            ("conda-platform", &["linux-64", "osx-arm64"], &["", "noarch", "linux", "Linux-64"]),
            (
                "conda-channel",
                &["/srv/forge", "https://a.example/forge", "http://127.0.0.1:1/c"],
                &["", "/", "/srv/", "forge", "../forge", "http://a.example/forge", "file:///srv"],
            ),
            (
                "channel-path",
                &["staged", "2024.10/amplicon/staged"],
                &["", "/staged", "staged/", "a/../b", "a//b", ".hidden", "a b"],
            ),
            ("socket-address", &["127.0.0.1:8080", "[::1]:0"], &["", "127.0.0.1", "localhost:80", ":80"]),
            ("absolute-path", &["/srv/drop"], &["", "/", "drop", "/srv/../etc", "/srv/"]),
            ("sha256", &["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"], &["", "abc"]),
            ("branch-prefix", &["tidegate/", "bot"], &["", "/x", "-x", "a..b", "a b", "a//b"]),
        ];
        for (format, good, bad) in formats {
            for text in good {
                assert_eq!(check(format, text), Ok(()), "{format}: {text:?}");
            }
            for text in bad {
                assert!(check(format, text).is_err(), "{format}: {text:?}");
            }
        }
    }

    #[test]
    fn a_wrong_field_of_a_schedule_is_pointed_at() {
        let field =
            |text: &str| check("cron", text).unwrap_err().within.map(|within| text[within].to_owned());
        assert_eq!(field("17 25 * * *").as_deref(), Some("25"));
        assert_eq!(field("17  5 * *   MOX").as_deref(), Some("MOX"));
    }
}
