//! What a report on a channel looks at: what other jobs have stored, the channel's list, and what people were
//! told before.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;

use super::Report;
use crate::calendar::{CyclePoint, Targets};
use crate::config::Maintainers;
use crate::daemon::RunError;
use crate::decide::channel_report::{Audience, Memory, NotAtTarget, OpenProposal, ReportFacts, Taken, Told};
use crate::decide::snapshot::{Background, SnapshotFacts};
use crate::domain::{Absence, ChannelStatus, Fact, PackageName, Verdict};
use crate::jobs::channel_files;
use crate::jobs::check_status::SeenUniverse;
use crate::jobs::forecast::coming;
use crate::jobs::poll_releases::absences;
use crate::jobs::sources::{fresh_fact, names};
use crate::store::{PublicationState, PullRequestState, SnapshotState};

impl Report {
    pub(super) async fn facts(&self, now: Timestamp) -> Result<ReportFacts, RunError> {
        let (distribution, channel) = (&*self.distribution, &self.settings.channel);
        let point = distribution.point(now);
        let taken = self.taken().await?;
        let targets = self.coming_snapshot(&point, now).await?;
        let (status, dependencies) = self.status(now).await?;
        let listings = channel_files::listings(&self.services, distribution, channel).await?;
        let released = self.services.store.snapshot_release(&distribution.name, targets.snapshot).await?;
        let due = targets.snapshot.to_zoned(distribution.calendar.timezone().clone());
        Ok(ReportFacts {
            title: distribution.title.clone(),
            at: now,
            due: due.context("the day of a snapshot has a beginning")?.timestamp(),
            next_freeze: coming(distribution, now)?.dependency_freeze,
            snapshot: SnapshotFacts {
                distribution: distribution.name.clone(),
                from: channel.clone(),
                date: targets.snapshot,
                targets,
                staging: distribution.policy.staging,
                listings,
                status,
                dependencies,
                previous: taken.first().map(|taken| taken.packages.clone()),
                shrink: distribution.policy.shrink,
                removals: self.services.store.removals_in_force(&distribution.name).await?,
                absent: self.absent(now).await?,
                dependency_rule: distribution.policy.dependencies,
                released,
                // What a report compares does not depend on whose leave it was.
                exceptions: Vec::new(),
                background: Background::default(),
            },
            point,
            taken,
            not_at_targets: self.not_at_targets().await?,
            verdicts: self.verdicts(now).await?,
            proposals: self.proposals().await?,
            memory: self.memory().await?,
            told: self.told().await?,
            audience: self.audience()?,
            settle: seconds(self.settings.settle.get()),
            warn: seconds(self.settings.warn.get()),
        })
    }

    /// The packages whose repository is not to be seen. What nobody knows is not gone.
    async fn absent(&self, now: Timestamp) -> anyhow::Result<BTreeMap<PackageName, Absence>> {
        let (store, policy) = (&self.services.store, &self.distribution.policy);
        let source = names::releases(&self.distribution.name);
        match fresh_fact(store, &source, now, policy.max_age.get()).await? {
            Fact::Known(seen) => Ok(absences(seen, policy.upstream.deleted)),
            Fact::Unknown { .. } => Ok(BTreeMap::new()),
        }
    }

    /// What the cycle of the coming snapshot targets. That of this cycle is over once it was published, or where
    /// its day has passed and nobody took it.
    async fn coming_snapshot(&self, point: &CyclePoint, now: Timestamp) -> anyhow::Result<Targets> {
        let distribution = &*self.distribution;
        let targets = distribution.targets(point)?;
        let today = now.to_zoned(distribution.calendar.timezone().clone()).date();
        let row = self.services.store.snapshot(&distribution.name, targets.snapshot).await?;
        let is_over = match row.map(|row| row.state) {
            Some(SnapshotState::Published | SnapshotState::Withdrawn) => true,
            Some(SnapshotState::Held | SnapshotState::Preparing) => false,
            None => targets.snapshot < today,
        };
        match is_over {
            false => Ok(targets),
            true => Ok(distribution.targets(&distribution.calendar.point_on(point.next_cycle))?),
        }
    }

    /// The channel's status, with what each package depends on. One without the other tells nothing.
    async fn status(
        &self,
        now: Timestamp,
    ) -> anyhow::Result<(Fact<ChannelStatus>, BTreeMap<PackageName, Vec<PackageName>>)> {
        let (store, max_age) = (&self.services.store, self.distribution.policy.max_age.get());
        let (distribution, channel) = (&self.distribution.name, &self.settings.channel);
        let status = fresh_fact(store, &names::status(distribution, channel), now, max_age).await?;
        let universe = names::universe(distribution, channel);
        let universe: Fact<SeenUniverse> = fresh_fact(store, &universe, now, max_age).await?;
        Ok(match universe {
            Fact::Known(universe) => {
                let needs = universe.into_iter().map(|(name, seen)| (name, seen.facts.dependencies));
                (status, needs.collect())
            }
            Fact::Unknown { why } => (Fact::Unknown { why }, BTreeMap::new()),
        })
    }

    /// The snapshots that were published last, the newest first, without what was withdrawn from them.
    async fn taken(&self) -> anyhow::Result<Vec<Taken>> {
        let store = &self.services.store;
        let rows = store.snapshots(&self.distribution.name).await?;
        let withdrawals = store.snapshot_withdrawals(&self.distribution.name).await?;
        let mut published: Vec<(Date, _)> = rows
            .into_iter()
            .filter(|row| row.state == SnapshotState::Published)
            .filter_map(|row| Some((row.date, row.suite?)))
            .collect();
        published.sort_by_key(|(date, _)| std::cmp::Reverse(*date));
        let mut taken = Vec::new();
        for (date, suite) in published.into_iter().take(2) {
            let members = store.suite_members(suite).await?;
            let mut packages: BTreeSet<PackageName> = members.into_iter().map(|member| member.name).collect();
            for row in withdrawals.iter().filter(|row| row.date == date) {
                row.package.as_ref().map(|package| packages.remove(package));
            }
            taken.push(Taken { date, packages });
        }
        Ok(taken)
    }

    /// What targets were to have and have not, after it was tried.
    async fn not_at_targets(&self) -> anyhow::Result<Vec<NotAtTarget>> {
        let rows = self.services.store.publications(&self.distribution.name).await?.into_iter();
        let missing = rows.filter(|row| {
            row.error.is_some() && !matches!(row.state, PublicationState::Done | PublicationState::Superseded)
        });
        let missing = missing.map(|row| NotAtTarget {
            date: row.date,
            target: row.target,
            since: row.wanted_at,
            given_up: row.state == PublicationState::Failed,
        });
        Ok(missing.collect())
    }

    async fn verdicts(&self, now: Timestamp) -> anyhow::Result<BTreeMap<PackageName, Verdict>> {
        let (distribution, channel) = (&self.distribution.name, &self.settings.channel);
        let stored = self.services.store.verdicts_at(distribution, channel, now).await?;
        let read = stored.into_iter().map(|(package, verdict)| {
            let body = serde_json::from_value(verdict.body);
            let body = body.with_context(|| format!("the decision on {package} cannot be read"))?;
            Ok((package, body))
        });
        read.collect()
    }

    async fn proposals(&self) -> Result<Vec<OpenProposal>, RunError> {
        let repository = channel_files::repository(&self.distribution, &self.settings.channel)?;
        let rows = self.services.store.pull_requests(repository.as_str()).await?;
        let mut open = Vec::new();
        for row in rows {
            let hands_off = match row.state {
                PullRequestState::Open => false,
                PullRequestState::HandsOff => true,
                PullRequestState::Merged | PullRequestState::Closed | PullRequestState::Withdrawn => {
                    continue;
                }
            };
            let Some(number) = row.number.and_then(|number| u64::try_from(number).ok()) else { continue };
            let (title, opened_at) = (row.title, row.opened_at);
            open.push(OpenProposal { number, repository: repository.clone(), title, opened_at, hands_off });
        }
        open.sort_by_key(|pull| (pull.opened_at, pull.number));
        Ok(open)
    }

    async fn memory(&self) -> anyhow::Result<Memory> {
        match self.services.store.latest_seen(&self.memory_source()).await? {
            Some(seen) => serde_json::from_slice(&seen.bytes)
                .with_context(|| format!("what {} said cannot be read", self.memory_source())),
            None => Ok(Memory::new()),
        }
    }

    /// What maintainers were told, by repository.
    async fn told(&self) -> anyhow::Result<BTreeMap<String, Told>> {
        let prefix = self.subject_of("");
        let mut told = BTreeMap::new();
        for report in self.services.store.reports(&self.distribution.name).await? {
            let Some(repository) = report.subject.strip_prefix(&prefix) else { continue };
            let troubles = serde_json::from_value(report.facts)
                .with_context(|| format!("what was told of {} cannot be read", report.subject))?;
            let issue = report.number.zip(report.url);
            told.insert(repository.to_owned(), Told { troubles, issue, refused: report.refused });
        }
        Ok(told)
    }

    fn audience(&self) -> Result<Audience, RunError> {
        Ok(match &self.reports()?.maintainers {
            Maintainers::Untold => Audience::Nobody,
            Maintainers::Told { but } => Audience::AllBut(but.clone()),
        })
    }
}

fn seconds(length: std::time::Duration) -> i64 {
    i64::try_from(length.as_secs()).unwrap_or(i64::MAX)
}
