//! A record in the condensed form that R-multiverse's own tools keep: only what its status rule
//! looks at, with the checks already filtered and CRAN's version already joined.

use super::UniversePackage;
use super::field::{BadField, Fields};
use super::record::{dependencies_of, name_of, word};
use crate::domain::Check;

/// Reads a condensed record.
pub(super) fn package_of(fields: &Fields) -> Result<UniversePackage, BadField> {
    Ok(UniversePackage {
        package: name_of(fields, "package")?,
        version: word(fields, "version", fields.required("version")?)?,
        commit: word(fields, "remotesha", fields.required("remotesha")?)?,
        created: None,
        published: fields.text("published")?,
        title: fields.text("title")?,
        url: fields.text("url")?,
        license: fields.text("license")?,
        foss: fields.truth("foss")?,
        remotes: fields.texts("remotes")?,
        checks: Vec::new(),
        issues_r_cmd_check: checks_of(fields)?,
        cran: fields.text("cran")?,
        dependencies: dependencies_of(fields, "dependencies")?,
        failure: None,
        never_built: false,
        monorepo: fields.text("monorepo")?,
        file: None,
        binaries: Vec::new(),
    })
}

fn checks_of(fields: &Fields) -> Result<Option<Vec<Check>>, BadField> {
    let Some(rows) = fields.objects("issues_r_cmd_check")? else { return Ok(None) };
    let check = |row: &Fields| {
        Ok(Check {
            check: row.required("check")?,
            config: row.required("config")?,
            r: row.required("r")?,
            url: row.text("url")?.unwrap_or_default(),
        })
    };
    rows.iter().map(check).collect::<Result<_, _>>().map(Some)
}
