//! Makes whole packages out of a few texts: what a made-up world is filled with. The same package has the
//! same bytes wherever and whenever it is made.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::layout::{ArchiveName, NOARCH};
use super::pack::Contents;
use crate::digest::sha256_hex;
use crate::failure::Failure;

/// A package that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadePackage {
    /// The sub-directory of a channel that it is for.
    pub subdir: String,
    /// Its name, version, build string and format.
    pub name: ArchiveName,
    /// Its build number.
    pub build_number: u64,
    /// Match specs of what it needs.
    pub depends: Vec<String>,
    /// The texts of its files, by path.
    pub files: BTreeMap<String, String>,
    /// The shell script that tests it; a package without one carries no tests.
    pub test: Option<String>,
    /// Match specs of what the test needs beside the package.
    pub test_needs: Vec<String>,
    /// When it was made.
    pub timestamp: Timestamp,
}

impl MadePackage {
    /// The archive. A path that no archive can hold is a [`Failure::Permanent`].
    pub fn archive(&self) -> Result<Vec<u8>, Failure> {
        let files: Vec<(String, Vec<u8>)> =
            self.files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
        let (stem, info) = (self.name.stem(), self.info());
        let contents = Contents { stem: &stem, timestamp: self.timestamp, info: &info, files: &files };
        contents.pack(self.name.format).map_err(|error| {
            Failure::permanent(format!("cannot make {}/{}: {error}", self.subdir, self.name))
        })
    }

    /// The files in `info/`: those that every package has, and conda-build's form of the test.
    fn info(&self) -> Vec<(String, Vec<u8>)> {
        let list: String = self.files.keys().map(|path| format!("{path}\n")).collect();
        let paths: Vec<Value> = self.files.iter().map(|(path, text)| path_row(path, text)).collect();
        let mut info = vec![
            ("info/about.json".to_owned(), pretty(&json!({ "summary": "Made for a rehearsal" }))),
            ("info/files".to_owned(), list.into_bytes()),
            ("info/index.json".to_owned(), pretty(&self.index())),
            ("info/paths.json".to_owned(), pretty(&json!({ "paths": paths, "paths_version": 1 }))),
        ];
        if let Some(test) = &self.test {
            info.push(("info/test/run_test.sh".to_owned(), test.clone().into_bytes()));
        }
        if !self.test_needs.is_empty() {
            info.push(("info/test/test_time_dependencies.json".to_owned(), pretty(&json!(self.test_needs))));
        }
        info
    }

    fn index(&self) -> Value {
        let (platform, arch) = match self.subdir.split_once('-') {
            Some((platform, "64")) => (Some(platform), Some("x86_64")),
            Some((platform, arch)) => (Some(platform), Some(arch)),
            None => (None, None),
        };
        let mut index = json!({
            "arch": arch, "build": self.name.build, "build_number": self.build_number,
            "depends": self.depends, "name": self.name.name, "platform": platform, "subdir": self.subdir,
            "timestamp": self.timestamp.as_millisecond(), "version": self.name.version,
        });
        if self.subdir == NOARCH {
            index["noarch"] = "generic".into();
        }
        index
    }
}

fn path_row(path: &str, text: &str) -> Value {
    let sha256 = sha256_hex(text.as_bytes());
    json!({ "_path": path, "path_type": "hardlink", "sha256": sha256, "size_in_bytes": text.len() })
}

fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("JSON values have JSON")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::MadePackage;
    use crate::ecosystem::conda::archive::{Archive, ArchiveLimits};
    use crate::ecosystem::conda::layout::ArchiveName;
    use crate::ecosystem::conda::package_tests::PackageTests;

    fn package(file: &str) -> MadePackage {
        MadePackage {
            subdir: "linux-64".to_owned(),
            name: ArchiveName::parse(file).unwrap(),
            build_number: 3,
            depends: vec!["tables >=1".to_owned()],
            files: BTreeMap::from([("bin/q2".to_owned(), "echo q2\n".to_owned())]),
            test: Some("q2\n".to_owned()),
            test_needs: vec!["helper".to_owned()],
            timestamp: "2026-03-02T00:00:00Z".parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn what_is_made_in_either_format_is_read_as_what_was_ordered() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["q2-types-1.0-h0_3.conda", "q2-types-1.0-h0_3.tar.bz2"] {
            let (package, path) = (package(file), folder.path().join(file));
            let bytes = package.archive().unwrap();
            assert_eq!(bytes, package.archive().unwrap(), "the same bytes each time");
            std::fs::write(&path, bytes).unwrap();
            let read = Archive::read_as(&path, "linux-64", file, &ArchiveLimits::default()).unwrap();
            assert_eq!(read.name, package.name);
            assert_eq!(read.index.build_number, 3);
            let tests = PackageTests::of_archive(&path).await.unwrap();
            assert_eq!(tests.requires, ["helper"]);
            assert_eq!(tests.steps.len(), 1);
        }
    }
}
