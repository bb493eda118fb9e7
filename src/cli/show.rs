//! `show`: one run, with what it decided from and what it did.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::runs::took;
use super::shown::{plain, rows, word};
use super::{CommandError, Context, Output, state};
use crate::store::{Action, Run, RunId, Store};

/// Show a run: what it decided from, what it did, and how it ended
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate show 42
      The run, its actions and its digests
  tidegate show 42 --part input > input.json
      Everything that the run decided from")]
pub(super) struct Show {
    /// The run's number, as `runs` lists it
    run: i64,
    /// Print one part, as it was stored
    #[arg(long)]
    part: Option<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Everything that the run decided from
    Input,
    /// What it decided
    Plan,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    run: Run,
    actions: Vec<Action>,
}

impl Show {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        if let Some(part) = self.part {
            let bytes = state::block_on(async {
                let store = context.read_state().await?;
                let run = find(&store, self.run).await?;
                stored(&store, &run, part).await
            })?;
            context.out.write_all(&bytes)?;
            return Ok(writeln!(context.out)?);
        }
        let shown = state::block_on(async {
            let store = context.read_state().await?;
            let run = find(&store, self.run).await?;
            let actions = store.actions_of(run.id).await?;
            Ok(Shown { run, actions })
        })?;
        match context.output {
            Output::Json => context.print_json(&shown),
            Output::Text => Ok(context.out.write_all(text(&shown).as_bytes())?),
        }
    }
}

/// The run of that number, or an error that says which numbers there are.
pub(super) async fn find(store: &Store, number: i64) -> Result<Run, CommandError> {
    if let Some(run) = store.run(RunId(number)).await? {
        return Ok(run);
    }
    let newest = store.runs(None, 1).await?;
    let hint = match newest.first() {
        Some(newest) => format!("the newest run is {}; `tidegate runs` lists them", newest.id),
        None => "nothing ran yet".to_owned(),
    };
    Err(CommandError::invalid(format!("there is no run {number}")).hint(hint))
}

/// What a run decided from, as it was stored.
pub(super) async fn input(store: &Store, run: &Run) -> Result<Vec<u8>, CommandError> {
    stored(store, run, Part::Input).await
}

/// What a run decided, as it was stored.
pub(super) async fn plan(store: &Store, run: &Run) -> Result<Vec<u8>, CommandError> {
    stored(store, run, Part::Plan).await
}

async fn stored(store: &Store, run: &Run, part: Part) -> Result<Vec<u8>, CommandError> {
    let (name, digest) = match part {
        Part::Input => ("input", &run.input_digest),
        Part::Plan => ("plan", &run.plan_digest),
    };
    let Some(digest) = digest else {
        let message = format!("run {} of {} kept no {name}: it ended {}", run.id, run.job, word(run.state));
        let hint = "only runs that decided on packages and ended well keep one";
        return Err(CommandError::failed(message).hint(hint));
    };
    store.blob(digest).await?.ok_or_else(|| {
        CommandError::failed(format!("the {name} of run {} (sha256 {digest}) is not kept any more", run.id))
    })
}

fn text(shown: &Shown) -> String {
    let Shown { run, actions } = shown;
    let or_none = |digest: &Option<String>| {
        digest.as_ref().map_or("none".to_owned(), |digest| format!("sha256 {digest}"))
    };
    let mut lines = vec![
        ("nominal", run.scheduled_for.to_string()),
        ("attempt", run.attempt.to_string()),
        ("began", run.started_at.to_string()),
    ];
    if let Some(end) = run.finished_at {
        lines.push(("ended", format!("{end}, after {}", took(run))));
    }
    lines.extend(run.summary.as_ref().map(|summary| ("summary", plain(summary))));
    lines.extend(run.error.as_ref().map(|error| ("error", plain(error))));
    lines.extend([("input", or_none(&run.input_digest)), ("plan", or_none(&run.plan_digest))]);
    let mut text = format!("run {} of {}: {}\n{}", run.id, run.job, word(run.state), rows(lines));
    if !actions.is_empty() {
        text += "\nactions\n";
    }
    for action in actions {
        let message =
            action.message.as_ref().map(|message| format!(": {}", plain(message))).unwrap_or_default();
        let state = word(action.state);
        text += &format!("  {state:<9} {}  {}{message}\n", plain(&action.kind), plain(&action.key));
        if let Some(receipt) = &action.receipt {
            text += &format!("            receipt {}\n", plain(&receipt.to_string()));
        }
    }
    text
}
