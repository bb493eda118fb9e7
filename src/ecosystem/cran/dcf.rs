//! Debian control files in R's dialect: DESCRIPTION and PACKAGES.
//!
//! No crate fits it. R's `read.dcf` and `write.dcf` differ from Debian's own rules: a repeated field
//! replaces the earlier one, a line of a lone dot stands for an empty one, comments are errors, a
//! DESCRIPTION may be in Latin-1 and says so itself, and long values are wrapped at 72 columns. What
//! is here was checked against R 4.2.2.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The width that R's `write.dcf` wraps at: lines stay below it.
const WRAP_WIDTH: usize = 72;
/// How far the second and later lines of a value are indented.
const INDENT: &str = "        ";

/// How much a file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DcfLimits {
    /// The size of the whole file in bytes.
    pub bytes: usize,
    /// Fields in one record.
    pub fields: usize,
    /// Records in the file.
    pub records: usize,
}

impl DcfLimits {
    /// What a DESCRIPTION may hold: the largest real ones are below 100 KiB.
    pub const DESCRIPTION: Self = Self { bytes: 1024 * 1024, fields: 500, records: 1 };
    /// What a PACKAGES may hold: CRAN's has 25,000 records in 10 MiB.
    pub const INDEX: Self = Self { bytes: 256 * 1024 * 1024, fields: 500, records: 1_000_000 };
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct DcfError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

/// One record: its fields in order, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DcfRecord(Vec<(String, String)>);

impl DcfRecord {
    /// The value of `field`, its lines joined by newlines.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    /// Sets `field`; a field that is there already keeps its place.
    pub fn set(&mut self, field: &str, value: impl Into<String>) {
        match self.0.iter_mut().find(|(name, _)| name == field) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((field.to_owned(), value.into())),
        }
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The record as R's `write.dcf` formats it: the white space of a value is normalised, and a value
/// that does not fit into one line is wrapped. (R keeps two spaces after the end of a sentence, this
/// does not; the fields of an index have no sentences.)
impl fmt::Display for DcfRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            write!(formatter, "{name}:")?;
            let mut column = name.chars().count() + 1;
            for word in value.split_whitespace() {
                let width = word.chars().count();
                if column + 1 + width < WRAP_WIDTH {
                    write!(formatter, " {word}")?;
                    column += 1 + width;
                } else {
                    write!(formatter, "\n{INDENT}{word}")?;
                    column = INDENT.len() + width;
                }
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

/// The text of a file with these records: an empty line between two of them.
pub fn write(records: &[DcfRecord]) -> String {
    let records: Vec<String> = records.iter().map(DcfRecord::to_string).collect();
    records.join("\n")
}

/// Reads all records of a file.
pub fn read(bytes: &[u8], limits: DcfLimits) -> Result<Vec<DcfRecord>, DcfError> {
    if bytes.len() > limits.bytes {
        let problem = format!("the file has {} bytes, more than the {} allowed", bytes.len(), limits.bytes);
        return Err(DcfError { line: 1, problem });
    }
    let mut records = Vec::new();
    let mut open = RawRecord::default();
    for (position, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line_number = position + 1;
        if line.trim_ascii().is_empty() {
            records.extend(std::mem::take(&mut open).decode()?);
        } else {
            open.add(line_number, line, limits.fields)?;
        }
        if records.len() + usize::from(!open.fields.is_empty()) > limits.records {
            let problem = format!("more than {} record(s)", limits.records);
            return Err(DcfError { line: line_number, problem });
        }
    }
    records.extend(open.decode()?);
    Ok(records)
}

/// A field before its encoding is known.
struct RawField {
    line: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// A record before its encoding is known: that stands in one of its own fields.
#[derive(Default)]
struct RawRecord {
    fields: Vec<RawField>,
}

impl RawRecord {
    fn add(&mut self, line: usize, text: &[u8], most_fields: usize) -> Result<(), DcfError> {
        let error = |problem: String| Err(DcfError { line, problem });
        if text[0].is_ascii_whitespace() {
            let Some(field) = self.fields.last_mut() else {
                return error("a continuation line (it begins with a space) before any field".to_owned());
            };
            let text = text.trim_ascii();
            if !field.value.is_empty() {
                field.value.push(b'\n');
            }
            field.value.extend_from_slice(if text == b"." { b"" } else { text });
            return Ok(());
        }
        let colon = text.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0);
        let Some(colon) = colon else {
            let shown: String = String::from_utf8_lossy(text).chars().take(40).collect();
            return error(format!("expected `Field: value`, found `{shown}`"));
        };
        let (name, value) = (text[..colon].trim_ascii().to_vec(), text[colon + 1..].trim_ascii().to_vec());
        self.fields.retain(|field| field.name != name);
        if self.fields.len() == most_fields {
            return error(format!("more than {most_fields} fields in one record"));
        }
        self.fields.push(RawField { line, name, value });
        Ok(())
    }

    /// The record as text; none where it has no field.
    fn decode(self) -> Result<Option<DcfRecord>, DcfError> {
        let declared =
            self.fields.iter().find(|field| field.name == b"Encoding").map(|field| field.value.as_slice());
        let latin1 = declared.is_some_and(|encoding| {
            matches!(
                encoding.to_ascii_lowercase().as_slice(),
                b"latin1" | b"iso-8859-1" | b"iso8859-1" | b"iso_8859-1"
            )
        });
        let mut record = DcfRecord::default();
        for field in self.fields {
            let line = field.line;
            record.0.push((decoded(field.name, latin1, line)?, decoded(field.value, latin1, line)?));
        }
        Ok(Some(record).filter(|record| !record.0.is_empty()))
    }
}

fn decoded(bytes: Vec<u8>, latin1: bool, line: usize) -> Result<String, DcfError> {
    if latin1 {
        // Latin-1 is the first 256 code points of Unicode.
        return Ok(bytes.into_iter().map(char::from).collect());
    }
    String::from_utf8(bytes).map_err(|_| DcfError {
        line,
        problem: "the field is not UTF-8, and no `Encoding: latin1` says what it is".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_index(text: &str) -> Vec<DcfRecord> {
        read(text.as_bytes(), DcfLimits::INDEX).unwrap()
    }

    #[test]
    fn fields_and_continuations_read_as_r_reads_them() {
        let records =
            read_index("A: one\n two\n  three\n\ttab\nB:\n x\nC: a:b\nD : spaced\n\n  \nA: y  \r\nE:none\n");
        assert_eq!(records.len(), 2);
        let fields: Vec<_> = records[0].iter().collect();
        assert_eq!(fields, [("A", "one\ntwo\nthree\ntab"), ("B", "x"), ("C", "a:b"), ("D", "spaced")]);
        assert_eq!((records[1].get("A"), records[1].get("E")), (Some("y"), Some("none")));
    }

    #[test]
    fn the_last_of_two_fields_with_one_name_counts() {
        let records = read_index("B: 1\nC: 3\n c\nB: 2\nC: 4\n");
        assert_eq!(records[0].iter().collect::<Vec<_>>(), [("B", "2"), ("C", "4")]);
    }

    #[test]
    fn a_lone_dot_is_an_empty_line() {
        assert_eq!(read_index("A: first\n .\n last\n")[0].get("A"), Some("first\n\nlast"));
    }

    #[test]
    fn latin1_is_read_where_the_record_says_so() {
        let records = read(b"Author: J\xe9r\xf4me\nEncoding: latin1\n", DcfLimits::INDEX).unwrap();
        assert_eq!(records[0].get("Author"), Some("Jérôme"));
        let error = read(b"Package: a\nAuthor: J\xe9r\xf4me\n", DcfLimits::INDEX).unwrap_err();
        assert_eq!(error.line, 2);
    }

    #[test]
    fn errors_name_their_line() {
        let error = |text: &str| read(text.as_bytes(), DcfLimits::DESCRIPTION).unwrap_err().to_string();
        assert_eq!(error("A: x\n# comment"), "line 2: expected `Field: value`, found `# comment`");
        assert_eq!(error("A: x\n: y"), "line 2: expected `Field: value`, found `: y`");
        assert_eq!(error(" x\n"), "line 1: a continuation line (it begins with a space) before any field");
        assert_eq!(error("A: x\n\n\nB: y"), "line 4: more than 1 record(s)");
        let many: String = (0..501).map(|number| format!("F{number}: x\n")).collect();
        assert_eq!(error(&many), "line 501: more than 500 fields in one record");
        assert_eq!(
            error(&"A: x\n ".repeat(1 << 20)),
            "line 1: the file has 6291456 bytes, more than the 1048576 allowed"
        );
    }

    #[test]
    fn long_values_are_wrapped_where_r_wraps_them() {
        let mut record = DcfRecord::default();
        record.set("Package", "a");
        let names: Vec<String> = (1..=9).map(|number| format!("pkgname{number}")).collect();
        record.set("Imports", names.join(",\n"));
        record.set("Suggests", "x".repeat(70));
        record.set("Title", "");
        insta::assert_snapshot!(record, @r#"
    Package: a
    Imports: pkgname1, pkgname2, pkgname3, pkgname4, pkgname5, pkgname6,
            pkgname7, pkgname8, pkgname9
    Suggests:
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    Title:
    "#);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(
            values in proptest::collection::vec("[a-zA-Z0-9(>=),]{1,30}( [a-zA-Z0-9(>=),é]{1,80}){0,20}", 1..20)
        ) {
            let mut record = DcfRecord::default();
            for (position, value) in values.iter().enumerate() {
                record.set(&format!("Field{position}"), value.clone());
            }
            let read = read_index(&write(&[record.clone(), record.clone()]));
            prop_assert_eq!(read.len(), 2);
            for (name, value) in record.iter() {
                prop_assert_eq!(read[1].get(name).unwrap().replace('\n', " "), value);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused_but_never_more(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(records) = read(&bytes, DcfLimits::INDEX) {
                let lines = bytes.split(|byte| *byte == b'\n').count();
                prop_assert!(records.iter().map(|record| record.iter().count()).sum::<usize>() <= lines);
            }
        }
    }
}
