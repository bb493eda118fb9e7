//! Texts of files at exact commits, such as the DESCRIPTION of each new release: many in few queries.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::batch::{Question, alias, ask_in_batches};
use super::client::GitHub;
use super::graphql::RATE_LIMIT;
use super::names::{Oid, RepositoryName, is_file_path};
use super::{Absence, Lookup};
use crate::failure::Failure;

/// The most text of a file that is read.
const LARGEST_FILE: u64 = 256 * 1024;
/// Files of 256 KiB each stay well below the limit for one answer.
const FILES_AT_ONCE: usize = 50;

/// A file that is wanted: the repository, the exact commit (40 digits) and the path.
pub type FileAt = (RepositoryName, String, String);

impl GitHub {
    /// Reads files at exact commits, as text of up to 256 KiB. Every file gets its own answer; binary and
    /// larger ones are permanent failures. A wrong token is a failure of each.
    pub async fn files_at(&self, wanted: &[FileAt]) -> BTreeMap<FileAt, Lookup<String>> {
        let (good, bad): (Vec<_>, Vec<_>) = wanted
            .iter()
            .cloned()
            .partition(|(_, commit, path)| commit.parse::<Oid>().is_ok() && is_file_path(path));
        let asked = good.iter().cloned().collect();
        let mut answers = match ask_in_batches(self, &FileTexts, asked, FILES_AT_ONCE).await {
            Ok(answers) => answers,
            Err(failure) => good.into_iter().map(|key| (key, Lookup::Failed(failure.clone()))).collect(),
        };
        for key in bad {
            let message = format!("{:?} at {:?} in {} is no file at a commit", key.2, key.1, key.0);
            answers.insert(key, Lookup::Failed(Failure::permanent(message)));
        }
        answers
    }
}

/// Texts of files at commits, many at a time.
struct FileTexts;

impl Question for FileTexts {
    type Key = FileAt;
    type Found = String;

    fn query(&self, keys: &[FileAt]) -> (String, Map<String, Value>) {
        let (mut declared, mut fields, mut variables) = (Vec::new(), String::new(), Map::new());
        for (index, (repository, commit, path)) in keys.iter().enumerate() {
            declared.push(format!("$o{index}: String!, $n{index}: String!, $e{index}: String!"));
            let alias = alias(index);
            fields.push_str(&format!(
                "  {alias}: repository(owner: $o{index}, name: $n{index}) {{ object(expression: $e{index}) {{ ...Text }} }}\n"
            ));
            variables.insert(format!("o{index}"), repository.owner().into());
            variables.insert(format!("n{index}"), repository.name().into());
            variables.insert(format!("e{index}"), format!("{commit}:{path}").into());
        }
        let query = format!(
            "query Files({}) {{\n  {RATE_LIMIT}\n{fields}}}\nfragment Text on Blob {{ text isTruncated isBinary byteSize }}\n",
            declared.join(", ")
        );
        (query, variables)
    }

    fn about(&self, (repository, commit, path): &FileAt) -> String {
        format!("{path} of {repository} at {commit}")
    }

    fn read(&self, key: &FileAt, node: Value) -> Lookup<String> {
        match read_blob(&node["object"], &self.about(key)) {
            Ok(Some(text)) => Lookup::Found(text),
            Ok(None) => Lookup::Absent { reason: Absence::NoSuchFile },
            Err(failure) => Lookup::Failed(failure),
        }
    }

    async fn alone(&self, _: &GitHub, _: &FileAt, failure: Failure) -> Lookup<String> {
        Lookup::Failed(failure)
    }
}

/// The text of a blob, `None` where there is none. Binary, cut and large ones are permanent failures,
/// and so is a path that is a folder.
pub(super) fn read_blob(object: &Value, about: &str) -> Result<Option<String>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Blob {
        text: Option<String>,
        is_truncated: bool,
        is_binary: Option<bool>,
        byte_size: u64,
    }
    if object.is_null() {
        return Ok(None);
    }
    let blob = Blob::deserialize(object)
        .map_err(|_| Failure::permanent(format!("{about} is no file, or the answer is malformed")))?;
    if blob.is_truncated || blob.byte_size > LARGEST_FILE {
        let size = blob.byte_size;
        return Err(Failure::permanent(format!("{about} has {size} bytes; the limit is {LARGEST_FILE}")));
    }
    match blob.text {
        Some(text) if blob.is_binary != Some(true) => Ok(Some(text)),
        _ => Err(Failure::permanent(format!("{about} is not text"))),
    }
}
