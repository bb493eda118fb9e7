//! From the path of a request to a file of the published folder, and what there is to say of it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::fs::File;

use super::encoding::Coding;

/// The longest path of a request that is looked at.
const LONGEST: usize = 2048;

/// What is served in the place of a folder, where it is there.
const INDEX: &str = "index.html";

/// What the path of a request leads to.
pub(super) enum Found {
    /// A file.
    File(Place),
    /// A folder with an `index.html`, asked for without the `/` at its end: links in it would lead elsewhere.
    Folder,
}

/// How often a path is followed anew that led to nothing: a link on it may be switched, and where it led before be
/// removed, between following it and opening the file.
const TRIES: usize = 3;

/// A file that may be served. It is open: whatever takes its place meanwhile, what is said of it is said of the bytes
/// that are sent.
pub(super) struct Place {
    /// Where it really lies, links followed.
    pub(super) path: PathBuf,
    /// Its name as asked for.
    pub(super) name: String,
    /// Its size in bytes.
    pub(super) size: u64,
    inode: u64,
    modified: (i64, i64),
    file: File,
}

impl Place {
    /// What the path of a request names; nothing where there is none, where a part of the path begins with a
    /// dot, or where a link leads out of `root`. A path with a `/` at its end is that of the folder's `index.html`.
    pub(super) async fn find(root: &Path, asked: &str) -> io::Result<Option<Found>> {
        let (path, as_folder) = match asked.strip_suffix('/') {
            Some(path) => (path, true),
            None => (asked, false),
        };
        let Some(mut parts) = parts_of(path) else { return Ok(None) };
        if as_folder {
            parts.push(INDEX.to_owned());
        }
        if let Some(place) = Self::below(root, &parts).await? {
            return Ok(Some(Found::File(place)));
        }
        parts.push(INDEX.to_owned());
        let is_folder = !as_folder && Self::below(root, &parts).await?.is_some();
        Ok(is_folder.then_some(Found::Folder))
    }

    /// The file with this path below `root`, links followed.
    async fn below(root: &Path, parts: &[String]) -> io::Result<Option<Self>> {
        let follow = || async {
            let root = tokio::fs::canonicalize(root).await?;
            let path = tokio::fs::canonicalize(parts.iter().fold(root.clone(), |path, part| path.join(part)))
                .await?;
            if path.starts_with(&root) { Self::at(path).await } else { Ok(None) }
        };
        let name = parts.last().cloned().unwrap_or_default();
        for _ in 0..TRIES {
            match follow().await {
                Ok(found) => return Ok(found.map(|place| place.called(name))),
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The file at a path without links; nothing where it is none.
    pub(super) async fn at(path: PathBuf) -> io::Result<Option<Self>> {
        // Looked at before it is opened: opening a pipe would wait for a writer.
        if !tokio::fs::metadata(&path).await?.is_file() {
            return Ok(None);
        }
        let file = File::open(&path).await?;
        let there = file.metadata().await?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(there.is_file().then(|| Self {
            path,
            name,
            size: there.len(),
            inode: there.ino(),
            modified: (there.mtime(), there.mtime_nsec()),
            file,
        }))
    }

    /// The file itself, to be read from its beginning.
    pub(super) fn into_file(self) -> File {
        self.file
    }

    /// The same file under the name that was asked for.
    pub(super) fn called(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// A strong validator: published files are never written to, only replaced by others with another inode.
    pub(super) fn etag(&self, coding: Coding) -> String {
        let form = if coding == Coding::Gzip { "-gzip" } else { "" };
        let (seconds, nanoseconds) = self.modified;
        format!("\"{:x}-{:x}-{seconds:x}.{nanoseconds:x}{form}\"", self.inode, self.size)
    }

    /// When it was written, as `Last-Modified` says it; nothing for a time that has no such form.
    pub(super) fn last_modified(&self) -> Option<String> {
        let time = jiff::Timestamp::from_second(self.modified.0).ok()?;
        DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
    }

    /// True for a file that is offered in compressed form: text, by the end of its name.
    pub(super) fn is_text(&self) -> bool {
        let kind = self.content_type();
        kind.starts_with("text/") || ["application/json", "application/xml", "image/svg+xml"].contains(&kind)
    }

    /// The media type by the end of its name.
    pub(super) fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, end)| end) {
            Some("json") => "application/json",
            Some("xml") => "application/xml",
            Some("bz2") => "application/x-bzip2",
            Some("gz" | "tgz") => "application/gzip",
            Some("zst") => "application/zstd",
            Some("zip") => "application/zip",
            Some("svg") => "image/svg+xml",
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("txt" | "yml" | "yaml" | "toml" | "csv" | "md") | None => "text/plain; charset=utf-8",
            Some(_) => "application/octet-stream",
        }
    }

    /// How long others may keep it. A package never changes; everything else may at any moment.
    pub(super) fn caching(&self) -> &'static str {
        let is_package = self.name.ends_with(".conda") || self.name.ends_with(".tar.bz2");
        if is_package { "public, max-age=31536000, immutable" } else { "no-cache" }
    }
}

/// True where there is no such file, and no other trouble.
pub(super) fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind;
    [ErrorKind::NotFound, ErrorKind::NotADirectory, ErrorKind::InvalidFilename].contains(&error.kind())
}

/// The parts of a path, decoded; nothing where one of them could leave the folder or is hidden. The empty path
/// has none.
fn parts_of(asked: &str) -> Option<Vec<String>> {
    if asked.len() > LONGEST {
        return None;
    }
    if asked.is_empty() {
        return Some(Vec::new());
    }
    asked.strip_prefix('/')?.split('/').map(part).collect()
}

fn part(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'%' => bytes.push(u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?),
            byte => bytes.push(byte),
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let plain = !text.is_empty() && !text.starts_with('.') && !text.contains(['/', '\\', '\0']);
    plain.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_part_is_hidden_or_leads_elsewhere(path in "/([a-z./\\\\%]|%2e|%2f|%5c|%00){0,12}") {
            for part in parts_of(&path).into_iter().flatten() {
                proptest::prop_assert!(!part.starts_with('.') && !part.contains(['/', '\\', '\0']) && !part.is_empty());
            }
        }
    }

    #[test]
    fn a_path_that_could_leave_the_folder_or_is_hidden_is_none() {
        for asked in
            ["/..", "/a/../b", "/%2e%2e/b", "/a%2fb", "/a%00", "/.hidden/x", "/a//b", "/", "/a%2", "/%ff"]
        {
            assert_eq!(parts_of(asked), None, "{asked}");
        }
        assert_eq!(parts_of("/a/q2%2Btypes-1.0%2b3.conda").unwrap(), ["a", "q2+types-1.0+3.conda"]);
    }
}
