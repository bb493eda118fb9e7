//! The DESCRIPTION of an R package: what it is, what it needs, and what speaks against it at first sight.

use super::dcf::{self, DcfError, DcfLimits, DcfRecord};
use super::layout::{is_package_name, is_package_version};
use crate::domain::PackageName;

/// The packages that come with R itself, at every version of R since 2.14 (`parallel` was the last).
const BASE_PACKAGES: [&str; 14] = [
    "base",
    "compiler",
    "datasets",
    "graphics",
    "grDevices",
    "grid",
    "methods",
    "parallel",
    "splines",
    "stats",
    "stats4",
    "tcltk",
    "tools",
    "utils",
];

/// True for a package that comes with R itself and is never looked for anywhere else.
pub fn is_base_package(package: &str) -> bool {
    BASE_PACKAGES.contains(&package)
}

/// One entry of a dependency field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The other package, or `R` itself.
    pub package: PackageName,
    /// The condition on its version as written between the parentheses, such as `>= 3.0.0`.
    pub constraint: Option<String>,
}

/// A DESCRIPTION: its usual fields, and the record with all of them. A field that is absent is none
/// or empty; nothing here is checked beyond what can be read (see [`Description::problems`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// `Package`.
    pub package: Option<String>,
    /// `Version`.
    pub version: Option<String>,
    /// `Title`.
    pub title: Option<String>,
    /// `License`.
    pub license: Option<String>,
    /// `Depends`, `R` among them.
    pub depends: Vec<Dependency>,
    /// `Imports`.
    pub imports: Vec<Dependency>,
    /// `LinkingTo`.
    pub linking_to: Vec<Dependency>,
    /// `Suggests`.
    pub suggests: Vec<Dependency>,
    /// `Remotes`, without empty entries: development versions of dependencies, which a release must not need.
    pub remotes: Vec<String>,
    /// `NeedsCompilation`: `yes` or `no`, set when a package is built.
    pub needs_compilation: Option<String>,
    /// `Built`, only in binaries: the version of R, the platform, the time and the kind of system.
    pub built: Option<String>,
    /// Every field as written.
    pub record: DcfRecord,
}

impl Description {
    /// Reads the bytes of a DESCRIPTION, which holds one record.
    pub fn read(bytes: &[u8]) -> Result<Self, DcfError> {
        let mut records = dcf::read(bytes, DcfLimits::DESCRIPTION)?;
        let record = records.pop().ok_or(DcfError { line: 1, problem: "the file is empty".to_owned() })?;
        Ok(Self::of(record))
    }

    /// The description in a record, which may also be one of an index.
    pub fn of(record: DcfRecord) -> Self {
        let text = |field: &str| record.get(field).filter(|value| !value.is_empty()).map(str::to_owned);
        let dependencies = |field: &str| record.get(field).map(dependencies_of).unwrap_or_default();
        let remotes = record.get("Remotes").unwrap_or_default().split(',').map(str::trim);
        Self {
            package: text("Package"),
            version: text("Version"),
            title: text("Title"),
            license: text("License"),
            depends: dependencies("Depends"),
            imports: dependencies("Imports"),
            linking_to: dependencies("LinkingTo"),
            suggests: dependencies("Suggests"),
            remotes: remotes.filter(|remote| !remote.is_empty()).map(str::to_owned).collect(),
            needs_compilation: text("NeedsCompilation"),
            built: text("Built"),
            record,
        }
    }

    /// The packages it cannot do without: `Depends`, `Imports` and `LinkingTo`, each once, in that
    /// order, without R and the packages that come with it.
    pub fn strong_dependencies(&self) -> Vec<&PackageName> {
        let mut strong: Vec<&PackageName> = Vec::new();
        for Dependency { package, .. } in self.depends.iter().chain(&self.imports).chain(&self.linking_to) {
            if package != "R" && !is_base_package(package) && !strong.contains(&package) {
                strong.push(package);
            }
        }
        strong
    }

    /// What keeps this DESCRIPTION from being one of `expected_name`: a missing or wrong name, no
    /// valid version, a dependency that cannot be read. Empty where nothing does. Entries under
    /// `Remotes` are an issue of their own and not among these.
    pub fn problems(&self, expected_name: &str) -> Vec<String> {
        let mut problems = Vec::new();
        match self.package.as_deref() {
            None => problems.push("the DESCRIPTION has no `Package` field".to_owned()),
            Some(name) if !is_package_name(name) => {
                problems.push(format!("`Package: {}` is not a name that R allows", shown(name)));
            }
            Some(name) if name != expected_name => {
                problems.push(format!("`Package: {}` is not the expected `{expected_name}`", shown(name)));
            }
            Some(_) => {}
        }
        match self.version.as_deref() {
            None => problems.push("the DESCRIPTION has no `Version` field".to_owned()),
            Some(version) if !is_package_version(version) => problems.push(format!(
                "`Version: {}` is not a version (two or more integers separated by `.` or `-`)",
                shown(version)
            )),
            Some(_) => {}
        }
        let needed = self.depends.iter().chain(&self.imports).chain(&self.linking_to);
        for Dependency { package, .. } in needed.filter(|needed| needed.package != "R") {
            if !is_package_name(package) {
                problems.push(format!("the dependency `{}` is not a name that R allows", shown(package)));
            }
        }
        problems
    }
}

/// What a DESCRIPTION, as read from a repository, has against it: as [`Description::problems`], and
/// that it cannot be read at all.
pub fn problems(bytes: &[u8], expected_name: &str) -> Vec<String> {
    match Description::read(bytes) {
        Ok(description) => description.problems(expected_name),
        Err(error) => vec![format!("the DESCRIPTION cannot be read: {error}")],
    }
}

/// The beginning of a text that somebody else wrote: enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The entries of a dependency field: `R (>= 4.0), methods`.
pub fn dependencies_of(field: &str) -> Vec<Dependency> {
    let entries = field.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let dependency = |entry: &str| {
        let (package, rest) = entry.split_once('(').unwrap_or((entry, ""));
        let constraint = rest.trim().trim_end_matches(')').split_whitespace().collect::<Vec<_>>().join(" ");
        Dependency {
            package: package.trim().to_owned(),
            constraint: Some(constraint).filter(|constraint| !constraint.is_empty()),
        }
    };
    entries.map(dependency).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "Package: tidal\nVersion: 1.2-3\nLicense: GPL-3\nDepends: R (>= 4.1),\n    methods\nImports:\n    \
                         rlang (>=\n    1.0.0),\n    stats,\n    lunar,\nLinkingTo: cpp11, lunar\nSuggests: testthat (>= 3.0.0)\n\
                         Remotes: r-lib/rlang,\n    , tidyverse/purrr\nNeedsCompilation: yes\n";

    #[test]
    fn strong_dependencies_are_those_that_come_from_elsewhere() {
        let description = Description::read(WHOLE.as_bytes()).unwrap();
        assert_eq!(description.strong_dependencies(), ["rlang", "lunar", "cpp11"]);
        assert_eq!(description.imports[0].constraint.as_deref(), Some(">= 1.0.0"));
        assert_eq!(description.depends[1], Dependency { package: "methods".to_owned(), constraint: None });
        assert_eq!(description.remotes, ["r-lib/rlang", "tidyverse/purrr"]);
    }

    #[test]
    fn a_good_description_has_no_problems() {
        assert_eq!(problems(WHOLE.as_bytes(), "tidal"), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_told() {
        let told = |text: &str| problems(text.as_bytes(), "tidal").join("\n");
        let messages = [
            told(""),
            told("Package tidal\n"),
            told("Title: no more\n"),
            told("Package: lunar\nVersion: 1\n"),
            told("Package: ../up\nVersion: 1.0.0.9000-rc1\nImports: a/b (>= 1)\n"),
            told("Package: tidal\nVersion: 1.0\n\nPackage: second\n"),
        ];
        insta::assert_snapshot!(messages.join("\n"), @r#"
    the DESCRIPTION cannot be read: line 1: the file is empty
    the DESCRIPTION cannot be read: line 1: expected `Field: value`, found `Package tidal`
    the DESCRIPTION has no `Package` field
    the DESCRIPTION has no `Version` field
    `Package: lunar` is not the expected `tidal`
    `Version: 1` is not a version (two or more integers separated by `.` or `-`)
    `Package: ../up` is not a name that R allows
    `Version: 1.0.0.9000-rc1` is not a version (two or more integers separated by `.` or `-`)
    the dependency `a/b` is not a name that R allows
    the DESCRIPTION cannot be read: line 4: more than 1 record(s)
    "#);
    }
}
