//! Who may send which notice: the packages with their tokens and repositories, from all distributions.

use std::collections::BTreeSet;

use super::token::{digest, same};
use crate::config::Configuration;
use crate::domain::BuildTarget;
use crate::github::RepositoryName;

/// Everything that notices are checked against.
pub(super) struct Access {
    packages: Vec<Package>,
    distributions: Vec<Distribution>,
    global: Option<String>,
}

/// A package of one distribution.
struct Package {
    distribution: usize,
    name: String,
    repository: String,
    token_sha256: String,
}

struct Distribution {
    name: String,
    metapackage: String,
    epoch: String,
    target: Option<BuildTarget>,
}

/// A build, as far as it says which distributions it is for.
pub(super) struct BuildTold<'b> {
    /// The package.
    pub package: &'b str,
    /// The repository whose workflow built it.
    pub repository: &'b RepositoryName,
    /// The distribution that it names, where it names one.
    pub distro: Option<&'b str>,
    /// What it was made for, where it says so.
    pub target: Option<BuildTarget>,
}

/// Why a notice is not allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The token is of another package.
    Package,
    /// The repository is not the package's.
    Repository,
    /// The token is fine, and no distribution of that name has the package; these do.
    Distribution(Vec<String>),
    /// The package is in distributions of that name, which take only builds for these targets.
    Target(BTreeSet<BuildTarget>),
}

impl Distribution {
    /// True for the ways in which pipelines call it: its own name, its metapackage's, or the metapackage's
    /// without the project in front (`tiny` for `qiime2-tiny`).
    fn is_called(&self, distro: &str) -> bool {
        let suffix = self.metapackage.strip_suffix(distro);
        self.name == distro || suffix.is_some_and(|rest| rest.is_empty() || rest.ends_with('-'))
    }
}

impl Access {
    /// What a configuration allows.
    pub(super) fn of(configuration: &Configuration) -> Self {
        let (mut packages, mut distributions) = (Vec::new(), Vec::new());
        for (index, conda) in configuration.conda.values().enumerate() {
            packages.extend(conda.packages.iter().filter_map(|(name, package)| {
                Some(Package {
                    distribution: index,
                    name: name.clone(),
                    repository: package.repository.clone(),
                    token_sha256: package.token_sha256.clone()?,
                })
            }));
            distributions.push(Distribution {
                name: conda.name.clone(),
                metapackage: conda.metapackage.clone(),
                epoch: conda.epoch.clone(),
                target: conda.build_target,
            });
        }
        let global = configuration.settings.intake.as_ref().map(|intake| intake.token_sha256.clone());
        Self { packages, distributions, global }
    }

    /// True where the token is of some package.
    pub(super) fn knows_package_token(&self, token: &str) -> bool {
        !self.of_token(token).is_empty()
    }

    /// True where it is the token for notices about whole distributions.
    pub(super) fn knows_global_token(&self, token: &str) -> bool {
        self.global.as_ref().is_some_and(|global| same(global, &digest(token)))
    }

    /// The distributions that a notice of a build is for: those that list the package with this token and
    /// repository, or of these the ones that `distro` names, as far as they take builds for its target.
    pub(super) fn distributions_of_build(
        &self,
        token: &str,
        told: &BuildTold<'_>,
    ) -> Result<Vec<String>, Refusal> {
        let mut rows = self.of_token(token);
        rows.retain(|row| row.name == told.package);
        if rows.is_empty() {
            return Err(Refusal::Package);
        }
        rows.retain(|row| row.repository.eq_ignore_ascii_case(told.repository.as_str()));
        if rows.is_empty() {
            return Err(Refusal::Repository);
        }
        let all = || rows.iter().map(|row| &self.distributions[row.distribution]);
        let called: Vec<&Distribution> =
            all().filter(|one| told.distro.is_none_or(|distro| one.is_called(distro))).collect();
        if called.is_empty() {
            return Err(Refusal::Distribution(all().map(|one| one.name.clone()).collect()));
        }
        let takes = |one: &&&Distribution| one.target.is_none() || one.target == told.target;
        let found: Vec<String> = called.iter().filter(takes).map(|one| one.name.clone()).collect();
        match found.is_empty() {
            true => Err(Refusal::Target(called.iter().filter_map(|one| one.target).collect())),
            false => Ok(found),
        }
    }

    /// The distribution of that epoch that `distro` names.
    pub(super) fn distribution(&self, distro: &str, epoch: &str) -> Result<String, Refusal> {
        let found = self.distributions.iter().find(|one| one.is_called(distro) && one.epoch == epoch);
        let names = || self.distributions.iter().map(|one| one.name.clone()).collect();
        found.map(|one| one.name.clone()).ok_or_else(|| Refusal::Distribution(names()))
    }

    fn of_token(&self, token: &str) -> Vec<&Package> {
        let digest = digest(token);
        self.packages.iter().filter(|package| same(&package.token_sha256, &digest)).collect()
    }
}
