//! The bytes of an archive from the files that are to be in it. The same files have the same bytes
//! wherever and whenever they are packed.

use std::io::{Cursor, Result, Write as _};

use jiff::Timestamp;

use super::layout::ArchiveFormat;

/// The compression of `.conda` archives: what conda-package-handling takes by default.
const ZSTD_LEVEL: i32 = 19;

/// What is to be packed.
pub(super) struct Contents<'c> {
    /// `<name>-<version>-<build>`.
    pub stem: &'c str,
    /// The time that every file gets.
    pub timestamp: Timestamp,
    /// The files in `info/`, by path, in the order in which they are written.
    pub info: &'c [(String, Vec<u8>)],
    /// The package's own files, likewise.
    pub files: &'c [(String, Vec<u8>)],
}

impl Contents<'_> {
    /// The whole archive.
    pub(super) fn pack(&self, format: ArchiveFormat) -> Result<Vec<u8>> {
        match format {
            ArchiveFormat::Conda => self.conda(),
            ArchiveFormat::TarBz2 => {
                let all: Vec<(String, Vec<u8>)> = self.info.iter().chain(self.files).cloned().collect();
                let mut compressed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
                compressed.write_all(&self.tar(&all)?)?;
                compressed.finish()
            }
        }
    }

    /// The zip file: which format it is, then the package's files, then `info/`.
    fn conda(&self) -> Result<Vec<u8>> {
        let stem = self.stem;
        let package = zstd::encode_all(self.tar(self.files)?.as_slice(), ZSTD_LEVEL)?;
        let info = zstd::encode_all(self.tar(self.info)?.as_slice(), ZSTD_LEVEL)?;
        stored_zip(&[
            ("metadata.json".to_owned(), br#"{"conda_pkg_format_version": 2}"#.to_vec()),
            (format!("pkg-{stem}.tar.zst"), package),
            (format!("info-{stem}.tar.zst"), info),
        ])
    }

    /// The files owned by nobody, all of one time.
    fn tar(&self, files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(if path.starts_with("bin/") { 0o755 } else { 0o644 });
            header.set_mtime(self.timestamp.as_second().try_into().unwrap_or(0));
            header.set_entry_type(tar::EntryType::Regular);
            archive.append_data(&mut header, path, bytes.as_slice())?;
        }
        archive.into_inner()
    }
}

/// A zip file whose members are stored as they are, as the `.conda` format wants it: then each part can be
/// read without the others. A zip file knows no time zone and no time before 1980, so that all members
/// have the same one.
pub fn stored_zip(members: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    for (name, bytes) in members {
        archive.start_file(name.as_str(), stored)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}
