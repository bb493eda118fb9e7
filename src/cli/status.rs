//! `status`: how everything stands, with or without a daemon.

mod catalogues;
mod untold;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::guard::{self, ShownOverride};
use super::shown::plain;
use super::snapshot::standing;
use super::{CommandError, Context, Output, state};
use crate::config::Configuration;
use crate::daemon::{self, Answer, CONTROL_SOCKET, JobReport, Request, StatusReport};
use crate::decide::words::{odd_in_words, own_check_in_words};
use crate::domain::{
    ChannelStatus, IssueKind, Missing, OddDependencies, OwnCheck, PackageName, Removal, Verdict, VerdictKind,
};
use crate::jobs;
use crate::jobs::poll_releases::SeenReleases;
use crate::jobs::sources::names;
use crate::store::{
    CatalogueAtTarget, OccurrenceState, Publication, PublicationState, PullRequest, SnapshotState, Store,
};

/// Show the daemon, the jobs, what is held, and open pull requests
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate status
  tidegate --state rehearsal status --json")]
pub(super) struct ShowStatus {}

/// Everything that is shown.
#[derive(Serialize)]
struct Status {
    /// Whether a daemon answers now.
    daemon_answers: bool,
    #[serde(flatten)]
    report: StatusReport,
    held: Vec<Held>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overrides: Vec<ShownOverride>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    odd_dependencies: Vec<Odd>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    own_checks: Vec<Checked>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removals: Vec<Removed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_repositories: Vec<MissingRepository>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_at_targets: Vec<Publication>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    older_catalogues: Vec<CatalogueAtTarget>,
    open_pull_requests: Vec<PullRequest>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue: Vec<Queued>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    untold: Vec<untold::Untold>,
}

/// A package that waits to be proposed.
#[derive(Serialize)]
struct Queued {
    distribution: String,
    channel: String,
    /// Its place, from 1.
    place: usize,
    package: PackageName,
    version: Option<String>,
    /// Since when it waits.
    since: Option<Timestamp>,
    /// What it waits for: a whole sentence.
    why: String,
}

/// Something that a guard holds.
#[derive(Serialize)]
struct Held {
    distribution: String,
    /// A channel, or `snapshot` with its date.
    what: String,
    /// What is held and what releases it: a whole sentence.
    why: String,
    /// Since when, where that is known.
    since: Option<Timestamp>,
}

/// Dependencies inside a channel that no installation can follow as they are.
#[derive(Serialize)]
struct Odd {
    distribution: String,
    channel: String,
    #[serde(flatten)]
    dependencies: OddDependencies,
}

/// A package with bad checks in its universe, and what tidegate's own check says of it.
#[derive(Serialize)]
struct Checked {
    distribution: String,
    channel: String,
    package: PackageName,
    /// True where the own check cleared bad checks.
    cleared: bool,
    #[serde(flatten)]
    check: OwnCheck,
}

/// A package that was taken out on request.
#[derive(Serialize)]
struct Removed {
    distribution: String,
    package: PackageName,
    #[serde(flatten)]
    removal: Removal,
}

/// A package whose repository is not to be seen.
#[derive(Serialize)]
struct MissingRepository {
    distribution: String,
    package: PackageName,
    /// The name by which it is listed.
    repository: String,
    #[serde(flatten)]
    missing: Missing,
}

impl ShowStatus {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let configuration = context.configuration_of_state()?;
        let status = state::block_on(async {
            let store = context.read_state().await?;
            let asked = ask(&configuration).await?;
            let daemon_answers = asked.is_some();
            let report = match asked {
                Some(report) => report,
                None => {
                    daemon::report(&store, &jobs::definitions(&configuration), context.clock.now()).await?
                }
            };
            let held = held(&store, &configuration).await?;
            let overrides = guard::overrides(&store, &configuration, context.clock.now()).await?;
            let odd_dependencies = odd_dependencies(&store, &configuration).await?;
            let own_checks = own_checks(&store, &configuration).await?;
            let removals = removals(&store, &configuration).await?;
            let missing_repositories = missing_repositories(&store, &configuration).await?;
            let not_at_targets = not_at_targets(&store, &configuration).await?;
            let older_catalogues = catalogues::older(&store, &configuration).await?;
            let open_pull_requests = store.open_pull_requests().await?;
            let queue = queue(&store, &configuration, context.clock.now()).await?;
            let untold = untold::untold(&store, &configuration).await?;
            Ok(Status {
                daemon_answers,
                report,
                held,
                overrides,
                odd_dependencies,
                own_checks,
                removals,
                missing_repositories,
                not_at_targets,
                older_catalogues,
                open_pull_requests,
                queue,
                untold,
            })
        })?;
        match context.output {
            Output::Json => context.print_json(&status),
            Output::Text => Ok(context.out.write_all(text(&status).as_bytes())?),
        }
    }
}

/// What a running daemon says of itself; none where none runs.
async fn ask(configuration: &Configuration) -> Result<Option<StatusReport>, CommandError> {
    let folder = &configuration.settings.state;
    if !folder.join(CONTROL_SOCKET).exists() {
        return Ok(None);
    }
    match daemon::ask(folder, &Request::Status).await {
        Ok(Answer::Status(report)) => Ok(Some(*report)),
        Ok(Answer::Refused(why)) => Err(CommandError::failed(format!("the daemon cannot tell: {why}"))),
        // A daemon that was killed leaves its socket behind, which nobody answers.
        Ok(Answer::Done(_) | Answer::Channels(_) | Answer::Snapshots(_)) | Err(_) => Ok(None),
    }
}

/// The status of every channel that has one, with its distribution, its name, and since when it is so.
async fn channels(
    store: &Store,
    configuration: &Configuration,
) -> anyhow::Result<Vec<(String, String, ChannelStatus, Timestamp)>> {
    let mut found = Vec::new();
    for (name, distribution) in &configuration.distributions {
        for channel in &distribution.channels {
            let Some(seen) = store.latest_seen(&names::status(name, &channel.name)).await? else { continue };
            let status = serde_json::from_slice(&seen.bytes)?;
            found.push((name.clone(), channel.name.clone(), status, seen.first_at));
        }
    }
    Ok(found)
}

/// Circles of dependencies, and dependencies that are not there.
async fn odd_dependencies(store: &Store, configuration: &Configuration) -> anyhow::Result<Vec<Odd>> {
    let channels = channels(store, configuration).await?.into_iter();
    let odd = channels.map(|(distribution, channel, status, _)| Odd {
        distribution,
        channel,
        dependencies: status.odd_dependencies,
    });
    Ok(odd.filter(|odd| !odd.dependencies.is_empty()).collect())
}

/// Own checks beside bad checks of the universe, or instead of them.
async fn own_checks(store: &Store, configuration: &Configuration) -> anyhow::Result<Vec<Checked>> {
    let mut checked = Vec::new();
    for (distribution, channel, status, _) in channels(store, configuration).await? {
        for (package, assessment) in status.packages {
            let bad = assessment.issues.iter().any(|issue| issue.kind() == IssueKind::RCmdCheck);
            let cleared = !assessment.cleared.is_empty();
            let Some(check) = assessment.own_check.filter(|_| bad || cleared) else { continue };
            let (distribution, channel) = (distribution.clone(), channel.clone());
            checked.push(Checked { distribution, channel, package, cleared, check });
        }
    }
    Ok(checked)
}

/// What waits to be proposed, in its order.
async fn queue(store: &Store, configuration: &Configuration, now: Timestamp) -> anyhow::Result<Vec<Queued>> {
    let queued = super::shown::word(VerdictKind::Queued);
    let mut queue = Vec::new();
    for (name, distribution) in &configuration.distributions {
        for channel in &distribution.channels {
            let since = store.verdicts_since(name, &channel.name, &queued).await?;
            for (package, row) in store.verdicts_at(name, &channel.name, now).await? {
                if row.kind != queued {
                    continue;
                }
                let verdict: Verdict = serde_json::from_value(row.body)?;
                queue.push(Queued {
                    distribution: name.clone(),
                    channel: channel.name.clone(),
                    place: verdict.place.unwrap_or_default(),
                    since: since.get(&package).copied(),
                    package,
                    version: verdict.version,
                    why: verdict.reason,
                });
            }
        }
    }
    queue.sort_by(|a, b| {
        (&a.distribution, &a.channel, a.place, &a.package).cmp(&(
            &b.distribution,
            &b.channel,
            b.place,
            &b.package,
        ))
    });
    Ok(queue)
}

/// The removals on request that are in force.
async fn removals(store: &Store, configuration: &Configuration) -> anyhow::Result<Vec<Removed>> {
    let mut removed = Vec::new();
    for distribution in configuration.distributions.keys() {
        let in_force = store.removals_in_force(distribution).await?.into_iter();
        let distribution = || distribution.clone();
        removed.extend(in_force.map(|(package, removal)| Removed {
            distribution: distribution(),
            package,
            removal,
        }));
    }
    Ok(removed)
}

/// The snapshots that are to lie at a target and do not yet.
async fn not_at_targets(store: &Store, configuration: &Configuration) -> anyhow::Result<Vec<Publication>> {
    let mut found = Vec::new();
    for distribution in configuration.distributions.keys() {
        let publications = store.publications(distribution).await?.into_iter();
        found.extend(
            publications
                .filter(|one| !matches!(one.state, PublicationState::Done | PublicationState::Superseded)),
        );
    }
    Ok(found)
}

/// The packages whose repositories are not to be seen, confirmed or not.
async fn missing_repositories(
    store: &Store,
    configuration: &Configuration,
) -> anyhow::Result<Vec<MissingRepository>> {
    let mut found = Vec::new();
    for distribution in configuration.distributions.keys() {
        let Some(seen) = store.latest_seen(&names::releases(distribution)).await? else { continue };
        let rows: SeenReleases = serde_json::from_slice(&seen.bytes)?;
        found.extend(rows.into_iter().filter_map(|(package, row)| {
            let seen = row.repository?;
            let (distribution, repository) = (distribution.clone(), seen.listed);
            Some(MissingRepository { distribution, package, repository, missing: seen.missing? })
        }));
    }
    Ok(found)
}

/// What guards hold: changes of a channel's status, and snapshots.
async fn held(store: &Store, configuration: &Configuration) -> anyhow::Result<Vec<Held>> {
    let mut held = Vec::new();
    for (distribution, channel, status, since) in channels(store, configuration).await? {
        held.extend(status.held.into_iter().map(|why| Held {
            distribution: distribution.clone(),
            what: channel.clone(),
            why,
            since: Some(since),
        }));
    }
    for name in configuration.distributions.keys() {
        let snapshots = store.snapshots(name).await?;
        held.extend(snapshots.into_iter().filter(|row| row.state == SnapshotState::Held).map(|row| Held {
            distribution: name.clone(),
            what: format!("snapshot {}", row.date),
            why: row.reason.unwrap_or_default(),
            since: None,
        }));
    }
    Ok(held)
}

fn text(status: &Status) -> String {
    let mut text = about_daemon(status);
    if let Some(since) = status.report.config_stale_since {
        text += &format!("since {since} the files on disk are refused, and older ones are in force:\n");
        let why = status.report.config_error.as_deref().unwrap_or("no reason was kept");
        text += &why.lines().map(|line| format!("  {}\n", plain(line))).collect::<String>();
    }
    text += "\njobs\n";
    let width = status.report.jobs.iter().map(|job| job.name.len()).max().unwrap_or(0);
    text += &status.report.jobs.iter().map(|job| about_job(job, width)).collect::<String>();
    if status.report.jobs.is_empty() {
        text += "  none is configured\n";
    }
    if !status.held.is_empty() {
        text += "\nheld\n";
    }
    for Held { distribution, what, why, since } in &status.held {
        let since = since.map(|since| format!(" (since {since})")).unwrap_or_default();
        text += &format!("  {distribution}, {what}: {}{since}\n", plain(why));
    }
    if !status.overrides.is_empty() {
        text += "\noverrides\n";
    }
    for shown in &status.overrides {
        text += &format!("  {}\n", shown.line());
    }
    if !status.odd_dependencies.is_empty() {
        text += "\nodd dependencies\n";
    }
    for Odd { distribution, channel, dependencies } in &status.odd_dependencies {
        for line in odd_in_words(dependencies) {
            text += &format!("  {distribution}, {channel}: {}\n", plain(&line));
        }
    }
    if !status.own_checks.is_empty() {
        text += "\nown checks where the universe's are bad\n";
    }
    for Checked { distribution, channel, package, cleared, check } in &status.own_checks {
        let effect = if *cleared { "; it cleared bad checks" } else { "" };
        let words = format!("{package} {}: {}{effect}", check.version, own_check_in_words(check));
        text += &format!("  {distribution}, {channel}: {}\n", plain(&words));
    }
    if !status.missing_repositories.is_empty() {
        text += "\nrepositories that are not to be seen\n";
    }
    for MissingRepository { distribution, package, repository, missing } in &status.missing_repositories {
        let state = if missing.confirmed_at.is_some() { "confirmed" } else { "not confirmed yet" };
        let what = format!("{package} ({repository}): {}", super::shown::word(missing.how));
        text += &format!("  {distribution}, {} since {}, {state}\n", plain(&what), missing.since);
    }
    if !status.removals.is_empty() {
        text += "\nremoved on request\n";
    }
    for Removed { distribution, package, removal } in &status.removals {
        let (by, reason) = (plain(&removal.by), plain(&removal.reason));
        text += &format!("  {distribution}, {}: at {} by {by}: {reason}\n", plain(package), removal.at);
    }
    if !status.not_at_targets.is_empty() {
        text += "\nsnapshots that are not at a target\n";
    }
    for publication in &status.not_at_targets {
        let line = format!("{}, {}: {}", publication.distribution, publication.date, standing(publication));
        text += &format!("  {}\n", plain(&line));
    }
    text += &catalogues::text(&status.older_catalogues);
    if !status.open_pull_requests.is_empty() {
        text += "\nopen pull requests\n";
    }
    for open in &status.open_pull_requests {
        let number = open.number.map_or("(not opened yet)".to_owned(), |number| format!("#{number}"));
        let (repository, since) = (plain(&open.repository), open.opened_at);
        text += &format!("  {repository} {number}  {}  since {since}\n", plain(&open.title));
    }
    if !status.queue.is_empty() {
        text += "\nqueue\n";
    }
    for Queued { distribution, channel, place, package, version, since, why } in &status.queue {
        let version = version.as_deref().unwrap_or("?");
        let since = since.map(|since| format!(" (since {since})")).unwrap_or_default();
        let words = format!("{package} {version}: {why}");
        text += &format!("  {distribution}, {channel}, {place}: {}{since}\n", plain(&words));
    }
    text + &untold::text(&status.untold)
}

fn about_daemon(status: &Status) -> String {
    let report = &status.report;
    let (Some(pid), Some(began)) = (report.pid, report.started_at) else {
        return "no daemon ever ran on this state\n".to_owned();
    };
    match (status.daemon_answers, report.stopped_at) {
        (true, _) => {
            let planned = report.last_planned_at.map(|at| format!(", last planned {at}")).unwrap_or_default();
            format!("the daemon runs as process {pid} since {began}{planned}\n")
        }
        (false, Some(stopped)) => {
            format!("no daemon runs; process {pid} ran from {began} to {stopped}\n")
        }
        (false, None) => {
            format!("no daemon answers; process {pid} began {began} and did not stop in order\n")
        }
    }
}

fn about_job(job: &JobReport, width: usize) -> String {
    let last = job.last.as_ref().map_or("never ran".to_owned(), |last| {
        format!("{} {}", super::shown::word(last.state), last.scheduled_for)
    });
    let next = job.next.map_or("never again".to_owned(), |next| format!("next {next}"));
    let mut text = format!("  {:<width$}  {last:<30}  {next}\n", job.name);
    let mut more = |line: String| text += &format!("    {}\n", plain(&line));
    if let Some(running) = job.running {
        more(format!("running for {running}"));
    }
    if job.waiting > 0 {
        let why = job.waiting_reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        more(format!("{} waiting{why}", job.waiting));
    }
    if let Some(pause) = &job.paused {
        more(format!("paused since {} by {}: {}", pause.at, pause.by, pause.reason));
    }
    if let Some(skip) = &job.skip_next {
        more(format!("the next one is skipped, asked for by {}: {}", skip.by, skip.reason));
    }
    if let Some(last) = &job.last
        && last.state != OccurrenceState::Done
        && let Some(reason) = &last.reason
    {
        more(format!("{}: {reason}", super::shown::word(last.state)));
    }
    text
}
