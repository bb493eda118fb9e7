//! Names, and where files lie in a channel. Every path below a channel is built from a subdir and a file
//! name that were checked here first.

use std::fmt;
use std::str::FromStr as _;

use rattler_conda_types::Version;

/// The longest file name that is taken; file systems end at 255 bytes, and readers add suffixes of their own.
const MAX_FILE_NAME: usize = 240;

/// The sub-directories that conda's own tools look into (`KNOWN_SUBDIRS` of conda).
const SUBDIRS: [&str; 22] = [
    "emscripten-wasm32",
    "freebsd-64",
    "linux-32",
    "linux-64",
    "linux-aarch64",
    "linux-armv6l",
    "linux-armv7l",
    "linux-loongarch64",
    "linux-ppc64",
    "linux-ppc64le",
    "linux-riscv32",
    "linux-riscv64",
    "linux-s390x",
    "noarch",
    "osx-64",
    "osx-arm64",
    "wasi-wasm32",
    "win-32",
    "win-64",
    "win-arm64",
    "zos-s390x",
    "zos-z",
];

pub use crate::domain::NOARCH;

/// True for a sub-directory of a channel that conda knows: `noarch`, `linux-64`, …
pub fn is_subdir(name: &str) -> bool {
    SUBDIRS.binary_search(&name).is_ok()
}

/// The two formats of a package archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArchiveFormat {
    /// `.tar.bz2`, listed under `packages`.
    TarBz2,
    /// `.conda`, listed under `packages.conda`.
    Conda,
}

impl ArchiveFormat {
    /// Both formats.
    pub const ALL: [Self; 2] = [Self::TarBz2, Self::Conda];

    /// The end of such a file's name, with its dot.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::TarBz2 => ".tar.bz2",
            Self::Conda => ".conda",
        }
    }

    /// The key under which an index lists archives of this format.
    pub fn section(self) -> &'static str {
        match self {
            Self::TarBz2 => "packages",
            Self::Conda => "packages.conda",
        }
    }

    /// The format that a file's name claims, in whatever case; none for other files.
    pub fn claimed_by(file_name: &str) -> Option<Self> {
        let lower = file_name.to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| lower.ends_with(format.suffix()))
    }
}

/// The name of a package archive: `<name>-<version>-<build>` and the suffix of its format.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveName {
    /// The package's name.
    pub name: String,
    /// Its version, as written.
    pub version: String,
    /// Its build string.
    pub build: String,
    /// The format.
    pub format: ArchiveFormat,
}

/// A file name that no package archive has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{file_name}` is not the name of a conda package: {why}")]
pub struct BadName {
    file_name: String,
    why: &'static str,
}

impl ArchiveName {
    /// Reads `file_name`, without any folder.
    pub fn parse(file_name: &str) -> Result<Self, BadName> {
        let refuse = |why| BadName { file_name: file_name.chars().take(120).collect(), why };
        if file_name.len() > MAX_FILE_NAME {
            return Err(refuse("it is longer than 240 bytes"));
        }
        let format = ArchiveFormat::claimed_by(file_name);
        let format = format.ok_or_else(|| refuse("it ends neither in `.conda` nor in `.tar.bz2`"))?;
        let stem = file_name
            .strip_suffix(format.suffix())
            .ok_or_else(|| refuse("its suffix has to be in lower case"))?;
        let mut parts = stem.rsplitn(3, '-');
        let (Some(build), Some(version), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse("it should be `<name>-<version>-<build>`"));
        };
        if !is_package_name(name) {
            return Err(refuse(
                "names have lower-case letters, digits, `.`, `_` and `-`, and begin with no dot",
            ));
        }
        if !is_version(version) {
            return Err(refuse("conda cannot read its version"));
        }
        if !is_build(build) {
            return Err(refuse("build strings have letters, digits, `.`, `_` and `+`"));
        }
        Ok(Self { name: name.into(), version: version.into(), build: build.into(), format })
    }

    /// `<name>-<version>-<build>`, without the suffix.
    pub fn stem(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.build)
    }
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.stem(), self.format.suffix())
    }
}

fn is_package_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().next().is_some_and(letter)
        && name.bytes().all(|byte| letter(byte) || matches!(byte, b'.' | b'-'))
}

fn is_version(version: &str) -> bool {
    version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'!'))
        && Version::from_str(version).is_ok()
}

fn is_build(build: &str) -> bool {
    !build.is_empty()
        && build.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_subdirs_is_in_order() {
        assert!(SUBDIRS.is_sorted());
        assert!(is_subdir("noarch") && is_subdir("osx-arm64") && !is_subdir("Linux-64") && !is_subdir(".."));
    }

    #[test]
    fn names_are_taken_apart_from_the_end() {
        let name = ArchiveName::parse("_libgcc-mutex-1!2024a.post1_3-h4616a5c_0.tar.bz2").unwrap();
        assert_eq!((name.name.as_str(), name.version.as_str()), ("_libgcc-mutex", "1!2024a.post1_3"));
        assert_eq!((name.build.as_str(), name.format), ("h4616a5c_0", ArchiveFormat::TarBz2));
        assert_eq!(name.to_string(), "_libgcc-mutex-1!2024a.post1_3-h4616a5c_0.tar.bz2");
    }

    #[test]
    fn no_path_is_built_from_text_that_could_leave_the_channel() {
        let long = format!("{}-1-0.conda", "a".repeat(240));
        for bad in [
            "../a-1-0.conda",
            "a/b-1-0.conda",
            ".a-1-0.conda",
            "a-1.conda",
            "A-1-0.conda",
            "a-1-0.CONDA",
            "a-1-0.zip",
            "a--0.conda",
            "a-1-.conda",
            "a-1-0\0.conda",
            "a-?-0.conda",
            "ä-1-0.conda",
            &long,
        ] {
            assert!(ArchiveName::parse(bad).is_err(), "{bad}");
        }
    }
}
