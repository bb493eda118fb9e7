//! One record of `/api/packages` as R-universe prints it: fields of the DESCRIPTION by their own
//! names, everything else with an underscore first.

use jiff::Timestamp;

use super::super::layout::{ContribFolder, is_package_name};
use super::super::licence::foss;
use super::field::{BadField, Fields};
use super::{ArtifactRef, BinaryRef, BuildFailure, UniverseDependency, UniversePackage};
use crate::domain::Check;

/// Longer versions and commits are refused: they go into branch names and paths.
const MAX_WORD: usize = 128;

/// Reads a record. A record of the type `failure` knows only a build that failed.
pub(super) fn package_of(fields: &Fields) -> Result<UniversePackage, BadField> {
    let package = name_of(fields, "Package")?;
    let failure = failure_of(fields)?;
    let never_built = fields.text("_type")?.as_deref() == Some("failure");
    let (version, commit) = if never_built {
        let failure = failure.as_ref().ok_or_else(|| fields.bad("_failure", "is missing"))?;
        let version = failure.version.clone().ok_or_else(|| fields.bad("_failure.version", "is missing"))?;
        let commit = failure.commit.clone().ok_or_else(|| fields.bad("_failure.commit.id", "is missing"))?;
        (version, commit)
    } else {
        (fields.required("Version")?, fields.required("RemoteSha")?)
    };
    let version = word(fields, "Version", version)?;
    let license = fields.text("License")?;
    let build_url = fields.text("_buildurl")?.or_else(|| failure.as_ref()?.build_url.clone());
    Ok(UniversePackage {
        commit: word(fields, "RemoteSha", commit)?,
        created: if never_built { None } else { time_of(fields, "_created")? },
        published: published_of(fields)?,
        title: fields.text("Title")?,
        url: fields.text("URL")?,
        foss: license.as_deref().and_then(foss),
        license,
        remotes: fields.texts("Remotes")?,
        checks: checks_of(fields, build_url.as_deref())?,
        issues_r_cmd_check: None,
        cran: None,
        dependencies: dependencies_of(fields, "_dependencies")?,
        monorepo: build_url.as_deref().and_then(monorepo_of),
        file: if never_built { None } else { file_of(fields, &package, &version)? },
        binaries: binaries_of(fields)?,
        failure,
        never_built,
        package,
        version,
    })
}

/// The package's name, which has to be one that R allows.
pub(super) fn name_of(fields: &Fields, field: &str) -> Result<String, BadField> {
    let name = fields.required(field)?;
    if is_package_name(&name) {
        return Ok(name);
    }
    let shown: String = name.escape_debug().take(MAX_WORD).collect();
    Err(fields.bad(field, format!("`{shown}` is not a name that R allows for a package")))
}

/// A version or commit: no spaces, no slashes, nothing else that means something elsewhere.
pub(super) fn word(fields: &Fields, field: &str, text: String) -> Result<String, BadField> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if plain && (1..=MAX_WORD).contains(&text.len()) {
        return Ok(text);
    }
    let shown: String = text.escape_debug().take(MAX_WORD).collect();
    Err(fields.bad(field, format!("`{shown}` is not a version or commit")))
}

/// Dependencies in the form that raw and condensed records share.
pub(super) fn dependencies_of(fields: &Fields, field: &str) -> Result<Vec<UniverseDependency>, BadField> {
    let rows = fields.objects(field)?.unwrap_or_default();
    let dependency = |row: &Fields| {
        Ok(UniverseDependency {
            package: row.required("package")?,
            role: row.required("role")?,
            version: row.text("version")?,
        })
    };
    rows.iter().map(dependency).collect()
}

fn failure_of(fields: &Fields) -> Result<Option<BuildFailure>, BadField> {
    let Some(failure) = fields.object("_failure")? else { return Ok(None) };
    // The commit is an object with an `id`; a plain text is taken too.
    let commit = match failure.object("commit") {
        Ok(Some(commit)) => commit.text("id")?,
        Ok(None) => None,
        Err(_) => failure.text("commit")?,
    };
    Ok(Some(BuildFailure {
        version: failure.text("version")?,
        commit,
        build_url: failure.text("buildurl")?,
        date: failure.text_or_number("date")?,
    }))
}

/// `2025-06-02T15:36:27.246Z` as upstream's status files print it.
fn published_of(fields: &Fields) -> Result<Option<String>, BadField> {
    let time = time_of(fields, "_published")?;
    Ok(time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S%.3f UTC").to_string()))
}

fn time_of(fields: &Fields, field: &str) -> Result<Option<Timestamp>, BadField> {
    let Some(text) = fields.text(field)? else { return Ok(None) };
    let time = text.parse();
    time.map(Some)
        .map_err(|_| fields.bad(field, format!("`{text}` is not a time such as 2025-06-02T15:36:27.246Z")))
}

fn checks_of(fields: &Fields, build_url: Option<&str>) -> Result<Vec<Check>, BadField> {
    let mut checks = Vec::new();
    for job in fields.objects("_jobs")?.unwrap_or_default() {
        let Some(check) = job.text("check")? else { continue };
        let log = build_url.zip(job.text_or_number("job")?);
        checks.push(Check {
            check,
            config: job.required("config")?,
            r: job.text("r")?.unwrap_or_default(),
            url: log.map(|(build, job)| format!("{build}/job/{job}")).unwrap_or_default(),
        });
    }
    Ok(checks)
}

/// `r-multiverse` in `https://github.com/r-universe/r-multiverse/actions/runs/1`.
fn monorepo_of(build_url: &str) -> Option<String> {
    let rest = build_url.strip_prefix("https://github.com/r-universe/")?;
    let name = rest.split('/').next()?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    (plain && !name.is_empty()).then(|| name.to_owned())
}

fn file_of(fields: &Fields, package: &str, version: &str) -> Result<Option<ArtifactRef>, BadField> {
    let Some(sha256) = sha256_of(fields, &["_sha256", "_fileid"])? else { return Ok(None) };
    let path = ContribFolder::source()
        .archive(package, version)
        .map_err(|error| fields.bad("Version", error.to_string()))?;
    Ok(Some(ArtifactRef { path, size: fields.number("_filesize")?, sha256 }))
}

fn binaries_of(fields: &Fields) -> Result<Vec<BinaryRef>, BadField> {
    let rows = fields.objects("_binaries")?.unwrap_or_default();
    let mut binaries = Vec::new();
    for row in &rows {
        // A binary whose build failed before a file came out has no file to name.
        let Some(sha256) = sha256_of(row, &["fileid"])? else { continue };
        let version = row.required("version")?;
        binaries.push(BinaryRef {
            os: row.required("os")?,
            arch: row.text("arch")?,
            distro: row.text("distro")?,
            r: row.required("r")?,
            version: word(row, "version", version)?,
            commit: row.text("commit")?,
            sha256,
            status: row.text("status")?,
        });
    }
    Ok(binaries)
}

/// The first of `names` that is there, which has to be 64 hexadecimal digits.
fn sha256_of(fields: &Fields, names: &[&str]) -> Result<Option<String>, BadField> {
    for name in names {
        if let Some(text) = fields.text(name)? {
            let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if digits && text.len() == 64 {
                return Ok(Some(text));
            }
            return Err(fields.bad(name, "is not a sha256 of 64 hexadecimal digits"));
        }
    }
    Ok(None)
}
