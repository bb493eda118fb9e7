//! Puts exact builds into a folder, each checked against its sha256, and writes the shell code that
//! activates it.
//!
//! Files are copied out of the package cache, never linked: a test may write to its environment, and
//! must not reach the packages of the next one. Link scripts of packages are not run here, since they
//! are a stranger's code and this process is not a sandbox; [`InstallRequest::link_scripts`] names them.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use rattler::install::{Installer, InstallerError, LinkOptions};
use rattler::package_cache::{PackageCache, PackageCacheError, PackageCacheLayerError};
use rattler_conda_types::{PackageRecord, RepoDataRecord, Subdir};
use rattler_package_streaming::ExtractError;
use rattler_shell::activation::{ActivationVariables, Activator, PathModificationBehavior};
use rattler_shell::shell::Bash;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::digest::hex;
use crate::domain::Build;

/// How long to wait before each further try of an installation that a passing failure ended.
const WAITS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];
/// The most downloads at the same time: channels are other people's machines.
const DOWNLOADS: usize = 8;

/// The longest path of an environment, in bytes: packages are built under a path of 255 bytes, whose place
/// in their files it takes (conda-build, `prefix_length`).
const LONGEST_PREFIX: usize = 255;

/// The exact builds of one environment, as records of their channels. As JSON a list of objects, each a
/// row of `repodata.json` with `fn`, `url` and `channel`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstallRequest {
    pub(crate) records: Vec<RepoDataRecord>,
}

/// A script that a package wants to have run after it was linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkScript {
    /// The file.
    pub path: PathBuf,
    /// The package's name.
    pub name: String,
    /// The package's version.
    pub version: String,
    /// The package's build number.
    pub build_number: u64,
}

/// Where packages come from: a cache folder that processes may share, and a client for the rest.
#[derive(Clone, Debug)]
pub struct PackageSource {
    cache: PathBuf,
    http: reqwest::Client,
}

/// Why an environment could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The channel did not answer, or not in full: it may later.
    #[error("cannot fetch {package}: {why}")]
    Unreachable {
        /// The file.
        package: String,
        /// What happened.
        why: String,
    },
    /// The channel has no such file, or one with other bytes than its index says.
    #[error("{package} is not what its channel's index says: {why}")]
    Inconsistent {
        /// The file.
        package: String,
        /// What happened.
        why: String,
    },
    /// This machine failed: its disk is full, or a folder cannot be written.
    #[error("this machine cannot install the environment: {why}")]
    Machine {
        /// What happened.
        why: String,
    },
    /// The packages themselves cannot be installed: a broken archive, or files that contradict.
    #[error("the packages cannot be installed: {why}")]
    Packages {
        /// What happened.
        why: String,
    },
}

impl InstallError {
    /// True where another try may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Machine { .. })
    }
}

impl InstallRequest {
    /// How many builds it holds.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True where it holds no build.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The same builds at other addresses: `turn` gives the new address of each file.
    pub fn readdressed<E>(mut self, turn: impl Fn(&Url) -> Result<Url, E>) -> Result<Self, E> {
        for record in &mut self.records {
            record.url = turn(&record.url)?;
            // It is only ever shown, and would still tell the old address.
            record.channel = None;
        }
        Ok(self)
    }

    /// The scripts that conda runs once the packages in `prefix` are linked, dependencies first.
    pub fn link_scripts(&self, prefix: &Path) -> Vec<LinkScript> {
        let ordered = PackageRecord::sort_topologically(self.records.clone());
        let scripts = ordered.into_iter().map(|record| LinkScript {
            path: prefix.join(format!("bin/.{}-post-link.sh", record.package_record.name.as_normalized())),
            name: record.package_record.name.as_normalized().to_owned(),
            version: record.package_record.version.to_string(),
            build_number: record.package_record.build_number,
        });
        scripts.filter(|script| script.path.is_file()).collect()
    }

    /// The record of exactly this build.
    fn record(&self, build: &Build) -> Option<&RepoDataRecord> {
        self.records.iter().find(|record| {
            let sha256 = record.package_record.sha256.as_ref();
            record.identifier.to_string() == build.file_name
                && sha256.is_some_and(|sha256| hex(sha256) == build.sha256)
        })
    }
}

impl PackageSource {
    /// A source with this cache folder, which is made where it is missing.
    pub fn new(cache: PathBuf, http: reqwest::Client) -> Self {
        Self { cache, http }
    }

    /// The folder in the cache to which one build of the request is extracted, fetched where needed. It
    /// is shared: read it, and never write to it.
    pub async fn extracted(&self, request: &InstallRequest, build: &Build) -> Result<PathBuf, InstallError> {
        let record = request.record(build).ok_or_else(|| InstallError::Inconsistent {
            package: build.file_name.clone(),
            why: "the environment does not hold it".to_owned(),
        })?;
        verifiable(record)?;
        let mut waits = WAITS.iter();
        loop {
            let fetched = self.fetch(record).await.map_err(|error| fetch_error(&build.file_name, &error));
            match (fetched, waits.next()) {
                (Err(error), Some(wait)) if error.is_transient() => tokio::time::sleep(*wait).await,
                (fetched, _) => return fetched,
            }
        }
    }

    async fn fetch(&self, record: &RepoDataRecord) -> Result<PathBuf, PackageCacheError> {
        let cache = PackageCache::new(&self.cache);
        // The cache has one lock for all processes, which an installation holds too. Without it, the folder
        // that another worker is just copying out of would be taken away and put there anew.
        let _alone = cache.acquire_global_lock().await?;
        let fetched = match record.url.to_file_path() {
            Ok(path) if record.url.scheme() == "file" => {
                cache.get_or_fetch_from_path(&path, Some(&record.package_record), None).await?
            }
            _ => {
                let client = self.http.clone().into();
                cache
                    .get_or_fetch_from_url(&record.package_record, record.url.clone(), client, None, None)
                    .await?
            }
        };
        Ok(fetched.path().to_path_buf())
    }

    /// Installs every build of the request into `prefix`, which is made where it is missing. `platform` is
    /// that of this machine, such as `linux-64`. Passing failures are tried again, three times in all.
    pub async fn install(
        &self,
        request: &InstallRequest,
        platform: &str,
        prefix: &Path,
    ) -> Result<(), InstallError> {
        let platform = runnable_platform(platform)?;
        if prefix.as_os_str().len() > LONGEST_PREFIX {
            let why = format!("{} is longer than {LONGEST_PREFIX} bytes", prefix.display());
            return Err(InstallError::Machine { why });
        }
        request.records.iter().try_for_each(verifiable)?;
        let mut waits = WAITS.iter();
        loop {
            // A link that a package holds stays a link; no file shares its bytes with the cache.
            let links = LinkOptions { allow_hard_links: Some(false), ..LinkOptions::default() };
            let installed = Installer::new()
                .with_package_cache(PackageCache::new(&self.cache))
                .with_download_client(self.http.clone())
                .with_target_platform(platform)
                .with_max_concurrent_requests(DOWNLOADS)
                .with_link_options(links)
                .install(prefix, request.records.iter().cloned())
                .await
                .map_err(|error| install_error(&error));
            match (installed, waits.next()) {
                (Err(error), Some(wait)) if error.is_transient() => tokio::time::sleep(*wait).await,
                (installed, _) => return installed.map(|_| ()),
            }
        }
    }
}

/// Code for bash that activates the environment in `prefix`: `PATH`, `CONDA_PREFIX`, the variables of its
/// packages, and their activation scripts.
pub fn activation(prefix: &Path, platform: &str) -> Result<String, InstallError> {
    let platform = runnable_platform(platform)?;
    let failed = |error: &dyn std::error::Error| InstallError::Packages {
        why: format!("no activation of {}: {}", prefix.display(), causes(error)),
    };
    let activator =
        Activator::from_path(prefix, Bash::default(), platform).map_err(|error| failed(&error))?;
    let variables = ActivationVariables {
        path_modification_behavior: PathModificationBehavior::Prepend,
        ..ActivationVariables::default()
    };
    let activation = activator.activation(variables).map_err(|error| failed(&error))?;
    activation.script.contents().map_err(|error| failed(&error))
}

/// The platform, where programs of it run on this machine.
fn runnable_platform(platform: &str) -> Result<Subdir, InstallError> {
    let named = Subdir::from_str(platform)
        .map_err(|_| InstallError::Machine { why: format!("`{platform}` is not a platform of conda") })?;
    match Subdir::current() {
        Some(current) if current == named => Ok(named),
        current => {
            let here = current.map_or("unknown to conda".to_owned(), |current| current.to_string());
            let why = format!("its platform is {here}, and the environment is for {platform}");
            Err(InstallError::Machine { why })
        }
    }
}

/// Refuses a record whose bytes could not be checked, or whose address is of another kind.
fn verifiable(record: &RepoDataRecord) -> Result<(), InstallError> {
    let refuse = |why: &str| {
        Err(InstallError::Inconsistent { package: record.identifier.to_string(), why: why.to_owned() })
    };
    if record.package_record.sha256.is_none() {
        return refuse("the index has no sha256 for it");
    }
    match record.url.scheme() {
        "file" | "http" | "https" => Ok(()),
        scheme => refuse(&format!("addresses of the kind `{scheme}` are not fetched")),
    }
}

fn install_error(error: &InstallerError) -> InstallError {
    match error {
        InstallerError::FailedToFetch(package, source) => fetch_error(package, source),
        InstallerError::FailedToDetectInstalledPackages(_)
        | InstallerError::UnknownHostPlatform
        | InstallerError::IoError(..)
        | InstallerError::FailedToCreatePrefix(..)
        | InstallerError::FailedToAcquireCacheLock(_)
        | InstallerError::Cancelled => InstallError::Machine { why: causes(error) },
        error if disk_is_to_blame(error) => InstallError::Machine { why: causes(error) },
        error => InstallError::Packages { why: causes(error) },
    }
}

/// Whose fault a package that did not reach the cache is.
fn fetch_error(package: &str, error: &PackageCacheError) -> InstallError {
    let (package, why) = (package.to_owned(), causes(error));
    let PackageCacheError::LayerError(layer) = error else {
        return InstallError::Machine { why };
    };
    let Some(PackageCacheLayerError::FetchError(fetch)) = layer.downcast_ref() else {
        return InstallError::Machine { why };
    };
    match fetch.downcast_ref::<ExtractError>() {
        Some(ExtractError::HashMismatch { .. }) => InstallError::Inconsistent { package, why },
        Some(ExtractError::ReqwestError(error)) => match error.status() {
            Some(status) if status.is_client_error() && ![408, 429].contains(&status.as_u16()) => {
                InstallError::Inconsistent { package, why }
            }
            _ => InstallError::Unreachable { package, why },
        },
        Some(ExtractError::IoError(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            InstallError::Inconsistent { package, why }
        }
        // A broken archive is told apart from a broken download only by its sum, and an archive that
        // cannot be unpacked never comes to be summed. So it is not held against the packages.
        _ => InstallError::Unreachable { package, why },
    }
}

/// True where a cause is the disk of this machine.
fn disk_is_to_blame(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let mut next = Some(error);
    while let Some(cause) = next {
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied)) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// An error with its causes, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
