//! Archives of R-universe's snapshot API: whole, and cut off in every way in which a stream can end.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use tidegate::ecosystem::cran::archive::ArchiveLimits;
use tidegate::ecosystem::cran::universe::{BundleFormat, each_member};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn files() -> BTreeMap<&'static str, Vec<u8>> {
    let noise =
        |seed: u32| (0..4_000).flat_map(move |at: u32| (at ^ seed).wrapping_mul(2_654_435_761).to_le_bytes());
    [
        "src/contrib/abc_1.0.tar.gz",
        "src/contrib/tidal_1.2.0.tar.gz",
        "bin/windows/contrib/4.5/tidal_1.2.0.zip",
    ]
    .into_iter()
    .zip(1..)
    .map(|(path, seed)| (path, noise(seed).collect()))
    .collect()
}

fn zipped() -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files() {
        zip.start_file(path, SimpleFileOptions::default()).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn tarred() -> Vec<u8> {
    let mut tarball = tar::Builder::new(Vec::new());
    for (path, bytes) in files() {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tarball.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    tarball.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// The members of an archive that could be read, and what was wrong with it.
fn members(bytes: &[u8], format: BundleFormat) -> (BTreeMap<String, Vec<u8>>, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    std::fs::write(&path, bytes).unwrap();
    let mut read = BTreeMap::new();
    let result = each_member(&path, format, &ArchiveLimits::default(), |name, reader: &mut dyn Read| {
        let mut content = Vec::new();
        // Whoever compares sums notices what is cut here; so does the archive.
        let _ = reader.read_to_end(&mut content);
        read.insert(name.to_owned(), content);
        Ok(())
    });
    (read, result.err().map(|problem| problem.to_string()))
}

#[test]
fn whole_archives_give_every_file() {
    let expected: BTreeMap<String, Vec<u8>> =
        files().into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect();
    assert_eq!(members(&zipped(), BundleFormat::Zip), (expected.clone(), None));
    assert_eq!(members(&gzip(&tarred()), BundleFormat::Tar), (expected, None));
}

#[test]
fn a_stream_that_ends_anywhere_is_noticed() {
    for (format, whole) in [(BundleFormat::Zip, zipped()), (BundleFormat::Tar, gzip(&tarred()))] {
        for length in (0..whole.len()).step_by(997).chain([whole.len() - 1, whole.len() - 9]) {
            let (_, problem) = members(&whole[..length], format);
            assert!(problem.is_some(), "{format:?} cut to {length} of {} bytes", whole.len());
        }
    }
}

#[test]
fn a_zip_file_without_its_directory_is_cut_off() {
    let whole = zipped();
    let directory = whole.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let (read, problem) = members(&whole[..directory], BundleFormat::Zip);
    assert_eq!(read.len(), 0);
    let problem = problem.unwrap();
    assert!(problem.contains("no zip directory; it ends too early"), "{problem}");
}

#[test]
fn a_tarball_that_ends_between_two_files_is_cut_off() {
    let whole = tarred();
    // The compression is whole; only tar's own end is missing.
    let (read, problem) = members(&gzip(&whole[..whole.len() - 1024]), BundleFormat::Tar);
    assert_eq!(
        (read.len(), problem.as_deref()),
        (3, Some("the archive is cut off or damaged: the tarball has no end"))
    );
}

#[test]
fn a_changed_member_is_noticed_by_its_checksum() {
    let mut whole = zipped();
    whole[2_000] ^= 1;
    let (_, problem) = members(&whole, BundleFormat::Zip);
    assert!(problem.is_some());
}
