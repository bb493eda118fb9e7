//! minisign: Ed25519 over the BLAKE2b-512 of a document, with a comment that is signed as well.
//!
//! Keys are read and signatures verified by the `minisign` crate. Its own signing mixes random bytes in, so that
//! no two signatures are alike; here the same document has to get the same bytes each time. So a signature is
//! made as RFC 8032 has it, and verified by the crate before anybody sees it.

use std::fmt;
use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blake2::{Blake2b512, Digest as _};
use ed25519_dalek::{Signer as _, SigningKey};
use minisign::{PublicKey, SecretKey, SecretKeyBox, SignatureBox};
use secrecy::{ExposeSecret as _, SecretString};

use super::Document;
use crate::failure::Failure;

/// What stands in a signature for "over the hash of the document".
const PREHASHED: &[u8; 2] = b"ED";
/// Where the bytes of a secret key say how a password protects it; zeros where none does.
const KDF: std::ops::Range<usize> = 2..4;
/// Where they say how much memory opening it with a password takes.
const MEMORY: std::ops::Range<usize> = 46..54;
/// More than this is never taken for that. It is what `minisign -G` asks for: the memory is taken for a moment when
/// the daemon, or a command that signs, opens the key.
const MOST_MEMORY: u64 = 1 << 30;
/// Where the key's number and its halves lie in the bytes of a secret key.
const NUMBER: std::ops::Range<usize> = 54..62;
const HALVES: std::ops::Range<usize> = 62..126;

/// A secret key, ready to sign.
pub struct MinisignKey {
    number: [u8; 8],
    secret: SigningKey,
    public: PublicKey,
    public_text: String,
}

impl fmt::Debug for MinisignKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MinisignKey({})", number_in_words(&self.number))
    }
}

impl MinisignKey {
    /// Opens a key as `minisign -G` writes it; `source` names where it was read from, in messages.
    pub fn open(text: &SecretString, password: Option<&SecretString>, source: &str) -> Result<Self, Failure> {
        let unusable = |why: String, hint: &str| Failure::Configuration {
            message: format!("the minisign key in {source} cannot be used: {why}"),
            hint: Some(hint.to_owned()),
        };
        let text = text.expose_secret();
        let opened = match (without_password(text), password) {
            (Some(key), _) => key,
            (None, Some(_)) if memory(text).is_some_and(|needed| needed > MOST_MEMORY) => {
                let needed = memory(text).unwrap_or_default() >> 20;
                let most = MOST_MEMORY >> 20;
                return Err(unusable(
                    format!("opening it with its password takes {needed} MiB, and {most} are allowed"),
                    "`minisign -C -W -s KEY` takes the password away; keep the file as a credential then",
                ));
            }
            (None, Some(password)) => SecretKeyBox::from_string(text)
                .and_then(|key| key.into_secret_key(Some(password.expose_secret().to_owned())))
                .map_err(|error| {
                    unusable(error.to_string(), "`password` beside it has to be the one it was made with")
                })?,
            (None, None) => {
                let hint =
                    "write the file as `minisign -G` made it, with `password` beside it where it has one";
                return Err(unusable("it has a password, or is no key at all".to_owned(), hint));
            }
        };
        let public = PublicKey::from_secret_key(&opened)
            .map_err(|error| unusable(error.to_string(), "make another one with `minisign -G`"))?;
        let bytes = opened.to_bytes();
        let number = bytes.get(NUMBER).and_then(|number| <[u8; 8]>::try_from(number).ok());
        let halves = bytes.get(HALVES).and_then(|halves| <&[u8; 64]>::try_from(halves).ok());
        let secret = halves.and_then(|halves| SigningKey::from_keypair_bytes(halves).ok());
        let (Some(number), Some(secret)) = (number, secret) else {
            return Err(unusable(
                "its halves are not of one key".into(),
                "make another one with `minisign -G`",
            ));
        };
        let comment = format!("minisign public key {}", number_in_words(&number));
        let public_text = format!("untrusted comment: {comment}\n{}\n", public.to_base64());
        Ok(Self { number, secret, public, public_text })
    }

    /// The file of its public half.
    pub fn public_text(&self) -> &str {
        &self.public_text
    }

    /// The file of a signature.
    pub fn sign(&self, document: &Document<'_>) -> Result<String, Failure> {
        let signature = self.secret.sign(&Blake2b512::digest(document.bytes)).to_bytes();
        let comment = format!(
            "timestamp:{}\tfile:{}\tdistribution:{}\tdate:{}\thashed",
            document.at.as_second(),
            document.name,
            document.distribution,
            document.date
        );
        let whole = self.secret.sign(&[&signature[..], comment.as_bytes()].concat()).to_bytes();
        let signed = STANDARD.encode([&PREHASHED[..], &self.number, &signature].concat());
        let untrusted = format!("signature of {} {}", document.distribution, document.date);
        let text = format!(
            "untrusted comment: {untrusted}\n{signed}\ntrusted comment: {comment}\n{}\n",
            STANDARD.encode(whole)
        );
        match verify(&text, document.bytes, std::slice::from_ref(&self.public)) {
            Ok(_) => Ok(text),
            Err(why) => {
                Err(Failure::permanent(format!("the signature of {} is not sound: {why}", document.name)))
            }
        }
    }
}

/// A secret key that has no password. minisign writes no checksum into such a one, on which the crate insists; that
/// its halves are of one key is seen all the same.
fn without_password(text: &str) -> Option<SecretKey> {
    let bytes = STANDARD.decode(text.lines().nth(1)?.trim()).ok()?;
    let plain = bytes.get(KDF) == Some(&[0, 0][..]);
    plain.then(|| SecretKey::from_bytes(&bytes).ok()).flatten()
}

/// How many bytes of memory it takes to open a secret key with its password.
fn memory(text: &str) -> Option<u64> {
    let bytes = STANDARD.decode(text.lines().nth(1)?.trim()).ok()?;
    Some(u64::from_le_bytes(bytes.get(MEMORY)?.try_into().ok()?))
}

/// A signature that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The number of its key, as minisign prints it.
    pub key: String,
    /// The comment that was signed with the document.
    pub comment: String,
}

/// Verifies the file of a signature by one of `keys`. An error is one clause that names the key.
pub fn verify(signature: &str, document: &[u8], keys: &[PublicKey]) -> Result<Held, String> {
    let signature = SignatureBox::from_string(signature)
        .map_err(|error| format!("it is no minisign signature: {error}"))?;
    let number = number_in_words(signature.keynum());
    let Some(key) = keys.iter().find(|key| key.keynum() == signature.keynum()) else {
        let known: Vec<String> = keys.iter().map(|key| number_in_words(key.keynum())).collect();
        return Err(format!("the minisign key {number} made it, and not {}", known.join(" or ")));
    };
    minisign::verify(key, &signature, Cursor::new(document), true, false, false).map_err(|error| {
        format!("it is not a signature of this file by the minisign key {number}: {error}")
    })?;
    let comment = signature.trusted_comment().map_err(|error| error.to_string())?;
    Ok(Held { key: number, comment })
}

/// Reads the file of a public key.
pub fn read_public(text: &str) -> Result<PublicKey, String> {
    let encoded = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.contains(' '));
    let encoded = encoded.ok_or("there is no key in it")?;
    PublicKey::from_base64(encoded).map_err(|error| error.to_string())
}

/// A key's number as minisign prints it.
pub fn number_in_words(number: &[u8]) -> String {
    number.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}
