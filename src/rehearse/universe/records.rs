//! The records of `/api/packages`, in R-universe's own shape and words.
//!
//! One record has one `_buildurl`, and a job's log is `<_buildurl>/job/<job>`. Where the recorded
//! checks of one row come from several runs, `_buildurl` is the run of the first of them, and the
//! logs of the others' jobs are addressed below it: an approximation that the shape asks for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::maker::Platform;
use super::scene::{TargetedR, View};
use super::shelf::Artifact;
use crate::rehearse::world::{
    Building, FREE_LICENSE, RecordedCheck, UniverseRow, made_up_number, split_job, title,
};

/// The names that `fields=` may ask for, in the order in which a record has them. The first three
/// are in every record.
pub(super) const FIELDS: [&str; 21] = [
    "Package",
    "_user",
    "_type",
    "Title",
    "Version",
    "License",
    "URL",
    "Remotes",
    "RemoteUrl",
    "RemoteSha",
    "_file",
    "_fileid",
    "_filesize",
    "_sha256",
    "_created",
    "_published",
    "_buildurl",
    "_jobs",
    "_dependencies",
    "_binaries",
    "_failure",
];

/// The configurations that R-universe always checks a package in.
const CONFIGURATIONS: [&str; 5] =
    ["source", "linux-release-x86_64", "macos-release-arm64", "macos-release-x86_64", "windows-release"];

/// A set of fields: bit `i` stands for `FIELDS[i]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Selection(u32);

impl Selection {
    /// All fields: what is sent when nobody selects.
    pub(super) const ALL: Self = Self((1 << FIELDS.len()) - 1);

    /// Reads a comma-separated list; the error is a name that R-universe does not know.
    pub(super) fn parse(list: &str) -> Result<Self, String> {
        list.split(',').filter(|name| !name.is_empty()).try_fold(Self(0b111), |selection, name| {
            let index = FIELDS.iter().position(|field| *field == name).ok_or_else(|| name.to_owned())?;
            Ok(Self(selection.0 | 1 << index))
        })
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        FIELDS.iter().enumerate().filter(move |(index, _)| self.0 & (1 << index) != 0).map(|(_, name)| *name)
    }
}

/// What a record depends on, apart from the world and, for a recent build, the time.
type LineKey = (Selection, TargetedR, String, String, String, Option<usize>);

/// Records that were written before. The jobs of a rehearsal ask for the same ones every hour.
#[derive(Default)]
pub(super) struct Lines(Mutex<BTreeMap<LineKey, Arc<str>>>);

impl Lines {
    /// One JSON text per package.
    pub(super) fn of(&self, view: &View<'_>, selection: Selection) -> Vec<Arc<str>> {
        view.rows().iter().map(|row| self.line(view, row, selection)).collect()
    }

    fn line(&self, view: &View<'_>, row: &UniverseRow<'_>, selection: Selection) -> Arc<str> {
        // Only here the passing of time alone changes a record.
        if row.building == Some(Building::Recent) {
            return record(view, row, selection);
        }
        let key = (
            selection,
            view.r.clone(),
            view.channel.to_owned(),
            row.package.to_owned(),
            row.commit.to_owned(),
            row.evidence,
        );
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            let written = record(view, row, selection);
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&written));
            written
        })
    }
}

/// A record as one line of JSON; a field without a value is left out, as R-universe does.
fn record(view: &View<'_>, row: &UniverseRow<'_>, selection: Selection) -> Arc<str> {
    let record = Record { view, row, build: build_url(view, row) };
    let fields: Map<String, Value> = selection
        .names()
        .filter_map(|name| record.field(name).map(|value| (name.to_owned(), value)))
        .collect();
    Value::Object(fields).to_string().into()
}

/// The run that a row's jobs belong to.
fn build_url(view: &View<'_>, row: &UniverseRow<'_>) -> String {
    let recorded = row.checks.first().and_then(|check| split_job(&check.url));
    recorded.map_or_else(|| view.scene.playback.made_up_run(view.channel, row), |(run, _)| run.to_owned())
}

struct Record<'a> {
    view: &'a View<'a>,
    row: &'a UniverseRow<'a>,
    build: String,
}

impl Record<'_> {
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Package" => Some(json!(self.row.package)),
            "_user" => Some(json!(self.user())),
            "_type" => Some(json!(if self.never_built() { "failure" } else { "src" })),
            "_buildurl" => Some(json!(self.build)),
            "_jobs" => Some(Value::Array(self.jobs())),
            "_dependencies" => Some(self.dependencies()),
            "_failure" => self.never_built().then(|| self.failure()),
            _ if self.never_built() => None,
            "Title" => Some(json!(title(self.row.package))),
            "Version" => Some(json!(self.row.version)),
            "License" => Some(json!(self.row.license.unwrap_or(FREE_LICENSE))),
            "URL" | "RemoteUrl" => Some(json!(self.row.repository)),
            "Remotes" => (!self.row.remotes.is_empty()).then(|| json!(self.row.remotes)),
            "RemoteSha" => Some(json!(self.row.commit)),
            _ => self.published_field(name),
        }
    }

    /// The fields that only a published package has.
    fn published_field(&self, name: &str) -> Option<Value> {
        let published = self.row.published?;
        let source = || self.view.file(self.row, Artifact::Source);
        match name {
            "_file" => Some(json!(format!("{}_{}.tar.gz", self.row.package, self.row.version?))),
            "_fileid" | "_sha256" => Some(json!(source().sha256)),
            "_filesize" => Some(json!(source().bytes.len())),
            // A build that ended minutes ago must still be so by the reader's clock.
            "_published" if self.row.building == Some(Building::Recent) => {
                Some(json!(api_time(self.view.at - SignedDuration::from_mins(1))))
            }
            "_created" => self.row.created.map(|created| json!(api_time(created))),
            "_published" => Some(json!(api_time(published))),
            "_binaries" => Some(self.binaries(published)),
            _ => None,
        }
    }

    /// True where the universe has tried and has nothing to show.
    fn never_built(&self) -> bool {
        self.row.published.is_none() && self.row.evidence.is_some()
    }

    /// The universe's name: that of its builds repository.
    fn user(&self) -> &str {
        self.build.split('/').nth(4).unwrap_or_default()
    }

    /// Recorded checks, and one passed job for each configuration of the targeted R without one.
    /// None where the build is still running.
    fn jobs(&self) -> Vec<Value> {
        if self.row.building == Some(Building::NotBuiltYet) {
            return Vec::new();
        }
        let recorded = self.row.checks.iter().map(|check| {
            let job = split_job(&check.url).map(|(_, job)| job);
            json!({"job": job, "config": check.config, "r": check.r.as_str(), "check": check.check.as_str()})
        });
        let passed =
            CONFIGURATIONS.into_iter().filter(|config| self.check_in(config).is_none()).map(|config| {
                let job = made_up_number(&[&self.build, self.row.package, config]);
                json!({"job": job, "config": config, "r": self.view.r.version, "check": "OK"})
            });
        recorded.chain(passed).collect()
    }

    /// The recorded check of a configuration of the targeted R.
    fn check_in(&self, config: &str) -> Option<&RecordedCheck> {
        let mut checks = self.row.checks.iter();
        checks.find(|check| check.config == config && check.r.minor_series() == self.view.r.series)
    }

    fn dependencies(&self) -> Value {
        let imports = self.view.scene.world().dependencies_of(self.row.package);
        let mut all = vec![json!({"package": "R", "version": ">= 4.0", "role": "Depends"})];
        all.extend(imports.iter().map(|package| json!({"package": package, "role": "Imports"})));
        Value::Array(all)
    }

    fn failure(&self) -> Value {
        let first_seen = self.row.evidence.and_then(|index| self.view.scene.world().evidence.get(index));
        json!({
            "version": self.row.version,
            "commit": {"id": self.row.commit},
            "buildurl": self.build,
            "date": first_seen.map(|row| api_time(row.at)),
            "job": self.row.checks.first().and_then(|check| split_job(&check.url)).map(|(_, job)| job),
        })
    }

    fn binaries(&self, published: Timestamp) -> Value {
        let platforms = self.view.scene.shelf.platforms();
        let binaries = platforms.iter().copied().map(|platform| {
            let (os, arch, config) = match platform {
                Platform::Windows => ("win", None, "windows-release"),
                Platform::MacX86 => ("mac", Some("x86_64"), "macos-release-x86_64"),
                Platform::MacArm => ("mac", Some("aarch64"), "macos-release-arm64"),
                Platform::Noble => ("linux", Some("x86_64"), "linux-release-x86_64"),
            };
            let check = self.check_in(config).map_or("OK", |check| check.check.as_str());
            let mut binary = json!({
                "r": self.view.r.version,
                "os": os,
                "version": self.row.version,
                "date": api_time(published),
                "commit": self.row.commit,
                "fileid": self.view.binary(self.row, platform).sha256,
                "status": if check == "ERROR" { "failure" } else { "success" },
                "check": check,
                "buildurl": self.build,
            });
            if let Some(arch) = arch {
                binary["arch"] = json!(arch);
            }
            if platform == Platform::Noble {
                binary["distro"] = json!("noble");
            }
            binary
        });
        Value::Array(binaries.collect())
    }
}

/// A time as the API writes it: `2026-04-07T08:32:37.311Z`.
fn api_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
