//! An assignment on its way to a runner that shares no disk with us: JSON, compressed with zstd.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use url::Url;

use crate::engine::{Assignment, CondaTest, Work};
use crate::failure::Failure;

/// The most bytes that an assignment may have once it is unpacked. An environment of 800 records takes one
/// megabyte.
const LARGEST: u64 = 64 << 20;
/// How hard zstd tries. Beyond this it takes several times as long for a few hundredths.
const LEVEL: i32 = 12;

/// A folder of channels, and the address at which runners find the same files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedFolder {
    /// The folder on this machine.
    pub folder: PathBuf,
    /// The address, without a `/` at the end.
    pub address: Url,
}

/// Packs an assignment for a runner elsewhere. Its packages have to lie at addresses that reach there; one
/// in a folder that is not `served` is a [`Failure::Configuration`].
pub fn pack(assignment: &Assignment, served: &[ServedFolder]) -> Result<Vec<u8>, Failure> {
    let mut assignment = assignment.clone();
    if let Work::CondaTest(CondaTest { member, records, .. }) = &mut assignment.work {
        *records = std::mem::take(records).readdressed(|url| reachable(url, served))?;
        // It is only ever shown, and a path of this machine is nobody's business elsewhere.
        if let Ok(url) = Url::parse(&member.channel)
            && url.scheme() == "file"
        {
            member.channel = reachable(&url, served).map(String::from).unwrap_or_default();
        }
    }
    let packed = serde_json::to_vec(&assignment)
        .map_err(std::io::Error::from)
        .and_then(|json| zstd::encode_all(json.as_slice(), LEVEL));
    packed.map_err(|error| Failure::permanent(format!("cannot pack {}: {error}", assignment.key)))
}

/// Unpacks what [`pack`] made. Anything else is refused.
pub fn unpack(packed: &[u8]) -> Result<Assignment, Failure> {
    let refused = |what: String| Failure::permanent(format!("the packed assignment is refused: {what}"));
    let mut json = Vec::new();
    zstd::Decoder::new(packed)
        .and_then(|decoder| decoder.take(LARGEST + 1).read_to_end(&mut json))
        .map_err(|error| refused(error.to_string()))?;
    if json.len() as u64 > LARGEST {
        return Err(refused(format!("it unpacks to more than {LARGEST} bytes")));
    }
    serde_json::from_slice(&json).map_err(|error| refused(error.to_string()))
}

/// The address of a file where a runner finds it.
fn reachable(url: &Url, served: &[ServedFolder]) -> Result<Url, Failure> {
    if url.scheme() != "file" {
        return Ok(url.clone());
    }
    let unserved = || {
        Failure::Configuration {
        message: format!("runners of GitHub Actions cannot read {url}, a file of this machine"),
        hint: Some(
            "add `[[engine.github-actions.served]]` with the `folder` of the channel and the `address` at which a web server shows it".to_owned(),
        ),
    }
    };
    let path = url.to_file_path().map_err(|()| unserved())?;
    served.iter().find_map(|served| served.address_of(&path)).ok_or_else(unserved)
}

impl ServedFolder {
    /// The address of a file; none where it does not lie in the folder.
    fn address_of(&self, path: &Path) -> Option<Url> {
        // A channel may be named by a path with a link in it, and the folder without one.
        let inside = path.strip_prefix(&self.folder).map(PathBuf::from).ok().or_else(|| {
            let (path, folder) = (path.canonicalize().ok()?, self.folder.canonicalize().ok()?);
            path.strip_prefix(folder).map(PathBuf::from).ok()
        })?;
        let parts = inside.components().map(|part| part.as_os_str().to_str());
        let parts: Vec<&str> = parts.collect::<Option<_>>()?;
        let mut address = self.address.clone();
        address.path_segments_mut().ok()?.pop_if_empty().extend(parts);
        Some(address)
    }
}
