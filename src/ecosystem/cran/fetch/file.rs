//! Fetching one whole file to disk: what has arrived outlives a connection that breaks and a process that
//! ends, and the next try goes on from there. Nothing counts before its size and SHA-256 are the promised ones.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use md5::Md5;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{StatusCode, Url};
use sha2::{Digest as _, Sha256};

use super::{Downloaded, FetchLimits, accepted, receive, sent};
use crate::digest::hex;
use crate::failure::Failure;

/// How often a connection may break in the middle of one file, if each brought something.
const MOST_BREAKS: u32 = 5;
/// The longest validator that is kept.
const LONGEST: usize = 1024;

/// What a file has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
    /// Its size in bytes, where that is known.
    pub size: Option<u64>,
}

impl Promise {
    /// What is wrong with what came; nothing where it is what was promised.
    pub fn broken_by(&self, came: &Downloaded) -> Option<String> {
        match self.size.filter(|size| *size != came.size) {
            Some(size) => Some(format!("the file has {} bytes, and {size} were promised", came.size)),
            None if came.sha256 == self.sha256 => None,
            None => Some(format!("the file's sha256 is {}, and {} was promised", came.sha256, self.sha256)),
        }
    }
}

/// A file that is being fetched: its bytes so far, and beside it what tells whether the server still has the
/// same one. Only one at a time can have it open.
#[derive(Debug)]
pub struct PartialFile {
    path: PathBuf,
    file: File,
}

impl PartialFile {
    /// Opens what has arrived at `path`, or begins; nothing where somebody else is fetching it.
    pub fn open(path: &Path) -> Result<Option<Self>, Failure> {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|error| Failure::disk("open", path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { path: path.to_owned(), file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Failure::disk("lock", path, &error)),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets what has arrived.
    pub fn forget(&mut self) -> Result<(), Failure> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .map_err(|error| Failure::disk("empty", &self.path, &error))?;
        self.remember(None)
    }

    /// Removes what tells of it beside it, once it has been moved to where it stays.
    pub fn done(self) {
        // It is for the next try alone, and there will be none.
        let _ = fs::remove_file(self.beside());
    }

    fn beside(&self) -> PathBuf {
        self.path.with_extension("tag")
    }

    /// Keeps what the server calls this version of the file.
    fn remember(&self, validator: Option<&HeaderValue>) -> Result<(), Failure> {
        let path = self.beside();
        match validator {
            Some(value) => fs::write(&path, value.as_bytes()),
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            },
        }
        .map_err(|error| Failure::disk("write", &path, &error))
    }

    fn remembered(&self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(&fs::read(self.beside()).ok()?).ok().filter(|value| !value.is_empty())
    }

    /// The sums of what has arrived so far; the next byte is written behind it.
    fn sums(&mut self) -> Result<Sums, Failure> {
        let failed = |path: &Path, error: &std::io::Error| Failure::disk("read", path, error);
        self.file.rewind().map_err(|error| failed(&self.path, &error))?;
        let mut sums = Sums::default();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match self.file.read(&mut buffer).map_err(|error| failed(&self.path, &error))? {
                0 => break,
                read => sums.take(&buffer[..read]),
            }
        }
        self.file.seek(SeekFrom::End(0)).map_err(|error| failed(&self.path, &error))?;
        Ok(sums)
    }
}

#[derive(Clone, Default)]
struct Sums {
    sha256: Sha256,
    md5: Md5,
    size: u64,
}

impl Sums {
    fn take(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.md5.update(bytes);
        self.size += bytes.len() as u64;
    }

    fn end(self) -> Downloaded {
        Downloaded { sha256: hex(&self.sha256.finalize()), md5: hex(&self.md5.finalize()), size: self.size }
    }
}

/// Where a file comes from.
pub(in crate::ecosystem::cran) struct Origin<'a> {
    pub(in crate::ecosystem::cran) http: &'a reqwest::Client,
    pub(in crate::ecosystem::cran) url: &'a Url,
    pub(in crate::ecosystem::cran) limits: &'a FetchLimits,
    /// Hears of bytes as they arrive.
    pub(in crate::ecosystem::cran) told: &'a (dyn Fn(u64) + Sync),
}

/// How one request ended that brought no whole file.
struct Broken {
    failure: Failure,
    /// How many bytes it brought.
    gained: u64,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self { failure, gained: 0 }
    }
}

impl Origin<'_> {
    /// Fetches into `partial` what is `promised`. A wrong file is asked for once more, from its beginning, and
    /// is transient then: upstream may be replacing it.
    pub(in crate::ecosystem::cran) async fn fetch(
        &self,
        promised: &Promise,
        partial: &mut PartialFile,
    ) -> Result<Downloaded, Failure> {
        let (mut breaks, mut wrong) = (0, 0);
        loop {
            let came = match self.go_on(promised, partial).await {
                Ok(came) => came,
                Err(Broken { gained, .. }) if gained > 0 && breaks < MOST_BREAKS => {
                    breaks += 1;
                    continue;
                }
                Err(Broken { failure, .. }) => return Err(failure),
            };
            let Some(problem) = promised.broken_by(&came) else { return Ok(came) };
            partial.forget()?;
            wrong += 1;
            if wrong == 2 {
                let url = self.url;
                return Err(Failure::transient(format!(
                    "GET {url}: {problem}, and so it was when it was asked for again; upstream may be replacing it"
                )));
            }
        }
    }

    /// Asks for what is missing of the file, or for all of it.
    async fn go_on(&self, promised: &Promise, partial: &mut PartialFile) -> Result<Downloaded, Broken> {
        let mut sums = partial.sums()?;
        if promised.size == Some(sums.size) && sums.size > 0 {
            let came = sums.clone().end();
            if promised.broken_by(&came).is_none() {
                return Ok(came);
            }
            partial.forget()?;
            sums = Sums::default();
        }
        let known = partial.remembered().filter(|_| sums.size > 0);
        let known = known.filter(|_| promised.size.is_none_or(|size| size > sums.size));
        let mut request = self.http.get(self.url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(validator) = &known {
            request = request.header(RANGE, format!("bytes={}-", sums.size)).header(IF_RANGE, validator);
        }
        let response = sent(request, self.url, self.limits).await?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && known.is_some() {
            partial.forget()?;
            let failure = Failure::transient(format!("GET {}: the server has less than before", self.url));
            // Nothing of what was there is left, so asking again is no repetition.
            return Err(Broken { failure, gained: sums.size });
        }
        let response = accepted(response, self.url)?;
        if response.status() == StatusCode::PARTIAL_CONTENT {
            if known.is_none() || starts_at(response.headers()) != Some(sums.size) {
                partial.forget()?;
                let failure = format!("GET {}: the server sent another part than was asked for", self.url);
                return Err(Failure::transient(failure).into());
            }
        } else {
            partial.forget()?;
            partial.remember(validator(response.headers()))?;
            sums = Sums::default();
        }
        self.take(response, promised, partial, sums).await
    }

    async fn take(
        &self,
        response: reqwest::Response,
        promised: &Promise,
        partial: &mut PartialFile,
        mut sums: Sums,
    ) -> Result<Downloaded, Broken> {
        let before = sums.size;
        // What this machine fails at gets no better by asking again, nor does a file that is too long.
        let (mut written, mut too_long) = (true, false);
        let most = self.limits.bytes.saturating_sub(before);
        let received = receive(response, self.url, most, |chunk| {
            let size = sums.size + chunk.len() as u64;
            if let Some(promised) = promised.size.filter(|promised| size > *promised) {
                too_long = true;
                let url = self.url;
                return Err(Failure::transient(format!(
                    "GET {url}: the file has more than the {promised} bytes that were promised; upstream may be replacing it"
                )));
            }
            if let Err(error) = partial.file.write_all(chunk) {
                written = false;
                return Err(Failure::disk("write", &partial.path, &error));
            }
            sums.take(chunk);
            (self.told)(chunk.len() as u64);
            Ok(())
        });
        match received.await {
            Ok(_) => Ok(sums.end()),
            Err(failure) => {
                if too_long {
                    partial.forget()?;
                }
                let again = failure.is_transient() && written && !too_long;
                Err(Broken { failure, gained: if again { sums.size - before } else { 0 } })
            }
        }
    }
}

/// What tells this version of a file from every other: a strong ETag, else the time of its last change.
fn validator(headers: &HeaderMap) -> Option<&HeaderValue> {
    let strong = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    strong.or_else(|| headers.get(LAST_MODIFIED)).filter(|value| value.len() <= LONGEST)
}

/// Where the part of a file begins that an answer brings.
fn starts_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
