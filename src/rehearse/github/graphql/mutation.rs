//! The mutations: a commit on a branch and several refs at once, which both compare before they swap, and
//! auto-merge of a pull request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::super::event::{Event, Expect, Made, NewCommit, RefChange};
use super::super::git::{Content, FileChanges, Oid};
use super::super::pulls::PullGift;
use super::super::refused::Refused;
use super::super::state::not_simulated;
use super::Scope;
use super::node::{Arguments, Kind, Resolved, unknown_repository};
use super::pull_request::pull_of;
use super::repository::repository_of;

pub(super) fn perform(scope: &Scope<'_>, name: &str, arguments: &Arguments) -> Result<Resolved, Refused> {
    let input = arguments.0["input"].clone();
    match name {
        "createCommitOnBranch" => create_commit(scope, read(input)?),
        "updateRefs" => update_refs(scope, read(input)?),
        "enablePullRequestAutoMerge" => enable_auto_merge(scope, read(input)?),
        _ => Err(not_simulated(&format!("the mutation {name}"))),
    }
}

/// The schema has checked the input; what remains are the properties that the simulation leaves out.
fn read<T: for<'de> Deserialize<'de>>(input: Value) -> Result<T, Refused> {
    serde_json::from_value(input)
        .map_err(|error| not_simulated(&format!("this input of a mutation ({error})")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CommitInput {
    branch: Branch,
    expected_head_oid: Oid,
    #[serde(default)]
    file_changes: Changes,
    message: Message,
    #[serde(default)]
    client_mutation_id: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Branch {
    repository_name_with_owner: String,
    branch_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Changes {
    additions: Vec<Addition>,
    deletions: Vec<Deletion>,
}

#[derive(Deserialize)]
struct Addition {
    path: String,
    contents: String,
}

#[derive(Deserialize)]
struct Deletion {
    path: String,
}

#[derive(Deserialize)]
struct Message {
    headline: String,
    body: Option<String>,
}

fn create_commit(scope: &Scope<'_>, input: CommitInput) -> Result<Resolved, Refused> {
    let Branch { repository_name_with_owner: repository, branch_name } = input.branch;
    let branch = branch_name.strip_prefix("refs/heads/").unwrap_or(&branch_name).to_owned();
    let mut changes = FileChanges::default();
    for Addition { path, contents } in input.file_changes.additions {
        let content = STANDARD.decode(&contents);
        let content = content.map_err(|_| {
            Refused::unprocessable(format!("The contents of {path} are not encoded in Base64."))
        })?;
        changes.additions.insert(path, Content::new(content));
    }
    changes.deletions = input.file_changes.deletions.into_iter().map(|deletion| deletion.path).collect();
    let event = Event::Committed(NewCommit {
        repository: repository.clone(),
        branch: branch.clone(),
        expected_head: Some(input.expected_head_oid),
        message: match input.message.body.filter(|body| !body.is_empty()) {
            Some(body) => format!("{}\n\n{body}", input.message.headline),
            None => input.message.headline,
        },
        changes,
        by: scope.viewer.into(),
        at: scope.now,
        scheduled: false,
    });
    match scope.inner.borrow_mut().perform(event)? {
        Made::Object(oid) => Ok(Resolved::Object(Kind::CommitMade {
            repository,
            branch,
            oid,
            client: input.client_mutation_id,
        })),
        Made::Nothing | Made::Number(_) => unreachable!("a commit makes an object"),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AutoMergeInput {
    pull_request_id: String,
    /// Nothing of the simulation merges by itself, so how does not matter.
    #[serde(rename = "mergeMethod")]
    _merge_method: String,
    #[serde(default)]
    client_mutation_id: Value,
}

fn enable_auto_merge(scope: &Scope<'_>, input: AutoMergeInput) -> Result<Resolved, Refused> {
    let id = &input.pull_request_id;
    let unknown = || Refused::not_found(format!("Could not resolve to a node with the global id of '{id}'"));
    let (repository, number) = pull_of(id).ok_or_else(unknown)?;
    let event = Event::PullGiven { repository, number, gift: PullGift::AutoMerge, at: scope.now };
    scope.inner.borrow_mut().perform(event)?;
    Ok(Resolved::Object(Kind::AutoMergeEnabled { client: input.client_mutation_id }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefsInput {
    repository_id: String,
    ref_updates: Vec<RefUpdate>,
    #[serde(default)]
    client_mutation_id: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefUpdate {
    name: String,
    after_oid: Oid,
    before_oid: Option<Oid>,
    force: Option<bool>,
}

fn update_refs(scope: &Scope<'_>, input: RefsInput) -> Result<Resolved, Refused> {
    let repository =
        repository_of(&input.repository_id).ok_or_else(|| unknown_repository(&input.repository_id))?;
    let change = |update: RefUpdate| RefChange {
        name: update.name,
        expect: match update.before_oid {
            None => Expect::Anything,
            Some(oid) if oid.is_zero() => Expect::Absent,
            Some(oid) => Expect::Exactly(oid),
        },
        after: Some(update.after_oid).filter(|oid| !oid.is_zero()),
        force: update.force.unwrap_or(false),
    };
    let changes = input.ref_updates.into_iter().map(change).collect();
    let event = Event::RefsChanged { repository, changes, by: scope.viewer.into(), at: scope.now };
    scope.inner.borrow_mut().perform(event)?;
    Ok(Resolved::Object(Kind::RefsUpdated { client: input.client_mutation_id }))
}
