//! `timeline.jsonl`: one object per event, in the order of world time.
//!
//! The store is the truth: an event has a key there, so that a pass which is done again after a crash
//! tells of nothing twice. The file is appended to while the rehearsal plays, and written anew in its
//! final order at the end.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::rehearsal::Audience;
use crate::store::{Event, Store};

const FILE: &str = "timeline.jsonl";
/// How many events are read from the store at once.
const AT_ONCE: u32 = 500;

/// The timeline of a rehearsal.
pub struct Timeline {
    path: PathBuf,
    file: File,
    store: Store,
    written: i64,
}

impl Timeline {
    /// Takes up the timeline of the folder `out`: what the store knows is written again.
    pub async fn resume(out: &Path, store: &Store) -> anyhow::Result<Self> {
        let path = out.join(FILE);
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let mut timeline = Self { path, file, store: store.clone(), written: 0 };
        while !timeline.append().await?.is_empty() {}
        Ok(timeline)
    }

    /// Appends what has happened since, and shows it.
    pub async fn advance(&mut self, audience: &mut dyn Audience) -> anyhow::Result<()> {
        loop {
            let events = self.append().await?;
            if events.is_empty() {
                return Ok(());
            }
            for event in &events {
                audience.happens(event);
            }
        }
    }

    async fn append(&mut self) -> anyhow::Result<Vec<Event>> {
        let events = self.store.events_after(self.written, AT_ONCE).await?;
        for event in &events {
            writeln!(self.file, "{}", line(event))
                .with_context(|| format!("cannot write {}", self.path.display()))?;
            self.written = event.id;
        }
        Ok(events)
    }

    /// Writes the file in its final order: by time, then by kind and package, whatever the order was
    /// in which the events were noticed.
    pub async fn finish(self) -> anyhow::Result<()> {
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let some = self.store.events_after(after, AT_ONCE).await?;
            let Some(last) = some.last() else { break };
            after = last.id;
            events.extend(some);
        }
        let mut lines: Vec<_> = events.iter().map(|event| (event.at, line(event).to_string())).collect();
        lines.sort();
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut temporary =
            tempfile::NamedTempFile::new_in(folder).context("cannot write to the output folder")?;
        {
            let mut writer = BufWriter::new(&mut temporary);
            for (_, line) in lines {
                writeln!(writer, "{line}")?;
            }
            writer.flush()?;
        }
        temporary.persist(&self.path).with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(())
    }
}

/// An event as its line: the fields that all have first, then its own.
fn line(event: &Event) -> Value {
    let mut object = Map::new();
    object.insert("at".to_owned(), event.at.to_string().into());
    object.insert("kind".to_owned(), event.kind.clone().into());
    object.insert("job".to_owned(), event.job.clone().into());
    if let Some(package) = &event.package {
        object.insert("package".to_owned(), package.clone().into());
    }
    if let Value::Object(body) = &event.body {
        for (key, value) in body {
            object.insert(key.clone(), value.clone());
        }
    }
    Value::Object(object)
}
