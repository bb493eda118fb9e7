//! The clients of a channel's universe and of the CRAN that it is checked against.

use anyhow::anyhow;
use jiff::civil::Date;

use super::Services;
use crate::calendar::Targets;
use crate::config::{Distribution, Universe};
use crate::daemon::RunError;
use crate::ecosystem::cran::cran_index::CranClient;
use crate::ecosystem::cran::fetch::FetchLimits;
use crate::ecosystem::cran::universe::UniverseClient;

/// The universe that builds a channel, or an error that says which channel has none.
pub fn universe_of<'a>(distribution: &'a Distribution, channel: &str) -> Result<&'a Universe, RunError> {
    distribution.channel(channel).and_then(|channel| channel.universe()).ok_or_else(|| {
        let name = &distribution.name;
        RunError::Configuration(anyhow!("channel `{channel}` of distribution `{name}` has no universe"))
    })
}

/// A client of a universe.
pub fn universe_client(services: &Services, universe: &Universe) -> Result<UniverseClient, RunError> {
    let base = address(&universe.url)?;
    Ok(UniverseClient::new(base, services.http.clone(), FetchLimits::default()))
}

/// A client of the CRAN that a universe's checks are made against, at the cycle's frozen date.
pub fn cran_client(
    services: &Services,
    universe: &Universe,
    targets: &Targets,
) -> Result<CranClient, RunError> {
    let date = targets.dependency_freeze.to_string();
    let url =
        universe.cran.as_ref().map_or_else(|| targets.cran.clone(), |cran| cran.replace("{date}", &date));
    Ok(CranClient::new(address(&url)?, services.http.clone(), FetchLimits::default()))
}

/// A client of the CRAN of another day, from where a universe takes that of the frozen date.
pub fn cran_client_on(
    services: &Services,
    distribution: &Distribution,
    universe: &Universe,
    day: Date,
) -> Result<CranClient, RunError> {
    let template = universe.cran.as_ref().unwrap_or(&distribution.r.cran);
    let url = address(&template.replace("{date}", &day.to_string()))?;
    Ok(CranClient::new(url, services.http.clone(), FetchLimits::default()))
}

fn address(url: &str) -> Result<url::Url, RunError> {
    url.parse().map_err(|error| RunError::Configuration(anyhow!("`{url}` is no address: {error}")))
}
