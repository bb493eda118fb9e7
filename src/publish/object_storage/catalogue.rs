//! What stands above the dates in a bucket. Each object says by a mark of its own which edition it is, and is written
//! only where it still is what was read: of two writers, and of two requests of one that was interrupted, the newer
//! edition stays.

use futures_util::future::BoxFuture;
use object_store::{Attribute, Attributes, PutMode, PutOptions};
use serde_json::Value;

use super::passage::content_type;
use super::{Bucket, Object, RACES};
use crate::failure::Failure;
use crate::publish::catalogue::{Catalogue, CatalogueGround, CatalogueReceipt, CatalogueTarget, foreign};
use crate::publish::target::Sent;

/// The mark of an object's edition, among what the service keeps of it.
const EDITION: &str = "tidegate-edition";

/// Which edition an object is; none of ours where it says nothing.
fn edition_of(there: &Object) -> Option<u32> {
    there.attributes.get(&Attribute::Metadata(EDITION.into())).and_then(|mark| mark.parse().ok())
}

impl Bucket {
    async fn show_file(&self, catalogue: &Catalogue, name: &str, bytes: &[u8]) -> Result<Sent, Failure> {
        let key = self.key(&catalogue.distribution, name)?;
        let address = self.address_of(&catalogue.distribution, name);
        for _ in 0..RACES {
            let there = self.object(&key).await?;
            let edition = there.as_ref().and_then(edition_of);
            let mode = match (there, edition) {
                (None, _) => PutMode::Create,
                (Some(_), Some(edition)) if edition > catalogue.edition => {
                    return Err(newer(&address, edition, catalogue.edition));
                }
                (Some(there), Some(edition)) if there.bytes == bytes && edition == catalogue.edition => {
                    return Ok(Sent { there: 1, ..Sent::default() });
                }
                // The same bytes are written again for their mark, or an edition in between could still come.
                (Some(there), edition) if there.bytes == bytes || edition.is_some() => {
                    PutMode::Update(there.version)
                }
                (Some(_), _) => return Err(foreign(&address)),
            };
            let attributes = Attributes::from_iter([
                (Attribute::ContentType, content_type(name).to_owned()),
                (Attribute::Metadata(EDITION.into()), catalogue.edition.to_string()),
            ]);
            let options = PutOptions { mode, attributes, ..PutOptions::default() };
            if self.put(&key, bytes.to_vec(), options).await? {
                let mut sent = Sent::default();
                sent.add(bytes.len() as u64);
                return Ok(sent);
            }
        }
        Err(Failure::transient(format!("somebody else keeps changing {key}")))
    }
}

impl CatalogueTarget for Bucket {
    fn show<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        _ground: &'a CatalogueGround<'a>,
    ) -> BoxFuture<'a, Result<CatalogueReceipt, Failure>> {
        Box::pin(async {
            let mut sent = Sent::default();
            for (name, bytes) in &catalogue.files {
                sent += self.show_file(catalogue, name, bytes).await?;
            }
            // The objects themselves say all that the next attempt has to know.
            Ok(CatalogueReceipt { sent, kept: Value::Null })
        })
    }
}

fn newer(address: &str, there: u32, ours: u32) -> Failure {
    Failure::Configuration {
        message: format!("{address} is of edition {there}, and ours of {ours}; the newer one stays"),
        hint: Some("the state is older than what is there: restore a newer backup of it".to_owned()),
    }
}
