//! `packages.json`: what a universe builds, and from which branch or commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::super::layout::is_package_name;
use super::json::{self, MalformedFile};
use crate::domain::{Listing, PackageName, sort_as_upstream};

/// The longest text a row may hold: addresses and folders are far shorter.
const MAX_TEXT: usize = 2_000;

/// Where `subdir` stands in a row. jsonlite writes all rows in one order of columns, which is the
/// order in which the columns first come up anywhere in the file that upstream read; both orders are real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SubdirColumn {
    /// `package, url, branch, subdir`.
    #[default]
    AfterBranch,
    /// `package, url, subdir, branch`.
    BeforeBranch,
}

/// A `packages.json`: its rows, and what is needed to write it back with nothing else changed
/// (the order of each row's columns, and fields that tidegate has no word for, such as `metadata`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackagesFile {
    /// One row per package, in the order of the file.
    pub listings: Vec<Listing>,
    subdir: SubdirColumn,
    /// The rows as they were read, with their own order of columns.
    fields: BTreeMap<PackageName, Map<String, Value>>,
}

impl PackagesFile {
    /// A file with these rows, in upstream's order and with upstream's columns of today.
    pub fn new(mut listings: Vec<Listing>) -> Self {
        sort_as_upstream(&mut listings);
        Self { listings, ..Self::default() }
    }

    /// Reads a file; `file` names it in messages. A package listed twice, a name that R would not
    /// take, an address that is not one of the web, a folder outside its repository, and a text with
    /// control characters or beyond 2,000 bytes are errors.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, MalformedFile> {
        let rows: Vec<Row> = json::read(file, bytes, "an array of records with `package` and `url`")?;
        let subdir = rows.iter().find_map(|row| row.first_column).unwrap_or_default();
        let mut packages = Self { subdir, ..Self::default() };
        let mut seen = BTreeSet::new();
        for row in rows {
            let package = row.listing.package.clone();
            if !seen.insert(package.clone()) {
                let problem = format!("the package `{package}` is listed twice; remove one of the rows");
                return Err(MalformedFile { file: file.to_owned(), line: 0, column: 0, problem });
            }
            packages.fields.insert(package, row.fields);
            packages.listings.push(row.listing);
        }
        Ok(packages)
    }

    /// The file with the rows of `set` added or in the place of their package's, and without the packages of
    /// `removed`. All others stay as and where they are; a new one comes before the first that sorts after it.
    pub fn with_rows(&self, set: &[Listing], removed: &[PackageName]) -> Self {
        let removed: BTreeSet<&str> = removed.iter().map(String::as_str).collect();
        let mut replaced: BTreeMap<&str, &Listing> =
            set.iter().map(|listing| (listing.package.as_str(), listing)).collect();
        let mut kept = Vec::with_capacity(self.listings.len() + set.len());
        for listing in &self.listings {
            let package = listing.package.as_str();
            match replaced.remove(package) {
                Some(new) => kept.push(new.clone()),
                None if removed.contains(package) => {}
                None => kept.push(listing.clone()),
            }
        }
        let mut new: Vec<Listing> = replaced.into_values().cloned().collect();
        sort_as_upstream(&mut new);
        let mut new = new.into_iter().peekable();
        let mut listings = Vec::with_capacity(kept.len() + new.len());
        for listing in kept {
            while let Some(before) = new.next_if(|new| comes_before(new, &listing)) {
                listings.push(before);
            }
            listings.push(listing);
        }
        listings.extend(new);
        Self { listings, ..self.clone() }
    }

    /// The row of `package`.
    pub fn get(&self, package: &str) -> Option<&Listing> {
        self.listings.iter().find(|listing| listing.package == package)
    }

    /// The file's text as upstream would write it, in the order of `listings`.
    pub fn write(&self) -> String {
        json::write(&Value::Array(self.listings.iter().map(|listing| self.row(listing)).collect()))
    }

    fn row(&self, listing: &Listing) -> Value {
        let known = self.fields.get(&listing.package);
        if let Some(row) = known.and_then(|fields| in_place(fields, listing)) {
            return Value::Object(row);
        }
        let mut row = Map::new();
        row.insert("package".to_owned(), listing.package.clone().into());
        row.insert("url".to_owned(), listing.url.clone().into());
        let branch = listing.branch.clone().map(|branch| ("branch", branch));
        let subdir = listing.subdir.clone().map(|subdir| ("subdir", subdir));
        let columns = match self.subdir {
            SubdirColumn::AfterBranch => [branch, subdir],
            SubdirColumn::BeforeBranch => [subdir, branch],
        };
        for (name, text) in columns.into_iter().flatten() {
            row.insert(name.to_owned(), text.into());
        }
        let others = known.into_iter().flatten().filter(|(name, _)| !COLUMNS.contains(&name.as_str()));
        row.extend(others.map(|(name, value)| (name.clone(), value.clone())));
        Value::Object(row)
    }
}

/// The columns that a listing has words for.
const COLUMNS: [&str; 4] = ["package", "url", "branch", "subdir"];

/// The row as it was read with what the listing says; none where it has other columns than that.
fn in_place(fields: &Map<String, Value>, listing: &Listing) -> Option<Map<String, Value>> {
    let wanted =
        [Some(&listing.package), Some(&listing.url), listing.branch.as_ref(), listing.subdir.as_ref()];
    let mut row = fields.clone();
    for (column, text) in COLUMNS.into_iter().zip(wanted) {
        match (text, row.get_mut(column)) {
            (Some(text), Some(value)) => *value = text.clone().into(),
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => return None,
        }
    }
    Some(row)
}

fn comes_before(one: &Listing, other: &Listing) -> bool {
    let key = |listing: &Listing| (listing.package.to_lowercase(), listing.package.clone());
    key(one) < key(other)
}

/// One row as read: the listing, and what only the writer needs.
struct Row {
    listing: Listing,
    /// Which of the two columns the row has first; none where it has neither.
    first_column: Option<SubdirColumn>,
    fields: Map<String, Value>,
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Row;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record with `package` and `url`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Row, A::Error> {
        let (mut package, mut url, mut branch, mut subdir) = (None, None, None, None);
        let mut first_column = None;
        let mut row = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            // Readers differ in which of the two they take.
            if row.contains_key(&name) {
                let shown = name.escape_debug();
                return Err(A::Error::custom(format!("`{shown}` stands twice in one record")));
            }
            if COLUMNS.contains(&name.as_str()) {
                let text = text_of(&name, fields.next_value()?)?;
                row.extend(text.clone().map(|text| (name.clone(), text.into())));
                match name.as_str() {
                    "package" => package = text,
                    "url" => url = text,
                    "branch" => {
                        branch = text;
                        first_column.get_or_insert(SubdirColumn::AfterBranch);
                    }
                    _ => {
                        subdir = text;
                        first_column.get_or_insert(SubdirColumn::BeforeBranch);
                    }
                }
            } else {
                row.insert(name, fields.next_value()?);
            }
        }
        let package = package.ok_or_else(|| A::Error::missing_field("package"))?;
        if !is_package_name(&package) {
            return Err(A::Error::custom(format!("`{package}` is not a name that R allows for a package")));
        }
        let url = url.ok_or_else(|| A::Error::missing_field("url"))?;
        if !is_web_address(&url) {
            return Err(A::Error::custom(format!(
                "`{url}` is not the address of a repository, such as https://host/path"
            )));
        }
        if subdir.as_deref().is_some_and(|subdir| !is_inside(subdir)) {
            return Err(A::Error::custom("`subdir` is not a folder inside the repository"));
        }
        let listing = Listing { package, url, branch, subdir };
        Ok(Row { listing, first_column, fields: row })
    }
}

fn is_web_address(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
}

/// True for a relative path that never goes up.
fn is_inside(subdir: &str) -> bool {
    !subdir.starts_with('/') && !subdir.contains('\\') && subdir.split('/').all(|part| part != "..")
}

fn text_of<E: serde::de::Error>(field: &str, value: json::Unboxed<String>) -> Result<Option<String>, E> {
    match value.0 {
        Some(text) if text.len() > MAX_TEXT => {
            Err(E::custom(format!("`{field}` has {} bytes, more than {MAX_TEXT}", text.len())))
        }
        Some(text) if text.chars().any(char::is_control) => {
            Err(E::custom(format!("`{field}` has a control character")))
        }
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}
