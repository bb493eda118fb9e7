//! A file as a stream of bytes, so that a large one is never in memory as a whole.

use std::io;
use std::path::Path;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// How much is read at once.
const PIECE: usize = 256 * 1024;

/// The bytes of the file at `path`, piece by piece.
pub(super) async fn open(
    path: &Path,
) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static + use<>> {
    let file = File::open(path).await?;
    Ok(stream::try_unfold(file, async |mut file| {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    }))
}
