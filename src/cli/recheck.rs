//! `recheck`: what people may ask of a recheck of conda packages.

use clap::{Args, Subcommand};
use serde_json::json;

use super::steer::{ask_daemon, beside_the_point, user};
use super::{CommandError, Context, Output, chosen, state};
use crate::config::{Configuration, JobKind};
use crate::daemon::{Answer, Request, wishes};
use crate::domain::CulpritWish;

/// Ask something of a recheck of conda packages
#[derive(Debug, Args)]
pub(super) struct Rechecks {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Culprit(Culprit),
}

/// Have the change found that broke a red member
#[derive(Debug, Args)]
#[command(
    after_help = "The wish is kept, and the next pass of the job takes it up, whether anything else changed or not: it
tests mixtures of the last environment in which the member was green and today's, also where the
job itself looks for nothing (`culprit_tests = 0`) or for less. `tidegate explain MEMBER` shows what
was asked and what it came to. Asking twice for the same changes nothing.

Examples:
  tidegate recheck culprit qiime2-tiny-recheck q2-types
  tidegate recheck culprit qiime2-tiny-recheck q2-types --platform osx-64 --tests 100
  tidegate once qiime2-tiny-recheck
      Where no daemon runs: the pass that takes it up"
)]
struct Culprit {
    /// The recheck
    job: String,
    /// The member
    member: String,
    /// Only on this platform [default: every one on which it is red]
    #[arg(long, value_name = "P")]
    platform: Option<String>,
    /// How many mixtures may be tested for each environment in which it is red
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    tests: u32,
    /// Why; kept and shown
    #[arg(long, value_name = "R", default_value = "to know which change broke it")]
    reason: String,
    /// Who asks [default: the name of this user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Rechecks {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let What::Culprit(culprit) = self.what;
        culprit.run(context)
    }
}

impl Culprit {
    fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        if self.reason.trim().is_empty() {
            return Err(CommandError::invalid("a reason is needed: it is kept and shown"));
        }
        let configuration = context.configuration_in_force()?;
        let wish = self.wish(&configuration)?;
        let told = state::block_on(carry_out(&configuration, wish, context))?;
        match context.output {
            Output::Json => context.print_json(&json!({ "done": told })),
            Output::Text => Ok(writeln!(context.out, "{told}")?),
        }
    }

    fn wish(self, configuration: &Configuration) -> Result<CulpritWish, CommandError> {
        let job = chosen::job(configuration, &self.job)?;
        if !matches!(job.kind, JobKind::Recheck(_)) {
            let message = format!(
                "{} is a job of the kind `{}`, and no recheck of conda packages",
                job.name,
                job.kind.name()
            );
            return Err(CommandError::invalid(message));
        }
        let distribution = chosen::conda(configuration, &job.distribution)?;
        let members: Vec<&str> = distribution.required_members().collect();
        if !members.contains(&self.member.as_str()) {
            return Err(chosen::unknown("member", &self.member, members.into_iter()));
        }
        if let Some(platform) = &self.platform
            && !distribution.platforms.contains(platform)
        {
            let platforms = distribution.platforms.iter().map(String::as_str);
            return Err(chosen::unknown("platform", platform, platforms));
        }
        Ok(CulpritWish {
            distribution: distribution.name.clone(),
            job: job.name.clone(),
            member: self.member,
            platform: self.platform,
            most_tests: self.tests,
            by: self.by.unwrap_or_else(user),
            reason: self.reason,
        })
    }
}

/// The daemon writes it down where one runs; else this process.
async fn carry_out(
    configuration: &Configuration,
    wish: CulpritWish,
    context: &Context<'_>,
) -> Result<String, CommandError> {
    match ask_daemon(configuration, &Request::FindCulprit(wish.clone())).await? {
        Some(Answer::Done(told)) => return Ok(told),
        Some(_) => return Err(beside_the_point()),
        None => {}
    }
    let store = context.write_state().await?;
    let told = wishes::find_culprit(&store, &wish, context.clock.now()).await;
    store.close().await;
    Ok(told?)
}
