//! `pause`, `resume` and `skip-next`: a person's wish about one job. A daemon takes it on its socket;
//! without one the command takes the lock and writes it down itself.

use clap::Args;
use serde_json::json;

use super::{CommandError, Context, Output, chosen, state};
use crate::config::Configuration;
use crate::daemon::wishes::{self, Wish};
use crate::daemon::{self, Answer, CONTROL_SOCKET, Request};

/// Who asks for a change of what is published, and why.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Why; kept and shown to whoever it concerns
    #[arg(long, value_name = "R")]
    pub(super) reason: String,
    /// Who asks [default: the name of this user]
    #[arg(long, value_name = "NAME")]
    pub(super) by: Option<String>,
    /// Only print what would change
    #[arg(long)]
    pub(super) dry_run: bool,
}

impl Asked {
    /// Refuses what was asked without a reason.
    pub(super) fn has_a_reason(&self) -> Result<(), CommandError> {
        match self.reason.trim().is_empty() {
            true => Err(CommandError::invalid("a reason is needed: it is kept and shown")),
            false => Ok(()),
        }
    }
}

/// Start nothing of a job's schedule until it is resumed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate pause r-multiverse-staging --reason 'GitHub moves the repositories'")]
pub(super) struct Pause {
    #[command(flatten)]
    about: About,
    /// Why; kept and shown
    #[arg(long, value_name = "R")]
    reason: String,
}

/// End a pause; what it kept from running is skipped
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate resume r-multiverse-staging")]
pub(super) struct Resume {
    #[command(flatten)]
    about: About,
    /// Why; kept and shown
    #[arg(long, value_name = "R", default_value = "the pause is over")]
    reason: String,
}

/// Skip a job's next occurrence
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate skip-next r-multiverse-snapshot --reason 'published by hand this time'")]
pub(super) struct SkipNext {
    #[command(flatten)]
    about: About,
    /// Why; kept and shown
    #[arg(long, value_name = "R")]
    reason: String,
}

/// Which job, and who asks.
#[derive(Debug, Args)]
struct About {
    /// The job
    job: String,
    /// Who asks [default: the name of this user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Pause {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        steer(Kind::Pause, &self.about, &self.reason, context)
    }
}

impl Resume {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        steer(Kind::Resume, &self.about, &self.reason, context)
    }
}

impl SkipNext {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        steer(Kind::SkipNext, &self.about, &self.reason, context)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Pause,
    Resume,
    SkipNext,
}

fn steer(kind: Kind, about: &About, reason: &str, context: &mut Context<'_>) -> Result<(), CommandError> {
    let configuration = context.configuration_in_force()?;
    let job = &chosen::job(&configuration, &about.job)?.name;
    if reason.trim().is_empty() {
        return Err(CommandError::invalid("a reason is needed: it is kept and shown"));
    }
    let by = about.by.clone().unwrap_or_else(user);
    let wish = Wish { job, by: &by, reason };
    let meaning = state::block_on(async {
        match ask_daemon(&configuration, &kind.request(wish)).await? {
            Some(Answer::Done(meaning)) => Ok(meaning),
            Some(_) => Err(beside_the_point()),
            None => write_down(kind, wish, context).await,
        }
    })?;
    match context.output {
        Output::Json => context.print_json(&json!({ "done": meaning })),
        Output::Text => Ok(writeln!(context.out, "{meaning}")?),
    }
}

impl Kind {
    fn request(self, wish: Wish<'_>) -> Request {
        let (job, by, reason) = (wish.job.to_owned(), wish.by.to_owned(), wish.reason.to_owned());
        match self {
            Self::Pause => Request::Pause { job, by, reason },
            Self::Resume => Request::Resume { job, by, reason },
            Self::SkipNext => Request::SkipNext { job, by, reason },
        }
    }
}

/// What a running daemon answers; none where none runs.
pub(super) async fn ask_daemon(
    configuration: &Configuration,
    request: &Request,
) -> Result<Option<Answer>, CommandError> {
    let folder = &configuration.settings.state;
    if !folder.join(CONTROL_SOCKET).exists() {
        return Ok(None);
    }
    match daemon::ask(folder, request).await {
        Ok(Answer::Refused(why)) => Err(CommandError::failed(format!("the daemon refuses: {why}"))),
        Ok(answer) => Ok(Some(answer)),
        // A daemon that was killed leaves its socket behind; one that hangs still holds the lock, so
        // that whoever asks is told of it there.
        Err(_) => Ok(None),
    }
}

/// The mistake of a daemon that is another version.
pub(super) fn beside_the_point() -> CommandError {
    CommandError::failed("the daemon answered another question").hint("is it of another version?")
}

async fn write_down(kind: Kind, wish: Wish<'_>, context: &Context<'_>) -> Result<String, CommandError> {
    let store = context.write_state().await?;
    let now = context.clock.now();
    let meaning = match kind {
        Kind::Pause => wishes::pause(&store, wish, now).await,
        Kind::Resume => wishes::resume(&store, wish, now).await,
        Kind::SkipNext => wishes::skip_next(&store, wish, now).await,
    };
    store.close().await;
    Ok(meaning?)
}

/// The name of whoever runs the command, as far as the environment knows it.
pub(super) fn user() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| "somebody".to_owned())
}
