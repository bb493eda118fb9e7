//! Which form of a JSON file is sent: the `.zst` that was published beside it, gzip made on the fly, or the
//! file as it is.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzEncoder;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, RANGE};

use super::place::Place;

/// The largest file that is compressed for each request; larger ones have a `.zst` beside them.
const LARGEST_GZIPPED: u64 = 1024 * 1024;

/// How a file is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Plain,
    /// The file with this path, which holds the same compressed with zstd.
    Beside(PathBuf),
    /// Compressed with gzip.
    Gzip,
}

/// The form of a file for a request. A range is one of the file as it is.
pub(super) async fn choose(place: &Place, asked: &HeaderMap) -> Coding {
    if !place.is_json() || asked.contains_key(RANGE) {
        return Coding::Plain;
    }
    let mut beside = place.path.clone().into_os_string();
    beside.push(".zst");
    let beside = PathBuf::from(beside);
    if accepts(asked, "zstd") && tokio::fs::metadata(&beside).await.is_ok_and(|there| there.is_file()) {
        return Coding::Beside(beside);
    }
    match accepts(asked, "gzip") && place.size <= LARGEST_GZIPPED {
        true => Coding::Gzip,
        false => Coding::Plain,
    }
}

/// True where the client names the coding and does not rule it out. `*` is not taken at its word: whoever
/// wants a coding names it.
fn accepts(asked: &HeaderMap, coding: &str) -> bool {
    let named = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|text| text.split(',')).any(|one| {
        let (name, quality) = one.split_once(';').unwrap_or((one, ""));
        let quality = quality.trim().strip_prefix("q=").and_then(|quality| quality.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(coding) && quality.is_none_or(|quality| quality > 0.0)
    })
}

/// The bytes of a small file, compressed with gzip.
pub(super) async fn gzipped(path: &Path) -> std::io::Result<Vec<u8>> {
    let path = path.to_owned();
    let packed = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::open(path)?;
        let mut packed = Vec::new();
        GzEncoder::new(file, Compression::fast()).read_to_end(&mut packed)?;
        Ok(packed)
    });
    packed.await.map_err(std::io::Error::other)?
}
