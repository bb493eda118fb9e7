//! Made packages: what the simulated universe needs to know of one, and who makes its bytes.

use crate::domain::PackageName;

/// What a made package carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadePackage {
    /// The package.
    pub package: PackageName,
    /// Its version.
    pub version: String,
    /// The commit it is said to be built from.
    pub commit: String,
    /// Its title.
    pub title: String,
    /// Its licence.
    pub license: String,
    /// The packages of the distribution that it imports.
    pub imports: Vec<PackageName>,
    /// Development dependencies.
    pub remotes: Vec<String>,
    /// The whole text of its DESCRIPTION, the one that the simulated GitHub serves too.
    pub description: String,
}

/// What a binary package is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Platform {
    /// Windows on x86_64.
    Windows,
    /// macOS on x86_64.
    MacX86,
    /// macOS on Apple's processors.
    MacArm,
    /// Ubuntu 24.04 on x86_64.
    Noble,
}

impl Platform {
    /// Those that a universe has binaries for unless its maker says otherwise.
    pub const USUAL: [Self; 3] = [Self::Windows, Self::MacX86, Self::MacArm];

    /// The folder of a CRAN-like repository that holds binaries for a series of R such as `4.5`.
    /// From R 4.6 on the binaries for Apple's processors are built on a newer macOS.
    pub fn folder(self, series: &str) -> String {
        match self {
            Self::Windows => format!("bin/windows/contrib/{series}"),
            Self::MacX86 => format!("bin/macosx/big-sur-x86_64/contrib/{series}"),
            Self::MacArm if is_sonoma(series) => format!("bin/macosx/sonoma-arm64/contrib/{series}"),
            Self::MacArm => format!("bin/macosx/big-sur-arm64/contrib/{series}"),
            Self::Noble => format!("bin/linux/noble-x86_64/{series}/src/contrib"),
        }
    }

    /// The ending of a binary package's file name.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Windows => "zip",
            Self::MacX86 | Self::MacArm => "tgz",
            Self::Noble => "tar.gz",
        }
    }

    /// The platform in the words of a `Built` field: architecture and family of the system.
    pub fn built(self) -> (&'static str, &'static str) {
        match self {
            Self::Windows => ("x86_64-w64-mingw32", "windows"),
            Self::MacX86 => ("x86_64-apple-darwin20", "unix"),
            Self::MacArm => ("aarch64-apple-darwin20", "unix"),
            Self::Noble => ("x86_64-pc-linux-gnu", "unix"),
        }
    }
}

fn is_sonoma(series: &str) -> bool {
    let number = |part: &str| part.parse::<u32>().ok();
    let (major, minor) = series.split_once('.').unwrap_or((series, "0"));
    (number(major), number(minor)) >= (Some(4), Some(6))
}

/// Makes small but valid packages. The same input gives the same bytes.
pub trait PackageMaker: Send + Sync {
    /// A source package (`.tar.gz`).
    fn source(&self, package: &MadePackage) -> Vec<u8>;

    /// A binary package for a platform, built with the full version `r` of R.
    fn binary(&self, package: &MadePackage, platform: Platform, r: &str) -> Vec<u8>;

    /// The platforms that there are binaries for.
    fn platforms(&self) -> &[Platform] {
        &Platform::USUAL
    }
}
