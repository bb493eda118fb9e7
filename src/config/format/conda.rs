//! Texts of conda: names, platforms, and where channels lie.

use super::Complaint;
use super::address::address;
use crate::config::nearest::nearest;

/// Checks the name of a conda package, which its files and folders carry as well.
pub(super) fn conda_name(text: &str) -> Result<(), Complaint> {
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

pub(super) fn conda_platform(text: &str) -> Result<(), Complaint> {
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
pub(super) fn conda_channel(text: &str) -> Result<(), Complaint> {
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
pub(super) fn channel_path(text: &str) -> Result<(), Complaint> {
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
