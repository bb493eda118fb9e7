//! What stands above the dates on a site. Netlify keeps no marks of files and knows no conditions, so it is the digests
//! that tell: a file is replaced where it is one that this state put there, or was about to; any other one stays.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Change, Digests, Kept, Netlify, Source, sha1_hex};
use crate::failure::Failure;
use crate::publish::catalogue::{Catalogue, CatalogueGround, CatalogueReceipt, CatalogueTarget, foreign};
use crate::publish::target::Journal;

/// What is kept of a catalogue on a site.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Memory {
    /// The digests of the files that the site has of ours, or may have.
    ours: BTreeSet<String>,
    /// The deploy that was begun.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    deploy: Value,
}

/// Keeps a deploy beside the digests that it may bring.
struct Beside<'b> {
    journal: &'b dyn Journal,
    ours: BTreeSet<String>,
}

impl Memory {
    fn to_value(&self) -> Result<Value, Failure> {
        serde_json::to_value(self)
            .map_err(|error| Failure::permanent(format!("what is known of a site is no JSON: {error}")))
    }
}

impl Journal for Beside<'_> {
    fn keep(&self, progress: Value) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let memory = Memory { ours: self.ours.clone(), deploy: progress };
            self.journal.keep(memory.to_value()?).await
        })
    }
}

impl Netlify {
    async fn show_catalogue(
        &self,
        catalogue: &Catalogue,
        ground: &CatalogueGround<'_>,
    ) -> Result<CatalogueReceipt, Failure> {
        let before = ground.kept.clone().and_then(|kept| serde_json::from_value::<Memory>(kept).ok());
        let Memory { ours: mut known, deploy } = before.unwrap_or_default();
        let ours: Digests =
            catalogue.files.iter().map(|(name, bytes)| (name.clone(), sha1_hex(bytes))).collect();
        let site = self.files().await?;
        let mut wanted = site.clone();
        for (name, digest) in &ours {
            let path = format!("/{}/{name}", catalogue.distribution);
            if let Some(there) = wanted.insert(path.clone(), digest.clone())
                && there != *digest
                && !known.contains(&there)
            {
                return Err(foreign(&self.address(&path)));
            }
        }
        let now: BTreeSet<String> = ours.values().cloned().collect();
        known.extend(now.iter().cloned());
        if wanted != site {
            // Before the deploy is begun: one whose answer is lost may be shown all the same.
            let memory = Memory { ours: known.clone(), deploy: deploy.clone() };
            ground.journal.keep(memory.to_value()?).await?;
        }
        let change = Change { site, wanted, source: Source::Catalogue(catalogue), ours: &ours };
        let journal = Beside { journal: ground.journal, ours: known };
        let sent = self.show_change(change, Kept::of(Some(&deploy)), &journal).await?;
        Ok(CatalogueReceipt { sent, kept: Memory { ours: now, deploy: Value::Null }.to_value()? })
    }
}

impl CatalogueTarget for Netlify {
    fn show<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        ground: &'a CatalogueGround<'a>,
    ) -> BoxFuture<'a, Result<CatalogueReceipt, Failure>> {
        Box::pin(self.show_catalogue(catalogue, ground))
    }
}
