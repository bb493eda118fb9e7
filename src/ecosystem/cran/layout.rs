//! Names, and where files lie in a CRAN-like repository. Every path that reaches a disk or an
//! address is built here, from a name and a version that were checked first.

use std::fmt;

use crate::domain::RVersion;

/// No R package comes near this; longer names are refused before they meet a file system.
const MAX_NAME: usize = 128;

/// True for a name that R-multiverse takes: letters, digits and dots, a letter first, no dot last,
/// at least two characters (Writing R Extensions, "The DESCRIPTION file").
pub fn is_package_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (2..=MAX_NAME).contains(&bytes.len())
        && bytes[0].is_ascii_alphabetic()
        && bytes[bytes.len() - 1].is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'.')
}

/// True for a version of two or more integers between dots or hyphens, which is what R asks of a package.
pub fn is_package_version(version: &str) -> bool {
    version.len() <= MAX_NAME
        && version.contains(['.', '-'])
        && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-')
        && RVersion::parse(version).is_ok()
}

/// A name or version from which no path may be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot build a path in a package repository: {0}")]
pub struct UnsafePart(String);

/// The kinds of archive of an R package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArchiveKind {
    /// A source package, `.tar.gz`.
    Source,
    /// A binary for macOS (`.tgz`).
    MacBinary,
    /// A binary for Windows (`.zip`).
    WindowsBinary,
}

impl ArchiveKind {
    /// The end of such a file's name, with its dot.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Source => ".tar.gz",
            Self::MacBinary => ".tgz",
            Self::WindowsBinary => ".zip",
        }
    }
}

/// A platform for which a snapshot carries binaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BinaryPlatform {
    /// Windows on x86-64.
    WindowsX64,
    /// Windows on 64-bit ARM.
    WindowsArm64,
    /// macOS on Intel.
    MacX64,
    /// macOS on Apple silicon.
    MacArm64,
}

impl BinaryPlatform {
    /// All platforms, in the order of their folders.
    pub const ALL: [Self; 4] = [Self::WindowsX64, Self::WindowsArm64, Self::MacX64, Self::MacArm64];

    /// The kind of archive for this platform.
    pub fn archive_kind(self) -> ArchiveKind {
        match self {
            Self::WindowsX64 | Self::WindowsArm64 => ArchiveKind::WindowsBinary,
            Self::MacX64 | Self::MacArm64 => ArchiveKind::MacBinary,
        }
    }

    /// The platforms that R-universe means by the `os` and `arch` of a binary. A binary without an
    /// architecture has no compiled code and serves all; an operating system that snapshots do not
    /// carry (linux, wasm) gives none.
    pub fn of_universe(os: &str, arch: Option<&str>) -> &'static [Self] {
        match (os, arch) {
            ("win", None) => &[Self::WindowsX64, Self::WindowsArm64],
            ("win", Some("x86_64" | "x64")) => &[Self::WindowsX64],
            ("win", Some("aarch64" | "arm64")) => &[Self::WindowsArm64],
            ("mac", None) => &[Self::MacX64, Self::MacArm64],
            ("mac", Some("x86_64")) => &[Self::MacX64],
            ("mac", Some("aarch64" | "arm64")) => &[Self::MacArm64],
            _ => &[],
        }
    }
}

/// A folder of a repository, relative to its root: `src/contrib`, or one for binaries of one R series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContribFolder {
    path: String,
    kind: ArchiveKind,
}

impl ContribFolder {
    /// The folder of source packages.
    pub fn source() -> Self {
        Self { path: "src/contrib".to_owned(), kind: ArchiveKind::Source }
    }

    /// The folder of binaries for `platform` and the R series `series` (such as `4.6`). Binaries for
    /// Apple silicon moved from `big-sur-arm64` to `sonoma-arm64` with R 4.6, as R-universe has it.
    pub fn binary(platform: BinaryPlatform, series: &str) -> Result<Self, UnsafePart> {
        let version = series_of(series)?;
        let sonoma = RVersion::parse("4.6").expect("a literal version");
        let base = match platform {
            BinaryPlatform::WindowsX64 => "bin/windows/contrib",
            BinaryPlatform::WindowsArm64 => "bin/windows/clang-aarch64/contrib",
            BinaryPlatform::MacX64 => "bin/macosx/big-sur-x86_64/contrib",
            BinaryPlatform::MacArm64 if version < sonoma => "bin/macosx/big-sur-arm64/contrib",
            BinaryPlatform::MacArm64 => "bin/macosx/sonoma-arm64/contrib",
        };
        Ok(Self { path: format!("{base}/{series}"), kind: platform.archive_kind() })
    }

    /// The folder of binaries for the R series `series` and a Linux such as `noble` on an architecture such as
    /// `x86_64`. They are tarballs as sources are, and R takes them from a folder of sources.
    pub fn linux(distro: &str, arch: &str, series: &str) -> Result<Self, UnsafePart> {
        let plain = |text: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            (1..=MAX_NAME).contains(&text.len())
                && text.bytes().all(allowed)
                && text.as_bytes()[0].is_ascii_alphanumeric()
        };
        for part in [distro, arch] {
            if !plain(part) {
                return Err(UnsafePart(format!("`{part}` is not the name of a Linux or of an architecture")));
            }
        }
        series_of(series)?;
        Ok(Self {
            path: format!("bin/linux/{distro}-{arch}/{series}/src/contrib"),
            kind: ArchiveKind::Source,
        })
    }

    /// The kind of the archives in this folder.
    pub fn kind(&self) -> ArchiveKind {
        self.kind
    }

    /// The path, relative to the repository's root, with forward slashes and none at either end.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The path of one package's archive in this folder.
    pub fn archive(&self, package: &str, version: &str) -> Result<RepositoryPath, UnsafePart> {
        Ok(RepositoryPath(format!("{}/{}", self.path, archive_name(package, version, self.kind)?)))
    }

    /// The path of this folder's plain or compressed index.
    pub fn index(&self, file: IndexFile) -> RepositoryPath {
        RepositoryPath(format!("{}/{}", self.path, file.name()))
    }
}

/// The version that an R series such as `4.6` is.
fn series_of(series: &str) -> Result<RVersion, UnsafePart> {
    let two = is_package_version(series) && series.split('.').count() == 2;
    let version = RVersion::parse(series).ok().filter(|_| two);
    version.ok_or_else(|| UnsafePart(format!("`{series}` is not an R series such as `4.6`")))
}

/// The forms of a folder's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexFile {
    /// `PACKAGES`.
    Plain,
    /// `PACKAGES.gz`.
    Gzip,
    /// `PACKAGES.rds`.
    Rds,
}

impl IndexFile {
    /// The file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PACKAGES",
            Self::Gzip => "PACKAGES.gz",
            Self::Rds => "PACKAGES.rds",
        }
    }
}

/// The name of an archive file, such as `arrow_25.0.1.tar.gz`.
pub fn archive_name(package: &str, version: &str, kind: ArchiveKind) -> Result<String, UnsafePart> {
    if !is_package_name(package) {
        return Err(UnsafePart(format!("`{package}` is not a name that R allows for a package")));
    }
    if !is_package_version(version) {
        return Err(UnsafePart(format!("`{version}` is not a version of an R package")));
    }
    Ok(format!("{package}_{version}{}", kind.suffix()))
}

/// A path inside a repository, relative to its root, that is safe to join to a folder or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositoryPath(String);

impl RepositoryPath {
    /// The path with forward slashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_the_registry() {
        for good in ["ab", "R6", "data.table", "x1", "audio.vadwebrtc"] {
            assert!(is_package_name(good), "{good}");
        }
        for bad in ["", "a", "1a", ".a", "a.", "a_b", "a-b", "../x", "ä1", "a/b", "a\0b"] {
            assert!(!is_package_name(bad), "{bad}");
        }
        assert!(!is_package_name(&"a".repeat(129)));
    }

    #[test]
    fn arm_binaries_of_macos_move_with_r_4_6() {
        let path = |series| ContribFolder::binary(BinaryPlatform::MacArm64, series).unwrap().path;
        assert_eq!(path("4.5"), "bin/macosx/big-sur-arm64/contrib/4.5");
        assert_eq!(path("4.6"), "bin/macosx/sonoma-arm64/contrib/4.6");
        assert_eq!(path("4.10"), "bin/macosx/sonoma-arm64/contrib/4.10");
    }

    #[test]
    fn no_path_is_built_from_text_that_could_leave_the_repository() {
        let source = ContribFolder::source();
        assert_eq!(source.archive("arrow", "25.0.1").unwrap().as_str(), "src/contrib/arrow_25.0.1.tar.gz");
        for (package, version) in
            [("../etc", "1.0"), ("arrow", "1.0/../.."), ("arrow", "1"), ("arrow", "+1.0")]
        {
            assert!(source.archive(package, version).is_err(), "{package} {version}");
        }
        assert!(ContribFolder::binary(BinaryPlatform::MacX64, "../4.5").is_err());
        let linux = ContribFolder::linux("noble", "x86_64", "4.6").unwrap();
        assert_eq!(linux.as_str(), "bin/linux/noble-x86_64/4.6/src/contrib");
        for (distro, arch, series) in [
            ("..", "x86_64", "4.6"),
            ("noble/..", "x86_64", "4.6"),
            ("noble", "", "4.6"),
            ("noble", "x86_64", "4"),
        ] {
            assert!(ContribFolder::linux(distro, arch, series).is_err(), "{distro} {arch} {series}");
        }
    }

    #[test]
    fn a_binary_without_an_architecture_serves_every_one() {
        assert_eq!(BinaryPlatform::of_universe("mac", None).len(), 2);
        assert_eq!(BinaryPlatform::of_universe("mac", Some("aarch64")), [BinaryPlatform::MacArm64]);
        assert!(BinaryPlatform::of_universe("linux", Some("x86_64")).is_empty());
    }
}
