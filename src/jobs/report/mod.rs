//! `report`: a dashboard of a channel in one issue, and issues in the repositories of packages whose condition changed.
//!
//! Observes what other jobs have stored and the channel's list; decides by [`crate::decide::channel_report`] what is told
//! to whom; writes it down, and tells it by [`crate::jobs::reports`]. What the rule remembers from pass to pass is
//! stored before anything is told: a pass that is repeated after a crash in between remembers the same, and
//! compares with what was told, so it tells it then, once.

mod observe;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::json;

use super::reports::{Caps, Delivery};
use super::settled::Settled;
use super::{Pass, Services, planned_only};
use crate::config::{Distribution, Report as Settings, ReportsR};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide::channel_report::{ReportPlan, dashboard_title, report};
use crate::digest::sha256_hex;
use crate::store::{NewReportComment, Telling};

/// The job.
pub struct Report {
    pub services: Arc<Services>,
    pub distribution: Arc<Distribution>,
    pub settings: Settings,
    pub pass: Pass,
}

impl JobWork for Report {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(self.report(context))
    }
}

impl Report {
    async fn report(&self, context: RunContext) -> Result<RunOutcome, RunError> {
        let now = self.services.clock.now();
        let store = &self.services.store;
        let facts = self.facts(now).await?;
        let plan = report(&facts);
        let bytes = serde_json::to_vec(&plan).map_err(anyhow::Error::from)?;
        let digest = sha256_hex(&bytes);
        if self.pass == Pass::Full && self.settled().is(&digest).await? {
            // What GitHub could not be told by an earlier pass may be told now.
            self.deliver(&context).await?;
            return Ok(RunOutcome::Unchanged { summary: "nothing new to tell".to_owned() });
        }
        let input = serde_json::to_vec(&facts).map_err(anyhow::Error::from)?;
        let done = RunOutcome::Done {
            summary: summary(&plan),
            input_digest: Some(store.put_blob(&input, now).await?),
            plan_digest: Some(store.put_blob(&bytes, now).await?),
        };
        if self.pass == Pass::PlanOnly {
            return Ok(planned_only(done));
        }
        let memory = serde_json::to_vec(&plan.memory).map_err(anyhow::Error::from)?;
        self.settled().remember("", now).await?;
        store.record_seen(&self.memory_source(), &memory, now).await?;
        self.tell(&plan, now).await?;
        self.settled().remember(&digest, now).await?;
        self.deliver(&context).await?;
        Ok(done)
    }

    fn reports(&self) -> Result<&ReportsR, RunError> {
        self.distribution.reports.as_ref().ok_or_else(|| {
            let name = &self.distribution.name;
            RunError::Configuration(anyhow::anyhow!(
                "`{name}` has no [reports], which say where this is told"
            ))
        })
    }

    /// What the subjects of this job's reports begin with.
    fn subjects(&self) -> String {
        format!("report/{}/", self.settings.channel)
    }

    /// The subject of the report to the maintainers of a repository.
    fn subject_of(&self, repository: &str) -> String {
        format!("{}repository/{repository}", self.subjects())
    }

    fn memory_source(&self) -> String {
        format!("conditions:{}/{}", self.distribution.name, self.settings.channel)
    }

    fn settled(&self) -> Settled<'_> {
        let subject = format!("report/{}", self.settings.channel);
        Settled::of(&self.services.store, &self.distribution.name, &subject)
    }

    /// Writes down what is to be told.
    async fn tell(&self, plan: &ReportPlan, now: Timestamp) -> Result<(), RunError> {
        let reports = self.reports()?;
        let (store, distribution) = (&self.services.store, &self.distribution);
        for (repository, told) in &plan.repositories {
            let comment = told.comment.clone();
            let telling = Telling {
                distribution: distribution.name.clone(),
                subject: self.subject_of(repository),
                repository: repository.clone(),
                title: told.title.clone(),
                body: told.body.clone(),
                labels: reports.labels.clone(),
                facts: serde_json::to_value(&told.troubles).map_err(anyhow::Error::from)?,
                comments: comment.into_iter().map(|(key, body)| NewReportComment { key, body }).collect(),
                is_over: told.troubles.is_empty(),
            };
            store.tell(&telling, now).await?;
        }
        let dashboard = Telling {
            distribution: distribution.name.clone(),
            subject: format!("{}dashboard", self.subjects()),
            repository: reports.repository.clone(),
            title: dashboard_title(&distribution.title, &self.settings.channel),
            body: plan.dashboard.clone(),
            labels: reports.labels.clone(),
            facts: json!({}),
            comments: Vec::new(),
            is_over: false,
        };
        Ok(store.tell(&dashboard, now).await?)
    }

    async fn deliver(&self, context: &RunContext) -> Result<(), RunError> {
        let subjects = self.subjects();
        let delivery = Delivery::new(&self.services, &self.distribution.name, context);
        let reports = self.reports()?;
        let caps =
            Caps { own: &reports.repository, per_pass: reports.max_per_pass, per_hour: reports.max_per_hour };
        Ok(delivery.of_subjects(&subjects).within(caps).deliver().await?)
    }
}

fn summary(plan: &ReportPlan) -> String {
    let open = plan.repositories.values().filter(|told| !told.troubles.is_empty()).count();
    format!("{} packages; the maintainers of {open} repositories have something to know", plan.memory.len())
}
