//! A small made-up world in a folder, whose files a test may replace.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;
use tidegate::domain::Listing;
use tidegate::rehearse::world::{Playback, World, WorldProblem};

/// Two universes for five days; `alpha` and `Beta` are listed, `beta` lies in a folder of a monorepo.
pub struct Folder {
    files: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    pub fn new() -> Self {
        let files = [
            ("world.toml", WORLD),
            ("initial.json", INITIAL),
            ("registry.jsonl", REGISTRY),
            ("releases.jsonl", RELEASES),
            ("evidence.jsonl", ""),
            ("cran.json", CRAN),
            ("dependencies.json", r#"{"dependencies": {"alpha": ["Beta"], "Beta": []}}"#),
        ];
        Self { files: files.map(|(name, text)| (name.to_owned(), text.into())).into() }
    }

    /// The same with another text in one file.
    pub fn with(mut self, file: &str, text: impl Into<Vec<u8>>) -> Self {
        self.files.insert(file.to_owned(), text.into());
        self
    }

    /// The same with one text replaced in one file; it has to be there.
    pub fn replacing(mut self, file: &str, old: &str, new: &str) -> Self {
        let bytes = self.files.get_mut(file).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(old), "{file} does not contain {old}");
        *bytes = text.replace(old, new).into();
        self
    }

    /// The same without one file.
    pub fn without(mut self, file: &str) -> Self {
        self.files.remove(file).unwrap();
        self
    }

    pub fn load(&self) -> Result<World, WorldProblem> {
        let folder = TempDir::new().unwrap();
        for (name, text) in &self.files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        World::load(folder.path())
            .map_err(|problem| WorldProblem { origin: "the-world".to_owned(), ..problem })
    }

    pub fn playback(&self) -> Arc<Playback> {
        Arc::new(Playback::new(Arc::new(self.load().unwrap())))
    }
}

/// A commit that consists of one digit.
pub fn commit(digit: char) -> String {
    digit.to_string().repeat(40)
}

/// A row of evidence for version 1.0.0 of `alpha`; `more` is what else it says.
pub fn row(at: &str, universe: &str, digit: char, more: &str) -> String {
    let commit = commit(digit);
    format!(
        "{{\"at\": \"{at}\", \"universe\": \"{universe}\", \"package\": \"alpha\", \"commit\": \"{commit}\", \
         \"version\": \"1.0.0\", \"published\": \"2026-04-14 10:00:00.250 UTC\"{more}}}\n"
    )
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A row of `packages.json` for `alpha` that follows `branch`.
pub fn alpha(branch: &str) -> Listing {
    Listing {
        package: "alpha".to_owned(),
        url: "https://github.com/someone/alpha".to_owned(),
        branch: Some(branch.to_owned()),
        subdir: None,
    }
}

const WORLD: &str = r#"format = 1
name = "A small world"
ecosystem = "r-universe"
start = "2026-04-15T00:00:00Z"
end = "2026-04-20T00:00:00Z"

[[universe]]
channel = "community"
repository = "someone/community"

[[universe]]
channel = "staging"
repository = "someone/staging"

[people]
merge_after = "6h"
close = []
edit = []

[[r_release]]
version = "4.5.0"
date = "2025-04-11"

[[outage]]
source = "cran"
universe = "staging"
from = "2026-04-17T01:00:00Z"
to = "2026-04-17T02:00:00Z"

[[outage]]
source = "universe"
universe = "community"
from = "2026-04-17T03:00:00Z"
to = "2026-04-17T04:00:00Z"
"#;

const INITIAL: &str = r#"{
 "community": {
  "packages": [
   {"package": "Beta", "url": "https://github.com/someone/mono/", "branch": "*release", "subdir": "r/beta"},
   {"package": "alpha", "url": "https://github.com/someone/alpha", "branch": "*release"}
  ],
  "versions": [
   {"package": "alpha", "version_current": "1.0.0", "hash_current": "1111111111111111111111111111111111111111",
    "version_highest": "1.0.0", "hash_highest": "1111111111111111111111111111111111111111"}
  ]
 },
 "staging": {
  "packages": [{"package": "alpha", "url": "https://github.com/someone/alpha", "branch": "*release"}],
  "versions": []
 }
}
"#;

const REGISTRY: &str = r#"{"at": "2026-04-16T00:00:00Z", "set": {"Zeta": {"url": "https://github.com/someone/mono", "branch": "*release", "subdir": "r/zeta"}}, "remove": []}
{"at": "2026-04-18T00:00:00Z", "set": {"alpha": {"url": "https://github.com/someone/alpha2", "branch": "*release"}}, "remove": ["Beta"]}
"#;

const RELEASES: &str = r#"{"at": "2026-04-13T00:00:00Z", "repository": "https://github.com/someone/alpha", "tag": "v1.0.0", "commit": "1111111111111111111111111111111111111111", "packages": {"alpha": "1.0.0"}}
{"at": "2026-04-13T00:00:00Z", "repository": "https://github.com/someone/mono", "tag": "v5", "commit": "5555555555555555555555555555555555555555", "packages": {"Beta": "0.5.0"}}
{"at": "2026-04-16T12:00:00Z", "repository": "https://github.com/someone/alpha", "tag": "v2.0.0", "commit": "2222222222222222222222222222222222222222", "packages": {"alpha": "2.0.0"}}
{"at": "2026-04-17T12:00:00Z", "repository": "https://github.com/someone/alpha", "tag": "v2.0.0", "commit": "3333333333333333333333333333333333333333", "packages": {"alpha": "2.0.0"}}
{"at": "2026-04-17T18:00:00Z", "repository": "https://github.com/someone/mono", "tag": "v6", "commit": "6666666666666666666666666666666666666666", "packages": {"Zeta": "0.6.0"}}
"#;

const CRAN: &str = r#"{
 "2026-01-15": {"alpha": "0.9.0"},
 "2026-04-15": {"alpha": "1.1.0", "litedown": "0.10"}
}
"#;
