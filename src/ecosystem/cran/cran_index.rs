//! The index of a CRAN: which version it has of each package on a frozen day.

use std::collections::BTreeMap;
use std::io::{self, Read as _};

use flate2::read::MultiGzDecoder;
use reqwest::Url;

use super::dcf::{self, DcfLimits};
use super::fetch::{self, FetchLimits, Fetched};
use super::layout::{ContribFolder, IndexFile};
use crate::domain::{PackageName, RVersion};
use crate::failure::Failure;

/// The highest version that a CRAN has of each package. How few packages are too few to be believed
/// is for the caller to say.
pub type CranVersions = BTreeMap<PackageName, RVersion>;

/// A CRAN, such as `https://packagemanager.posit.co/cran/2026-07-15`.
#[derive(Clone, Debug)]
pub struct CranClient {
    base: Url,
    http: reqwest::Client,
    limits: FetchLimits,
}

impl CranClient {
    /// The CRAN at `base`, asked through `http`.
    pub fn new(base: Url, http: reqwest::Client, limits: FetchLimits) -> Self {
        Self { base, http, limits }
    }

    /// The versions of all its source packages, from `PACKAGES.gz` or, where that is missing, from
    /// `PACKAGES`. An index that is cut off is transient, a malformed one is permanent.
    pub async fn versions(&self) -> Result<CranVersions, Failure> {
        read_index(self.base.as_str(), &self.index().await?)
    }

    /// The index as the server sent it, for [`read_index`].
    pub async fn index(&self) -> Result<Vec<u8>, Failure> {
        let folder = ContribFolder::source();
        for file in [IndexFile::Gzip, IndexFile::Plain] {
            let url = fetch::join(&self.base, folder.index(file).as_str())?;
            if let Fetched::Found(bytes) = fetch::bytes(&self.http, &url, &self.limits).await? {
                return Ok(bytes);
            }
        }
        let base = &self.base;
        Err(Failure::permanent(format!(
            "{base}: there is neither src/contrib/PACKAGES.gz nor PACKAGES (404)"
        )))
    }
}

/// Reads an index, compressed or plain; `source` names it in messages. Of several versions of a
/// package the highest counts.
pub fn read_index(source: &str, bytes: &[u8]) -> Result<CranVersions, Failure> {
    let text = if bytes.starts_with(&[0x1f, 0x8b]) { unpacked(source, bytes)? } else { bytes.to_vec() };
    let records = dcf::read(&text, DcfLimits::INDEX)
        .map_err(|error| Failure::permanent(format!("{source} is not a package index: {error}")))?;
    let mut versions = CranVersions::new();
    for (position, record) in records.iter().enumerate() {
        let field = |name: &str| {
            let number = position + 1;
            let missing =
                || Failure::permanent(format!("{source}, record {number}: the field `{name}` is missing"));
            record.get(name).ok_or_else(missing)
        };
        let package = field("Package")?;
        let version = RVersion::parse(field("Version")?)
            .map_err(|error| Failure::permanent(format!("{source}, package `{package}`: {error}")))?;
        match versions.get_mut(package) {
            Some(highest) if *highest >= version => {}
            Some(highest) => *highest = version,
            None => {
                versions.insert(package.to_owned(), version);
            }
        }
    }
    Ok(versions)
}

fn unpacked(source: &str, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    // One byte more than allowed, so that the reader of the text sees that it is too much.
    let most = DcfLimits::INDEX.bytes as u64 + 1;
    MultiGzDecoder::new(bytes).take(most).read_to_end(&mut text).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Failure::transient(format!(
                "{source}: the compressed index ends too early; it was cut off"
            ));
        }
        Failure::permanent(format!("{source}: the compressed index is damaged: {error}"))
    })?;
    Ok(text)
}
