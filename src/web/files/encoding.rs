//! Which form of a text file is sent: the `.zst` or `.gz` that was published beside it, gzip made on the fly, or
//! the file as it is.

use std::io::{self, Write as _};
use std::path::PathBuf;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, RANGE};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::CHUNK;
use super::place::{Place, is_absence};

/// What compressed files beside others end with, and which coding that is; the better one first.
const BESIDE: [(&str, &str); 2] = [(".zst", "zstd"), (".gz", "gzip")];

/// How a file is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Plain,
    /// In that coding, from the file beside it that holds the same.
    Beside(&'static str),
    /// Compressed with gzip as it is sent.
    Gzip,
}

/// The form of a file for a request, with the file that is sent for it. A range is one of the file as it is.
pub(super) async fn choose(place: Place, asked: &HeaderMap) -> io::Result<(Place, Coding)> {
    if !place.is_text() || asked.contains_key(RANGE) {
        return Ok((place, Coding::Plain));
    }
    for (end, coding) in BESIDE.into_iter().filter(|(_, coding)| accepts(asked, coding)) {
        let mut beside = place.path.clone().into_os_string();
        beside.push(end);
        match Place::at(PathBuf::from(beside)).await {
            Ok(Some(compressed)) => return Ok((compressed.called(place.name), Coding::Beside(coding))),
            Ok(None) => {}
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let coding = if accepts(asked, "gzip") { Coding::Gzip } else { Coding::Plain };
    Ok((place, coding))
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

/// A file, compressed with gzip as the client takes it: neither its size nor the client's patience takes memory
/// or a thread. A chunk takes about a millisecond.
pub(super) fn gzipped(file: File) -> Body {
    let packer = GzEncoder::new(Vec::new(), Compression::fast());
    let chunks = stream::try_unfold(Some((file, packer)), |rest| async move {
        let Some((mut file, mut packer)) = rest else { return Ok::<_, io::Error>(None) };
        let mut chunk = BytesMut::with_capacity(CHUNK);
        while packer.get_ref().is_empty() {
            chunk.clear();
            if file.read_buf(&mut chunk).await? == 0 {
                return Ok(Some((Bytes::from(packer.finish()?), None)));
            }
            packer.write_all(&chunk)?;
        }
        let packed = Bytes::from(std::mem::take(packer.get_mut()));
        Ok(Some((packed, Some((file, packer)))))
    });
    Body::from_stream(chunks)
}
