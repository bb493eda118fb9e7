//! The files of a world of conda packages as they are written: one struct per table. Unknown keys are
//! refused here; what takes more than one value to judge is judged in `recipes` and `deeds`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::super::scalars::{Channel, Line, Moment};

/// `world.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorldFile {
    #[serde(rename = "format")]
    pub(super) _format: u32,
    pub(super) name: Line,
    pub(super) description: Line,
    #[serde(rename = "ecosystem")]
    pub(super) _ecosystem: String,
    pub(super) start: Spanned<Moment>,
    pub(super) end: Spanned<Moment>,
    #[serde(default)]
    pub(super) channel: Vec<ChannelTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelTable {
    pub(super) name: Spanned<Channel>,
    pub(super) address: Spanned<Line>,
}

/// `builds.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuildsFile {
    pub(super) build: Vec<BuildTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuildTable {
    pub(super) file: Spanned<Line>,
    #[serde(default)]
    pub(super) number: u64,
    #[serde(default)]
    pub(super) depends: Vec<Spanned<Line>>,
    #[serde(default)]
    pub(super) files: BTreeMap<Spanned<String>, String>,
    pub(super) test: Option<String>,
    #[serde(default)]
    pub(super) test_needs: Vec<Spanned<Line>>,
}

/// `timeline.toml`. Tables of all kinds may stand in any order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimelineFile {
    #[serde(default)]
    pub(super) appear: Vec<ChannelChange>,
    #[serde(default)]
    pub(super) withdraw: Vec<ChannelChange>,
    #[serde(default)]
    pub(super) run: Vec<RunTable>,
    #[serde(default)]
    pub(super) drop: Vec<DropTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelChange {
    pub(super) at: Spanned<Moment>,
    pub(super) channel: Spanned<Line>,
    pub(super) builds: Vec<Spanned<Line>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunTable {
    pub(super) at: Spanned<Moment>,
    pub(super) run: Spanned<u64>,
    pub(super) package: Spanned<Line>,
    pub(super) artifact: Spanned<Line>,
    pub(super) builds: Spanned<Vec<Spanned<Line>>>,
    pub(super) notice: NoticeText,
    pub(super) uploaded: Option<Spanned<Moment>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) enum NoticeText {
    #[serde(rename = "v1")]
    V1,
    #[serde(rename = "v2")]
    V2,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DropTable {
    pub(super) at: Spanned<Moment>,
    pub(super) builds: Vec<Spanned<Line>>,
}
