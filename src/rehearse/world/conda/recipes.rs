//! `builds.toml`, judged: every build has a name that conda knows, needs what can be read as match specs,
//! and holds files that stay inside the environment they are installed to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use toml::Spanned;

use super::super::problem::Mistake;
use super::super::scalars::Line;
use super::super::settings::spanned;
use super::written::{BuildTable, BuildsFile};
use crate::ecosystem::conda::layout::{ArchiveName, is_subdir};
use crate::ecosystem::conda::made::MadePackage;
use crate::ecosystem::conda::spec::Spec;

/// More builds than this are no small world: each is made anew whenever a rehearsal begins.
const MOST_BUILDS: usize = 5_000;
/// The longest path of a file that every archive can hold, in bytes.
const LONGEST_PATH: usize = 100;

/// The builds by `<subdir>/<file name>`. When each was made is not in the file: it is set to `made`.
pub(super) fn builds(
    file: BuildsFile,
    text: &str,
    made: Timestamp,
) -> Result<BTreeMap<String, MadePackage>, Mistake> {
    if file.build.len() > MOST_BUILDS {
        let message = format!("there are {} builds; expected at most {MOST_BUILDS}", file.build.len());
        return Err(Mistake::whole_file(message));
    }
    let mut builds = BTreeMap::new();
    for table in file.build {
        let place = table.file.clone();
        let build = build(table, text, made)?;
        let name = format!("{}/{}", build.subdir, build.name);
        if builds.insert(name.clone(), build).is_some() {
            let message = format!("a second build is named `{name}`; expected each file once");
            return Err(spanned(text, &place, message));
        }
    }
    Ok(builds)
}

fn build(table: BuildTable, text: &str, timestamp: Timestamp) -> Result<MadePackage, Mistake> {
    let file = table.file.get_ref().0.as_str();
    let named = file.split_once('/').filter(|(subdir, _)| is_subdir(subdir));
    let Some((subdir, name)) = named else {
        let message = format!("`{file}` is no build; expected such as `noarch/tables-1.0-0.conda`");
        return Err(spanned(text, &table.file, message));
    };
    let name = ArchiveName::parse(name).map_err(|bad| spanned(text, &table.file, bad.to_string()))?;
    let mut files = BTreeMap::new();
    for (path, content) in table.files {
        if !stays_inside(path.get_ref()) {
            let message = format!(
                "`{}` is no path of a package's file; expected such as `share/tables/version`, at most \
                 {LONGEST_PATH} bytes and not below `info`",
                path.get_ref()
            );
            return Err(spanned(text, &path, message));
        }
        files.insert(path.into_inner(), content);
    }
    Ok(MadePackage {
        subdir: subdir.to_owned(),
        name,
        build_number: table.number,
        depends: specs(&table.depends, text)?,
        files,
        test: table.test,
        test_needs: specs(&table.test_needs, text)?,
        timestamp,
    })
}

fn specs(written: &[Spanned<Line>], text: &str) -> Result<Vec<String>, Mistake> {
    let read = |line: &Spanned<Line>| {
        let spec = &line.get_ref().0;
        match Spec::lenient(spec) {
            Ok(_) => Ok(spec.clone()),
            Err(error) => Err(spanned(text, line, error.to_string())),
        }
    };
    written.iter().map(read).collect()
}

/// Whether a path leads to a file inside an environment, and not among what describes the package.
fn stays_inside(path: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte))
    };
    path.len() <= LONGEST_PATH && path.split('/').all(plain) && path.split('/').next() != Some("info")
}
