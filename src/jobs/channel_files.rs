//! What a channel's repository holds, as jobs read it.

use super::Services;
use crate::config::Distribution;
use crate::daemon::RunError;
use crate::domain::Listing;
use crate::ecosystem::cran::files::PackagesFile;
use crate::failure::Failure;
use crate::github::RepositoryName;

/// The file that lists a channel's packages.
pub const PACKAGES: &str = "packages.json";

/// A channel's repository on GitHub, or an error that names the file to mend.
pub fn repository<'a>(distribution: &'a Distribution, channel: &str) -> Result<&'a RepositoryName, RunError> {
    distribution.channel(channel).and_then(|channel| channel.repository()).ok_or_else(|| {
        RunError::Configuration(anyhow::anyhow!(
            "channel `{channel}` of distribution `{}` has no repository",
            distribution.name
        ))
    })
}

/// The `packages.json` at the head of a channel's repository.
pub async fn listings(
    services: &Services,
    distribution: &Distribution,
    channel: &str,
) -> Result<Vec<Listing>, RunError> {
    let repository = repository(distribution, channel)?;
    let view = services.github()?.view(repository, &[PACKAGES], &[]).await?;
    let text = view.files.get(PACKAGES).and_then(Option::as_deref);
    parse_listings(repository, text).map(|file| file.listings)
}

/// Parses a `packages.json`; a missing or malformed one is a permanent failure that names it.
pub fn parse_listings(repository: &RepositoryName, text: Option<&str>) -> Result<PackagesFile, RunError> {
    let text = text
        .ok_or_else(|| Failure::permanent(format!("{repository} has no {PACKAGES} on its default branch")))?;
    Ok(PackagesFile::read(&format!("{repository}/{PACKAGES}"), text.as_bytes())
        .map_err(anyhow::Error::from)?)
}
