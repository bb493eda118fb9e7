//! Archives that strangers made: what is in the good ones, and what is refused in the others.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};
use tidegate::ecosystem::cran::archive::{ArchiveLimits, ArchiveProblem, inspect_bytes, inspect_file};
use tidegate::ecosystem::cran::layout::{ArchiveKind, BinaryPlatform};
use tidegate::ecosystem::cran::make::{binary_package, source_package};
use tidegate::ecosystem::unpack::UnpackProblem;
use zip::write::SimpleFileOptions;

use super::made;

const DESCRIPTION: &str = "Package: tidal\nVersion: 1.0.0\nLicense: GPL-3\n";

fn small() -> ArchiveLimits {
    ArchiveLimits { compressed: 1 << 20, unpacked: 8 << 20, ratio: 50, ratio_from: 3 << 20, entries: 50 }
}

/// A tarball that is written byte for byte, so that it can hold what no sane tool would write.
struct Tarball(Builder<GzEncoder<Vec<u8>>>);

impl Tarball {
    fn with_description() -> Self {
        let mut tarball = Self(Builder::new(GzEncoder::new(Vec::new(), Compression::fast())));
        tarball.file("tidal/DESCRIPTION", DESCRIPTION.as_bytes());
        tarball
    }

    fn entry(&mut self, kind: EntryType, name: &str, target: &str, content: &[u8]) -> &mut Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(&mut self, name: &str, content: &[u8]) -> &mut Self {
        self.entry(EntryType::Regular, name, "", content)
    }

    fn link(&mut self, name: &str, target: &str) -> &mut Self {
        self.entry(EntryType::Symlink, name, target, b"")
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap().finish().unwrap()
    }
}

/// What a tarball with a good DESCRIPTION is refused for, once `add` has been at it.
fn refusal(add: impl FnOnce(&mut Tarball) -> &mut Tarball) -> String {
    let mut tarball = Tarball::with_description();
    add(&mut tarball);
    inspect_bytes(&tarball.bytes(), ArchiveKind::Source, &small()).unwrap_err().to_string()
}

#[test]
fn made_packages_of_every_kind_are_read() {
    let package = made("tidal", "1.2.0", &["lunar (>= 0.9)"]);
    let source = source_package(&package).unwrap();
    let facts = inspect_bytes(&source, ArchiveKind::Source, &small()).unwrap();
    assert_eq!(facts.entries, 4);
    assert_eq!(facts.description.strong_dependencies(), ["lunar"]);
    assert_eq!(facts.description.problems("tidal"), Vec::<String>::new());
    let r = tidegate::domain::RVersion::parse("4.6.1").unwrap();
    for platform in BinaryPlatform::ALL {
        let binary = binary_package(&package, platform, &r, "2026-08-01T10:00:00Z".parse().unwrap()).unwrap();
        let facts = inspect_bytes(&binary, platform.archive_kind(), &small()).unwrap();
        assert!(facts.description.built.unwrap().starts_with("R 4.6.1; ; 2026-08-01 10:00:00 UTC; "));
        assert_eq!(
            binary,
            binary_package(&package, platform, &r, "2026-08-01T10:00:00Z".parse().unwrap()).unwrap()
        );
    }
    assert_eq!(source, source_package(&package).unwrap());
}

#[test]
fn a_package_with_a_name_that_leaves_its_folder_is_not_made() {
    assert!(source_package(&made("../up", "1.0", &[])).is_err());
    assert!(source_package(&made("tidal", "1.0/x", &[])).is_err());
}

#[test]
fn links_that_stay_inside_the_package_are_fine() {
    let mut tarball = Tarball::with_description();
    tarball.file("tidal/inst/a", b"a").link("tidal/inst/b", "a").link("tidal/inst/c", "../R");
    tarball.entry(EntryType::Link, "tidal/inst/d", "tidal/inst/a", b"");
    let facts = inspect_bytes(&tarball.bytes(), ArchiveKind::Source, &small()).unwrap();
    assert_eq!(facts.entries, 5);
}

#[test]
fn long_names_and_extended_headers_are_understood() {
    let mut tarball = Tarball::with_description();
    let long = format!("tidal/inst/{}", "x".repeat(150));
    tarball.entry(EntryType::XGlobalHeader, "pax_global_header", "", b"30 comment=0123456789abcdef012\n");
    tarball.entry(EntryType::GNULongName, "././@LongLink", "", long.as_bytes()).file("tidal/inst/short", b"");
    tarball.entry(EntryType::XHeader, "pax", "", b"18 path=tidal/yes\n").file("elsewhere", b"");
    let facts = inspect_bytes(&tarball.bytes(), ArchiveKind::Source, &small()).unwrap();
    assert_eq!(facts.entries, 3);
}

#[test]
fn what_would_leave_the_package_is_refused() {
    let messages = [
        refusal(|tarball| tarball.file("tidal/../../etc/passwd", b"")),
        refusal(|tarball| tarball.file("/etc/passwd", b"")),
        refusal(|tarball| tarball.file("other/R/code.R", b"")),
        refusal(|tarball| tarball.file("C:/boot.ini", b"")),
        refusal(|tarball| tarball.file("tidal\\..\\up", b"")),
        refusal(|tarball| tarball.link("tidal/up", "../outside")),
        refusal(|tarball| tarball.link("tidal/etc", "/etc")),
        refusal(|tarball| tarball.link("tidal/R/twist", "sub/../../../up")),
        refusal(|tarball| tarball.link("tidal/here", ".").file("tidal/here/x", b"")),
        refusal(|tarball| tarball.link("tidal/inst", "R").file("tidal/inst/x", b"")),
        refusal(|tarball| tarball.entry(EntryType::Link, "tidal/hard", "other/secret", b"")),
        refusal(|tarball| tarball.entry(EntryType::Char, "tidal/null", "", b"")),
        refusal(|tarball| tarball.file("tidal/DESCRIPTION", b"Package: other\n")),
        refusal(|tarball| tarball.link("tidal/DESCRIPTION", "inst/D")),
        refusal(|tarball| tarball.entry(EntryType::XHeader, "pax", "", b"10 size=9\n").file("tidal/x", b"")),
        refusal(|tarball| {
            tarball.entry(EntryType::XHeader, "pax", "", b"14 path=../up\n").file("tidal/x", b"")
        }),
        refusal(|tarball| tarball.entry(EntryType::GNULongName, "l", "", &vec![b'a'; 70_000])),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    the entry `tidal/../../etc/passwd` is refused: it contains `..`
    the entry `/etc/passwd` is refused: the path is absolute
    the entry `other/R/code.R` is refused: it is outside the package's folder
    the entry `C:/boot.ini` is refused: the path names a drive
    the entry `tidal\..\up` is refused: it contains a backslash or a zero byte
    the entry `tidal/up` is refused: the link points outside the package's folder
    the entry `tidal/etc` is refused: the link's target is not a plain relative path
    the entry `tidal/R/twist` is refused: the link goes down and up again, so that nobody can tell where it points
    the entry `tidal/here` is refused: the link points nowhere
    the entry `tidal/inst/x` is refused: it lies behind a link
    the entry `tidal/hard` is refused: the link points outside the package's folder
    the entry `tidal/null` is refused: it is neither a file, a folder nor a link
    the entry `tidal/DESCRIPTION` is refused: there is one already, and readers would differ on which counts
    the entry `tidal/DESCRIPTION` is refused: the package's folder and its DESCRIPTION may not be links
    the entry `(extended header)` is refused: it gives an entry a second size
    the entry `../up` is refused: it contains `..`
    the entry `l` is refused: its extended header is longer than any name
    "#);
}

#[test]
fn an_archive_without_the_right_description_is_refused() {
    let plain = |name: &str, content: &str| {
        let mut tarball = Tarball(Builder::new(GzEncoder::new(Vec::new(), Compression::fast())));
        tarball.file(name, content.as_bytes());
        inspect_bytes(&tarball.bytes(), ArchiveKind::Source, &small()).unwrap_err().to_string()
    };
    let messages = [
        plain("tidal/inst/DESCRIPTION", DESCRIPTION),
        plain("lunar/DESCRIPTION", DESCRIPTION),
        plain("tidal/DESCRIPTION", "Package tidal"),
        plain("tidal/DESCRIPTION", &format!("{DESCRIPTION}Title:{}", " long\n".repeat(300_000))),
        plain("DESCRIPTION", DESCRIPTION),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    there is no file `tidal/DESCRIPTION` in the archive
    the folder is `lunar`, its DESCRIPTION is of `tidal`
    the DESCRIPTION cannot be read: line 1: expected `Field: value`, found `Package tidal`
    the DESCRIPTION cannot be read: line 1: the file has 1048577 bytes, more than the 1048576 allowed
    the entry `DESCRIPTION` is refused: it is a file where the package's folder should be
    "#);
}

#[test]
fn limits_hold_against_archives_that_are_too_much() {
    let refused = |limits: ArchiveLimits, add: &dyn Fn(&mut Tarball)| {
        let mut tarball = Tarball::with_description();
        add(&mut tarball);
        inspect_bytes(&tarball.bytes(), ArchiveKind::Source, &limits).unwrap_err()
    };
    let zeros = vec![0; 4 << 20];
    let bomb = refused(small(), &|tarball| {
        tarball.file("tidal/zeros", &zeros);
    });
    assert!(matches!(bomb, ArchiveProblem::Unpack(UnpackProblem::Bomb { ratio: 50 })), "{bomb}");
    let large = ArchiveLimits { unpacked: 1 << 20, ..small() };
    let large = refused(large, &|tarball| {
        tarball.file("tidal/zeros", &zeros);
    });
    assert!(matches!(large, ArchiveProblem::Unpack(UnpackProblem::UnpacksTooLarge { .. })), "{large}");
    let many = refused(small(), &|tarball| {
        for number in 0..50 {
            tarball.file(&format!("tidal/f{number}"), b"");
        }
    });
    assert!(matches!(many, ArchiveProblem::Unpack(UnpackProblem::TooManyEntries { limit: 50 })), "{many}");
    let heavy = refused(ArchiveLimits { compressed: 10, ..small() }, &|_| {});
    assert!(matches!(heavy, ArchiveProblem::Unpack(UnpackProblem::TooLarge { limit: 10, .. })), "{heavy}");
}

#[test]
fn an_archive_that_is_cut_off_anywhere_is_noticed() {
    let r = tidegate::domain::RVersion::parse("4.6.1").unwrap();
    let package = made("tidal", "1.2.0", &[]);
    let at = "2026-08-01T10:00:00Z".parse().unwrap();
    let archives = [
        (source_package(&package).unwrap(), ArchiveKind::Source),
        (binary_package(&package, BinaryPlatform::WindowsX64, &r, at).unwrap(), ArchiveKind::WindowsBinary),
    ];
    for (whole, kind) in archives {
        for length in 0..whole.len() {
            let cut = inspect_bytes(&whole[..length], kind, &small());
            assert!(
                matches!(cut, Err(ArchiveProblem::Unpack(UnpackProblem::Damaged(_)))),
                "{kind:?} cut at {length}: {cut:?}"
            );
        }
    }
}

/// A zip file with a good DESCRIPTION and whatever `add` puts into it.
fn zipped(add: impl FnOnce(&mut zip::ZipWriter<std::io::Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("tidal/DESCRIPTION", SimpleFileOptions::default()).unwrap();
    archive.write_all(DESCRIPTION.as_bytes()).unwrap();
    add(&mut archive);
    archive.finish().unwrap().into_inner()
}

#[test]
fn zip_files_are_held_to_the_same_rules() {
    let inspect = |bytes: &[u8]| inspect_bytes(bytes, ArchiveKind::WindowsBinary, &small());
    assert_eq!(inspect(&zipped(|_| {})).unwrap().entries, 1);
    let options = SimpleFileOptions::default();
    let add = |name: &'static str| zipped(move |archive| archive.start_file(name, options).unwrap());
    let mut messages: Vec<String> = ["tidal/../../up", "/etc/passwd", "other/x", "tidal/a\\..\\b"]
        .into_iter()
        .map(|name| inspect(&add(name)).unwrap_err().to_string())
        .collect();
    let link = zipped(|archive| archive.add_symlink("tidal/link", "R", options).unwrap());
    messages.push(inspect(&link).unwrap_err().to_string());
    let bomb = zipped(|archive| {
        archive.start_file("tidal/zeros", options).unwrap();
        archive.write_all(&vec![0; 4 << 20]).unwrap();
    });
    messages.push(inspect(&bomb).unwrap_err().to_string());
    let many = zipped(|archive| {
        (0..50).for_each(|number| archive.start_file(format!("tidal/f{number}"), options).unwrap())
    });
    messages.push(inspect(&many).unwrap_err().to_string());
    let mut flipped = zipped(|_| {});
    let middle = flipped.windows(8).position(|window| window == b"1.0.0\nLi").unwrap_or(60);
    flipped[middle] ^= 1;
    messages.push(inspect(&flipped).unwrap_err().to_string());
    insta::assert_snapshot!(messages.join("\n"), @r#"
    the entry `tidal/../../up` is refused: it contains `..`
    the entry `/etc/passwd` is refused: the path is absolute
    the entry `other/x` is refused: it is outside the package's folder
    the entry `tidal/a\..\b` is refused: it contains a backslash or a zero byte
    the entry `tidal/link` is refused: it is neither a file nor a folder
    the archive unpacks to more than 50 times its size; it looks like a decompression bomb
    the archive has more than the 50 entries allowed
    the archive is cut off or damaged: Invalid checksum
    "#);
}

#[test]
fn a_file_that_is_not_there_is_a_matter_of_the_disk() {
    let problem =
        inspect_file("/nowhere/tidal_1.0.tar.gz".as_ref(), ArchiveKind::Source, &small()).unwrap_err();
    assert!(matches!(problem, ArchiveProblem::Unpack(UnpackProblem::Disk(_))), "{problem}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damage_is_never_more_than_an_error(position in 0_usize..600, change in 1_u8..=255, zip in any::<bool>()) {
        let package = made("tidal", "1.2.0", &["lunar"]);
        let r = tidegate::domain::RVersion::parse("4.6.1").unwrap();
        let (mut bytes, kind) = if zip {
            let at = "2026-08-01T10:00:00Z".parse().unwrap();
            (binary_package(&package, BinaryPlatform::WindowsX64, &r, at).unwrap(), ArchiveKind::WindowsBinary)
        } else {
            (source_package(&package).unwrap(), ArchiveKind::Source)
        };
        let position = position % bytes.len();
        bytes[position] ^= change;
        if let Ok(facts) = inspect_bytes(&bytes, kind, &small()) {
            prop_assert_eq!(facts.description.package.as_deref(), Some("tidal"));
        }
    }
}
