//! The objects that a request walks through. They hold names and numbers, and look the rest up
//! when a field is asked for, so nothing is copied that nobody wants.

use std::sync::Arc;

use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use serde_json::{Value, json};

use super::super::answer::time;
use super::super::git::{Oid, Signature};
use super::super::limits::Resource;
use super::super::refused::Refused;
use super::super::state::{Found, Repository, not_simulated};
use super::connection::{Connection, PageInfo};
use super::{SEPARATOR, Scope, mutation, pull_request, repository};

/// An object of the schema. Repositories are named by their canonical name.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Query,
    Mutation,
    RateLimit,
    Repository(String),
    Release { repository: String, tag: String },
    Ref { repository: String, name: String },
    Commit { repository: String, oid: String },
    Tree(Oid),
    Blob(Arc<[u8]>),
    Pull { repository: String, number: u64 },
    PullCommit { repository: String, oid: Oid },
    Label { repository: String, name: String },
    User(String),
    GitActor(Signature),
    Connection(Box<Connection>),
    PageInfo(PageInfo),
    CommitMade { repository: String, branch: String, oid: Oid, client: Value },
    RefsUpdated { client: Value },
    AutoMergeEnabled { client: Value },
}

/// What a field came to.
pub(super) enum Resolved {
    Leaf(Value),
    Object(Kind),
    List(Vec<Kind>),
    Nothing,
}

impl Resolved {
    pub(super) fn object(kind: Option<Kind>) -> Self {
        kind.map_or(Self::Nothing, Self::Object)
    }
}

/// The arguments of a field.
pub(super) struct Arguments(pub(super) Value);

impl Arguments {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0[name].as_str()
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.0[name].as_i64()
    }

    /// Refuses an argument that the schema has and the simulation would ignore.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refused> {
        let mut given = self.0.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        match given.find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(not_simulated(&format!("the argument `{name}`"))),
            None => Ok(()),
        }
    }
}

/// An object within a request.
pub(super) struct Node<'n, 's> {
    pub(super) scope: &'n Scope<'s>,
    pub(super) kind: Kind,
}

impl ObjectValue for Node<'_, '_> {
    fn type_name(&self) -> &str {
        match &self.kind {
            Kind::Query => "Query",
            Kind::Mutation => "Mutation",
            Kind::RateLimit => "RateLimit",
            Kind::Repository(_) => "Repository",
            Kind::Release { .. } => "Release",
            Kind::Ref { .. } => "Ref",
            Kind::Commit { .. } => "Commit",
            Kind::Tree(_) => "Tree",
            Kind::Blob(_) => "Blob",
            Kind::Pull { .. } => "PullRequest",
            Kind::PullCommit { .. } => "PullRequestCommit",
            Kind::Label { .. } => "Label",
            Kind::User(_) => "User",
            Kind::GitActor(_) => "GitActor",
            Kind::Connection(connection) => connection.type_name(),
            Kind::PageInfo(_) => "PageInfo",
            Kind::CommitMade { .. } => "CreateCommitOnBranchPayload",
            Kind::RefsUpdated { .. } => "UpdateRefsPayload",
            Kind::AutoMergeEnabled { .. } => "EnablePullRequestAutoMergePayload",
        }
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Result<ResolvedValue<'a>, FieldError> {
        let arguments = Arguments(json!(info.arguments()));
        let resolved = self.field(info.field_name(), &arguments).map_err(|refused| {
            self.scope.inner.borrow_mut().note(&refused);
            FieldError { message: format!("{SEPARATOR}{}{SEPARATOR}{}", refused.kind, refused.message) }
        })?;
        let node = |kind| ResolvedValue::object(Node { scope: self.scope, kind });
        Ok(match resolved {
            Resolved::Leaf(value) => ResolvedValue::leaf(value),
            Resolved::Object(kind) => node(kind),
            Resolved::List(kinds) => ResolvedValue::list(kinds.into_iter().map(node).collect::<Vec<_>>()),
            Resolved::Nothing => ResolvedValue::null(),
        })
    }
}

impl Node<'_, '_> {
    fn field(&self, name: &str, arguments: &Arguments) -> Result<Resolved, Refused> {
        match &self.kind {
            Kind::Query => self.query(name, arguments),
            Kind::Mutation => mutation::perform(self.scope, name, arguments),
            Kind::RateLimit => self.rate_limit(name),
            Kind::Repository(key) => {
                self.with(key, |known| repository::field(self.scope, known, name, arguments))
            }
            Kind::Release { repository, tag } => {
                self.with(repository, |known| repository::release_field(self.scope, known, tag, name))
            }
            Kind::Ref { repository, name: full } => {
                self.with(repository, |known| repository::ref_field(known, full, name))
            }
            Kind::Commit { repository, oid } => {
                self.with(repository, |known| repository::commit_field(known, oid, name))
            }
            Kind::Blob(content) => repository::blob_field(content, name),
            Kind::Tree(oid) if name == "oid" => Ok(Resolved::Leaf(json!(oid))),
            Kind::Pull { repository, number } => {
                self.with(repository, |known| pull_request::field(known, *number, name, arguments))
            }
            Kind::PullCommit { repository, oid } if name == "commit" => {
                Ok(Resolved::Object(Kind::Commit { repository: repository.clone(), oid: oid.to_string() }))
            }
            Kind::Label { repository, name: label } => {
                self.with(repository, |known| pull_request::label_field(known, label, name))
            }
            Kind::User(login) if name == "login" => Ok(Resolved::Leaf(login.as_str().into())),
            Kind::GitActor(signature) => git_actor(signature, name),
            Kind::Connection(connection) => connection.field(name),
            Kind::PageInfo(page) => page.field(name),
            Kind::CommitMade { repository, branch, oid, client } => Ok(match name {
                "clientMutationId" => Resolved::Leaf(client.clone()),
                "commit" => {
                    Resolved::Object(Kind::Commit { repository: repository.clone(), oid: oid.to_string() })
                }
                _ => Resolved::Object(Kind::Ref {
                    repository: repository.clone(),
                    name: format!("refs/heads/{branch}"),
                }),
            }),
            Kind::RefsUpdated { client } => Ok(Resolved::Leaf(client.clone())),
            Kind::AutoMergeEnabled { client } if name == "clientMutationId" => {
                Ok(Resolved::Leaf(client.clone()))
            }
            Kind::AutoMergeEnabled { .. } | Kind::Tree(_) | Kind::PullCommit { .. } | Kind::User(_) => {
                Err(not_simulated(&format!("the field {}.{name}", self.type_name())))
            }
        }
    }

    /// Looks at a repository, which was found before and cannot go while the request is under way.
    fn with<R>(
        &self,
        name: &str,
        look: impl FnOnce(&Repository) -> Result<R, Refused>,
    ) -> Result<R, Refused> {
        let inner = self.scope.inner.borrow();
        look(inner.state.repository(name).ok_or_else(|| unknown_repository(name))?)
    }

    fn query(&self, name: &str, arguments: &Arguments) -> Result<Resolved, Refused> {
        match name {
            "repository" => {
                let part = |name: &str| arguments.text(name).unwrap_or_default();
                let asked = format!("{}/{}", part("owner"), part("name"));
                let inner = self.scope.inner.borrow();
                match inner.state.ask(&asked) {
                    Found::Here(found) => Ok(Resolved::Object(Kind::Repository(found.name.clone()))),
                    Found::Moved(found) if arguments.0["followRenames"] != false => {
                        Ok(Resolved::Object(Kind::Repository(found.name.clone())))
                    }
                    Found::Unreachable => {
                        let message = "Something went wrong while executing your query.";
                        Err(Refused::status(200, "INTERNAL", message))
                    }
                    Found::Withheld => Err(Refused::status(200, "FORBIDDEN", "Repository access blocked")),
                    Found::Moved(_) | Found::Nothing => Err(unknown_repository(&asked)),
                }
            }
            "rateLimit" => Ok(Resolved::Object(Kind::RateLimit)),
            "viewer" => Ok(Resolved::Object(Kind::User(self.scope.viewer.into()))),
            _ => Err(not_simulated(&format!("the field Query.{name}"))),
        }
    }

    /// The budget as it is once this request is paid for.
    fn rate_limit(&self, name: &str) -> Result<Resolved, Refused> {
        let (cost, now) = (self.scope.cost, self.scope.now);
        let rate = self.scope.inner.borrow_mut().usage.rate(Resource::GraphQl, now);
        let leaf: Value = match name {
            "cost" => cost.into(),
            "limit" => rate.limit.into(),
            "remaining" => rate.remaining.saturating_sub(cost).into(),
            "used" => (rate.used + cost).into(),
            "resetAt" => jiff::Timestamp::from_second(rate.reset).map(time).unwrap_or_default().into(),
            _ => return Err(not_simulated(&format!("the field RateLimit.{name}"))),
        };
        Ok(Resolved::Leaf(leaf))
    }
}

fn git_actor(signature: &Signature, name: &str) -> Result<Resolved, Refused> {
    Ok(match name {
        "name" => Resolved::Leaf(signature.name.as_str().into()),
        "email" => Resolved::Leaf(signature.email.as_str().into()),
        "date" => Resolved::Leaf(time(signature.at).into()),
        "user" => Resolved::object(signature.login().map(|login| Kind::User(login.into()))),
        _ => return Err(not_simulated(&format!("the field GitActor.{name}"))),
    })
}

/// The refusal for a repository that the token may not see.
pub(super) fn unknown_repository(name: &str) -> Refused {
    Refused::not_found(format!("Could not resolve to a Repository with the name '{name}'."))
}
