//! `.shed.yml`: what planemo makes repositories of, and which of them make a suite.
//!
//! The rules are planemo's: without a `type` the name decides; a suite holds every repository that the file
//! describes, and those of `include_repositories`. It never says a revision.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::tools::{self, Tool};
use super::{Repository, Required, SuiteProblem};

/// The type of a repository that is a suite.
const SUITE: &str = "repository_suite_definition";

/// The file, as far as suites need it.
#[derive(Debug, Deserialize)]
pub(super) struct ShedFile {
    pub owner: Option<String>,
    pub name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    repositories: BTreeMap<String, Option<Described>>,
    auto_tool_repositories: Option<Template>,
    suite: Option<Block>,
}

/// A repository that the file describes under its name; it may leave everything open.
#[derive(Debug, Deserialize)]
struct Described {
    owner: Option<String>,
}

/// How the names of repositories are made from tools.
#[derive(Debug, Deserialize)]
struct Template {
    name_template: String,
}

/// The suite that the file describes.
#[derive(Debug, Deserialize)]
struct Block {
    name: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    include_repositories: Vec<Included>,
}

/// A repository of somebody else that belongs to the suite.
#[derive(Debug, Deserialize)]
struct Included {
    name: String,
    owner: Option<String>,
    tool_shed: Option<String>,
}

impl ShedFile {
    /// Reads the file. The error says what is wrong and where.
    pub fn read(text: &str) -> Result<Self, String> {
        let file: Self = super::text::yaml(text)?;
        if !file.repositories.is_empty() && file.auto_tool_repositories.is_some() {
            return Err("it has both `repositories` and `auto_tool_repositories`".to_owned());
        }
        Ok(file)
    }

    /// True where it describes a suite of its own, beside what lies in its folder.
    pub fn has_suite(&self) -> bool {
        self.suite.is_some()
    }

    /// True where the repository itself is a suite: by its type, or without one by its name.
    pub fn is_suite(&self, folder: &str) -> bool {
        match &self.kind {
            Some(kind) => kind == SUITE,
            None => self.name.as_deref().unwrap_or(folder).starts_with("suite_"),
        }
    }

    /// The suite that the block `suite` describes, and what it holds. Tools are read from `folder` where their
    /// names make those of repositories.
    pub fn described(&self, path: &Path, folder: &Path) -> Result<(Repository, Vec<Required>), SuiteProblem> {
        let malformed = |why: String| SuiteProblem::Malformed { path: path.to_path_buf(), why };
        let block = self.suite.as_ref().ok_or_else(|| malformed("it has no `suite`".to_owned()))?;
        let name = block.name.as_deref().ok_or_else(|| malformed("its `suite` has no `name`".to_owned()))?;
        let owner = block.owner.as_deref().or(self.owner.as_deref());
        let suite = Repository::new(name, owner, None).map_err(malformed)?;
        let mut found = Vec::new();
        for (name, described) in &self.repositories {
            let owner = described.as_ref().and_then(|described| described.owner.clone());
            found.push((name.clone(), owner, None));
        }
        if let Some(template) = &self.auto_tool_repositories {
            let tools = tools::below(folder)?;
            if tools.is_empty() {
                let why = "`auto_tool_repositories` makes names of tools, and there is none beside it";
                return Err(malformed(why.to_owned()));
            }
            for tool in tools {
                found.push((template.filled(&tool).map_err(malformed)?, None, None));
            }
        }
        for other in &block.include_repositories {
            found.push((other.name.clone(), other.owner.clone(), other.tool_shed.clone()));
        }
        let mut members = BTreeSet::new();
        for (name, owner, shed) in found {
            let owner = owner.as_deref().or(self.owner.as_deref());
            let owner = owner.ok_or_else(|| malformed(format!("nothing says who owns `{name}`")))?;
            let repository = Repository::new(&name, Some(owner), shed.as_deref()).map_err(malformed)?;
            members.insert(Required { repository, version: None, changeset: None });
        }
        Ok((suite, members.into_iter().collect()))
    }
}

impl Template {
    /// The name for a tool. Only what planemo knows may stand in it.
    fn filled(&self, tool: &Tool) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = self.name_template.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let (variable, after) =
                after.split_once("}}").ok_or_else(|| format!("`{}` lacks its `}}}}`", self.name_template))?;
            filled.push_str(before);
            filled.push_str(match variable.trim() {
                "tool_id" => &tool.id,
                "tool_name" => &tool.name,
                other => return Err(format!("`{other}` in `name_template` is not known")),
            });
            rest = after;
        }
        Ok(filled + rest)
    }
}
