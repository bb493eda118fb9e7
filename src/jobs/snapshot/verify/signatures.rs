//! Whether what lies beside a manifest is about that manifest: its provenance, and the signatures over both.

use super::super::attached::SIGNED;
use super::super::manifest::{self, Manifest};
use super::super::provenance;
use super::listed::Listed;
use super::{Findings, Problem};
use crate::digest::sha256_hex;
use crate::publish::signing::{SignatureKind, SignedBy, TrustedKeys};

/// A snapshot whose manifest can be read.
pub(super) struct Sealed<'a> {
    pub root: &'a std::path::Path,
    pub there: &'a Listed,
    pub manifest: &'a Manifest,
    /// The manifest as it lies there.
    pub bytes: &'a [u8],
}

impl Sealed<'_> {
    /// The bytes of a file; none where it is not there. A link is none.
    fn read(&self, path: &str, found: &mut Findings) -> Option<Vec<u8>> {
        if path == manifest::FILE {
            return Some(self.bytes.to_vec());
        }
        if !self.there.files.contains(path) {
            return None;
        }
        let read = self.there.read(self.root, path);
        read.map_err(|detail| found.add(path, Problem::Changed, detail)).ok()
    }

    /// Whether any signature lies there, one that holds or not.
    pub(super) fn is_signed(&self) -> bool {
        let lies = |kind: &SignatureKind| {
            SIGNED.iter().any(|document| self.there.files.contains(&format!("{document}{}", kind.suffix())))
        };
        SignatureKind::ALL.iter().any(lies)
    }
}

impl Findings {
    /// The provenance speaks of this manifest and of no other. Manifests of the first format had none.
    pub(super) fn check_provenance(&mut self, sealed: &Sealed<'_>) {
        match sealed.read(provenance::FILE, self) {
            Some(bytes) => {
                let digest = sha256_hex(sealed.bytes);
                for problem in provenance::problems(&bytes, sealed.manifest, &digest) {
                    self.add(provenance::FILE, Problem::Provenance, problem);
                }
            }
            None if sealed.manifest.format > 1 => {
                self.add(provenance::FILE, Problem::Missing, "it says where the snapshot comes from");
            }
            None => {}
        }
    }

    /// Every signature holds by a trusted key, where there is one, and by the public key beside it. Gives back by
    /// whom the documents are signed.
    pub(super) fn check_signatures(&mut self, sealed: &Sealed<'_>, trusted: &TrustedKeys) -> Vec<SignedBy> {
        let mut signed_by = Vec::new();
        for kind in SignatureKind::ALL {
            let beside = self.key_beside(kind, sealed);
            for document in SIGNED {
                signed_by.extend(self.check_signature(kind, document, sealed, (trusted, &beside)));
            }
        }
        signed_by
    }

    /// The public key that lies there. It shows damage and mistakes, and not who signed: whoever writes
    /// signatures can write keys.
    fn key_beside(&mut self, kind: SignatureKind, sealed: &Sealed<'_>) -> TrustedKeys {
        let mut keys = TrustedKeys::default();
        let file = kind.public_key_file();
        if let Some(bytes) = sealed.read(file, self) {
            let added = String::from_utf8(bytes).map_err(|_| "it is no text".to_owned());
            let added = added.and_then(|text| keys.add(&text));
            match added {
                Ok(()) if keys.has(kind) => {}
                Ok(()) => self.add(file, Problem::Signature, format!("it is no key of {kind}")),
                Err(why) => self.add(file, Problem::Signature, why),
            }
        }
        keys
    }

    fn check_signature(
        &mut self,
        kind: SignatureKind,
        document: &str,
        sealed: &Sealed<'_>,
        (trusted, beside): (&TrustedKeys, &TrustedKeys),
    ) -> Option<SignedBy> {
        let bytes = sealed.read(document, self);
        let path = format!("{document}{}", kind.suffix());
        let (bytes, signature) = match (bytes, sealed.read(&path, self)) {
            (Some(bytes), Some(signature)) => (bytes, signature),
            (Some(_), None) if trusted.has(kind) => {
                self.add(&path, Problem::Signature, format!("a {kind} key is given, and this is not there"));
                return None;
            }
            (Some(_), None) if beside.has(kind) => {
                let detail = format!("{} is there, and this is not", kind.public_key_file());
                self.add(&path, Problem::Signature, detail);
                return None;
            }
            (None, Some(_)) => {
                self.add(&path, Problem::Signature, format!("{document}, which it signs, is not there"));
                return None;
            }
            (_, None) => return None,
        };
        if !trusted.has(kind) && !beside.has(kind) {
            let key = kind.public_key_file();
            let detail = format!("it cannot be verified: {key} is not there, and no key was given");
            self.add(&path, Problem::Signature, detail);
            return None;
        }
        let mut holds = None;
        for (keys, trusted) in [(beside, false), (trusted, true)] {
            if !keys.has(kind) {
                continue;
            }
            match keys.verify(kind, &signature, &bytes) {
                Ok((key, comment)) => {
                    if let Some(detail) = comment.and_then(|comment| of_another(&comment, document, sealed)) {
                        self.add(&path, Problem::Signature, detail);
                        return None;
                    }
                    holds = Some(SignedBy { document: document.to_owned(), kind, key, trusted });
                }
                Err(detail) => {
                    let by = if trusted { "by the keys given" } else { "by the key beside it" };
                    self.add(&path, Problem::Signature, format!("{by}: {detail}"));
                    return None;
                }
            }
        }
        holds
    }
}

/// That a comment which was signed with a document speaks of another file or snapshot.
fn of_another(comment: &str, document: &str, sealed: &Sealed<'_>) -> Option<String> {
    let said = |key: &str| comment.split('\t').find_map(|word| word.strip_prefix(key)?.strip_prefix(':'));
    let expected = [
        ("file", document.to_owned()),
        ("distribution", sealed.manifest.distribution.clone()),
        ("date", sealed.manifest.date.to_string()),
    ];
    expected.into_iter().find_map(|(key, expected)| {
        let said = said(key).filter(|said| *said != expected)?;
        Some(format!("it was made for the {key} {said}, and not for {expected}"))
    })
}
