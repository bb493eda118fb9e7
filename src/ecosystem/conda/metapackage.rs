//! Writes the archive of a metapackage: no files, only the exact builds that it stands for. The same
//! metapackage has the same bytes wherever and whenever it is written.

use jiff::Timestamp;
use md5::Md5;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::layout::ArchiveFormat;
use super::pack::Contents;
use super::spec::compare_versions;
use crate::digest::hex;
use crate::domain::Build;
use crate::failure::Failure;

/// A metapackage that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metapackage {
    /// Its name, such as `qiime2-core`.
    pub name: String,
    /// Its version, such as the UTC stamp `2023.08.14.20.23.00`.
    pub version: String,
    /// The platform that its members are for, or `noarch` where all of them are.
    pub subdir: String,
    /// What it is for, in a sentence.
    pub summary: String,
    /// When it was made.
    pub timestamp: Timestamp,
    /// The exact builds that it stands for; their order does not count.
    pub members: Vec<Build>,
}

/// A metapackage as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenMetapackage {
    /// The exact build that it is in the channel it is written for. The channel's address is left empty
    /// until it lies in one.
    pub build: Build,
    /// Its MD5, lower-case hexadecimal.
    pub md5: String,
    /// The whole file.
    pub bytes: Vec<u8>,
}

impl Metapackage {
    /// The archive. A name or version that conda does not know, and a metapackage without members or
    /// with two builds of one name, are a [`Failure::Permanent`].
    pub fn archive(&self, format: ArchiveFormat) -> Result<WrittenMetapackage, Failure> {
        self.check()?;
        let (stem, info) = (self.stem(), self.info()?);
        let contents = Contents { stem: &stem, timestamp: self.timestamp, info: &info, files: &[] };
        let bytes = contents.pack(format).map_err(|error| {
            Failure::permanent(format!("cannot write the archive of {} {}: {error}", self.name, self.version))
        })?;
        let build = Build {
            name: self.name.clone(),
            version: self.version.clone(),
            build: "0".to_owned(),
            build_number: 0,
            subdir: self.subdir.clone(),
            file_name: format!("{stem}{}", format.suffix()),
            sha256: hex(&Sha256::digest(&bytes)),
            channel: String::new(),
        };
        Ok(WrittenMetapackage { build, md5: hex(&Md5::digest(&bytes)), bytes })
    }

    fn stem(&self) -> String {
        format!("{}-{}-0", self.name, self.version)
    }

    fn check(&self) -> Result<(), Failure> {
        let wrong = |why: &str| {
            Err(Failure::permanent(format!(
                "no metapackage `{} {}` can be written: {why}",
                self.name, self.version
            )))
        };
        let letters = |text: &str, more: &str| {
            !text.is_empty()
                && text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
        };
        if !letters(&self.name, "-_.")
            || self.name.starts_with(['.', '-'])
            || self.name != self.name.to_lowercase()
        {
            return wrong("its name is none of conda: lower-case letters, digits, `-`, `_` and `.`");
        }
        // `-` parts name, version and build in the name of the file.
        if !letters(&self.version, "_.+!") || compare_versions(&self.version, &self.version).is_none() {
            return wrong("its version is none of conda");
        }
        if super::reader::known_platform(&self.subdir).is_err() {
            return wrong("its platform is none of conda");
        }
        if self.members.is_empty() {
            return wrong("it has no members");
        }
        let mut names: Vec<&str> = self.members.iter().map(|member| member.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => wrong(&format!("`{}` is a member twice", pair[0])),
            None => Ok(()),
        }
    }

    /// The pins, by name: `name version build`, which only this one build fits.
    fn depends(&self) -> Vec<String> {
        let pin = |member: &Build| format!("{} {} {}", member.name, member.version, member.build);
        let mut depends: Vec<String> = self.members.iter().map(pin).collect();
        depends.sort();
        depends
    }

    /// The files in `info/`, by path.
    fn info(&self) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let (platform, arch) = match self.subdir.split_once('-') {
            Some((platform, arch)) => (Some(platform), Some(if arch == "64" { "x86_64" } else { arch })),
            None => (None, None),
        };
        let mut index = json!({
            "arch": arch, "build": "0", "build_number": 0, "depends": self.depends(), "name": self.name,
            "platform": platform, "subdir": self.subdir, "timestamp": self.timestamp.as_millisecond(),
            "version": self.version,
        });
        if platform.is_none() {
            index["noarch"] = "generic".into();
        }
        let text = |value: serde_json::Value| {
            let pretty = serde_json::to_vec_pretty(&value);
            pretty.map_err(|error| Failure::permanent(format!("cannot write {}: {error}", self.name)))
        };
        Ok(vec![
            ("info/about.json".to_owned(), text(json!({ "summary": self.summary }))?),
            ("info/files".to_owned(), Vec::new()),
            ("info/index.json".to_owned(), text(index)?),
            ("info/paths.json".to_owned(), text(json!({ "paths": [], "paths_version": 1 }))?),
        ])
    }
}
