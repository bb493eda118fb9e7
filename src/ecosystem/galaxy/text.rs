//! Files of strangers as text, within limits.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::SuiteProblem;

/// The most bytes of one file. The largest lock of usegalaxy has less than one megabyte.
const LARGEST: u64 = 16 << 20;

/// A YAML file as a value. The error is one line, with its place in the file.
pub(super) fn yaml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_yaml::from_str(text).map_err(|error| {
        let said = error.to_string();
        let first = said.lines().next().unwrap_or_default();
        first.strip_prefix("error: ").unwrap_or(first).to_owned()
    })
}

/// The whole text of a file.
pub(super) fn of_file(path: &Path) -> Result<String, SuiteProblem> {
    let unreadable = |why: String| SuiteProblem::Unreadable { path: path.to_path_buf(), why };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(unreadable(format!("it is larger than {LARGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| unreadable("it is not text in UTF-8".to_owned()))
}
