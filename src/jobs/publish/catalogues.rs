//! What stands above the snapshots at each target: sent after them, of the snapshots that are there, and only where it
//! is another one than before.
//!
//! | the power fails | what the next pass finds, and does |
//! |---|---|
//! | before the row | the snapshots are there, and the row is of an older catalogue or none: it is written and sent |
//! | before all of it is there | the row is not done: it is sent again, and what is there already is not |
//! | before the row says that it is done | the target has it: nothing is sent, and the row says so |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{Publish, as_failure, in_full};
use crate::daemon::RunContext;
use crate::decide::publication::next_try_of_catalogue;
use crate::failure::Failure;
use crate::jobs::snapshot::Shelf;
use crate::publish::catalogue::{Catalogue, CatalogueGround, CatalogueReceipt};
use crate::publish::target::{Journal, Target};
use crate::store::{CatalogueAtTarget, CatalogueOf, NewEvent, PublicationState, Store};

impl Publish {
    /// Brings what stands above the snapshots to every target that has some; what came of it in a few words for each
    /// that was not as it should be.
    pub(super) async fn send_catalogues(&self, context: &RunContext) -> anyhow::Result<Vec<String>> {
        let (store, distribution) = (&self.services.store, &self.distribution.name);
        let mut there: BTreeMap<String, BTreeSet<Date>> = BTreeMap::new();
        for row in store.publications(distribution).await? {
            if row.state == PublicationState::Done && self.targets.has_catalogues(&row.target) {
                there.entry(row.target).or_default().insert(row.date);
            }
        }
        let mut told = Vec::new();
        for (target, dates) in there {
            if context.cancel.is_cancelled() {
                break;
            }
            let of = CatalogueOf { distribution, target: &target };
            told.extend(self.send_catalogue(of, &dates, context).await?);
        }
        Ok(told)
    }

    async fn send_catalogue(
        &self,
        of: CatalogueOf<'_>,
        dates: &BTreeSet<Date>,
        context: &RunContext,
    ) -> anyhow::Result<Option<String>> {
        let store = &self.services.store;
        let known = store.catalogues(of.distribution).await?;
        let known = known.into_iter().find(|row| row.target == of.target);
        let now = self.services.clock.now();
        if known.as_ref().and_then(|row| row.next_try_at).is_some_and(|at| at > now) {
            return Ok(None);
        }
        let catalogue = match self.catalogue(of, dates).await {
            Ok(catalogue) => catalogue,
            // What is wrong with the published folder holds up nothing else, and is said each time.
            Err(error) => {
                return Ok(Some(format!(
                    "the list of snapshots for {} cannot be made: {error:#}",
                    of.target
                )));
            }
        };
        let sha256 = catalogue.sha256();
        if known.as_ref().is_some_and(|row| row.done_at.is_some() && row.sha256 == sha256) {
            return Ok(None);
        }
        let attempt = store.catalogue_begun(of, (catalogue.edition, &sha256), now).await?;
        let tried = tokio::select! {
            tried = show(self.targets.get(of.target), &catalogue, (store, of), known.as_ref()) => tried,
            () = context.cancel.cancelled() => Err(Failure::transient("the run was stopped in the middle")),
        };
        let now = self.services.clock.now();
        match tried {
            Ok(receipt) => {
                store.catalogue_done(of, &receipt.kept, now).await?;
                Ok(Some(format!("the list of snapshots is at {}: {}", of.target, receipt.sent)))
            }
            Err(failure) => {
                let (error, next) = (in_full(&failure), next_try_of_catalogue(&failure, attempt, now));
                let told = event(of, (&context.job, &sha256), &error, now);
                store.catalogue_failed(of, (&error, next), &told).await?;
                Ok(Some(format!("the list of snapshots at {} is an older one: {error}", of.target)))
            }
        }
    }

    /// What is to stand above the snapshots of these dates.
    async fn catalogue(&self, of: CatalogueOf<'_>, dates: &BTreeSet<Date>) -> anyhow::Result<Catalogue> {
        let store = &self.services.store;
        // Counted before anything is read: what happens meanwhile is in the files, or raises the next edition.
        let edition = store.catalogue_edition(of).await?;
        let latest = store.latest_at_targets(of.distribution).await?;
        let latest = latest.into_iter().find(|latest| latest.target == of.target).map(|latest| latest.date);
        let shelf = Shelf::new(self.services.clone(), self.distribution.clone());
        let files = shelf.catalogue(dates, latest).await?;
        Ok(Catalogue { distribution: of.distribution.to_owned(), edition, files })
    }
}

async fn show(
    target: Result<Arc<dyn Target>, Failure>,
    catalogue: &Catalogue,
    (store, of): (&Store, CatalogueOf<'_>),
    known: Option<&CatalogueAtTarget>,
) -> Result<CatalogueReceipt, Failure> {
    let target = target?;
    let journal = Progress { store, of };
    let ground = CatalogueGround { kept: known.and_then(|row| row.kept.clone()), journal: &journal };
    match target.catalogues() {
        Some(place) => place.show(catalogue, &ground).await,
        None => Err(Failure::permanent(format!("{} has no place for a list of snapshots", of.target))),
    }
}

struct Progress<'p> {
    store: &'p Store,
    of: CatalogueOf<'p>,
}

impl Journal for Progress<'_> {
    fn keep(&self, progress: Value) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(
            async move { self.store.keep_catalogue_progress(self.of, &progress).await.map_err(as_failure) },
        )
    }
}

/// That a target has an older list is told once of each; `status` has the last error.
fn event(of: CatalogueOf<'_>, (job, sha256): (&str, &str), error: &str, at: Timestamp) -> NewEvent {
    let CatalogueOf { distribution, target } = of;
    NewEvent {
        at,
        kind: "publication".to_owned(),
        job: job.to_owned(),
        package: None,
        body: json!({ "catalogue": true, "target": target, "error": error }),
        dedup_key: format!("publication/{distribution}/catalogue/{target}/{sha256}"),
    }
}
