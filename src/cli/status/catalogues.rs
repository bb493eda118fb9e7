//! What stands above the snapshots at a target and is older than it should be.

use crate::cli::shown::plain;
use crate::config::Configuration;
use crate::store::{CatalogueAtTarget, Store};

/// All that are to be sent.
pub(super) async fn older(
    store: &Store,
    configuration: &Configuration,
) -> anyhow::Result<Vec<CatalogueAtTarget>> {
    let mut found = Vec::new();
    for distribution in configuration.distributions.keys() {
        let catalogues = store.catalogues(distribution).await?.into_iter();
        found.extend(catalogues.filter(|one| one.done_at.is_none()));
    }
    Ok(found)
}

pub(super) fn text(older: &[CatalogueAtTarget]) -> String {
    let mut text = String::new();
    if !older.is_empty() {
        text += "\nlists of snapshots that are older at a target\n";
    }
    for CatalogueAtTarget { distribution, target, attempts, next_try_at, error, .. } in older {
        let tried = if *attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
        let next = next_try_at.map(|at| format!(", tried again at {at}")).unwrap_or_default();
        let error = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        text += &format!(
            "  {}\n",
            plain(&format!("{distribution}, {target}: to be sent, tried {tried}{next}{error}"))
        );
    }
    text
}
