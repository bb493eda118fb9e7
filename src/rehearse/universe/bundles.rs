//! R-universe's snapshot API: the files of many packages in one stream.

use std::io::{Cursor, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::maker::Platform;
use super::scene::View;
use super::shelf::Artifact;

/// What a bundle is asked for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    types: Vec<String>,
    binaries: Vec<String>,
    packages: Vec<String>,
}

impl Wanted {
    /// Reads the parameters of a request; an error names the first that the API does not know.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut wanted = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let list = value.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect();
            match &*key {
                "types" => wanted.types = list,
                "binaries" => wanted.binaries = list,
                "packages" => wanted.packages = list,
                _ => return Err(format!("unknown parameter `{key}` of the snapshot API")),
            }
        }
        let known = ["src", "win", "mac", "linux", "wasm", "docs"];
        match wanted.types.iter().find(|kind| !known.contains(&kind.as_str())) {
            Some(kind) => Err(format!("unknown type `{kind}` of the snapshot API")),
            None => Ok(wanted),
        }
    }

    fn takes(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|one| one == kind)
    }

    /// The wanted files by their paths, in order.
    fn files(&self, view: &View<'_>) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        let series = &view.r.series;
        let of_series = self.binaries.iter().any(|prefix| view.r.version.starts_with(prefix.as_str()));
        for row in view.published_rows() {
            if !self.packages.is_empty() && !self.packages.iter().any(|package| package == row.package) {
                continue;
            }
            let name = |ending: &str| format!("{}_{}.{ending}", row.package, row.version.unwrap_or_default());
            if self.takes("src") {
                let path = format!("src/contrib/{}", name("tar.gz"));
                files.push((path, view.file(&row, Artifact::Source).bytes.to_vec()));
            }
            for platform in view.scene.shelf.platforms().iter().copied() {
                let kind = match platform {
                    Platform::Windows => "win",
                    Platform::MacX86 | Platform::MacArm => "mac",
                    Platform::Noble => "linux",
                };
                if of_series && self.takes(kind) {
                    let path = format!("{}/{}", platform.folder(series), name(platform.ending()));
                    files.push((path, view.binary(&row, platform).bytes.to_vec()));
                }
            }
        }
        files.sort();
        files
    }

    /// The files as a zip file; nothing where nothing matches.
    pub(super) fn zip(&self, view: &View<'_>) -> Option<Vec<u8>> {
        let files = self.files(view);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, bytes) in &files {
            let options = SimpleFileOptions::default();
            zip.start_file(path, options).and_then(|()| Ok(zip.write_all(bytes)?)).ok()?;
        }
        let whole = zip.finish().ok()?.into_inner();
        (!files.is_empty()).then_some(whole)
    }

    /// The files as a compressed tarball; nothing where nothing matches.
    pub(super) fn tar(&self, view: &View<'_>) -> Option<Vec<u8>> {
        let files = self.files(view);
        let mut tarball = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, bytes) in &files {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            tarball.append_data(&mut header, path, &bytes[..]).ok()?;
        }
        let whole = tarball.into_inner().and_then(GzEncoder::finish).ok()?;
        (!files.is_empty()).then_some(whole)
    }
}
