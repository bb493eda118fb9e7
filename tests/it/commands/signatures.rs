//! Signatures and provenance of snapshots: what `snapshot verify` and other people's tools say of them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign::KeyPair;
use secrecy::{ExposeSecret as _, SecretString};
use tidegate::failure::Failure;
use tidegate::publish::signing::minisign::MinisignKey;
use tidegate::publish::signing::openpgp::OpenPgpKey;
use tidegate::publish::signing::{Document, Signer};

use super::Ran;
use super::snapshot::{PACKAGES, Published};

const DATE: &str = "2026-06-15";

/// A new secret key of minisign, as its file.
fn minisign_secret() -> SecretString {
    let pair = KeyPair::generate_unencrypted_keypair().unwrap();
    pair.sk.to_box(None).unwrap().into_string().into()
}

fn minisign_key() -> MinisignKey {
    MinisignKey::open(&minisign_secret(), None, "a test").unwrap()
}

fn signed_by(key: MinisignKey) -> Published {
    Published::signed(DATE, &PACKAGES, Signer::new(Some(key), None))
}

/// The file of a public key somewhere else.
fn public_file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

/// What was said, without what differs each time.
fn said(ran: Ran) -> String {
    let text = ran.out + &ran.err;
    let text = regex_replace(&text, "[0-9a-f]{64}", "SHA256");
    let text = regex_replace(&text, "[0-9A-F]{40}", "FINGERPRINT");
    regex_replace(&text, "[0-9A-F]{16}", "KEY")
}

fn regex_replace(text: &str, pattern: &str, by: &str) -> String {
    regex::Regex::new(pattern).unwrap().replace_all(text, by).into_owned()
}

/// True where a program is there; where real ones are asked for, its absence is a failure.
fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok() {
        return true;
    }
    assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "{program} is not installed");
    eprintln!("skipped: {program} is not installed");
    false
}

fn damage(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn without_a_key_nothing_is_signed_and_that_is_said() {
    let published = Published::signed(DATE, &PACKAGES, Signer::default());
    insta::assert_snapshot!(said(published.verify_by(&[])), @r#"
    FOLDER: 2 packages, 10 files, all as its manifest says
    not signed
    "#);
}

#[test]
fn a_signed_snapshot_verifies_by_the_key_beside_it_and_by_one_that_is_trusted() {
    let key = minisign_key();
    let elsewhere = tempfile::tempdir().unwrap();
    let trusted = public_file(elsewhere.path(), "ours.pub", key.public_text());
    let before = public_file(elsewhere.path(), "before.pub", minisign_key().public_text());
    let published = signed_by(key);
    insta::assert_snapshot!(said(published.verify_by(&[])), @r#"
    FOLDER: 2 packages, 10 files, all as its manifest says
    manifest.json: signed by the minisign key KEY, which minisign.pub beside it has; compare it with one you trust by --key
    provenance.intoto.json: signed by the minisign key KEY, which minisign.pub beside it has; compare it with one you trust by --key
    "#);
    insta::assert_snapshot!(said(published.verify_by(&[&before, &trusted])), @r#"
    FOLDER: 2 packages, 10 files, all as its manifest says
    manifest.json: signed by the minisign key KEY, which you gave
    provenance.intoto.json: signed by the minisign key KEY, which you gave
    "#);
}

#[test]
fn a_foreign_signature_is_named() {
    let (ours, theirs) = (minisign_key(), minisign_key());
    let elsewhere = tempfile::tempdir().unwrap();
    let trusted = public_file(elsewhere.path(), "ours.pub", ours.public_text());
    // All of it was made anew by somebody else, key included.
    let whole = signed_by(theirs);
    assert_eq!(whole.verify_by(&[]).code, 0, "without a trusted key nobody can tell");
    insta::assert_snapshot!(said(whole.verify_by(&[&trusted])), @r#"
    signature   manifest.json.minisig: by the keys given: the minisign key KEY made it, and not KEY
    signature   provenance.intoto.json.minisig: by the keys given: the minisign key KEY made it, and not KEY
    no signature that holds
    error: FOLDER has 2 differences from what was published
    hint: restore what differs from a copy that verifies
    "#);
    // Only one signature is somebody else's.
    let part = signed_by(ours);
    fs::copy(whole.path("manifest.json.minisig"), part.path("manifest.json.minisig")).unwrap();
    insta::assert_snapshot!(said(part.verify_by(&[])), @r#"
    signature   manifest.json.minisig: by the key beside it: the minisign key KEY made it, and not KEY
    provenance.intoto.json: signed by the minisign key KEY, which minisign.pub beside it has; compare it with one you trust by --key
    error: FOLDER has 1 difference from what was published
    hint: restore what differs from a copy that verifies
    "#);
}

#[test]
fn signatures_that_are_gone_damaged_or_of_another_snapshot_are_found() {
    let secret = minisign_secret();
    let key = || MinisignKey::open(&secret, None, "a test").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let trusted = public_file(elsewhere.path(), "ours.pub", key().public_text());

    let gone = signed_by(key());
    for file in ["manifest.json.minisig", "provenance.intoto.json.minisig", "minisign.pub"] {
        fs::remove_file(gone.path(file)).unwrap();
    }
    assert_eq!(gone.verify_by(&[]).code, 0, "it is as one that was never signed");
    insta::assert_snapshot!(said(gone.verify_by(&[&trusted])), @r#"
    signature   manifest.json.minisig: a minisign key is given, and this is not there
    signature   provenance.intoto.json.minisig: a minisign key is given, and this is not there
    not signed
    error: FOLDER has 2 differences from what was published
    hint: restore what differs from a copy that verifies
    "#);

    let damaged = signed_by(key());
    damaged.edit("manifest.json.minisig", |text| text.replace("\tdate:2026-06-15", "\tdate:2026-09-15"));
    fs::remove_file(damaged.path("provenance.intoto.json.minisig")).unwrap();
    insta::assert_snapshot!(said(damaged.verify_by(&[])), @r#"
    signature   manifest.json.minisig: by the key beside it: it is not a signature of this file by the minisign key KEY: Comment signature verification failed
    signature   provenance.intoto.json.minisig: minisign.pub is there, and this is not
    no signature that holds
    error: FOLDER has 2 differences from what was published
    hint: restore what differs from a copy that verifies
    "#);

    let other = Published::signed("2026-03-15", &PACKAGES, Signer::new(Some(key()), None));
    let old = signed_by(key());
    for file in ["manifest.json.minisig", "provenance.intoto.json", "provenance.intoto.json.minisig"] {
        fs::copy(other.path(file), old.path(file)).unwrap();
    }
    insta::assert_snapshot!(said(old.verify_by(&[&trusted])), @r#"
    signature   manifest.json.minisig: by the key beside it: it is not a signature of this file by the minisign key KEY: Signature verification failed
    provenance  provenance.intoto.json: it is about another manifest: its sha256 is SHA256, and that of the one here SHA256
    signature   provenance.intoto.json.minisig: it was made for the date 2026-03-15, and not for 2026-06-15
    no signature that holds
    error: FOLDER has 3 differences from what was published
    hint: restore what differs from a copy that verifies
    "#);
}

#[test]
fn a_manifest_that_was_written_anew_no_longer_goes_with_its_signature_and_provenance() {
    let published = signed_by(minisign_key());
    published.edit("manifest.json", |text| text.replace("\"version\": \"1.2.0\"", "\"version\": \"1.2.1\""));
    insta::assert_snapshot!(said(published.verify_by(&[])), @r#"
    index       bin/windows/contrib/4.5/PACKAGES: tidal 1.2.0 is no package of the manifest
    signature   manifest.json.minisig: by the key beside it: it is not a signature of this file by the minisign key KEY: Signature verification failed
    provenance  provenance.intoto.json: it is about another manifest: its sha256 is SHA256, and that of the one here SHA256
    index       src/contrib/PACKAGES: it has no row for tidal 1.2.1 of the manifest
    index       src/contrib/PACKAGES: tidal 1.2.0 is no package of the manifest
    provenance.intoto.json: signed by the minisign key KEY, which minisign.pub beside it has; compare it with one you trust by --key
    error: FOLDER has 5 differences from what was published
    hint: restore what differs from a copy that verifies
    "#);
}

#[test]
fn provenance_names_the_manifest_its_input_and_every_commit() {
    let published = Published::signed(DATE, &PACKAGES, Signer::default());
    let text = fs::read_to_string(published.path("provenance.intoto.json")).unwrap();
    insta::assert_snapshot!(regex_replace(&text, "[0-9a-f]{64}", "SHA256"));
    fs::remove_file(published.path("provenance.intoto.json")).unwrap();
    insta::assert_snapshot!(said(published.verify_by(&[])), @r#"
    missing     provenance.intoto.json: it says where the snapshot comes from
    not signed
    error: FOLDER has 1 difference from what was published
    hint: restore what differs from a copy that verifies
    "#);
    fs::write(published.path("provenance.intoto.json"), text.replace("slsa.dev/provenance/v1", "x")).unwrap();
    insta::assert_snapshot!(said(published.verify_by(&[])), @r#"
    provenance  provenance.intoto.json: it is a https://in-toto.io/Statement/v1 of https://x, and not one of https://slsa.dev/provenance/v1
    not signed
    error: FOLDER has 1 difference from what was published
    hint: restore what differs from a copy that verifies
    "#);
}

#[test]
fn a_snapshot_of_the_format_before_had_no_provenance() {
    let published = Published::signed(DATE, &PACKAGES, Signer::default());
    published.edit("manifest.json", |text| text.replace("\"format\": 2", "\"format\": 1"));
    fs::remove_file(published.path("provenance.intoto.json")).unwrap();
    assert_eq!(published.verify_by(&[]).code, 0);
}

#[test]
fn what_is_found_is_told_to_programs_as_well() {
    let published = signed_by(minisign_key());
    damage(&published.path("src/contrib/tidal_1.2.0.tar.gz"), 40);
    let ran = super::run(["--json", "snapshot", "verify", published.folder()]);
    assert_eq!(ran.code, 1);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let found: Vec<&str> =
        json["findings"].as_array().unwrap().iter().map(|one| one["problem"].as_str().unwrap()).collect();
    assert_eq!(found, ["index", "changed"]);
    assert_eq!(json["signed_by"][0]["kind"], "minisign");
    assert_eq!(json["signed_by"][0]["trusted"], false);
}

#[test]
fn the_same_document_gets_the_same_signature_each_time() {
    let secret = minisign_secret();
    let sign = || {
        let signer = Signer::new(Some(MinisignKey::open(&secret, None, "a test").unwrap()), None);
        let at = "2026-06-15T02:00:00Z".parse().unwrap();
        let (name, bytes, distribution) = ("manifest.json", &b"{}"[..], "demo");
        signer.sign(&Document { name, bytes, distribution, date: DATE.parse().unwrap(), at }).unwrap()
    };
    assert_eq!(sign(), sign());
    let text = &sign()[0].text;
    let comment = "timestamp:1781488800\tfile:manifest.json\tdistribution:demo\tdate:2026-06-15\thashed";
    assert!(text.contains(&format!("trusted comment: {comment}\n")), "{text}");
}

#[test]
fn keys_that_cannot_be_used_are_refused_and_never_printed() {
    let pair = KeyPair::generate_encrypted_keypair(Some("right".to_owned())).unwrap();
    let secret: SecretString = pair.sk.to_box(None).unwrap().into_string().into();
    let open = |password: Option<&str>| {
        let password = password.map(|password| SecretString::from(password.to_owned()));
        MinisignKey::open(&secret, password.as_ref(), "the credential `minisign-key`")
    };
    let refused = |opened: Result<MinisignKey, Failure>| match opened.unwrap_err() {
        Failure::Configuration { message, hint } => format!("{message}\n{}", hint.unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    insta::assert_snapshot!(refused(open(Some("wrong"))), @r#"
    the minisign key in the credential `minisign-key` cannot be used: Wrong password for that key
    `password` beside it has to be the one it was made with
    "#);
    insta::assert_snapshot!(refused(open(None)), @r#"
    the minisign key in the credential `minisign-key` cannot be used: it has a password, or is no key at all
    write the file as `minisign -G` made it, with `password` beside it where it has one
    "#);
    let torn = SecretString::from("untrusted comment: a key\nRWQ".to_owned());
    insta::assert_snapshot!(refused(MinisignKey::open(&torn, None, "the file key")), @r#"
    the minisign key in the file key cannot be used: it has a password, or is no key at all
    write the file as `minisign -G` made it, with `password` beside it where it has one
    "#);
    // Twice what `minisign -G` asks for.
    let mut lines = secret.expose_secret().lines();
    let (comment, encoded) = (lines.next().unwrap(), lines.next().unwrap());
    let mut bytes = STANDARD.decode(encoded).unwrap();
    bytes[46..54].copy_from_slice(&(1_u64 << 31).to_le_bytes());
    let heavy = SecretString::from(format!("{comment}\n{}\n", STANDARD.encode(bytes)));
    let password = SecretString::from("right".to_owned());
    insta::assert_snapshot!(refused(MinisignKey::open(&heavy, Some(&password), "the file key")), @"
    the minisign key in the file key cannot be used: opening it with its password takes 2048 MiB, and 1024 are allowed
    `minisign -C -W -s KEY` takes the password away; keep the file as a credential then
    ");
    let shown = format!("{:?}", open(Some("right")).unwrap());
    assert_eq!(regex_replace(&shown, "[0-9A-F]{16}", "KEY"), "MinisignKey(KEY)");
    assert!(!secret.expose_secret().contains(&shown));
}

#[test]
fn minisign_itself_verifies_what_is_published_and_its_own_keys_sign() {
    if !is_there("minisign") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str| home.path().join(name);
    let made = Command::new("minisign")
        .args(["-G", "-W", "-p"])
        .arg(file("key.pub"))
        .arg("-s")
        .arg(file("key"))
        .stdout(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let secret = SecretString::from(fs::read_to_string(file("key")).unwrap());
    let published = signed_by(MinisignKey::open(&secret, None, "a test").unwrap());
    let verify = |document: &str| {
        let output = Command::new("minisign")
            .args(["-V", "-H", "-p"])
            .arg(file("key.pub"))
            .arg("-m")
            .arg(published.path(document))
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    for document in ["manifest.json", "provenance.intoto.json"] {
        let (verified, said) = verify(document);
        assert!(verified, "{said}");
        assert!(said.contains("distribution:r-multiverse\tdate:2026-06-15"), "{said}");
    }
    assert_eq!(published.verify_by(&[&file("key.pub")]).code, 0);
    published.edit("manifest.json", |text| text.replacen("2026", "2027", 1));
    assert!(!verify("manifest.json").0);
}

/// A home of gpg with one key in it, and the files of both halves.
struct Gpg(tempfile::TempDir);

impl Gpg {
    fn with_key(password: &str) -> Self {
        let home = Self(tempfile::Builder::new().prefix("tg-test-").tempdir().unwrap());
        let made = ["--faked-system-time", "20260101T000000!", "--passphrase", password, "--quick-gen-key"];
        home.run(&[&made[..], &["Demo <demo@example.org>", "ed25519", "sign", "never"]].concat(), b"");
        home
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> std::process::Output {
        let mut child = Command::new("gpg")
            .arg("--homedir")
            .arg(self.0.path())
            .args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    fn secret(&self, password: &str) -> SecretString {
        let output = self.run(&["--passphrase", password, "--armor", "--export-secret-keys"], b"");
        String::from_utf8(output.stdout).unwrap().into()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "all"]).status();
    }
}

#[test]
fn gpg_itself_verifies_what_is_published() {
    if !is_there("gpg") {
        return;
    }
    let gpg = Gpg::with_key("a password");
    let key = || {
        let password = Some(SecretString::from("a password".to_owned()));
        OpenPgpKey::open(gpg.secret("a password"), password, "a test").unwrap()
    };
    let published = Published::signed(DATE, &PACKAGES, Signer::new(Some(minisign_key()), Some(key())));
    for document in ["manifest.json", "provenance.intoto.json"] {
        let (file, signature) = (published.path(document), published.path(&format!("{document}.asc")));
        let arguments = ["--verify", signature.to_str().unwrap(), file.to_str().unwrap()];
        let verified = gpg.run(&arguments, b"");
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
    insta::assert_snapshot!(said(published.verify_by(&[&published.path("openpgp.pub")])), @r#"
    FOLDER: 2 packages, 10 files, all as its manifest says
    manifest.json: signed by the minisign key KEY, which minisign.pub beside it has; compare it with one you trust by --key
    provenance.intoto.json: signed by the minisign key KEY, which minisign.pub beside it has; compare it with one you trust by --key
    manifest.json: signed by the OpenPGP key FINGERPRINT, which you gave
    provenance.intoto.json: signed by the OpenPGP key FINGERPRINT, which you gave
    "#);

    let again = Published::signed(DATE, &PACKAGES, Signer::new(None, Some(key())));
    let signature = |of: &Published| fs::read_to_string(of.path("manifest.json.asc")).unwrap();
    assert_eq!(signature(&published), signature(&again), "the same input has the same bytes");

    let elsewhere = tempfile::tempdir().unwrap();
    let other = OpenPgpKey::open(Gpg::with_key("").secret(""), None, "a test").unwrap();
    let trusted = public_file(elsewhere.path(), "other.asc", other.public_text());
    insta::assert_snapshot!(said(again.verify_by(&[&trusted])), @r#"
    signature   manifest.json.asc: by the keys given: the OpenPGP key KEY made it, which is not one of those known
    signature   provenance.intoto.json.asc: by the keys given: the OpenPGP key KEY made it, which is not one of those known
    no signature that holds
    error: FOLDER has 2 differences from what was published
    hint: restore what differs from a copy that verifies
    "#);

    again.edit("manifest.json", |text| text.replacen("r-multiverse", "r-universe", 1));
    insta::assert_snapshot!(said(again.verify_by(&[])), @r#"
    signature   manifest.json.asc: by the key beside it: it is not a signature of this file by the OpenPGP key KEY
    provenance  provenance.intoto.json: it is about another manifest: its sha256 is SHA256, and that of the one here SHA256
    provenance.intoto.json: signed by the OpenPGP key FINGERPRINT, which openpgp.pub beside it has; compare it with one you trust by --key
    error: FOLDER has 2 differences from what was published
    hint: restore what differs from a copy that verifies
    "#);
}

#[test]
fn an_openpgp_key_that_cannot_be_used_is_refused_before_the_day() {
    if !is_there("gpg") {
        return;
    }
    let gpg = Gpg::with_key("right");
    let refused = |text: SecretString, password: Option<&str>| {
        let password = password.map(|password| SecretString::from(password.to_owned()));
        match OpenPgpKey::open(text, password, "the credential `openpgp-key`").unwrap_err() {
            Failure::Configuration { message, .. } => message,
            other => panic!("{other:?}"),
        }
    };
    insta::assert_snapshot!(refused(gpg.secret("right"), Some("wrong")), @"the OpenPGP key in the credential `openpgp-key` cannot be used: signing failed: Bad passphrase");
    insta::assert_snapshot!(refused(SecretString::from("no key".to_owned()), None), @"the OpenPGP key in the credential `openpgp-key` cannot be used: no valid OpenPGP data found.");
    let right = SecretString::from("right".to_owned());
    let shown = format!("{:?}", OpenPgpKey::open(gpg.secret("right"), Some(right), "a test").unwrap());
    assert_eq!(regex_replace(&shown, "[0-9A-F]{40}", "FINGERPRINT"), "OpenPgpKey(FINGERPRINT)");
}

#[test]
fn a_file_that_is_no_public_key_is_refused() {
    let published = signed_by(minisign_key());
    let elsewhere = tempfile::tempdir().unwrap();
    let none = public_file(elsewhere.path(), "none", "hello world\n");
    let ran = published.verify_by(&[&none]);
    let shown = ran.err.replace(none.to_str().unwrap(), "FILE");
    insta::assert_snapshot!(shown, @"error: FILE is no key: it is neither a public key of minisign nor of OpenPGP: there is no key in it");
}

#[test]
fn failing_packages_that_others_need_are_shown_apart_and_verified() {
    let published = super::snapshot::with_failing();
    insta::assert_snapshot!(said(published.verify_by(&[])), @r#"
    FOLDER: 2 packages, 14 files, all as its manifest says
    not signed
    "#);
    let shown = super::run(["snapshot", "show", published.folder()]).printed();
    insta::assert_snapshot!(shown.replace(published.folder(), "FOLDER"), @r#"
    snapshot 2026-06-15 of r-multiverse
      folder       FOLDER
      R            4.5
      CRAN         https://packagemanager.posit.co/cran/2026-04-15
      files        14
      outside      nothing
      signed       no

    packages
      lunar 0.9.1 at 8bedbba363922622b1ce0346a59234330e9bcf01
      tidal 1.2.0 at 6d888ef784e17b58bdcdbcad43f64d97a8794a29

    failing and needed, in failing
      comet 0.1  needed by tidal: R CMD check ends with ERROR on linux-release-x86_64.

    left out
      comet 0.1  R CMD check ends with ERROR on linux-release-x86_64.  since 2026-06-02
    "#);
    fs::remove_file(published.path("failing/src/contrib/comet_0.1.tar.gz")).unwrap();
    insta::assert_snapshot!(said(published.verify_by(&[])), @r#"
    index       failing/src/contrib/PACKAGES: the row for comet_0.1.tar.gz has no file
    missing     failing/src/contrib/comet_0.1.tar.gz: the manifest names it
    not signed
    error: FOLDER has 2 differences from what was published
    hint: restore what differs from a copy that verifies
    "#);
}
