//! Where a snapshot comes from, as an in-toto statement over its manifest: by whom, from which inputs and which
//! commits it was made. Other people's tools verify it; the words are those of in-toto and SLSA.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::manifest::{self, Manifest};

/// The file that holds it, beside the manifest.
pub const FILE: &str = "provenance.intoto.json";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// What kind of making it was; a change of what the parameters mean is another kind.
const BUILD: &str = "urn:tidegate:snapshot:1";
/// The same for the generation that a withdrawal makes.
const WITHDRAWAL: &str = "urn:tidegate:withdrawal:1";

/// How a snapshot was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The job that made it.
    pub job: String,
    /// The time that it was made for.
    pub at: Timestamp,
    /// Out of what.
    pub from: MadeFrom,
    /// Who made it, as an address.
    pub builder: String,
}

/// Out of what a snapshot was made.
#[derive(Clone, Debug)]
pub enum MadeFrom {
    /// A decision of its day.
    Decision {
        /// The channel it was taken from.
        from: String,
        /// The channel that publishes it.
        to: String,
        /// The SHA-256 of everything that was decided from.
        input_sha256: String,
        /// The SHA-256 of what was decided.
        plan_sha256: String,
    },
    /// Its generation before, from which something was withdrawn.
    Generation {
        /// The SHA-256 of that generation's manifest.
        manifest_sha256: String,
    },
}

/// The statement over a manifest with this SHA-256. Nothing in it depends on the clock.
pub fn statement(manifest: &Manifest, manifest_sha256: &str, made: &Made) -> anyhow::Result<String> {
    let (kind, input, plan) = match &made.from {
        MadeFrom::Decision { input_sha256, plan_sha256, .. } => {
            let input = json!({ "name": "decision-input", "digest": { "sha256": input_sha256 } });
            (BUILD, input, Some(plan_sha256))
        }
        MadeFrom::Generation { manifest_sha256 } => {
            let input = json!({ "name": "manifest-before", "digest": { "sha256": manifest_sha256 } });
            (WITHDRAWAL, input, None)
        }
    };
    let mut parameters = json!({ "distribution": manifest.distribution, "date": manifest.date });
    match &made.from {
        MadeFrom::Decision { from, to, .. } => {
            parameters["from"] = from.as_str().into();
            parameters["to"] = to.as_str().into();
        }
        MadeFrom::Generation { .. } => parameters["generation"] = manifest.generation.into(),
    }
    parameters["r"] = manifest.r.as_str().into();
    parameters["cran"] = manifest.cran.as_str().into();
    let cran = json!({ "name": "cran", "uri": manifest.cran });
    let sources = manifest.published().map(|package| {
        json!({
            "name": package.name,
            "uri": format!("git+{}@{}", package.url, package.commit),
            "digest": { "gitCommit": package.commit },
        })
    });
    let dependencies: Vec<Value> = [input, cran].into_iter().chain(sources).collect();
    let mut run = json!({
        "builder": { "id": made.builder, "version": { "tidegate": env!("CARGO_PKG_VERSION") } },
        "metadata": { "invocationId": format!("{}/{}", made.job, made.at), "startedOn": made.at },
    });
    if let Some(plan) = plan {
        run["byproducts"] = json!([{ "name": "plan", "digest": { "sha256": plan } }]);
    }
    let statement = json!({
        "_type": STATEMENT,
        "subject": [{ "name": manifest::FILE, "digest": { "sha256": manifest_sha256 } }],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": kind,
                "externalParameters": parameters,
                "resolvedDependencies": dependencies,
            },
            "runDetails": run,
        },
    });
    Ok(serde_json::to_string_pretty(&statement)? + "\n")
}

/// As much of a statement as is compared with a manifest.
#[derive(Deserialize)]
struct Read {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Resource>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: ReadPredicate,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadPredicate {
    build_definition: ReadDefinition,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadDefinition {
    resolved_dependencies: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    #[serde(default)]
    digest: Digests,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Digests {
    sha256: Option<String>,
    git_commit: Option<String>,
}

/// What does not hold of a statement as one over this manifest: one clause each.
pub fn problems(bytes: &[u8], manifest: &Manifest, manifest_sha256: &str) -> Vec<String> {
    let read: Read = match serde_json::from_slice(bytes) {
        Ok(read) => read,
        Err(error) => return vec![format!("it is no statement of provenance: {error}")],
    };
    let mut problems = Vec::new();
    if (read.kind.as_str(), read.predicate_type.as_str()) != (STATEMENT, PREDICATE) {
        problems
            .push(format!("it is a {} of {}, and not one of {PREDICATE}", read.kind, read.predicate_type));
    }
    let subject = read.subject.iter().find(|subject| subject.name == manifest::FILE);
    match subject.map(|subject| subject.digest.sha256.as_deref()) {
        Some(Some(sha256)) if sha256 == manifest_sha256 => {}
        Some(Some(sha256)) => problems.push(format!(
            "it is about another manifest: its sha256 is {sha256}, and that of the one here {manifest_sha256}"
        )),
        Some(None) => problems.push("it does not say which manifest it is about".to_owned()),
        None => problems.push(format!("it is not about {}", manifest::FILE)),
    }
    let resolved = read.predicate.build_definition.resolved_dependencies;
    let stated: BTreeSet<(&str, &str)> = resolved
        .iter()
        .filter_map(|resource| Some((resource.name.as_str(), resource.digest.git_commit.as_deref()?)))
        .collect();
    let packages: BTreeSet<(&str, &str)> =
        manifest.published().map(|package| (&*package.name, &*package.commit)).collect();
    for (name, commit) in packages.difference(&stated) {
        problems.push(format!("it does not say that {name} was built from {commit}"));
    }
    for (name, commit) in stated.difference(&packages) {
        problems.push(format!("it says that {name} was built from {commit}, which the manifest does not"));
    }
    problems
}
