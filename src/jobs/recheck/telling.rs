//! Whom a recheck tells by GitHub issues, and of what: the maintainers of each package in trouble, and in one
//! rolling issue those who look after the distribution.
//!
//! What is wanted is written down whole before anything is told; [`crate::jobs::reports`] carries it out. A pass
//! that is repeated compares with what was written down, so it wants nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use jiff::Timestamp;

use super::{Recheck, scope};
use crate::config::Reports;
use crate::daemon::RunContext;
use crate::decide::recheck::{CaseVerdict, RecheckFacts, RecheckPlan};
use crate::decide::recheck_report::{
    ChannelPlace, Ending, Frame, Passed, SummaryFacts, Told, TroubledCase, body, is_troubled, moved_comment,
    over_body, package_comment, place, place_in_distribution, summary_body, summary_title, title, trouble,
};
use crate::decide::report::{News, Trouble, Troubles, carry, key, moved, moved_key, news};
use crate::domain::{RecheckCase, Solved, TestVerdict};
use crate::ecosystem::conda::address::ChannelAddress;
use crate::ecosystem::conda::reader::{ChannelReader, IndexLimits};
use crate::ecosystem::conda::spec::Spec;
use crate::jobs::conda_channels::Channels;
use crate::jobs::reports::Delivery;
use crate::store::{NewReportComment, Report, ReportStanding, Telling};

/// How much of a log is read for a text, in bytes: its end.
const LOG_END: usize = 32 * 1024;

impl Recheck {
    /// Has everybody told what is new. Nothing where the distribution tells nobody.
    pub(super) async fn tell(
        &self,
        (facts, plan): &(RecheckFacts, RecheckPlan),
        channels: &Channels,
        context: &RunContext,
    ) -> anyhow::Result<()> {
        let Some(reports) = &self.distribution.reports else { return Ok(()) };
        let frame = self.frame(reports, plan, channels);
        let told = self.tell_packages(reports, &frame, (facts, plan)).await?;
        let left = told.iter().filter(|name| !plan.verdicts.iter().any(|v| v.case.member.name == **name));
        for package in left {
            self.tell_package(reports, &frame, (facts, &[]), package).await?;
        }
        // The rolling issue says who was told and who could not be.
        self.deliver(context).await?;
        self.tell_distribution(reports, &frame, plan).await?;
        self.deliver(context).await
    }

    /// The subject of the report on a package: another channel for what has passed is another gate.
    fn subject_of(&self, package: &str) -> String {
        format!("{}/package/{package}", self.settings.to)
    }

    /// Carries out what is still to be told of the distribution.
    pub(super) async fn deliver(&self, context: &RunContext) -> anyhow::Result<()> {
        if self.distribution.reports.is_none() {
            return Ok(());
        }
        Delivery::new(&self.services, &self.distribution.name, context).deliver().await
    }

    fn frame(&self, reports: &Reports, plan: &RecheckPlan, channels: &Channels) -> Frame {
        let path = self.distribution.channel(&self.settings.from).map(|channel| channel.path.as_str());
        let own = ChannelPlace {
            address: channels.own().address().to_string(),
            public: reports.address.as_ref().zip(path).map(|(address, path)| format!("{address}/{path}")),
        };
        let external = channels
            .external()
            .iter()
            .map(|index| ChannelPlace { address: index.address().to_string(), public: None });
        Frame {
            distribution: self.distribution.title.clone(),
            metapackage: plan.metapackage.clone(),
            to: self.settings.to.clone(),
            channels: [own].into_iter().chain(external).collect(),
            due: self.due.clone(),
        }
    }

    /// Writes down what the maintainers of every package are told, and returns the packages of which
    /// something was told before.
    async fn tell_packages(
        &self,
        reports: &Reports,
        frame: &Frame,
        (facts, plan): (&RecheckFacts, &RecheckPlan),
    ) -> anyhow::Result<Vec<String>> {
        let mut packages: BTreeMap<&str, Vec<CaseVerdict>> = BTreeMap::new();
        for verdict in &plan.verdicts {
            packages.entry(&verdict.case.member.name).or_default().push(verdict.clone());
        }
        for (package, verdicts) in &packages {
            self.tell_package(reports, frame, (facts, verdicts), package).await?;
        }
        let present = self.services.store.reports(&self.distribution.name).await?;
        let prefix = self.subject_of("");
        let names = present.iter().filter_map(|report| report.subject.strip_prefix(&prefix));
        Ok(names.map(str::to_owned).collect())
    }

    /// Writes down what the maintainers of one package are told. Without verdicts it is no member any more.
    async fn tell_package(
        &self,
        reports: &Reports,
        frame: &Frame,
        (facts, verdicts): (&RecheckFacts, &[CaseVerdict]),
        package: &str,
    ) -> anyhow::Result<()> {
        let store = &self.services.store;
        let subject = self.subject_of(package);
        let present = store.report(&self.distribution.name, &subject).await?;
        let configured = self.distribution.packages.get(package).filter(|package| package.reports);
        let repository = match (configured, &present) {
            (Some(package), _) => package.repository.clone(),
            (None, Some(present)) if verdicts.is_empty() => present.repository.clone(),
            (None, _) => return Ok(()),
        };
        let before = troubles_of(present.as_ref())?;
        let troubled: Vec<&CaseVerdict> =
            verdicts.iter().filter(|verdict| is_troubled(verdict, &facts.without_tests)).collect();
        let now = self.troubles(troubled.iter().copied(), place, &before).await?;
        if now.is_empty() && present.is_none() {
            return Ok(());
        }
        let news = news(&before, &now);
        let ending = Ending::of(verdicts);
        let body = match now.is_empty() {
            true => over_body(frame, package, &ending, &before),
            false => body(frame, &self.cases(facts, &troubled, &now).await?),
        };
        let comment = |news: &[News]| NewReportComment {
            key: key(news),
            body: package_comment(frame, package, &ending, news),
        };
        let telling = Telling {
            distribution: self.distribution.name.clone(),
            subject,
            repository,
            title: title(frame, package),
            body,
            labels: reports.labels.clone(),
            facts: serde_json::to_value(&now)?,
            comments: (!news.is_empty()).then(|| comment(&news)).into_iter().collect(),
            is_over: now.is_empty(),
        };
        store.tell(&telling, self.services.clock.now()).await
    }

    /// Writes down what the rolling issue tells.
    async fn tell_distribution(
        &self,
        reports: &Reports,
        frame: &Frame,
        plan: &RecheckPlan,
    ) -> anyhow::Result<()> {
        let (store, distribution) = (&self.services.store, &self.distribution);
        let subject = format!("{}/distribution", self.settings.to);
        let present = store.report(&distribution.name, &subject).await?;
        let before = troubles_of(present.as_ref())?;
        let troubled = plan.verdicts.iter().filter(|one| is_troubled(one, &distribution.without_tests));
        let now = self.troubles(troubled, place_in_distribution, &before).await?;
        let summary = SummaryFacts {
            frame,
            verdicts: &plan.verdicts,
            gate: &plan.gate,
            troubles: &now,
            without_tests: &distribution.without_tests,
            told: &self.told(&now).await?,
            passed: &self.passed().await,
        };
        let is_moved = present.is_some() && moved(&before, &now) != (Vec::new(), Vec::new());
        let comment = || NewReportComment {
            key: moved_key(&before, &now),
            body: moved_comment(frame, &before, &now, &plan.gate),
        };
        let telling = Telling {
            distribution: distribution.name.clone(),
            subject,
            repository: reports.repository.clone(),
            title: summary_title(frame),
            body: summary_body(&summary),
            labels: reports.labels.clone(),
            facts: serde_json::to_value(&now)?,
            comments: is_moved.then(comment).into_iter().collect(),
            is_over: false,
        };
        store.tell(&telling, self.services.clock.now()).await
    }

    /// What is in trouble now, by its place, with what was known of it `before`.
    async fn troubles<'v>(
        &self,
        troubled: impl Iterator<Item = &'v CaseVerdict>,
        place: fn(&RecheckCase) -> String,
        before: &Troubles,
    ) -> anyhow::Result<Troubles> {
        let mut now: Troubles = BTreeMap::new();
        for verdict in troubled {
            let place = place(&verdict.case);
            let since = match before.get(&place) {
                Some(known) => known.since,
                None => self.troubled_since(&verdict.case).await?,
            };
            let found: Trouble = trouble(verdict, since);
            now.insert(place, found);
        }
        Ok(carry(before, now))
    }

    /// Since when a case that is in trouble now has been, as far as its verdicts tell.
    async fn troubled_since(&self, case: &RecheckCase) -> anyhow::Result<Timestamp> {
        let history = self.services.store.verdict_history(&case.member.name).await?;
        let scope = scope(case);
        let mut since = self.services.clock.now();
        let ours = |verdict: &&crate::store::Verdict| {
            verdict.distribution == self.distribution.name && verdict.scope == scope
        };
        for verdict in history.iter().rev().filter(ours) {
            match verdict.kind.as_str() {
                "red" | "no-tests" => since = verdict.since,
                "unknown" | "waiting" => {}
                _ => break,
            }
        }
        Ok(since)
    }

    /// The cases in trouble with what their tests left behind.
    async fn cases(
        &self,
        facts: &RecheckFacts,
        troubled: &[&CaseVerdict],
        now: &Troubles,
    ) -> anyhow::Result<Vec<TroubledCase>> {
        let mut cases = Vec::with_capacity(troubled.len());
        for verdict in troubled {
            let solved = facts.cases.iter().find(|case| case.case == verdict.case).map(|case| &case.solved);
            let environment = match solved {
                Some(Solved::Environment(environment)) => Some(environment.clone()),
                _ => None,
            };
            let since = now.get(&place(&verdict.case)).context("a case in trouble has a place")?.since;
            let (log, run) = self.evidence(verdict).await?;
            cases.push(TroubledCase { verdict: (*verdict).clone(), since, environment, log, run });
        }
        Ok(cases)
    }

    /// The end of the log of the test that decided a case, and the run that wanted it last.
    async fn evidence(&self, verdict: &CaseVerdict) -> anyhow::Result<(Option<String>, Option<i64>)> {
        let (store, case) = (&self.services.store, &verdict.case);
        let Some(fingerprint) = &verdict.fingerprint else { return Ok((None, None)) };
        let tests = store.recheck_tests(&case.member.sha256, &case.platform, fingerprint).await?;
        let is_red = |verdict: &Option<TestVerdict>| {
            matches!(verdict, Some(TestVerdict::Fail { .. } | TestVerdict::TimedOut { .. }))
        };
        let Some(test) = tests.iter().rev().find(|test| is_red(&test.verdict)) else {
            return Ok((None, None));
        };
        let log = match &test.log_digest {
            Some(digest) => store.blob(digest).await?,
            None => None,
        };
        let end =
            log.map(|log| String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_END)..]).into_owned());
        Ok((end, Some(test.run.0)))
    }

    /// Where the maintainers of each package in trouble were told.
    async fn told(&self, now: &Troubles) -> anyhow::Result<BTreeMap<String, Told>> {
        let prefix = self.subject_of("");
        let members: BTreeSet<&str> = now.keys().filter_map(|place| place.split('/').next()).collect();
        let mut told = BTreeMap::new();
        for report in self.services.store.reports(&self.distribution.name).await? {
            let Some(package) = report.subject.strip_prefix(&prefix).filter(|name| members.contains(name))
            else {
                continue;
            };
            let how = match (report.number.zip(report.url), report.refused) {
                (_, Some(why)) => Told::Refused(why),
                (Some((number, url)), None) if report.standing == ReportStanding::ClosedByOthers => {
                    Told::ClosedByOthers(number, url)
                }
                (Some((number, url)), None) => Told::Issue(number, url),
                (None, None) => Told::Later,
            };
            told.insert(package.to_owned(), how);
        }
        Ok(told)
    }

    /// The newest metapackage in the channel for what has passed.
    async fn passed(&self) -> Passed {
        let found = async {
            let folder = self.folder(&self.settings.to).map_err(|error| anyhow::anyhow!("{error}"))?;
            if !folder.exists() {
                return Ok(None);
            }
            let address: ChannelAddress = folder.display().to_string().parse()?;
            let platforms: Vec<&str> = self.distribution.platforms.iter().map(String::as_str).collect();
            let reader = ChannelReader::new(self.services.http.clone(), IndexLimits::default());
            let index = reader.read(&address, &platforms).await?;
            let spec = Spec::lenient(&self.distribution.metapackage)?;
            anyhow::Ok(platforms.iter().filter_map(|platform| index.newest(&spec, platform)).next())
        };
        match found.await {
            Ok(Some(build)) => Passed::Metapackage(format!("{} {}", build.version, build.build)),
            Ok(None) => Passed::Nothing,
            Err(error) => {
                tracing::warn!("what `{}` holds could not be read: {error:#}", self.settings.to);
                Passed::Unknown
            }
        }
    }
}

/// What a present report tells.
fn troubles_of(report: Option<&Report>) -> anyhow::Result<Troubles> {
    let Some(report) = report else { return Ok(BTreeMap::new()) };
    let read = serde_json::from_value(report.facts.clone());
    read.with_context(|| format!("what was told of {} cannot be read", report.subject))
}
