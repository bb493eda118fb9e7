//! Small valid R packages from nothing but metadata: what a rehearsal's universe serves, and what
//! tests publish. The same metadata gives the same bytes.

use std::io::{Cursor, Write as _};

use flate2::{Compression, GzBuilder};
use jiff::Timestamp;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::dcf::DcfRecord;
use super::layout::{ArchiveKind, BinaryPlatform, UnsafePart, archive_name};
use crate::domain::{PackageName, RVersion};

/// What a made package says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MadePackage {
    /// Its name, one that R allows.
    pub package: PackageName,
    /// Its version.
    pub version: String,
    /// The `License` field; `MIT + file LICENSE` where empty.
    pub license: String,
    /// What it imports, each optionally with a condition: `rlang (>= 1.0.0)`.
    pub imports: Vec<String>,
    /// What it suggests.
    pub suggests: Vec<String>,
    /// The `Remotes` field.
    pub remotes: Vec<String>,
    /// The commit it was made from, kept as `RemoteSha`.
    pub commit: Option<String>,
    /// The `URL` field.
    pub url: Option<String>,
}

/// A file inside a package: its path below the package's folder, and its content.
type Member = (String, Vec<u8>);

/// A source package (`.tar.gz`) that `R CMD INSTALL` takes. It exports one function, `about()`, which
/// answers with name and version. Fails for a name or version that R does not allow.
pub fn source_package(made: &MadePackage) -> Result<Vec<u8>, UnsafePart> {
    archive_name(&made.package, &made.version, ArchiveKind::Source)?;
    let mut members = vec![("DESCRIPTION".to_owned(), made.description().to_string().into_bytes())];
    members.extend(made.code());
    Ok(tarball(&made.package, &members))
}

/// A binary package for `platform`, built by R `r` at `built`: right for an index, a download and a
/// checksum, but not to be loaded (the code in it is not compiled to R's own form).
pub fn binary_package(
    made: &MadePackage,
    platform: BinaryPlatform,
    r: &RVersion,
    built: Timestamp,
) -> Result<Vec<u8>, UnsafePart> {
    let kind = platform.archive_kind();
    let system = if kind == ArchiveKind::WindowsBinary { "windows" } else { "unix" };
    binary_of(made, (kind, system), r, built)
}

/// The same for Linux, where a binary is a tarball with the name of a source.
pub fn linux_binary(made: &MadePackage, r: &RVersion, built: Timestamp) -> Result<Vec<u8>, UnsafePart> {
    binary_of(made, (ArchiveKind::Source, "unix"), r, built)
}

fn binary_of(
    made: &MadePackage,
    (kind, system): (ArchiveKind, &str),
    r: &RVersion,
    built: Timestamp,
) -> Result<Vec<u8>, UnsafePart> {
    archive_name(&made.package, &made.version, kind)?;
    let mut description = made.description();
    // The second part is the platform of compiled code, of which there is none.
    description.set("Built", format!("R {r}; ; {}; {system}", built.strftime("%Y-%m-%d %H:%M:%S UTC")));
    let mut members = vec![("DESCRIPTION".to_owned(), description.to_string().into_bytes())];
    members.extend(made.code());
    Ok(match kind {
        ArchiveKind::WindowsBinary => zipped(&made.package, &members),
        ArchiveKind::MacBinary | ArchiveKind::Source => tarball(&made.package, &members),
    })
}

impl MadePackage {
    fn description(&self) -> DcfRecord {
        let mut record = DcfRecord::default();
        record.set("Package", self.package.clone());
        record.set("Version", self.version.clone());
        record.set("Title", "A Package Made for a Rehearsal");
        record.set("Author", "Nobody in Particular");
        record.set("Maintainer", "Nobody in Particular <nobody@example.org>");
        record.set("Description", "Answers with its own name and version, and does nothing else.");
        record.set("License", self.license_field());
        record.set("NeedsCompilation", "no");
        record.set("Encoding", "UTF-8");
        let lists = [("Imports", &self.imports), ("Suggests", &self.suggests), ("Remotes", &self.remotes)];
        for (field, entries) in lists.into_iter().filter(|(_, entries)| !entries.is_empty()) {
            record.set(field, entries.join(", "));
        }
        for (field, text) in [("URL", &self.url), ("RemoteSha", &self.commit)] {
            if let Some(text) = text {
                record.set(field, text.clone());
            }
        }
        record
    }

    fn license_field(&self) -> &str {
        if self.license.is_empty() { "MIT + file LICENSE" } else { &self.license }
    }

    fn code(&self) -> Vec<Member> {
        let (package, version) = (&self.package, &self.version);
        let mut members = Vec::new();
        if self.license_field().contains("file LICENSE") {
            let text = "YEAR: 2026\nCOPYRIGHT HOLDER: Nobody in Particular\n";
            members.push(("LICENSE".to_owned(), text.as_bytes().to_vec()));
        }
        members.push(("NAMESPACE".to_owned(), b"export(about)\n".to_vec()));
        let code = format!("about <- function() \"{package} {version}\"\n");
        members.push((format!("R/{package}.R"), code.into_bytes()));
        members
    }
}

const IN_MEMORY: &str = "writing to memory cannot fail";

fn tarball(package: &str, members: &[Member]) -> Vec<u8> {
    // No time and no operating system in the header: the bytes depend on the content alone.
    let gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    let mut archive = tar::Builder::new(gzip);
    for (path, content) in members {
        let mut header = tar::Header::new_gnu();
        // R does not know the older sign for a file, which is the default.
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, format!("{package}/{path}"), content.as_slice()).expect(IN_MEMORY);
    }
    archive.into_inner().and_then(flate2::write::GzEncoder::finish).expect(IN_MEMORY)
}

fn zipped(package: &str, members: &[Member]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // The default time of an entry is the first that the format knows, 1980.
    let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
    for (path, content) in members {
        archive.start_file(format!("{package}/{path}"), options).expect(IN_MEMORY);
        archive.write_all(content).expect(IN_MEMORY);
    }
    archive.finish().expect(IN_MEMORY).into_inner()
}
