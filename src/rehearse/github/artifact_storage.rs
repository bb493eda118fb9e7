//! Where the zip files of artifacts lie. The real ones lie with another host: an address there is signed, needs
//! no token, and must not be given one. Here it is a folder of the same server that knows nothing of the API.

use http::Method;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jiff::Timestamp;

use super::answer::{Answer, id};
use super::simulation::Inner;
use super::state::Artifact;

const FOLDER: &str = "/artifact-storage/";

/// The signed address of an artifact.
pub(super) fn address(api: &str, repository: &str, artifact: &Artifact) -> String {
    format!("{api}{}", path(repository, artifact))
}

fn path(repository: &str, artifact: &Artifact) -> String {
    let signature = id("artifact", &format!("{repository} {}", artifact.id));
    format!("{FOLDER}{repository}/{}.zip?sig={signature}", artifact.id)
}

/// True for a request that is for the storage and not for the API.
pub(super) fn is_meant(parts: &Parts) -> bool {
    parts.uri.path().starts_with(FOLDER)
}

impl Inner {
    /// Answers a request for a zip file. A token that is sent along is a violation: it would reach strangers.
    pub(super) fn stored_zip(&mut self, parts: &Parts, now: Timestamp) -> Answer {
        *self.requests.entry(format!("{} {FOLDER}", parts.method)).or_default() += 1;
        let problem = if parts.headers.contains_key(AUTHORIZATION) {
            Some("the token was sent to where artifacts lie")
        } else {
            (parts.method != Method::GET).then_some("artifacts are only fetched")
        };
        if let Some(problem) = problem {
            let message = format!("{} {}: {problem}", parts.method, parts.uri.path());
            self.violations.push(message.clone());
            return Answer::violation(&message);
        }
        let asked = parts.uri.path_and_query().map_or("", |both| both.as_str());
        let all = self.state.repositories.values();
        let mut artifacts =
            all.flat_map(|one| one.artifacts.iter().map(move |artifact| (&one.name, artifact)));
        let found = artifacts.find(|(name, artifact)| {
            artifact.created_at <= now && !artifact.expired && path(name, artifact) == asked
        });
        match found {
            Some((_, artifact)) => Answer::zip(artifact.content.clone()),
            None => Answer::json(404, &serde_json::json!({"error": "BlobNotFound"})),
        }
    }
}
