//! Match specs and the order of versions, as conda has them.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr as _;

use rattler_conda_types::{
    EqualityOperator, MatchSpec, Matches as _, PackageName, PackageNameMatcher, ParseMatchSpecOptions,
    RepoDataRecord, RepodataRevision, StrictRangeOperator, StringMatcher, Version, VersionSpec,
};

use crate::domain::Build;

/// No spec of a real package comes near this many bytes.
const LONGEST: usize = 4096;

/// Which builds of a package are meant, such as `q2-types 2023.7.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec(MatchSpec);

/// Why a text is no match spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no match spec: {why}")]
pub struct MalformedSpec {
    /// What was written, cut after 4096 bytes.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl Spec {
    /// Reads a spec that a person wrote: `python 3.8` is refused, since it could mean two things.
    pub fn strict(text: &str) -> Result<Self, MalformedSpec> {
        parse(text, ParseMatchSpecOptions::strict())
    }

    /// Reads a spec as indexes have them: `python 3.8` means exactly that version.
    pub fn lenient(text: &str) -> Result<Self, MalformedSpec> {
        parse(text, ParseMatchSpecOptions::lenient())
    }

    /// Reads a line of a record's `depends`, where extras and conditions may stand as well.
    pub(super) fn of_record(text: &str) -> Result<Self, MalformedSpec> {
        parse(text, ParseMatchSpecOptions::lenient().with_repodata_revision(RepodataRevision::V3))
    }

    /// The package's name, in lower case.
    pub fn name(&self) -> &str {
        match &self.0.name {
            PackageNameMatcher::Exact(name) => name.as_normalized(),
            PackageNameMatcher::Glob(_) | PackageNameMatcher::Regex(_) => "",
        }
    }

    /// The part that restricts the version, as it is written canonically.
    pub fn version(&self) -> Option<String> {
        self.0.version.as_ref().map(ToString::to_string)
    }

    /// The part that restricts the build string.
    pub fn build(&self) -> Option<String> {
        self.0.build.as_ref().map(ToString::to_string)
    }

    /// Whether it accepts this version of the package, as far as versions are concerned. A text that is
    /// no version is accepted by no spec.
    pub fn accepts_version(&self, version: &str) -> bool {
        let Ok(version) = Version::from_str(version) else { return false };
        self.0.version.as_ref().is_none_or(|spec| spec.matches(&version))
    }

    /// The version, where it names exactly one.
    pub(super) fn exact_version(&self) -> Option<String> {
        match &self.0.version {
            Some(VersionSpec::Exact(EqualityOperator::Equals, version)) => Some(version.to_string()),
            _ => None,
        }
    }

    /// Whether it names exactly one version and one build string.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self.0.version, Some(VersionSpec::Exact(EqualityOperator::Equals, _)))
            && matches!(self.0.build, Some(StringMatcher::Exact(_)))
    }

    /// Whether it names a version, whole or by how it begins: `2023.7.0`, `2023.7.*`.
    pub(super) fn names_version(&self) -> bool {
        matches!(
            self.0.version,
            Some(
                VersionSpec::Exact(EqualityOperator::Equals, _)
                    | VersionSpec::StrictRange(StrictRangeOperator::StartsWith, _)
            )
        )
    }

    /// Whether it holds under a condition only (`[when=…]`).
    pub(super) fn has_condition(&self) -> bool {
        self.0.condition.is_some()
    }

    /// Whether it accepts the record: all that it names, place and file name included.
    pub(super) fn accepts(&self, record: &RepoDataRecord) -> bool {
        let package = &record.package_record;
        let Self(spec) = self;
        spec.matches(record)
            && spec.subdir.as_ref().is_none_or(|subdir| *subdir == package.subdir)
            && spec.file_name.as_ref().is_none_or(|name| *name == record.identifier.to_file_name())
            && spec.url.as_ref().is_none_or(|url| *url == record.url)
            && spec.channel.as_ref().is_none_or(|channel| {
                // Both end with `/`, as the solver compares them too.
                record.channel.as_deref() == Some(channel.canonical_name().as_str())
            })
    }

    /// The spec as the solver takes it.
    pub(super) fn as_match_spec(&self) -> &MatchSpec {
        &self.0
    }
}

/// Why a spec does not say which one package is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// It cannot be read.
    Malformed(MalformedSpec),
    /// Its name is a pattern that no package fits.
    None,
    /// Its name is a pattern that these packages fit.
    Several(Vec<String>),
}

impl Spec {
    /// Reads a spec whose name may be a pattern such as `qiime2-*`, where one of `names` fits it.
    pub(super) fn of_one(text: &str, names: &BTreeSet<&str>) -> Result<Self, Unclear> {
        let options = ParseMatchSpecOptions::lenient().with_exact_names_only(false);
        let malformed = match Self::lenient(text) {
            Ok(spec) => return Ok(spec),
            Err(malformed) => malformed,
        };
        let Some(pattern) = MatchSpec::from_str(text, options).ok().filter(|_| text.len() <= LONGEST) else {
            return Err(Unclear::Malformed(malformed));
        };
        let fits = |name: &&&str| PackageName::from_str(name).is_ok_and(|name| pattern.name.matches(&name));
        let fitting: Vec<&&str> = names.iter().filter(fits).collect();
        match fitting.as_slice() {
            [] => Err(Unclear::None),
            [name] => {
                let name = PackageName::from_str(name).map_err(|_| Unclear::Malformed(malformed))?;
                Ok(Self(MatchSpec { name: PackageNameMatcher::Exact(name), ..pattern }))
            }
            several => Err(Unclear::Several(several.iter().map(|name| (**name).to_owned()).collect())),
        }
    }
}

/// Parses a spec whose name is one package. The solver knows no others.
fn parse(text: &str, options: ParseMatchSpecOptions) -> Result<Spec, MalformedSpec> {
    let malformed = |why: String| {
        // Specs come from outside; their words must not steer a terminal.
        let shown = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
        MalformedSpec { text: shown(text), why: shown(&why) }
    };
    if text.len() > LONGEST {
        return Err(malformed(format!("it has more than {LONGEST} bytes")));
    }
    let spec = MatchSpec::from_str(text, options).map_err(|error| malformed(error.to_string()))?;
    match spec.name {
        PackageNameMatcher::Exact(_) => Ok(Spec(spec)),
        PackageNameMatcher::Glob(_) | PackageNameMatcher::Regex(_) => {
            Err(malformed("it has to name one package".to_owned()))
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Conda's order of two versions: `1.9 < 1.10`, `3.0a0 < 3.0`, `2023.7.0 = 2023.7`. None where one of
/// them is no version.
pub fn compare_versions(one: &str, other: &str) -> Option<Ordering> {
    Some(Version::from_str(one).ok()?.cmp(&Version::from_str(other).ok()?))
}

/// The match spec that accepts exactly this build: name, version, build string, sub-directory and
/// SHA-256. The channel is left out on purpose: the digest says which file it is, and a build that
/// moves from `staged` to `passed` stays itself.
pub fn exact_spec(build: &Build) -> String {
    let Build { name, version, build, subdir, sha256, .. } = build;
    format!("{name}[version=\"=={version}\", build=\"{build}\", subdir=\"{subdir}\", sha256=\"{sha256}\"]")
}
