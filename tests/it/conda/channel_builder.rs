//! Channels written down in a test: records, without the files that they stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tidegate::ecosystem::conda::address::ChannelAddress;
use tidegate::ecosystem::conda::channel::ChannelIndex;

/// One record. Its digest is made from its file name, so each file has its own.
#[derive(Clone, Debug)]
pub struct Record {
    name: String,
    version: String,
    build: String,
    subdir: String,
    ending: &'static str,
    fields: Map<String, Value>,
}

/// A record of `noarch`, written as `name version` or `name version build`, with its dependencies.
pub fn record(text: &str, depends: &[&str]) -> Record {
    let mut words = text.split(' ').map(str::to_owned);
    let mut next = || words.next();
    let (name, version) = (next().unwrap(), next().unwrap());
    let build = next().unwrap_or_else(|| "0".to_owned());
    let number: u64 = build.rsplit('_').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let mut fields = Map::new();
    fields.insert("build_number".to_owned(), number.into());
    fields.insert("depends".to_owned(), depends.into());
    Record { name, version, build, subdir: "noarch".to_owned(), ending: "conda", fields }
}

impl Record {
    /// The same for one platform.
    pub fn on(self, subdir: &str) -> Self {
        Self { subdir: subdir.to_owned(), ..self }
    }

    /// The same in the older format.
    pub fn tar_bz2(self) -> Self {
        Self { ending: "tar.bz2", ..self }
    }

    /// The same with this member of its JSON.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.to_owned(), value.into());
        self
    }

    pub fn file_name(&self) -> String {
        format!("{}-{}-{}.{}", self.name, self.version, self.build, self.ending)
    }

    pub fn sha256(&self) -> String {
        let digest = Sha256::digest(format!("{}/{}", self.subdir, self.file_name()));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "name": self.name, "version": self.version, "build": self.build, "subdir": self.subdir,
            "sha256": self.sha256(), "size": 1, "timestamp": 1_700_000_000_000_u64,
        });
        for (key, value) in &self.fields {
            json[key] = value.clone();
        }
        json
    }
}

/// The indexes of a channel with these records, in this order, by sub-directory; `noarch` and
/// `linux-64` are always there.
pub fn indexes(records: &[Record]) -> BTreeMap<String, Value> {
    let mut indexes: BTreeMap<String, Value> = BTreeMap::new();
    let always = ["noarch", "linux-64"].map(str::to_owned);
    for subdir in always.into_iter().chain(records.iter().map(|record| record.subdir.clone())) {
        let empty = json!({ "info": { "subdir": subdir }, "packages": {}, "packages.conda": {}, "repodata_version": 1 });
        indexes.entry(subdir).or_insert(empty);
    }
    for record in records {
        let section = if record.ending == "conda" { "packages.conda" } else { "packages" };
        indexes.get_mut(&record.subdir).unwrap()[section][record.file_name()] = record.json();
    }
    indexes
}

/// The channel as it would be read from `file:///NAME`.
pub fn channel(name: &str, records: &[Record]) -> ChannelIndex {
    let address: ChannelAddress = format!("/{name}").parse().unwrap();
    let bytes = indexes(records).into_iter().map(|(subdir, index)| (subdir, index.to_string().into_bytes()));
    ChannelIndex::new(address, &bytes.collect()).unwrap()
}

/// Writes the channel as a folder.
pub fn write(folder: &Path, records: &[Record]) {
    for (subdir, index) in indexes(records) {
        std::fs::create_dir_all(folder.join(&subdir)).unwrap();
        std::fs::write(folder.join(&subdir).join("repodata.json"), index.to_string()).unwrap();
    }
}

/// Two plugins that want different versions of numpy, and others that do not care.
pub fn quarrel() -> Vec<Record> {
    vec![
        record("numpy 1.26 0", &[]),
        record("numpy 2.0 0", &[]),
        record("q2-old 1.0 0", &["numpy <2"]),
        record("q2-new 1.0 0", &["numpy >=2"]),
        record("q2-other 1.0 0", &["numpy"]),
        record("q2-more 1.0 0", &["q2-other"]),
    ]
}

/// Records of a few packages that depend on each other in all sorts of ways.
pub fn any_records() -> impl Strategy<Value = Vec<Record>> {
    let line = (0u8..6, 0u8..5, any::<bool>()).prop_map(|(name, version, upper)| match upper {
        true => format!("p{name} <{version}"),
        false => format!("p{name} >={version}"),
    });
    let one = (0u8..6, 0u8..5, 0u8..3, proptest::collection::vec(line, 0..3), any::<bool>(), any::<bool>());
    proptest::collection::vec(one, 4..30).prop_map(|records| {
        let mut seen = BTreeSet::new();
        let records = records.into_iter().filter(|(name, version, build, _, linux, older)| {
            seen.insert((*name, *version, *build, *linux, *older))
        });
        records
            .map(|(name, version, build, lines, linux, older)| {
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                let made = record(&format!("p{name} {version} h{build}"), &lines);
                let made = if linux { made.on("linux-64") } else { made };
                if older { made.tar_bz2() } else { made }
            })
            .collect()
    })
}
