//! The packages that a simulated universe serves: small and valid, made from the world's metadata.

use jiff::Timestamp;

use super::universe::{MadePackage, PackageMaker, Platform};
use crate::domain::RVersion;
use crate::ecosystem::cran::layout::BinaryPlatform;
use crate::ecosystem::cran::make;

/// Makes real packages, which R installs.
pub struct MadePackages;

impl PackageMaker for MadePackages {
    fn source(&self, package: &MadePackage) -> Vec<u8> {
        // A name that R does not allow has no package; the world's reader refuses such names.
        make::source_package(&metadata(package)).unwrap_or_default()
    }

    fn binary(&self, package: &MadePackage, platform: Platform, r: &str) -> Vec<u8> {
        let Ok(r) = RVersion::parse(r) else { return Vec::new() };
        // The time of the build is made up, so that the same package always has the same bytes.
        let built = Timestamp::UNIX_EPOCH;
        let platform = match platform {
            Platform::Windows => BinaryPlatform::WindowsX64,
            Platform::MacX86 => BinaryPlatform::MacX64,
            Platform::MacArm => BinaryPlatform::MacArm64,
            Platform::Noble => return make::linux_binary(&metadata(package), &r, built).unwrap_or_default(),
        };
        make::binary_package(&metadata(package), platform, &r, built).unwrap_or_default()
    }
}

fn metadata(package: &MadePackage) -> make::MadePackage {
    make::MadePackage {
        package: package.package.clone(),
        version: package.version.clone(),
        license: package.license.clone(),
        imports: package.imports.clone(),
        suggests: Vec::new(),
        remotes: package.remotes.clone(),
        commit: Some(package.commit.clone()),
        url: None,
    }
}
