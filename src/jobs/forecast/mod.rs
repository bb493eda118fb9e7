//! `forecast`: keeps an issue up to date that says what the next dependency freeze would change if it began today.
//!
//! Observes the newest CRAN index and the lists of both channels, each stored like every source; decides by
//! [`crate::decide::forecast`] from these and from what `check-status` stored; tells it by one issue for each
//! freeze, which is closed when the freeze begins. The issue is a row before it is an effect, see
//! [`crate::jobs::reports`]; a pass that is repeated wants nothing twice.

mod observe;

use std::sync::Arc;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub use observe::{NewestCran, coming, facts};

use super::reports::Delivery;
use super::{Pass, Services, planned_only};
use crate::config::{Distribution, Forecast as Settings, ReportsR};
use crate::daemon::{JobWork, RunContext, RunError, RunOutcome};
use crate::decide::forecast::{self, Ended, Forecast as Plan, ForecastFacts, ForecastFrame};
use crate::store::Telling;

/// The job.
pub struct Forecast {
    pub services: Arc<Services>,
    pub distribution: Arc<Distribution>,
    pub settings: Settings,
    pub pass: Pass,
}

impl JobWork for Forecast {
    fn run(&self, context: RunContext) -> BoxFuture<'_, Result<RunOutcome, RunError>> {
        Box::pin(self.forecast(context))
    }
}

impl Forecast {
    async fn forecast(&self, context: RunContext) -> Result<RunOutcome, RunError> {
        // What is past when a pass runs at last is no forecast any more: its calendar is that of now.
        let now = self.services.clock.now();
        let store = &self.services.store;
        let freeze = coming(&self.distribution, now)?.dependency_freeze;
        if self.pass == Pass::Full {
            self.close_others(freeze, now).await?;
        }
        let opens = self.opens(freeze)?;
        if now < opens {
            self.deliver(&context).await?;
            let summary = format!("the dependency freeze of {freeze} is forecast from {opens} on");
            return Ok(RunOutcome::Unchanged { summary });
        }
        observe::look(&self.services, &self.distribution, &self.settings, now).await?;
        let facts = facts(store, &self.distribution, &self.settings, now).await?;
        let plan = forecast::forecast(&facts);
        let input = serde_json::to_vec(&facts).map_err(anyhow::Error::from)?;
        let bytes = serde_json::to_vec(&plan).map_err(anyhow::Error::from)?;
        let done = RunOutcome::Done {
            summary: summary(&plan, freeze),
            input_digest: Some(store.put_blob(&input, now).await?),
            plan_digest: Some(store.put_blob(&bytes, now).await?),
        };
        if self.pass == Pass::PlanOnly {
            return Ok(planned_only(done));
        }
        self.tell(&facts, &plan, now).await?;
        self.deliver(&context).await?;
        Ok(done)
    }

    /// The instant from which on the freeze is forecast.
    fn opens(&self, freeze: Date) -> anyhow::Result<Timestamp> {
        let begins = freeze.to_zoned(self.distribution.calendar.timezone().clone())?.timestamp();
        let lead = SignedDuration::try_from(self.settings.lead.get()).context("the lead is too long")?;
        Ok(begins.checked_sub(lead).unwrap_or(Timestamp::MIN))
    }

    fn reports(&self) -> Result<&ReportsR, RunError> {
        self.distribution.reports.as_ref().ok_or_else(|| {
            let name = &self.distribution.name;
            RunError::Configuration(anyhow::anyhow!(
                "`{name}` has no [reports], which say where this is told"
            ))
        })
    }

    /// What the subjects of this job's reports begin with; the day of the freeze follows.
    fn subjects(&self) -> String {
        format!("forecast/{}/", self.settings.to)
    }

    /// Ends the reports on freezes other than the coming one: they have begun, or were moved.
    async fn close_others(&self, coming: Date, now: Timestamp) -> Result<(), RunError> {
        let store = &self.services.store;
        let today = now.to_zoned(self.distribution.calendar.timezone().clone()).date();
        let subjects = self.subjects();
        for report in store.reports(&self.distribution.name).await? {
            let freeze = report.subject.strip_prefix(&subjects).and_then(|day| day.parse::<Date>().ok());
            let Some(freeze) = freeze.filter(|freeze| *freeze != coming) else { continue };
            let ended = if freeze <= today { Ended::Begun } else { Ended::Moved };
            let telling = Telling {
                body: forecast::ended_body(freeze, ended, &report.body),
                labels: serde_json::from_value(report.labels).unwrap_or_default(),
                distribution: report.distribution,
                subject: report.subject,
                repository: report.repository,
                title: report.title,
                facts: report.facts,
                comments: Vec::new(),
                is_over: true,
            };
            store.tell(&telling, now).await?;
        }
        Ok(())
    }

    async fn tell(&self, facts: &ForecastFacts, plan: &Plan, now: Timestamp) -> Result<(), RunError> {
        let reports = self.reports()?;
        let frame = ForecastFrame { title: self.distribution.title.clone() };
        let telling = Telling {
            distribution: self.distribution.name.clone(),
            subject: format!("{}{}", self.subjects(), facts.freeze),
            repository: reports.repository.clone(),
            title: forecast::title(&frame, facts.freeze),
            body: forecast::body(facts, plan),
            labels: reports.labels.clone(),
            facts: json!({ "freeze": facts.freeze }),
            comments: Vec::new(),
            is_over: false,
        };
        Ok(self.services.store.tell(&telling, now).await?)
    }

    async fn deliver(&self, context: &RunContext) -> Result<(), RunError> {
        if self.pass == Pass::PlanOnly {
            return Ok(());
        }
        let subjects = self.subjects();
        let delivery = Delivery::new(&self.services, &self.distribution.name, context);
        Ok(delivery.of_subjects(&subjects).deliver().await?)
    }
}

fn summary(plan: &Plan, freeze: Date) -> String {
    format!(
        "the dependency freeze of {freeze}: {} would fall out, {} recover, {} enter, {} leave",
        plan.falls.len(),
        plan.recovers.len(),
        plan.enters.len(),
        plan.leaves.len()
    )
}
