//! Finds and reads the configuration files, within limits: nothing that lies in these folders can make
//! tidegate read without end.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::configuration::joined;
use super::diagnostic::Diagnostic;
use super::document::{Document, Role, SourceFile};
use super::format;

/// No sensible configuration file is larger.
const LARGEST_FILE: u64 = 1024 * 1024;

/// No sensible folder has more files.
const MOST_FILES: usize = 10_000;

const SETTINGS: &str = "tidegate.toml";
const DISTRIBUTIONS: &str = "distributions";
const EXCEPTIONS: &str = ".exceptions";

/// Everything under `dir` and in the folder of jobs, and what could not be read.
pub(super) fn read(dir: &Path) -> (Vec<SourceFile>, Vec<Diagnostic>) {
    let mut files = Vec::new();
    let mut mistakes = Vec::new();
    let settings = joined(dir, Path::new(SETTINGS));
    if settings.exists() {
        take(&settings, &mut files, &mut mistakes);
    } else {
        mistakes.push(no_settings(&settings));
    }
    let jobs = jobs_folder(dir, &files);
    let distributions = joined(dir, Path::new(DISTRIBUTIONS));
    for (folder, wanted) in [(distributions, Folder::Optional), (jobs, Folder::Required)] {
        match toml_files(&folder, wanted) {
            Ok(paths) => paths.iter().for_each(|path| take(path, &mut files, &mut mistakes)),
            Err(mistake) => mistakes.push(*mistake),
        }
    }
    (files, mistakes)
}

/// What a file is for, by its path; or why its name will not do.
pub(super) fn role_of(path: &Path) -> Result<Role, Box<Diagnostic>> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if path.file_name().is_some_and(|name| name == SETTINGS) {
        return Ok(Role::Settings);
    }
    let folder = path.parent().and_then(Path::file_name);
    let in_distributions = folder.is_some_and(|folder| folder == DISTRIBUTIONS);
    let name = if in_distributions { stem.strip_suffix(EXCEPTIONS).unwrap_or(&stem) } else { &stem };
    if let Err(complaint) = format::name(name) {
        let message = format!("the file's name gives the name `{name}`, which is not allowed");
        return Err(Box::new(Diagnostic::whole_file(path, message, complaint.hint)));
    }
    Ok(match (in_distributions, name.len() < stem.len()) {
        (true, true) => Role::Exceptions(name.to_owned()),
        (true, false) => Role::Distribution(stem),
        (false, _) => Role::Job(stem),
    })
}

/// The mistake that a folder without `tidegate.toml` is.
pub(super) fn no_settings(path: &Path) -> Diagnostic {
    let hint = "`--config DIR` names the folder that holds tidegate.toml; the file may be empty";
    Diagnostic::whole_file(path, "there is no tidegate.toml", Some(hint.to_owned()))
}

fn jobs_folder(dir: &Path, files: &[SourceFile]) -> PathBuf {
    let settings = files.iter().find(|file| file.role == Role::Settings).map(Document::parse);
    let named = settings.as_ref().and_then(|settings| settings.text_at("jobs")).unwrap_or("../jobs");
    joined(dir, Path::new(named))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Folder {
    Required,
    Optional,
}

/// The files in `folder` that end in `.toml`, in order of their names. Others (notes, an editor's
/// swap files) are left alone.
fn toml_files(folder: &Path, wanted: Folder) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    let unreadable = |error: std::io::Error| {
        let message = format!("this folder cannot be read: {error}");
        let hint = "`jobs` in tidegate.toml names the folder of job files; it may be empty";
        let hint = (wanted == Folder::Required).then(|| hint.to_owned());
        Box::new(Diagnostic::whole_file(folder, message, hint))
    };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && wanted == Folder::Optional => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(unreadable)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|extension| extension == "toml") && !hidden {
            paths.push(path);
        }
        if paths.len() > MOST_FILES {
            let message = format!("this folder has more than {MOST_FILES} files");
            return Err(Box::new(Diagnostic::whole_file(folder, message, None)));
        }
    }
    paths.sort();
    Ok(paths)
}

/// Reads one file, or says why that cannot be done.
fn take(path: &Path, files: &mut Vec<SourceFile>, mistakes: &mut Vec<Diagnostic>) {
    let read =
        role_of(path).and_then(|role| Ok(SourceFile { role, path: path.to_owned(), text: text_of(path)? }));
    match read {
        Ok(file) => files.push(file),
        Err(mistake) => mistakes.push(*mistake),
    }
}

fn text_of(path: &Path) -> Result<String, Box<Diagnostic>> {
    let refuse = |message: String| Box::new(Diagnostic::whole_file(path, message, None));
    let mut bytes = Vec::new();
    // A device or a pipe could block for ever; a symbolic link to a file is fine.
    let metadata =
        std::fs::metadata(path).map_err(|error| refuse(format!("the file cannot be read: {error}")))?;
    if !metadata.is_file() {
        return Err(refuse("a file is wanted here, and this is not one".to_owned()));
    }
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| refuse(format!("the file cannot be read: {error}")))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(refuse(format!("the file is larger than {LARGEST_FILE} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        refuse(format!("the file is not UTF-8 text: see byte {} in line {line}", good + 1))
    })
}
