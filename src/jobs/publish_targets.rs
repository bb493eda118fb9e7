//! The targets that `tidegate.toml` sets up, each made when a job first needs it: a secret that is missing stops
//! the publications at its target, and no others.

use std::sync::Arc;

use crate::config::{NetlifySite, ObjectStorage, OciRegistry, Publish};
use crate::failure::Failure;
use crate::publish::netlify::{Netlify, NetlifySettings};
use crate::publish::object_storage::{Bucket, BucketSettings};
use crate::publish::oci::{Registry, RegistrySettings, Rights};
use crate::publish::target::Target;

/// The targets by name.
#[derive(Clone, Debug)]
pub struct PublishTargets {
    publish: Option<Publish>,
}

impl PublishTargets {
    /// The targets as set up.
    pub fn new(publish: Option<Publish>) -> Self {
        Self { publish }
    }

    /// Whether a target of that name is set up that has a place for what stands above the snapshots. No secret is
    /// read for that.
    pub fn has_catalogues(&self, name: &str) -> bool {
        let buckets = self.publish.iter().flat_map(|all| &all.object_storage).map(|one| &one.name);
        let sites = self.publish.iter().flat_map(|all| &all.netlify).map(|one| &one.name);
        buckets.chain(sites).any(|target| target == name)
    }

    /// The target of that name. One that nobody set up, and a secret that is missing, are a
    /// [`Failure::Configuration`].
    pub fn get(&self, name: &str) -> Result<Arc<dyn Target>, Failure> {
        let publish = self.publish.iter();
        if let Some(oci) = publish.clone().flat_map(|all| &all.oci).find(|one| one.name == name) {
            return Ok(Arc::new(Registry::new(registry(oci)?)?));
        }
        let mut buckets = publish.clone().flat_map(|all| &all.object_storage);
        if let Some(storage) = buckets.find(|one| one.name == name) {
            return Ok(Arc::new(Bucket::new(bucket(storage)?)?));
        }
        let mut sites = publish.flat_map(|all| &all.netlify);
        if let Some(site) = sites.find(|one| one.name == name) {
            return Ok(Arc::new(Netlify::new(netlify(site)?)?));
        }
        Err(Failure::Configuration {
            message: format!("tidegate.toml sets up no target `{name}`"),
            hint: Some("a table under [[publish.oci]], [[publish.object-storage]] or [[publish.netlify]] sets one up".into()),
        })
    }
}

fn registry(oci: &OciRegistry) -> Result<RegistrySettings, Failure> {
    let rights = match (&oci.user, &oci.password, &oci.token) {
        (Some(name), Some(password), _) => {
            Rights::User { name: name.clone(), password: password.read_word("password")? }
        }
        (_, _, Some(token)) => Rights::Token(token.read_word("token")?),
        _ => Rights::Nobody,
    };
    Ok(RegistrySettings { registry: oci.registry.clone(), repository: oci.repository.clone(), rights })
}

fn bucket(storage: &ObjectStorage) -> Result<BucketSettings, Failure> {
    Ok(BucketSettings {
        endpoint: storage.endpoint.clone(),
        bucket: storage.bucket.clone(),
        region: storage.region.clone(),
        prefix: storage.prefix.clone(),
        access_key: storage.access_key.read_word("access_key")?,
        secret_key: storage.secret_key.read_word("secret_key")?,
    })
}

fn netlify(site: &NetlifySite) -> Result<NetlifySettings, Failure> {
    Ok(NetlifySettings {
        api: site.api.clone(),
        site: site.site.clone(),
        token: site.token.read_word("token")?,
    })
}
