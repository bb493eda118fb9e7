//! What there is to say about a package, from the verdicts in the store.

use std::collections::BTreeSet;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::super::shown::word;
use super::change::{self, Before};
use super::culprit_wishes::{self, ShownWish};
use super::own_checks::{self, ShownCheck};
use super::upstream::{self, ShownUpstream};
use crate::decide::conda_words::{self, Against, Told};
use crate::decide::integrate::Choice;
use crate::decide::recheck::CaseVerdict;
use crate::decide::snapshot::{LeftOut, Member};
use crate::decide::words::{elsewhere_in_words, override_in_words, sentence};
use crate::domain::{Actor, Evidence, PackageName, Verdict, VerdictKind};
use crate::store::{self, RunId, SnapshotState, Store};

/// How far root causes are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    OneLevel,
    Whole,
}

/// Whether earlier decisions are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Past {
    Shown,
    Hidden,
}

/// What is asked.
pub(super) struct Question<'q> {
    pub package: &'q str,
    pub distribution: Option<&'q str>,
    /// `None`: what is in force.
    pub at: Option<Timestamp>,
    pub depth: Depth,
    pub past: Past,
}

/// The decisions on one package.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    pub package: PackageName,
    /// The time that was asked about; none for now.
    pub at: Option<Timestamp>,
    /// One for each channel and for the snapshot.
    pub verdicts: Vec<Explained>,
    /// tidegate's own checks of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_checks: Vec<ShownCheck>,
    /// What people asked about it as a member of a metapackage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub culprit_wishes: Vec<ShownWish>,
    /// Its upstream as it was seen last, by distribution.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<ShownUpstream>,
    /// When anything was decided on it for the first time.
    pub first_decided: Option<Timestamp>,
    /// Every decision that was ever in force, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<Interval>>,
}

/// One decision, whole.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    pub distribution: String,
    /// A channel, or `snapshot`.
    pub scope: String,
    /// The date, where it is about a snapshot.
    pub snapshot: Option<Date>,
    pub kind: String,
    /// The fixed sentence of the kind.
    pub sentence: String,
    pub reason: String,
    pub root_causes: Vec<RootCause>,
    pub next: String,
    pub actor: Actor,
    pub version: Option<String>,
    pub commit: Option<String>,
    pub since: Timestamp,
    pub until: Option<Timestamp>,
    /// The decision whose place it took, and what is different; none where it was the first.
    pub before: Option<Before>,
    pub run: RunId,
    /// The SHA-256 of everything that the run decided from; none where it ended before that was kept.
    pub input_digest: Option<String>,
    pub plan_digest: Option<String>,
}

/// A package at fault, and what was decided on it.
#[derive(Debug, Serialize)]
pub(super) struct RootCause {
    pub package: PackageName,
    /// None where nothing was decided on it.
    pub kind: Option<String>,
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub root_causes: Vec<RootCause>,
}

/// A decision that was in force for a time.
#[derive(Debug, Serialize)]
pub(super) struct Interval {
    pub distribution: String,
    pub scope: String,
    pub kind: String,
    pub version: Option<String>,
    pub reason: String,
    pub since: Timestamp,
    pub until: Option<Timestamp>,
}

/// A stored verdict as the job kinds write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Included { date: Date, member: Box<Member> },
    LeftOut { date: Date, left_out: LeftOut },
    Recheck { recheck: Box<CaseVerdict> },
    Integrate { integrate: Chosen },
    Channel(Verdict),
}

/// What an integration stores of a member.
#[derive(Deserialize)]
struct Chosen {
    choice: Choice,
    why: Option<String>,
    #[serde(default)]
    largest: Option<String>,
}

/// Answers from the store.
pub(super) async fn answer(store: &Store, question: &Question<'_>) -> anyhow::Result<Explanation> {
    let all = store.verdict_history(question.package).await?;
    let wanted =
        |verdict: &&store::Verdict| question.distribution.is_none_or(|name| verdict.distribution == name);
    let of_distribution: Vec<&store::Verdict> = all.iter().filter(wanted).collect();
    let mut verdicts = Vec::new();
    for verdict in of_distribution.iter().filter(|verdict| in_force(verdict, question.at)) {
        verdicts.push(explained(store, verdict, &of_distribution, question).await?);
    }
    verdicts.sort_by(|a, b| {
        (&a.distribution, a.snapshot, &a.scope).cmp(&(&b.distribution, b.snapshot, &b.scope))
    });
    let distributions: Vec<String> =
        of_distribution.iter().map(|verdict| verdict.distribution.clone()).collect();
    let history = match question.past {
        Past::Hidden => None,
        Past::Shown => Some(of_distribution.iter().map(|verdict| past(verdict)).collect::<Result<_, _>>()?),
    };
    Ok(Explanation {
        package: question.package.to_owned(),
        at: question.at,
        own_checks: own_checks::of(store, question.package, &verdicts, question.at).await?,
        culprit_wishes: culprit_wishes::of(store, question).await?,
        upstream: upstream::of(store, question.package, &verdicts, (&distributions, question.at)).await?,
        verdicts,
        first_decided: of_distribution.first().map(|verdict| verdict.since),
        history,
    })
}

fn in_force(verdict: &store::Verdict, at: Option<Timestamp>) -> bool {
    match at {
        None => verdict.until.is_none(),
        Some(at) => verdict.since <= at && verdict.until.is_none_or(|until| until > at),
    }
}

/// A stored verdict in one form, whatever it is about.
pub(super) struct Said {
    snapshot: Option<Date>,
    sentence: String,
    pub reason: String,
    pub root_causes: Vec<PackageName>,
    next: String,
    actor: Actor,
    pub version: Option<String>,
    pub commit: Option<String>,
}

impl Said {
    fn new(snapshot: Option<Date>, sentence: String, verdict: Verdict) -> Self {
        let Verdict { version, commit, reason, root_causes, next, actor, .. } = verdict;
        Self { snapshot, sentence, reason, root_causes, next, actor, version, commit }
    }

    fn of_build(told: Told, version: Option<String>) -> Self {
        let Told { sentence, reason, next, actor } = told;
        let root_causes = Vec::new();
        Self { snapshot: None, sentence, reason, root_causes, next, actor, version, commit: None }
    }
}

/// Reads what a verdict says.
pub(super) fn said(stored: &store::Verdict) -> anyhow::Result<Said> {
    let body = serde_json::from_value(stored.body.clone()).with_context(|| {
        format!(
            "the decision on {} in {}/{} of {} cannot be read: was it written by another version?",
            stored.package, stored.distribution, stored.scope, stored.since
        )
    })?;
    Ok(match body {
        Body::Channel(verdict) => Said::new(None, verdict.kind.sentence().to_owned(), verdict),
        Body::Included { date, member } => {
            Said::new(Some(date), VerdictKind::Included.sentence().to_owned(), included(*member))
        }
        Body::LeftOut { date, left_out } => {
            let sentence = format!("It is not part of the snapshot of {date}.");
            Said::new(Some(date), sentence, not_included(left_out))
        }
        Body::Recheck { recheck } => {
            let version = recheck.case.member.version.clone();
            Said::of_build(conda_words::case(&recheck), Some(version))
        }
        Body::Integrate { integrate } => {
            let largest = integrate.largest;
            let against = integrate.why.map(|why| Against { why, largest });
            let told = conda_words::choice(&stored.package, &integrate.choice, against.as_ref());
            let version = integrate.choice.builds.into_values().next().map(|build| build.version);
            Said::of_build(told, version)
        }
    })
}

async fn explained(
    store: &Store,
    verdict: &store::Verdict,
    history: &[&store::Verdict],
    question: &Question<'_>,
) -> anyhow::Result<Explained> {
    let run = store.run(verdict.run_id).await?;
    let mut said = said(verdict)?;
    let before = change::before(verdict, &said, history)?;
    if let Some(date) = said.snapshot
        && let Some(row) = store.snapshot(&verdict.distribution, date).await?
    {
        said.next = next_of(&row).unwrap_or(said.next);
    }
    let mut seen = BTreeSet::from([verdict.package.clone()]);
    let root_causes = causes(store, verdict, &said.root_causes, (question, &mut seen)).await?;
    Ok(Explained {
        distribution: verdict.distribution.clone(),
        scope: verdict.scope.clone(),
        snapshot: said.snapshot,
        kind: verdict.kind.clone(),
        sentence: said.sentence,
        reason: said.reason,
        root_causes,
        next: said.next,
        actor: said.actor,
        version: said.version,
        commit: said.commit,
        since: verdict.since,
        until: verdict.until,
        before,
        run: verdict.run_id,
        input_digest: run.as_ref().and_then(|run| run.input_digest.clone()),
        plan_digest: run.and_then(|run| run.plan_digest),
    })
}

/// What happens next with a package of a snapshot that is not published; none where it is.
fn next_of(snapshot: &store::Snapshot) -> Option<String> {
    match snapshot.state {
        SnapshotState::Preparing => Some("The snapshot is being prepared.".to_owned()),
        SnapshotState::Held => {
            let why = snapshot.reason.as_deref().unwrap_or("no reason was kept");
            Some(format!("Nothing is published yet. {why}"))
        }
        SnapshotState::Published | SnapshotState::Withdrawn => None,
    }
}

/// A member of a snapshot in the words of a channel's verdict.
fn included(member: Member) -> Verdict {
    let mut reason = match (member.caveat, member.evidence) {
        (Some(caveat), _) => {
            format!("It was staged, though this speaks against it: {}.", caveat.trim_end_matches('.'))
        }
        (None, Evidence::Passing) => "It passed on the day.".to_owned(),
        (None, evidence) => format!("It was staged; its evidence on the day was {}.", word(evidence)),
    };
    if let Some(word) = &member.overridden {
        reason = sentence(&override_in_words(word));
    }
    if let Some(elsewhere) = elsewhere_in_words(&member.dependencies_from_elsewhere) {
        reason += &format!(" {}", sentence(&elsewhere));
    }
    if let Some(leave) = member.exception {
        let words =
            format!("an exception by {} let this version pass the freeze ({})", leave.by, leave.reason);
        reason += &format!(" {}", sentence(&words));
    }
    if let Some(own) = member.let_in_by {
        reason += &format!(" {}", sentence(&own.cleared));
    }
    Verdict {
        kind: VerdictKind::Included,
        version: Some(member.version),
        commit: Some(member.commit),
        reason,
        root_causes: Vec::new(),
        next: "Published snapshots never change.".to_owned(),
        actor: Actor::Nobody,
        place: None,
    }
}

/// A package that a snapshot leaves out in the words of a channel's verdict.
fn not_included(left_out: LeftOut) -> Verdict {
    let (kind, actor) = match (left_out.evidence, left_out.root_causes.is_empty()) {
        (Some(Evidence::Unknown), _) => (VerdictKind::CannotDetermine, Actor::Operator),
        (Some(Evidence::Pending | Evidence::Passing), true) => (VerdictKind::Pending, Actor::Nobody),
        (_, true) => (VerdictKind::Failing, Actor::Maintainer),
        (_, false) => (VerdictKind::BlockedByDependency, Actor::MaintainersOfRootCauses),
    };
    Verdict {
        kind,
        version: left_out.version,
        commit: None,
        reason: left_out.reason,
        root_causes: left_out.root_causes,
        next: "Published snapshots never change; the next one decides anew.".to_owned(),
        actor,
        place: None,
    }
}

/// What was decided on each of `packages` at the same time in the same scope. A package that was named
/// before on the way is named again, but not followed: dependencies may go in circles.
fn causes<'a>(
    store: &'a Store,
    about: &'a store::Verdict,
    packages: &'a [PackageName],
    (question, seen): (&'a Question<'a>, &'a mut BTreeSet<PackageName>),
) -> BoxFuture<'a, anyhow::Result<Vec<RootCause>>> {
    Box::pin(async move {
        let mut causes_found = Vec::new();
        for package in packages {
            let is_new = seen.insert(package.clone());
            let known = store.verdict_history(package).await?.into_iter().find(|known| {
                known.distribution == about.distribution
                    && known.scope == about.scope
                    && in_force(known, question.at)
            });
            let Some(known) = known else {
                let package = package.clone();
                causes_found.push(RootCause { package, kind: None, reason: None, root_causes: Vec::new() });
                continue;
            };
            let said = said(&known)?;
            let root_causes = match question.depth {
                Depth::Whole if is_new => {
                    causes(store, &known, &said.root_causes, (question, &mut *seen)).await?
                }
                _ => Vec::new(),
            };
            causes_found.push(RootCause {
                package: package.clone(),
                kind: Some(known.kind.clone()),
                reason: Some(said.reason),
                root_causes,
            });
        }
        Ok(causes_found)
    })
}

fn past(verdict: &store::Verdict) -> anyhow::Result<Interval> {
    let said = said(verdict)?;
    Ok(Interval {
        distribution: verdict.distribution.clone(),
        scope: verdict.scope.clone(),
        kind: verdict.kind.clone(),
        version: said.version,
        reason: said.reason,
        since: verdict.since,
        until: verdict.until,
    })
}
