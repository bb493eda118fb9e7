//! Texts that lead to another machine.

use super::Complaint;

/// Checks an address. Plain http is only for the machine itself: everything else would let somebody
/// on the way change what is published.
pub(super) fn address(text: &str) -> Result<(), Complaint> {
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
pub(super) fn origin(text: &str) -> Result<(), Complaint> {
    address(text)?;
    let path = url::Url::parse(text).is_ok_and(|url| url.path() == "/" && url.query().is_none());
    if path {
        return Ok(());
    }
    let hint = "what comes after the host belongs to `repository`";
    Err(Complaint::new("is not the address of a registry", "more than a host", hint))
}

/// Checks the name of a repository in an OCI registry. A distribution's name is still added to it.
pub(super) fn oci_repository(text: &str) -> Result<(), Complaint> {
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
pub(super) fn bucket(text: &str) -> Result<(), Complaint> {
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

pub(super) fn dated_address(text: &str) -> Result<(), Complaint> {
    address(&text.replace("{date}", "2026-07-15"))?;
    if text.contains("{date}") {
        return Ok(());
    }
    let hint = "put `{date}` where the day belongs";
    Err(Complaint::new("has no place for the date", "`{date}` is missing", hint))
}

/// Checks an address to listen on. A name is refused: what it resolves to may change.
pub(super) fn socket_address(text: &str) -> Result<(), Complaint> {
    let hint = r#"write it like "127.0.0.1:8080" or "[::1]:8080""#;
    let parsed = text.parse::<std::net::SocketAddr>();
    parsed.map(drop).map_err(|_| Complaint::new("is not an address with a port", "not understood", hint))
}
