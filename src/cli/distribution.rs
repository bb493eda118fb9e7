//! `distribution`: works on the files in which QIIME 2 keeps its distributions, and on nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CommandError, Context, Output, given_file};
use crate::config::{Diagnostic, Finding};
use crate::ecosystem::conda::files::inspection::{Content, Inspection, Remark};
use crate::ecosystem::conda::files::kind::FileKind;

/// Work on the files of QIIME 2's distributions
#[derive(Debug, Args)]
pub(super) struct Distributions {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Check(Check),
    Format(Format),
}

/// Validate files of distributions, and say what was read
#[derive(Debug, Args)]
#[command(
    after_help = "Takes data.yaml of a distribution or of all distributions, conda_build_config.yaml, and environments (a
seed, or solved); which one a file is, its keys say. Files that are given together are compared: the
members of a distribution need a version in its conda_build_config.yaml, and those that the
catalogue lists have to be in the environment. Exits with 2 where anything is wrong.

Examples:
  tidegate distribution check 2023.7/staged/core/data.yaml 2023.7/staged/core/conda_build_config.yaml
  tidegate distribution check data.yaml 2024.10/tiny/staged/seed-environment-conda.yml --json"
)]
struct Check {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Print a file of a distribution as upstream's tools write it
#[derive(Debug, Args)]
#[command(
    after_help = "Keys sorted, lists of one text each, quotes where a number would be read; keys that are not known are
kept. A file that is so already comes out byte for byte. A file with comments is refused, since they
would be lost, and so is the data.yaml of all distributions, which people write by hand.

Examples:
  tidegate distribution format conda_build_config.yaml
  tidegate distribution format 2023.7/staged/core/data.yaml --write"
)]
struct Format {
    /// The file
    file: PathBuf,
    /// Write the file instead of printing it
    #[arg(long)]
    write: bool,
}

impl Distributions {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        match self.what {
            What::Check(check) => check.run(context),
            What::Format(format) => format.run(context),
        }
    }
}

/// A file with what was found in it.
struct Looked {
    path: PathBuf,
    text: Arc<str>,
    inspection: Inspection,
}

impl Looked {
    fn at(path: &Path) -> Result<Self, CommandError> {
        let text = String::from_utf8(given_file::read(path)?)
            .map_err(|_| CommandError::invalid(format!("{} is not text in UTF-8", path.display())))?;
        let inspection = Inspection::of(&text);
        Ok(Self { path: path.to_owned(), text: text.into(), inspection })
    }

    fn drawn(&self, remark: Remark) -> Diagnostic {
        let Remark { span, message, label, hint } = remark;
        Diagnostic::in_file(&self.path, self.text.clone(), Finding { span, message, label, hint })
    }

    /// What is wrong with it, by itself and beside the others.
    fn mistakes(&self, all: &[Self]) -> Vec<Diagnostic> {
        let mut remarks = self.inspection.remarks.clone();
        for other in all {
            let name = other.path.display().to_string();
            match &other.inspection.content {
                Some(Content::BuildConfig(config)) => {
                    remarks.extend(self.inspection.members_without_a_version(config, &name));
                }
                Some(Content::Catalogue(catalogue)) => {
                    remarks.extend(self.inspection.members_not_installed(catalogue, &name));
                }
                _ => {}
            }
        }
        remarks.into_iter().map(|remark| self.drawn(remark)).collect()
    }

    /// What was read, for people.
    fn told(&self) -> Option<String> {
        let (kind, content) = (self.inspection.kind?, self.inspection.content.as_ref()?);
        let mut told = format!("{}: {kind}: {}", self.path.display(), content.summary());
        let unknown = self.inspection.unknown_keys();
        if !unknown.is_empty() {
            told += &format!("; not known and kept: {}", unknown.join(", "));
        }
        Some(told)
    }
}

impl Check {
    fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let looked = self.files.iter().map(|path| Looked::at(path)).collect::<Result<Vec<_>, _>>()?;
        let mistakes: Vec<Diagnostic> = looked.iter().flat_map(|one| one.mistakes(&looked)).collect();
        match context.output {
            Output::Text => {
                for told in looked.iter().filter_map(Looked::told) {
                    writeln!(context.out, "{told}")?;
                }
            }
            Output::Json => {
                let file = |one: &Looked| {
                    json!({
                        "file": one.path, "kind": one.inspection.kind.map(|kind| kind.to_string()),
                        "read": one.inspection.content.as_ref().map(Content::summary),
                        "unknown_keys": one.inspection.unknown_keys(),
                    })
                };
                let files: Vec<_> = looked.iter().map(file).collect();
                let valid = mistakes.is_empty();
                context.print_json(&json!({ "valid": valid, "files": files, "mistakes": mistakes }))?;
            }
        }
        if mistakes.is_empty() {
            return Ok(());
        }
        let error = CommandError::mistakes_in("the files have", &mistakes, context.colour);
        // The mistakes are in the JSON; a second copy on standard error helps nobody.
        Err(if context.output == Output::Json { error.terse() } else { error })
    }
}

impl Format {
    fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let looked = Looked::at(&self.file)?;
        let written = self.written(&looked, context)?;
        let is_same = *written == *looked.text;
        if self.write && !is_same {
            given_file::write(&self.file, &written)?;
        }
        let file = self.file.display().to_string();
        match (context.output, self.write) {
            (Output::Json, write) => context.print_json(&json!({
                "file": file, "changed": !is_same, "text": (!write).then_some(&written),
            })),
            (Output::Text, false) => Ok(context.out.write_all(written.as_bytes())?),
            (Output::Text, true) if is_same => Ok(writeln!(context.out, "{file} is so already")?),
            (Output::Text, true) => Ok(writeln!(context.out, "{file} is written anew")?),
        }
    }

    /// The file as upstream's tools write it.
    fn written(&self, looked: &Looked, context: &Context<'_>) -> Result<String, CommandError> {
        let inspection = &looked.inspection;
        if inspection.kind == Some(FileKind::Catalogue) {
            let message = format!("{} is written by hand: no tool has a form for it", self.file.display());
            return Err(CommandError::invalid(message).hint("`tidegate distribution check` looks at it"));
        }
        if inspection.content.is_none() {
            let mistakes: Vec<Diagnostic> =
                inspection.remarks.iter().map(|remark| looked.drawn(remark.clone())).collect();
            return Err(CommandError::mistakes_in("the file has", &mistakes, context.colour));
        }
        if let Some(comment) = inspection.comments().first() {
            let remark = Remark {
                span: comment.clone(),
                message: "upstream's tools drop comments when they write this file".to_owned(),
                label: "this would be lost".to_owned(),
                hint: Some("take the comments out first".to_owned()),
            };
            return Err(CommandError::mistakes_in("the file has", &[looked.drawn(remark)], context.colour));
        }
        inspection.written(&looked.text).map_err(|error| {
            CommandError::failed(format!("{} cannot be written: {error}", self.file.display()))
        })
    }
}
