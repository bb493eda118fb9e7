//! The formats of text values: a schema names one under `format`, and this file checks it. The same
//! parsers make the typed value later, so what was accepted here cannot fail there.

use std::ops::Range;
use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp};

use super::nearest::{listed, nearest};
use super::template;
use crate::calendar::{Schedule, ScheduleError};
use crate::domain::{RVersion, is_epoch};
use crate::github::{BranchName, WorkflowFile};

/// The longest duration that makes sense here: ten years.
const LONGEST: Duration = Duration::from_secs(3653 * 24 * 60 * 60);

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

/// Parses a length of time such as `90s`, `20m`, `6h` or `7d`; a day is 24 hours. Zero is allowed.
pub(crate) fn duration(text: &str) -> Result<Duration, Complaint> {
    let wrong = |label: &str| {
        Complaint::new("is not a length of time", label, r#"write it like "90s", "20m", "6h" or "7d""#)
    };
    let span: jiff::Span = text.parse().map_err(|_| wrong("not understood"))?;
    let signed = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wrong("months and years have no fixed length"))?;
    let length = Duration::try_from(signed).map_err(|_| wrong("must not be negative"))?;
    if length > LONGEST { Err(wrong("longer than ten years")) } else { Ok(length) }
}

/// Parses a date such as `2026-07-15`.
pub(crate) fn date(text: &str) -> Result<Date, Complaint> {
    let parsed = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    parsed.ok_or_else(|| Complaint::new("is not a date", "not understood", r#"write it like "2026-07-15""#))
}

/// Parses a time of day such as `02:00`.
pub(crate) fn time(text: &str) -> Result<Time, Complaint> {
    let shaped = text.len() == 5 || text.len() == 8;
    let parsed = text.parse::<Time>().ok().filter(|_| shaped && text.as_bytes()[2] == b':');
    parsed.ok_or_else(|| Complaint::new("is not a time of day", "not understood", r#"write it like "02:00""#))
}

/// Finds an IANA zone such as `Europe/Paris`.
pub(crate) fn time_zone(text: &str) -> Result<TimeZone, Complaint> {
    TimeZone::get(text).map_err(|_| {
        let names: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let label = match nearest(text, names.iter().map(String::as_str)) {
            Some(zone) => format!("did you mean `{zone}`?"),
            None => "not known".to_owned(),
        };
        let hint = "name a zone of the IANA database, such as `UTC` or `Europe/Berlin`";
        Complaint::new("is not a time zone", label, hint)
    })
}

const CRON_FIELDS: [&str; 5] =
    ["minute (0-59)", "hour (0-23)", "day of month (1-31)", "month (1-12)", "day of week (0-7)"];

/// Checks that `text` is a cron expression that fires. croner's errors carry no place, so the fields
/// are tried one by one, each in an expression that is otherwise sound.
fn cron(text: &str) -> Result<(), Complaint> {
    // Any fixed instant will do: whether an expression ever fires does not depend on today.
    let parse = |expression: &str| Schedule::cron(expression, TimeZone::UTC, Timestamp::UNIX_EPOCH);
    let Err(error) = parse(text) else { return Ok(()) };
    if matches!(error, ScheduleError::NeverFires { .. }) {
        let hint = "no date ever matches both its day and its month";
        return Err(Complaint::new("never fires", "no such date", hint));
    }
    let fields: Vec<(usize, &str)> = fields_with_places(text).collect();
    if !text.starts_with('@') && fields.len() != CRON_FIELDS.len() {
        let label = format!("{} fields instead of 5", fields.len());
        let hint = "the five fields are minute, hour, day of month, month and day of week";
        return Err(Complaint::new("is not a cron expression", label, hint));
    }
    for (index, (place, field)) in fields.iter().enumerate() {
        let mut probe = ["*"; 5];
        probe[index.min(4)] = field;
        if matches!(parse(&probe.join(" ")), Err(ScheduleError::Malformed { .. })) {
            let mut complaint = Complaint::new(
                "is not a cron expression",
                format!("not a valid {}", CRON_FIELDS[index.min(4)]),
                "the five fields are minute, hour, day of month, month and day of week",
            );
            complaint.within = Some(*place..place + field.len());
            return Err(complaint);
        }
    }
    Err(Complaint::new("is not a cron expression", "not understood", r#"write it like "17 * * * *""#))
}

fn fields_with_places(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_whitespace().map(|field| (field.as_ptr() as usize - text.as_ptr() as usize, field))
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

/// Checks an address. Plain http is only for the machine itself: everything else would let somebody
/// on the way change what is published.
fn address(text: &str) -> Result<(), Complaint> {
    let wrong = |label: &str, hint: &str| Complaint::new("is not a usable address", label, hint);
    let url = url::Url::parse(text).map_err(|error| wrong(&error.to_string(), ""))?;
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(domain)) => domain == "localhost",
        None => false,
    };
    let secure = url.scheme() == "https" || (url.scheme() == "http" && loopback);
    if !secure {
        return Err(wrong(
            "must begin with `https://`",
            "plain http is only allowed on the loopback address",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not carry a user or a password", ""));
    }
    if text.ends_with('/') { Err(wrong("must not end with `/`", "leave the last `/` out")) } else { Ok(()) }
}

/// Checks an address that is nothing but a host and a port.
fn origin(text: &str) -> Result<(), Complaint> {
    address(text)?;
    let path = url::Url::parse(text).is_ok_and(|url| url.path() == "/" && url.query().is_none());
    if path {
        return Ok(());
    }
    let hint = "what comes after the host belongs to `repository`";
    Err(Complaint::new("is not the address of a registry", "more than a host", hint))
}

/// Checks the name of a repository in an OCI registry. A distribution's name is still added to it.
fn oci_repository(text: &str) -> Result<(), Complaint> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| {
        let allowed = |byte: u8| letter(byte) || matches!(byte, b'-' | b'_' | b'.');
        let (first, last) = (part.as_bytes().first(), part.as_bytes().last());
        part.bytes().all(allowed)
            && !part.contains("..")
            && [first, last].into_iter().all(|byte| byte.is_some_and(|byte| letter(*byte)))
    };
    if text.len() <= 128 && text.split('/').all(part) {
        return Ok(());
    }
    let hint = r#"write it in lower case, like "r-multiverse/snapshots""#;
    Err(Complaint::new("is not a repository of a registry", "not allowed", hint))
}

/// Checks the name of a bucket by the rules that every service has.
fn bucket(text: &str) -> Result<(), Complaint> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let allowed = |byte: u8| letter(byte) || matches!(byte, b'-' | b'.');
    let ends = [text.as_bytes().first(), text.as_bytes().last()];
    let sound = (3..=63).contains(&text.len()) && text.bytes().all(allowed) && !text.contains("..");
    if sound && ends.into_iter().all(|byte| byte.is_some_and(|byte| letter(*byte))) {
        return Ok(());
    }
    let hint = "a bucket's name has 3 to 63 lower-case letters, digits, `-` and `.`";
    Err(Complaint::new("is not the name of a bucket", "not a name", hint))
}

fn dated_address(text: &str) -> Result<(), Complaint> {
    address(&text.replace("{date}", "2026-07-15"))?;
    if text.contains("{date}") {
        return Ok(());
    }
    let hint = "put `{date}` where the day belongs";
    Err(Complaint::new("has no place for the date", "`{date}` is missing", hint))
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

/// Checks an address to listen on. A name is refused: what it resolves to may change.
fn socket_address(text: &str) -> Result<(), Complaint> {
    let hint = r#"write it like "127.0.0.1:8080" or "[::1]:8080""#;
    let parsed = text.parse::<std::net::SocketAddr>();
    parsed.map(drop).map_err(|_| Complaint::new("is not an address with a port", "not understood", hint))
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

/// Checks the name of a conda package, which its files and folders carry as well.
fn conda_name(text: &str) -> Result<(), Complaint> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    let sound = (1..=128).contains(&text.len()) && text.bytes().all(allowed);
    if sound && !text.starts_with(['-', '.']) {
        return Ok(());
    }
    let hint = "a conda package's name has lower-case letters, digits, `-`, `_` and `.`";
    Err(Complaint::new("is not the name of a conda package", "not a name", hint))
}

/// The platforms that conda builds packages for; `noarch` is none.
const CONDA_PLATFORMS: [&str; 10] = [
    "linux-32",
    "linux-64",
    "linux-aarch64",
    "linux-ppc64le",
    "linux-riscv64",
    "linux-s390x",
    "osx-64",
    "osx-arm64",
    "win-64",
    "win-arm64",
];

fn conda_platform(text: &str) -> Result<(), Complaint> {
    if CONDA_PLATFORMS.contains(&text) {
        return Ok(());
    }
    let label = match nearest(text, CONDA_PLATFORMS) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "not known".to_owned(),
    };
    let hint = match text {
        "noarch" => "builds of noarch count for every platform; name the platforms",
        _ => r#"write it like "linux-64" or "osx-arm64""#,
    };
    Err(Complaint::new("is not a platform of conda", label, hint))
}

/// Checks a channel that somebody else runs: a folder of this machine, or an address.
fn conda_channel(text: &str) -> Result<(), Complaint> {
    if text.starts_with('/') {
        return match text.len() > 1 && !text.ends_with('/') {
            true => Ok(()),
            false => Err(Complaint::new("is not a usable folder", "leave the last `/` out", "")),
        };
    }
    if text.contains("://") {
        return address(text);
    }
    let hint = r#"write the whole address, like "https://channels.example.org/forge", or a folder, like "/srv/forge""#;
    Err(Complaint::new("is not a channel", "neither an address nor a folder", hint))
}

/// Checks a folder below another one: plain names with `/` between them.
fn channel_path(text: &str) -> Result<(), Complaint> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(allowed)
            && part.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
    };
    if text.len() <= 255 && text.split('/').all(plain) {
        return Ok(());
    }
    let hint = r#"write it like "2024.10/amplicon/staged": plain names, no `..`, no `/` at either end"#;
    Err(Complaint::new("is not a folder below the published one", "not allowed", hint))
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
