//! A whole answer of a universe: one record per line, or an array of records.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use super::field::{BadField, Fields};
use super::{UniversePackage, condensed, record};
use crate::domain::PackageName;
use crate::failure::Failure;

/// What a universe answered. A record that cannot be read does not hide the others; whoever decides
/// has to treat its package as unknown, never as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UniverseAnswer {
    /// The packages, in the answer's order.
    pub packages: Vec<UniversePackage>,
    /// The records that cannot be read.
    pub malformed: Vec<MalformedRecord>,
}

/// A record of an answer that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedRecord {
    /// Its place in the answer, counted from 1.
    pub record: usize,
    /// Its package, where that much could be read. Where not, any package may be missing.
    pub package: Option<PackageName>,
    /// The field, with its way there, such as `_jobs[3].job`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for MalformedRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "record {}", self.record)?;
        if let Some(package) = &self.package {
            write!(formatter, " (`{package}`)")?;
        }
        write!(formatter, ", field `{}`: {}", self.field, self.problem)
    }
}

impl UniverseAnswer {
    /// Reads an answer in either form; records of both the API's and the condensed shape are taken.
    /// `source` names it in messages: an address or a file. An answer that ends in the middle is
    /// transient, any other answer that is not JSON is permanent.
    pub fn read(source: &str, bytes: &[u8]) -> Result<Self, Failure> {
        let mut collected = Collected::default();
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            collected.array(source, bytes)?;
        } else {
            collected.lines(source, bytes)?;
        }
        Ok(collected.answer)
    }

    /// True where the answer holds no record at all, readable or not.
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.malformed.is_empty()
    }

    /// The packages of an answer in which every record could be read; else a permanent failure that
    /// names the first records that could not.
    pub fn require_whole(self, source: &str) -> Result<Vec<UniversePackage>, Failure> {
        if self.malformed.is_empty() {
            return Ok(self.packages);
        }
        let first: Vec<String> = self.malformed.iter().take(3).map(MalformedRecord::to_string).collect();
        let count = self.malformed.len();
        Err(Failure::permanent(format!("{source}: {count} malformed record(s): {}", first.join("; "))))
    }
}

/// An answer while it is read.
#[derive(Default)]
struct Collected {
    answer: UniverseAnswer,
    seen: BTreeSet<PackageName>,
    records: usize,
}

impl Collected {
    fn array(&mut self, source: &str, bytes: &[u8]) -> Result<(), Failure> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        json.deserialize_seq(RecordsVisitor(self))
            .and_then(|()| json.end())
            .map_err(|error| unreadable(source, &error))
    }

    fn lines(&mut self, source: &str, bytes: &[u8]) -> Result<(), Failure> {
        for line in bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
        {
            let value = serde_json::from_slice(line)
                .map_err(|error| unreadable(&format!("{source}, record {}", self.records + 1), &error))?;
            self.add(&value);
        }
        Ok(())
    }

    fn add(&mut self, value: &Value) {
        self.records += 1;
        let Value::Object(object) = value else {
            let problem = "expected an object with the fields of a package".to_owned();
            return self.malformed(None, BadField { field: "(whole record)".to_owned(), problem });
        };
        let fields = Fields::of_record(object);
        let condensed = object.contains_key("package") && !object.contains_key("Package");
        let (name, package) = if condensed {
            (record::name_of(&fields, "package"), condensed::package_of(&fields))
        } else {
            (record::name_of(&fields, "Package"), record::package_of(&fields))
        };
        match package {
            Ok(package) if !self.seen.insert(package.package.clone()) => {
                let problem = "the package has a record already".to_owned();
                self.malformed(Some(package.package), BadField { field: "Package".to_owned(), problem });
            }
            Ok(package) => self.answer.packages.push(package),
            Err(bad) => self.malformed(name.ok(), bad),
        }
    }

    fn malformed(&mut self, package: Option<PackageName>, bad: BadField) {
        let record = self.records;
        self.answer.malformed.push(MalformedRecord {
            record,
            package,
            field: bad.field,
            problem: bad.problem,
        });
    }
}

/// Takes the records of an array one by one, so that a long answer is never in memory as a whole tree.
struct RecordsVisitor<'c>(&'c mut Collected);

impl<'de> Visitor<'de> for RecordsVisitor<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(value) = items.next_element::<Value>()? {
            self.0.add(&value);
        }
        Ok(())
    }
}

fn unreadable(source: &str, error: &serde_json::Error) -> Failure {
    if error.is_eof() {
        return Failure::transient(format!(
            "{source}: the answer ends in the middle of a record; it was cut off"
        ));
    }
    Failure::permanent(format!("{source}: the answer is not what the packages API promises: {error}"))
}
