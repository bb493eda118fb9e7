//! Tools in a folder: the identifiers from which planemo makes names of repositories.

use std::path::{Path, PathBuf};

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::repository_dependencies::attributes;
use super::{SuiteProblem, text};

/// How deep tools may lie below their suite, and how many files are looked at.
const DEEPEST: usize = 4;
const MOST_FILES: usize = 5_000;

/// A tool: what its file calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tool {
    pub id: String,
    pub name: String,
}

/// The tools below a folder, by identifier. Files that are no tools, such as macros, are passed over.
pub(super) fn below(folder: &Path) -> Result<Vec<Tool>, SuiteProblem> {
    let mut tools = Vec::new();
    for path in xml_files(folder)? {
        tools.extend(tool(&text::of_file(&path)?));
    }
    tools.sort();
    tools.dedup();
    Ok(tools)
}

/// The files that end with `.xml` below a folder. Links are not followed.
fn xml_files(folder: &Path) -> Result<Vec<PathBuf>, SuiteProblem> {
    let mut files = Vec::new();
    let mut open = vec![(folder.to_path_buf(), 1)];
    while let Some((folder, depth)) = open.pop() {
        let unreadable =
            |error: std::io::Error| SuiteProblem::Unreadable { path: folder.clone(), why: error.to_string() };
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            let is_xml = entry.path().extension().is_some_and(|extension| extension == "xml");
            if kind.is_dir() && depth < DEEPEST {
                open.push((entry.path(), depth + 1));
            } else if kind.is_file() && is_xml {
                files.push(entry.path());
            }
            if files.len() + open.len() > MOST_FILES {
                let why = format!("there are more than {MOST_FILES} files and folders");
                return Err(SuiteProblem::Unreadable { path: folder.clone(), why });
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The tool that a file describes; none where its root is something else, or cannot be read.
fn tool(text: &str) -> Option<Tool> {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) | Event::Empty(element) => {
                let mut given = attributes(&element).ok()?;
                let id = given.remove("id").filter(|_| element.local_name().as_ref() == "tool")?;
                let name = given.remove("name").unwrap_or_else(|| id.clone());
                return Some(Tool { id: id.to_lowercase(), name });
            }
            Event::Eof | Event::DocType(_) => return None,
            _ => {}
        }
    }
}
