//! Conda packages to order, whole ones and rude ones. The benches use it too.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use bzip2::write::BzEncoder;
use serde_json::{Map, Value, json};
use tar::{EntryType, Header};
use tidegate::ecosystem::conda::layout::ArchiveFormat;
use zip::write::SimpleFileOptions;

/// A package to make.
#[derive(Clone)]
pub struct Made {
    /// What its index.json says.
    pub index: Map<String, Value>,
    /// The other entries of the archive.
    pub entries: Vec<Entry>,
}

/// One entry of a tarball, as rude as the test wants it.
#[derive(Clone)]
pub struct Entry {
    /// The name, written as it is.
    pub name: String,
    /// What it is.
    pub kind: EntryType,
    /// Where a link points.
    pub target: String,
    /// The content of a file.
    pub content: Vec<u8>,
}

impl Entry {
    /// A file.
    pub fn file(name: &str, content: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), kind: EntryType::Regular, target: String::new(), content: content.into() }
    }

    /// An entry of another kind.
    pub fn other(kind: EntryType, name: &str, target: &str) -> Self {
        Self { name: name.into(), kind, target: target.into(), content: Vec::new() }
    }
}

/// A `noarch` package with one file.
pub fn made(name: &str, version: &str, build: &str) -> Made {
    let index = json!({
        "arch": null, "build": build, "build_number": 0, "depends": [], "license": "BSD-3-Clause",
        "name": name, "noarch": "generic", "platform": null, "subdir": "noarch",
        "timestamp": 1_700_000_000_000_u64, "version": version,
    });
    let Value::Object(index) = index else { unreachable!("it is written as an object") };
    Made { index, entries: vec![Entry::file(&format!("share/{name}.txt"), format!("{name} {version}\n"))] }
}

impl Made {
    /// The same with another value of a field of index.json.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.index.insert(field.into(), value);
        self
    }

    /// The same with one more entry.
    pub fn and(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// `<name>-<version>-<build>`.
    pub fn stem(&self) -> String {
        let text = |field: &str| self.index[field].as_str().expect("a text").to_owned();
        format!("{}-{}-{}", text("name"), text("version"), text("build"))
    }

    /// Its right file name.
    pub fn file_name(&self, format: ArchiveFormat) -> String {
        format!("{}{}", self.stem(), format.suffix())
    }

    /// The entries below `info/`.
    pub fn info(&self) -> Vec<Entry> {
        let files: String = self.entries.iter().map(|entry| format!("{}\n", entry.name)).collect();
        let paths: Vec<Value> = self.entries.iter().map(path_row).collect();
        vec![
            Entry::file("info/index.json", Value::Object(self.index.clone()).to_string()),
            Entry::file("info/about.json", "{\"summary\": \"made for a test\"}"),
            Entry::file("info/files", files),
            Entry::file("info/paths.json", json!({ "paths": paths, "paths_version": 1 }).to_string()),
        ]
    }

    /// The bytes of the archive.
    pub fn bytes(&self, format: ArchiveFormat) -> Vec<u8> {
        match format {
            ArchiveFormat::TarBz2 => {
                bz2(&tarball(&self.info().into_iter().chain(self.entries.clone()).collect::<Vec<_>>()))
            }
            ArchiveFormat::Conda => {
                let stem = self.stem();
                zipped(&[
                    ("metadata.json".into(), b"{\"conda_pkg_format_version\": 2}".to_vec()),
                    (format!("pkg-{stem}.tar.zst"), zst(&tarball(&self.entries))),
                    (format!("info-{stem}.tar.zst"), zst(&tarball(&self.info()))),
                ])
            }
        }
    }

    /// Puts the archive into its sub-directory of `folder`, under its right name; gives the path.
    pub fn put(&self, folder: &Path, format: ArchiveFormat) -> PathBuf {
        let subdir = folder.join(self.index["subdir"].as_str().expect("a text"));
        std::fs::create_dir_all(&subdir).expect("a folder");
        let path = subdir.join(self.file_name(format));
        std::fs::write(&path, self.bytes(format)).expect("a file");
        path
    }
}

fn path_row(entry: &Entry) -> Value {
    use sha2::{Digest as _, Sha256};
    let sha256: String = Sha256::digest(&entry.content).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "_path": entry.name, "path_type": "hardlink", "sha256": sha256, "size_in_bytes": entry.content.len() })
}

/// A tarball of `entries`, without any check of their names.
pub fn tarball(entries: &[Entry]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        if entry.name.len() > 100 {
            let mut long = Header::new_gnu();
            let bytes = [entry.name.as_bytes(), b"\0"].concat();
            long.set_entry_type(EntryType::GNULongName);
            long.set_size(bytes.len() as u64);
            long.set_cksum();
            builder.append(&long, bytes.as_slice()).expect("memory");
        }
        let mut header = Header::new_gnu();
        write_name(&mut header.as_old_mut().name, &entry.name);
        write_name(&mut header.as_old_mut().linkname, &entry.target);
        header.set_entry_type(entry.kind);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        builder.append(&header, entry.content.as_slice()).expect("memory");
    }
    builder.into_inner().expect("memory")
}

fn write_name(field: &mut [u8; 100], name: &str) {
    let bytes = &name.as_bytes()[..name.len().min(100)];
    field[..bytes.len()].copy_from_slice(bytes);
}

/// The bytes, compressed with bzip2.
pub fn bz2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// The bytes, compressed with zstd.
pub fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("memory")
}

/// A zip file of stored members.
pub fn zipped(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    // A time of its own, so that the same package always has the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    for (name, bytes) in members {
        writer.start_file(name.as_str(), options).expect("memory");
        writer.write_all(bytes).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}
