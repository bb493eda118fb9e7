//! What every world on stage can do, whatever its ecosystem.

use std::path::Path;

use jiff::Timestamp;

use super::github::SimulatedGitHub;
use crate::config::Configuration;
use crate::store::Store;

/// The world time that is played, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When the playing begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
}

/// A world on stage.
pub(super) trait Scenery {
    /// What a rehearsal in it comes to, for machines.
    type Summary;

    /// The simulated GitHub, whose journal keeps the world's time.
    fn github(&self) -> &SimulatedGitHub;

    /// The root of its API.
    fn github_url(&self) -> String;

    /// A client that reaches what the configuration names.
    fn http(&self) -> anyhow::Result<reqwest::Client>;

    /// What the jobs are made of: addresses and folders in it lead to this world.
    fn configuration(&self) -> &Configuration;

    /// Begins to serve what needs tidegate's own state, before world time begins to pass.
    async fn open(&mut self, store: &Store) -> anyhow::Result<()>;

    /// Brings the world up to `now`. It may be asked for the same time again, after a crash of tidegate's.
    async fn prepare(&mut self, now: Timestamp) -> anyhow::Result<()>;

    /// When the world changes next by itself after `now`.
    fn next_change_after(&self, now: Timestamp) -> Option<Timestamp>;

    /// What tidegate asked that the real services do not offer.
    fn violations(&self) -> Vec<String>;

    /// Writes the summary and the report to `out`.
    async fn leave_behind(&self, out: &Path, store: &Store, span: Span) -> anyhow::Result<Self::Summary>;
}
