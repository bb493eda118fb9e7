//! `PACKAGES.rds`: a character matrix as R serialises it, which `available.packages` asks for first.
//!
//! No kept crate writes R's serialisation. The form is the one of "R Internals", section 1.8, version 2 in
//! XDR: every R since 2.3.0 reads it, and unlike version 3 it names neither an encoding nor the R that wrote it.

use std::io::{self, Write};

use super::super::dcf::DcfRecord;

/// The version of the form, a version of R that may have written it (4.0.0), and the oldest that reads it.
const HEADER: [u32; 3] = [2, 0x0004_0000, 0x0002_0300];

/// Types of values, with the bits above the lowest eight that say what comes with them.
const SYMBOL: u32 = 1;
const PAIR_WITH_TAG: u32 = 2 | 0x400;
const TEXT: u32 = 9;
const INTEGERS: u32 = 13;
const TEXTS: u32 = 16;
const TEXTS_WITH_ATTRIBUTES: u32 = 16 | 0x200;
const LIST: u32 = 19;
const NOTHING: u32 = 254;

/// What is known of a text's bytes: bits of its own, beside its type.
const ASCII: u32 = 64 << 12;
const UTF8: u32 = 8 << 12;
/// The length that stands for a missing text.
const MISSING: u32 = u32::MAX;

/// Writes what `read.dcf` makes of `records`: a row each, a column for each field in the order in which they
/// first come, and missing values where a record lacks a field.
pub(super) fn write_matrix(records: &[DcfRecord], out: &mut impl Write) -> io::Result<()> {
    let fields = fields(records);
    out.write_all(b"X\n")?;
    HEADER.iter().try_for_each(|word| number(*word, out))?;
    number(TEXTS_WITH_ATTRIBUTES, out)?;
    number(length(records.len() * fields.len())?, out)?;
    for field in &fields {
        for record in records {
            match record.get(field) {
                Some(value) => text(value, out)?,
                None => {
                    number(TEXT, out)?;
                    number(MISSING, out)?;
                }
            }
        }
    }
    attribute("dim", out)?;
    number(INTEGERS, out)?;
    for word in [2, length(records.len())?, length(fields.len())?] {
        number(word, out)?;
    }
    attribute("dimnames", out)?;
    for word in [LIST, 2, NOTHING, TEXTS, length(fields.len())?] {
        number(word, out)?;
    }
    fields.iter().try_for_each(|field| text(field, out))?;
    number(NOTHING, out)
}

fn fields(records: &[DcfRecord]) -> Vec<&str> {
    let mut fields: Vec<&str> = Vec::new();
    for (field, _) in records.iter().flat_map(DcfRecord::iter) {
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    fields
}

/// A pair of the list of attributes begins with its name; the value follows.
fn attribute(name: &str, out: &mut impl Write) -> io::Result<()> {
    number(PAIR_WITH_TAG, out)?;
    number(SYMBOL, out)?;
    text(name, out)
}

fn text(value: &str, out: &mut impl Write) -> io::Result<()> {
    number(TEXT | if value.is_ascii() { ASCII } else { UTF8 }, out)?;
    number(length(value.len())?, out)?;
    out.write_all(value.as_bytes())
}

fn number(word: u32, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&word.to_be_bytes())
}

/// R counts in 32 bits with a sign, and so do longer vectors not exist in this form.
fn length(count: usize) -> io::Result<u32> {
    let fits = i32::try_from(count).ok().and_then(|count| u32::try_from(count).ok());
    fits.ok_or_else(|| {
        io::Error::new(io::ErrorKind::FileTooLarge, "the index has more cells than R can count")
    })
}
