//! A suite of the registry, as the state has it.

use super::super::{CommandError, Context, state};
use super::{Destructure, REGISTRY};
use crate::domain::{Destructured, DestructuredMember, DestructuredPackage, Holdings, leaves};
use crate::store::{PublishedSuite, Store, SuiteLeaf};

/// How many suites are named to somebody who names none.
const NAMED: usize = 8;

impl Destructure {
    /// The members of the suite that is named, or of the only one. Of several revisions the one that was
    /// published last is meant.
    pub(super) fn of_registry(&self, context: &Context<'_>) -> Result<Destructured, CommandError> {
        state::block_on(async {
            let store = context.read_state().await?;
            let suites = store.published_suites().await?;
            let suite = chosen(&suites, self.spec.as_deref())?;
            Ok(taken_apart(&store, &suite.revision).await?)
        })
    }
}

/// The suite that is meant.
fn chosen<'a>(suites: &'a [PublishedSuite], asked: Option<&str>) -> Result<&'a PublishedSuite, CommandError> {
    let fits = |suite: &&PublishedSuite| asked.is_none_or(|asked| is_called(&suite.revision, asked));
    let mut fitting: Vec<&PublishedSuite> = suites.iter().filter(fits).collect();
    // The newest of each name comes first.
    fitting.dedup_by(|later, first| identity(later) == identity(first));
    let (message, named) = match (fitting.as_slice(), asked) {
        ([only], _) => return Ok(only),
        ([], _) if suites.is_empty() => {
            return Err(CommandError::failed("the registry of this state has no suite yet"));
        }
        ([], asked) => {
            let asked = asked.unwrap_or_default();
            (format!("the registry has no suite `{asked}`"), suites.iter().collect())
        }
        (_, _) => ("the registry has several suites that could be meant".to_owned(), fitting),
    };
    let named = named.iter().take(NAMED).map(|suite| {
        let SuiteLeaf { namespace, name, version, .. } = &suite.revision;
        format!("there is `{namespace}/{name}={version}`")
    });
    Err(named.fold(CommandError::failed(message), CommandError::hint))
}

fn identity(suite: &PublishedSuite) -> (&str, &str) {
    (&suite.revision.namespace, &suite.revision.name)
}

/// `[NAMESPACE/]NAME[=VERSION[=BUILD]]`. A namespace may have slashes itself.
fn is_called(suite: &SuiteLeaf, asked: &str) -> bool {
    let mut parts = asked.splitn(3, '=');
    let (name, version, build) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let is_named = match name.rsplit_once('/') {
        Some((namespace, name)) => suite.namespace == namespace && suite.name == name,
        None => suite.name == name,
    };
    is_named
        && version.is_none_or(|version| suite.version == version)
        && build.is_none_or(|build| suite.build == build)
}

async fn taken_apart(store: &Store, suite: &SuiteLeaf) -> anyhow::Result<Destructured> {
    let stored = store.suite_holdings(suite.revision).await?;
    // By name first, so that of two paths of one length the first by name is taken.
    let key =
        |id| stored.revisions.get(id).map(|leaf| (leaf.name.clone(), leaf.namespace.clone(), leaf.revision));
    let mut holdings = Holdings::new();
    for (id, members) in &stored.members {
        holdings.extend(key(id).map(|suite| (suite, members.iter().filter_map(key).collect())));
    }
    let root = (suite.name.clone(), suite.namespace.clone(), suite.revision);
    let found = leaves(&root, &holdings).map_err(|path| {
        let names: Vec<String> = path.into_iter().map(|(name, ..)| name).collect();
        anyhow::anyhow!("suites hold each other: {}", names.join(" → "))
    })?;
    let mut members = Vec::new();
    for ((.., id), via) in found {
        let Some(leaf) = stored.revisions.get(&id) else { continue };
        let via = via.into_iter().map(|(name, ..)| name).collect();
        members.push(DestructuredMember { package: package(store, leaf).await?, via, locked: Vec::new() });
    }
    Ok(Destructured {
        source: REGISTRY.to_owned(),
        platform: None,
        metapackage: package(store, suite).await?,
        members,
        notes: Vec::new(),
    })
}

/// A revision of the registry. One with several files, such as one for each platform, has no digest that would
/// be the only one.
async fn package(store: &Store, leaf: &SuiteLeaf) -> anyhow::Result<DestructuredPackage> {
    let mut files = store.artifacts(leaf.revision).await?;
    let sha256 = files.pop().filter(|_| files.is_empty()).map(|file| file.sha256);
    Ok(DestructuredPackage {
        name: leaf.name.clone(),
        version: Some(leaf.version.clone()),
        build: Some(leaf.build.clone()).filter(|build| !build.is_empty()),
        sha256,
        channel: Some(leaf.namespace.clone()),
    })
}
