//! OpenPGP, by the program `gpg`. A library for it would bring a good hundred crates for two calls a quarter, and
//! `gpg` is on every machine of who wants such signatures.
//!
//! It always works in a home of its own that is thrown away, so that nothing depends on what a person keeps in
//! theirs, and under a time that is given, so that the same document gets the same bytes.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::Document;
use crate::failure::Failure;

/// The program.
const GPG: &str = "gpg";

/// A secret key, ready to sign.
pub struct OpenPgpKey {
    text: SecretString,
    password: Option<SecretString>,
    fingerprint: String,
    /// When the youngest part of it was made: no signature may be older.
    made: Timestamp,
    public_text: String,
}

impl fmt::Debug for OpenPgpKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OpenPgpKey({})", self.fingerprint)
    }
}

impl OpenPgpKey {
    /// Opens a key as `gpg --armor --export-secret-keys` writes it, and makes a signature on trial; `source` names
    /// where it was read from, in messages. A machine without `gpg` cannot use it.
    pub fn open(text: SecretString, password: Option<SecretString>, source: &str) -> Result<Self, Failure> {
        let unusable = |why: String| {
            Failure::Configuration {
            message: format!("the OpenPGP key in {source} cannot be used: {why}"),
            hint: Some(
                "it has to be one secret key as `gpg --armor --export-secret-keys` writes it, with its `password` \
                 where it has one"
                    .to_owned(),
            ),
        }
        };
        let home = Home::new().map_err(unusable)?;
        home.import(text.expose_secret().as_bytes()).map_err(unusable)?;
        let listed = home.run(&["--list-secret-keys", "--with-colons"], b"").map_err(unusable)?;
        let listed = String::from_utf8_lossy(&listed);
        let Some(fingerprint) = field(&listed, "fpr", 9).next().map(str::to_owned) else {
            return Err(unusable("there is no secret key in it".to_owned()));
        };
        if field(&listed, "sec", 0).count() > 1 {
            return Err(unusable("there is more than one secret key in it".to_owned()));
        }
        let made = ["sec", "ssb"].into_iter().flat_map(|kind| field(&listed, kind, 5));
        let made = made.filter_map(|second| Timestamp::from_second(second.parse().ok()?).ok()).max();
        let export = ["--armor", "--export-options", "export-minimal", "--export", &fingerprint];
        let public_text = home.run(&export, b"").map_err(unusable)?;
        let public_text = String::from_utf8(public_text).map_err(|error| unusable(error.to_string()))?;
        let made = made.unwrap_or(Timestamp::UNIX_EPOCH);
        let key = Self { text, password, fingerprint, made, public_text };
        key.sign_in(&home, b"a trial", made).map_err(unusable)?;
        Ok(key)
    }

    /// The file of its public half.
    pub fn public_text(&self) -> &str {
        &self.public_text
    }

    /// The file of a detached signature.
    pub fn sign(&self, document: &Document<'_>) -> Result<String, Failure> {
        let refused =
            |why: String| Failure::permanent(format!("cannot sign {} with gpg: {why}", document.name));
        let home = Home::new().map_err(refused)?;
        home.import(self.text.expose_secret().as_bytes()).map_err(refused)?;
        self.sign_in(&home, document.bytes, document.at.max(self.made)).map_err(refused)
    }

    fn sign_in(&self, home: &Home, document: &[u8], at: Timestamp) -> Result<String, String> {
        let time = at.strftime("%Y%m%dT%H%M%S!").to_string();
        let password = home.password(self.password.as_ref())?;
        let arguments = [
            "--pinentry-mode",
            "loopback",
            "--passphrase-file",
            &password,
            "--faked-system-time",
            &time,
            "--local-user",
            &self.fingerprint,
            "--digest-algo",
            "SHA512",
            "--armor",
            "--detach-sign",
        ];
        let signature = home.run(&arguments, document)?;
        String::from_utf8(signature).map_err(|error| error.to_string())
    }
}

/// Verifies the file of a detached signature by one of `keys`, each the text of a public key. Gives back the
/// fingerprint of the key that made it; an error is one clause that names the key.
pub fn verify(signature: &[u8], document: &[u8], keys: &[&str]) -> Result<String, String> {
    let home = Home::new()?;
    for key in keys {
        home.import(key.as_bytes())?;
    }
    let file = home.path().join("signature");
    fs::write(&file, signature).map_err(|error| error.to_string())?;
    let file = file.to_string_lossy();
    let arguments = ["--status-fd", "1", "--verify", &file, "-"];
    let output = home.output(&arguments, document)?;
    let status = String::from_utf8_lossy(&output.stdout);
    let said = |word: &str| {
        status.lines().find_map(|line| {
            let mut words = line.strip_prefix("[GNUPG:] ")?.split(' ');
            (words.next() == Some(word)).then(|| words.map(str::to_owned).collect::<Vec<_>>())
        })
    };
    let first = |words: Vec<String>| words.into_iter().next().unwrap_or_default();
    if let Some(words) = said("BADSIG") {
        return Err(format!("it is not a signature of this file by the OpenPGP key {}", first(words)));
    }
    if let Some(words) = said("REVKEYSIG") {
        return Err(format!("the OpenPGP key {} that made it was revoked", first(words)));
    }
    if let Some(words) = said("VALIDSIG") {
        // The last word is the fingerprint of the primary key, where a part of it signed.
        return Ok(words.last().cloned().unwrap_or_default());
    }
    match said("NO_PUBKEY") {
        Some(words) => {
            Err(format!("the OpenPGP key {} made it, which is not one of those known", first(words)))
        }
        None => Err(format!("it is no OpenPGP signature that holds: {}", last_line(&output.stderr))),
    }
}

/// A home of `gpg` that lasts for some calls.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("tidegate-gpg-").tempdir();
        folder.map(Self).map_err(|error| format!("there is no place for a home of gpg: {error}"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn import(&self, key: &[u8]) -> Result<(), String> {
        self.run(&["--pinentry-mode", "loopback", "--import"], key).map(drop)
    }

    /// A file with the password, which no list of processes shows.
    fn password(&self, password: Option<&SecretString>) -> Result<String, String> {
        let file = self.path().join("password");
        let text = password.map(|password| password.expose_secret()).unwrap_or_default();
        fs::write(&file, text).map_err(|error| error.to_string())?;
        Ok(file.to_string_lossy().into_owned())
    }

    /// What `gpg` prints, or the last thing it says where it fails.
    fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        let output = self.output(arguments, input)?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(last_line(&output.stderr)),
        }
    }

    fn output(&self, arguments: &[&str], input: &[u8]) -> Result<Output, String> {
        let mut child = Command::new(GPG)
            .arg("--homedir")
            .arg(self.path())
            .args(["--batch", "--yes", "--no-tty", "--quiet"])
            .args(arguments)
            .env_remove("GNUPGHOME")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => "gpg is not installed".to_owned(),
                _ => format!("gpg cannot be started: {error}"),
            })?;
        // What is written fits: gpg reads all of it before it prints more than a pipe holds.
        if let Some(mut stdin) = child.stdin.take() {
            let written = stdin.write_all(input);
            if let Err(error) = written.or_else(|error| match error.kind() {
                // It said why on its other pipe.
                io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(error),
            }) {
                return Err(format!("gpg does not read: {error}"));
            }
        }
        child.wait_with_output().map_err(|error| format!("gpg came to no end: {error}"))
    }
}

impl Drop for Home {
    /// The agent that `gpg` started would notice in the end that its home is gone; it need not wait for that.
    fn drop(&mut self) {
        let mut stop = Command::new("gpgconf");
        stop.arg("--homedir").arg(self.path()).args(["--kill", "all"]);
        let _ = stop.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// A field of the rows of one kind, in a list that `gpg` prints with colons.
fn field<'a>(listed: &'a str, kind: &'a str, number: usize) -> impl Iterator<Item = &'a str> {
    let rows = listed.lines().map(|line| line.split(':').collect::<Vec<_>>());
    rows.filter(move |row| row.first() == Some(&kind)).filter_map(move |row| row.get(number).copied())
}

/// The last thing that `gpg` said, in one line.
fn last_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map(|line| line.trim_start_matches("gpg: ").to_owned())
        .unwrap_or_else(|| "it says nothing".to_owned())
}
