//! `snapshot verify` and `snapshot diff`: on folders, as somebody has them who has only a copy.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tidegate::decide::snapshot::{Origin, OutsideDependency};
use tidegate::domain::Check;
use tidegate::ecosystem::cran::archive::ArchiveLimits;
use tidegate::ecosystem::cran::index::Index;
use tidegate::ecosystem::cran::layout::{ArchiveKind, BinaryPlatform, ContribFolder, archive_name};
use tidegate::ecosystem::cran::make::{MadePackage, binary_package, source_package};
use tidegate::jobs::snapshot::{
    Made, MadeFrom, Manifest, ManifestFailing, ManifestFile, ManifestLeftOut, ManifestNeeded,
    ManifestPackage, attach,
};
use tidegate::publish::signing::Signer;

use super::{Ran, run};

/// A published snapshot with these packages, each as source and as binary for Windows.
pub struct Published {
    folder: tempfile::TempDir,
    signer: Signer,
}

impl Published {
    pub fn on(date: &str, packages: &[(&str, &str)]) -> Self {
        Self::signed(date, packages, Signer::default())
    }

    pub fn signed(date: &str, packages: &[(&str, &str)], signer: Signer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = ContribFolder::source();
        let binaries = ContribFolder::binary(BinaryPlatform::WindowsX64, "4.5").unwrap();
        for (package, version) in packages {
            let made = MadePackage {
                package: (*package).to_owned(),
                version: (*version).to_owned(),
                ..MadePackage::default()
            };
            let r = tidegate::domain::RVersion::parse("4.5.3").unwrap();
            let built = "2026-06-01T00:00:00Z".parse().unwrap();
            let binary = binary_package(&made, BinaryPlatform::WindowsX64, &r, built).unwrap();
            for (contrib, bytes) in [(&sources, source_package(&made).unwrap()), (&binaries, binary)] {
                let into = folder.path().join(contrib.as_str());
                fs::create_dir_all(&into).unwrap();
                fs::write(into.join(archive_name(package, version, contrib.kind()).unwrap()), bytes).unwrap();
            }
        }
        let published = Self { folder, signer };
        for contrib in [&sources, &binaries] {
            published.index(contrib.as_str(), contrib.kind());
        }
        published.write_manifest(&manifest(date, packages));
        published
    }

    pub fn index(&self, folder: &str, kind: ArchiveKind) {
        let folder = self.path(folder);
        Index::of_folder(&folder, kind, &ArchiveLimits::default()).unwrap().write_to(&folder).unwrap();
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn folder(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// Writes the manifest anew, with the files as they are now, and what lies beside it.
    pub fn write_manifest(&self, manifest: &Manifest) {
        let mut manifest = manifest.clone();
        manifest.files = files(self.folder.path(), "");
        manifest.files.sort_by(|one, other| one.path.cmp(&other.path));
        let bytes = manifest.to_bytes().unwrap();
        fs::write(self.path("manifest.json"), &bytes).unwrap();
        let made = Made {
            job: "a-snapshot".to_owned(),
            at: format!("{}T02:00:00Z", manifest.date).parse().unwrap(),
            from: MadeFrom::Decision {
                from: "staging".to_owned(),
                to: "production".to_owned(),
                input_sha256: hex(b"the input"),
                plan_sha256: hex(b"the plan"),
            },
            builder: self.signer.builder().to_owned(),
        };
        attach(self.folder.path(), &manifest, &bytes, &made, &self.signer).unwrap();
    }

    pub fn edit(&self, path: &str, edit: impl Fn(String) -> String) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        fs::write(self.path(path), edit(text)).unwrap();
    }

    pub fn verify(&self) -> Ran {
        self.verify_by(&[])
    }

    /// Verifies it by the keys in these files.
    pub fn verify_by(&self, keys: &[&Path]) -> Ran {
        let mut line = vec!["snapshot", "verify", self.folder()];
        line.extend(keys.iter().flat_map(|key| ["--key", key.to_str().unwrap()]));
        let ran = run(line);
        let plain = |text: String| text.replace(self.folder(), "FOLDER");
        Ran { code: ran.code, out: plain(ran.out), err: plain(ran.err) }
    }
}

pub fn manifest(date: &str, packages: &[(&str, &str)]) -> Manifest {
    let package = |(name, version): &(&str, &str)| ManifestPackage {
        name: (*name).to_owned(),
        version: (*version).to_owned(),
        commit: hex(format!("{name} {version}").as_bytes())[..40].to_owned(),
        url: format!("https://github.com/someone/{name}"),
        evidence: "passing".to_owned(),
        checks: Vec::new(),
        caveat: None,
        let_in_by: None,
        exception: None,
        overridden: None,
        dependencies_from_elsewhere: Vec::new(),
    };
    Manifest {
        format: 2,
        distribution: "r-multiverse".to_owned(),
        date: date.parse().unwrap(),
        r: "4.5".to_owned(),
        cran: "https://packagemanager.posit.co/cran/2026-04-15".to_owned(),
        cran_date: "2026-04-15".parse().unwrap(),
        production: format!("https://production.example.org/{date}"),
        packages: packages.iter().map(package).collect(),
        released: None,
        failing: None,
        outside: Vec::new(),
        left_out: Vec::new(),
        generation: 1,
        withdrawn: Vec::new(),
        files: Vec::new(),
    }
}

/// A snapshot of which `tidal` needs `comet`, which fails and is published apart.
pub fn with_failing() -> Published {
    let published = Published::on("2026-06-15", &PACKAGES);
    let made =
        MadePackage { package: "comet".to_owned(), version: "0.1".to_owned(), ..MadePackage::default() };
    let contrib = published.path("failing/src/contrib");
    fs::create_dir_all(&contrib).unwrap();
    fs::write(contrib.join("comet_0.1.tar.gz"), source_package(&made).unwrap()).unwrap();
    published.index("failing/src/contrib", ArchiveKind::Source);
    let mut manifest = manifest("2026-06-15", &PACKAGES);
    let mut comet = manifest.packages[0].clone();
    (comet.name, comet.version, comet.evidence) =
        ("comet".to_owned(), "0.1".to_owned(), "failing".to_owned());
    let reason = "R CMD check ends with ERROR on linux-release-x86_64.".to_owned();
    let needed_by = vec!["tidal".to_owned()];
    let packages = vec![ManifestNeeded { package: comet, reason: reason.clone(), needed_by }];
    manifest.failing = Some(ManifestFailing { folder: "failing".to_owned(), packages });
    manifest.left_out.push(ManifestLeftOut {
        name: "comet".to_owned(),
        version: Some("0.1".to_owned()),
        reason,
        since: Some("2026-06-02T05:12:00Z".parse().unwrap()),
        root_causes: Vec::new(),
        evidence: None,
        held_until: Default::default(),
    });
    published.write_manifest(&manifest);
    published
}

fn files(folder: &Path, below: &str) -> Vec<ManifestFile> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path(), &format!("{path}/")));
        } else if !["manifest.json", "provenance.", "minisign.", "openpgp."]
            .iter()
            .any(|own| path.starts_with(own))
        {
            let bytes = fs::read(entry.path()).unwrap();
            found.push(ManifestFile { path, sha256: hex(&bytes), size: bytes.len() as u64 });
        }
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub const PACKAGES: [(&str, &str); 2] = [("lunar", "0.9.1"), ("tidal", "1.2.0")];

#[test]
fn a_snapshot_as_it_was_published_verifies() {
    let published = Published::on("2026-06-15", &PACKAGES);
    insta::assert_snapshot!(published.verify().printed(), @r#"
    FOLDER: 2 packages, 10 files, all as its manifest says
    not signed
    "#);
}

#[test]
fn every_damage_is_found_and_named() {
    let published = Published::on("2026-06-15", &PACKAGES);
    let tidal = published.path("src/contrib/tidal_1.2.0.tar.gz");
    let mut bytes = fs::read(&tidal).unwrap();
    bytes[40] ^= 1;
    fs::write(&tidal, bytes).unwrap();
    fs::remove_file(published.path("bin/windows/contrib/4.5/lunar_0.9.1.zip")).unwrap();
    fs::write(published.path("src/contrib/.hidden"), "more").unwrap();
    fs::create_dir(published.path("src/contrib/Archive")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", published.path("src/link")).unwrap();
    let ran = published.verify();
    assert_eq!(ran.code, 1);
    let sums = vec![("[0-9a-f]{64}", "SHA256")];
    insta::with_settings!({filters => sums}, { insta::assert_snapshot!(ran.out + &ran.err, @r#"
    index       bin/windows/contrib/4.5/PACKAGES: the row for lunar_0.9.1.zip has no file
    missing     bin/windows/contrib/4.5/lunar_0.9.1.zip: the manifest names it
    extra       src/contrib/.hidden: the manifest does not name it
    extra       src/contrib/Archive/: the manifest does not name it
    index       src/contrib/PACKAGES: the row for tidal_1.2.0.tar.gz has the checksum of another file
    changed     src/contrib/tidal_1.2.0.tar.gz: its sha256 is SHA256, and SHA256 was published
    extra       src/link: it is a link or a device, which no snapshot has
    not signed
    error: FOLDER has 7 differences from what was published
    hint: restore what differs from a copy that verifies
    "#); });
}

#[test]
fn an_index_that_was_changed_together_with_the_manifest_is_found_out() {
    let published = Published::on("2026-06-15", &PACKAGES);
    published.edit("src/contrib/PACKAGES", |text| {
        text.replace("Version: 0.9.1", "Version: 0.9.2")
            .replace("Package: tidal", "Package: tidal\nFile: x.tar.gz")
    });
    let mut changed = manifest("2026-06-15", &PACKAGES);
    changed.packages.push(manifest("2026-06-15", &[("absent", "1.0")]).packages.remove(0));
    published.write_manifest(&changed);
    let ran = published.verify();
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out + &ran.err, @r#"
    index       src/contrib/PACKAGES: it has no row for absent 1.0 of the manifest
    index       src/contrib/PACKAGES: it has no row for lunar 0.9.1 of the manifest
    index       src/contrib/PACKAGES: lunar 0.9.2 is no package of the manifest
    index       src/contrib/PACKAGES: the row for lunar_0.9.2.tar.gz has no file
    index       src/contrib/PACKAGES: the row for tidal_1.2.0.tar.gz has a field `File`, which leads readers elsewhere
    index       src/contrib/PACKAGES.gz: it does not say what PACKAGES says
    index       src/contrib/PACKAGES.rds: it does not say what PACKAGES says
    index       src/contrib/lunar_0.9.1.tar.gz: no row of its index is about it
    not signed
    error: FOLDER has 8 differences from what was published
    hint: restore what differs from a copy that verifies
    "#);
}

#[test]
fn a_folder_without_a_manifest_is_no_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(["snapshot", "verify", folder.path().to_str().unwrap()]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.starts_with("manifest    manifest.json: it cannot be read"), "{}", ran.out);
    let ran = run(["snapshot", "verify", "/nowhere"]);
    insta::assert_snapshot!(ran.err, @r"
    error: `/nowhere` is neither a date nor a folder
    hint: write the snapshot's date like 2026-06-15, or the path of a copy
    ");
}

fn outside(name: &str, origin: Origin, needed_by: &[&str]) -> OutsideDependency {
    let needed_by = needed_by.iter().map(|name| (*name).to_owned()).collect();
    OutsideDependency { name: name.to_owned(), origin, needed_by }
}

fn check(config: &str, outcome: &str) -> Check {
    Check {
        check: outcome.to_owned(),
        config: config.to_owned(),
        r: "4.5.3".to_owned(),
        url: "https://github.com/r-universe/demo/actions/runs/1/job/2".to_owned(),
    }
}

#[test]
fn two_snapshots_are_compared_with_the_reasons() {
    let from = Published::on("2026-03-15", &[("apart", "1.0"), ("lunar", "0.9.0"), ("tidal", "1.2.0")]);
    let mut earlier = manifest("2026-03-15", &[("apart", "1.0"), ("lunar", "0.9.0"), ("tidal", "1.2.0")]);
    let left_out = |name: &str, reason: &str, causes: &[&str]| ManifestLeftOut {
        name: name.to_owned(),
        version: Some("1.0".to_owned()),
        reason: reason.to_owned(),
        since: None,
        root_causes: causes.iter().map(|cause| (*cause).to_owned()).collect(),
        evidence: None,
        held_until: Default::default(),
    };
    earlier.left_out.push(left_out("comet", "R CMD check ends with an error.", &[]));
    earlier.left_out.push(left_out("kelp", "It depends on comet, which fails.", &["comet"]));
    earlier.left_out.push(left_out("swell", "Its licence is not free.", &[]));
    earlier.left_out[0].since = Some("2026-02-02T05:12:00Z".parse().unwrap());
    earlier.outside = vec![
        outside("dplyr", Origin::Cran { version: "1.1.4".to_owned() }, &["lunar"]),
        outside("methods", Origin::Base, &["lunar"]),
        outside("plyr", Origin::Cran { version: "1.8.9".to_owned() }, &["apart"]),
        outside("rlang", Origin::Cran { version: "1.1.6".to_owned() }, &["lunar", "tidal"]),
    ];
    earlier.packages[2].checks = vec![check("linux-release-x86_64", "WARNING"), check("source", "OK")];
    from.write_manifest(&earlier);
    let to = Published::on(
        "2026-06-15",
        &[("comet", "1.1"), ("lunar", "0.9.1"), ("nova", "0.1"), ("tidal", "1.2.0")],
    );
    let mut later =
        manifest("2026-06-15", &[("comet", "1.1"), ("lunar", "0.9.1"), ("nova", "0.1"), ("tidal", "1.2.0")]);
    later.left_out.push(left_out("apart", "It depends on base, which fails.", &["base"]));
    later.left_out.push(left_out("eddy", "Its first build or check is still running.", &[]));
    later.left_out.push(left_out("kelp", "R CMD check ends with an error.", &[]));
    later.left_out.push(left_out("swell", "Its licence is not free.", &[]));
    later.left_out[0].since = Some("2026-05-01T17:12:00Z".parse().unwrap());
    later.left_out[2].since = Some("2026-06-01T17:12:00Z".parse().unwrap());
    later.outside = vec![
        outside("dplyr", Origin::Cran { version: "1.2.0".to_owned() }, &["lunar"]),
        outside("methods", Origin::Base, &["lunar", "nova"]),
        outside("rlang", Origin::NotOnCran, &["tidal"]),
        outside("vctrs", Origin::Unknown { why: "the index was not read".to_owned() }, &["nova"]),
    ];
    later.packages[3].checks = vec![check("linux-release-x86_64", "OK"), check("source", "OK")];
    later.cran_date = "2026-07-15".parse().unwrap();
    later.r = "4.6".to_owned();
    to.write_manifest(&later);
    insta::assert_snapshot!(run(["snapshot", "diff", from.folder(), to.folder()]).printed(), @r"
    2026-03-15 → 2026-06-15: 2 added, 1 removed, 1 changed, 1 unchanged
    R 4.5 → 4.6
    CRAN as of 2026-04-15 → 2026-07-15

    added
      comet 1.1  before: R CMD check ends with an error, since 2026-02-02
      nova 0.1  before: it was not listed

    removed
      apart 1.0  It depends on base, which fails, since 2026-05-01

    changed
      lunar 0.9.0 → 0.9.1

    left out for new reasons
      eddy 1.0  Its first build or check is still running; before: it was not listed
      kelp 1.0  R CMD check ends with an error, since 2026-06-01; before: It depends on comet, which fails

    checks that came out otherwise
      tidal  linux-release-x86_64: WARNING → OK

    from outside
      dplyr 1.1.4 → 1.2.0  needed by lunar
      plyr 1.8.9  no longer needed
      rlang 1.1.6 → not on CRAN  needed by tidal
      vctrs of unknown version  new, needed by nova
    ");
    let json = run(["--json", "snapshot", "diff", from.folder(), to.folder()]).json();
    assert_eq!(json["removed"][0]["root_causes"][0], "base");
    assert_eq!(json["unchanged"], 1);
    assert_eq!(json["added"][0]["left_out_since"], "2026-02-02T05:12:00Z");
    assert_eq!(json["removed"][0]["since"], "2026-05-01T17:12:00Z");
    assert_eq!(json["left_out"][1]["reason_before"], "It depends on comet, which fails.");
    assert_eq!(json["checks"][0]["config"], "linux-release-x86_64");
    assert_eq!(json["outside"][0]["to"]["version"], "1.2.0");
    assert_eq!(json["outside"][1]["to"], serde_json::Value::Null);
}

#[test]
fn what_a_manifest_does_not_say_is_no_difference() {
    let from = Published::on("2026-03-15", &PACKAGES);
    let mut earlier = manifest("2026-03-15", &PACKAGES);
    earlier.format = 1;
    from.write_manifest(&earlier);
    let to = Published::on("2026-06-15", &PACKAGES);
    let mut later = manifest("2026-06-15", &PACKAGES);
    later.outside = vec![outside("dplyr", Origin::Cran { version: "1.1.4".to_owned() }, &["lunar"])];
    to.write_manifest(&later);
    insta::assert_snapshot!(run(["snapshot", "diff", from.folder(), to.folder()]).printed(), @r"
    2026-03-15 → 2026-06-15: 0 added, 0 removed, 0 changed, 2 unchanged

    from outside
      one of the two does not say what it needs
    ");
    let json = run(["--json", "snapshot", "diff", from.folder(), to.folder()]).json();
    assert_eq!(json["outside"], serde_json::Value::Null);
}

#[test]
fn a_package_that_is_published_apart_now_is_no_longer_in() {
    let from = Published::on("2026-03-15", &[("comet", "0.1"), ("lunar", "0.9.1"), ("tidal", "1.2.0")]);
    insta::assert_snapshot!(run(["snapshot", "diff", from.folder(), with_failing().folder()]).printed(), @r"
    2026-03-15 → 2026-06-15: 0 added, 1 removed, 0 changed, 2 unchanged

    removed
      comet 0.1  R CMD check ends with ERROR on linux-release-x86_64, since 2026-06-02; published apart, since others need it
    ");
}
