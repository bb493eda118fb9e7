//! What a manifest says, as people read it.

use std::path::Path;

use crate::cli::shown::{plain, rows};
use crate::decide::snapshot::{Origin, OutsideDependency};
use crate::decide::words::{counted, listed, override_in_words};
use crate::jobs::snapshot::{Manifest, ManifestFailing, ManifestLeftOut, ManifestPackage};
use crate::publish::signing::SignatureKind;

/// The manifest of the snapshot in `folder`.
pub(super) fn contents(manifest: &Manifest, folder: &Path) -> String {
    let mut text = rows([
        ("R", plain(&manifest.r)),
        ("CRAN", plain(&manifest.cran)),
        ("files", manifest.files.len().to_string()),
        ("outside", plain(&outside(manifest))),
        ("signed", signed(folder)),
    ]);
    let mut section = |heading: &str, lines: &mut dyn Iterator<Item = String>| {
        let lines: Vec<String> = lines.map(|line| format!("  {}\n", plain(&line))).collect();
        if !lines.is_empty() {
            text += &format!("\n{heading}\n{}", lines.concat());
        }
    };
    section("packages", &mut manifest.packages.iter().map(package));
    if let Some(failing) = &manifest.failing {
        let heading = format!("failing and needed, in {}", plain(&failing.folder));
        section(&heading, &mut needed(failing));
    }
    section("left out", &mut manifest.left_out.iter().map(left_out));
    text
}

fn package(package: &ManifestPackage) -> String {
    let ManifestPackage { name, version, commit, .. } = package;
    let caveat = package.caveat.iter().map(|caveat| format!("though {caveat}"));
    let cleared = package.let_in_by.iter().map(|check| check.cleared.clone());
    let leave = package.exception.iter().map(|leave| format!("by leave of {}: {}", leave.by, leave.reason));
    let word = package.overridden.iter().map(override_in_words);
    let more: Vec<String> = caveat.chain(cleared).chain(leave).chain(word).collect();
    let more = if more.is_empty() { String::new() } else { format!("  {}", more.join("; ")) };
    format!("{name} {version} at {commit}{more}")
}

fn needed(failing: &ManifestFailing) -> impl Iterator<Item = String> {
    failing.packages.iter().map(|needed| {
        let ManifestPackage { name, version, .. } = &needed.package;
        format!("{name} {version}  needed by {}: {}", listed(&needed.needed_by), needed.reason)
    })
}

fn left_out(left: &ManifestLeftOut) -> String {
    let version = left.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let since = left.since.map(|since| since.strftime("  since %Y-%m-%d").to_string()).unwrap_or_default();
    format!("{}{version}  {}{since}", left.name, left.reason)
}

/// What packages depend on that the distribution does not have.
fn outside(manifest: &Manifest) -> String {
    let of = |is: &dyn Fn(&Origin) -> bool| -> Vec<&str> {
        let outside = manifest.outside.iter().filter(|one| is(&one.origin));
        outside.map(|OutsideDependency { name, .. }| name.as_str()).collect()
    };
    let cran = of(&|origin| matches!(origin, Origin::Cran { .. }));
    let base = of(&|origin| matches!(origin, Origin::Base));
    let mut clauses = Vec::new();
    if !cran.is_empty() {
        clauses.push(format!("{} of CRAN", counted(cran.len(), "package")));
    }
    if !base.is_empty() {
        clauses.push(format!("{} of R itself", base.len()));
    }
    for (names, what) in [
        (of(&|origin| matches!(origin, Origin::NotOnCran)), "not on CRAN"),
        (of(&|origin| matches!(origin, Origin::Unknown { .. })), "of unknown version"),
    ] {
        if !names.is_empty() {
            clauses.push(format!("{} {what} ({})", names.len(), listed(&names)));
        }
    }
    match (clauses.is_empty(), manifest.format) {
        (false, _) => clauses.join(", "),
        (true, 1) => "not written down".to_owned(),
        (true, _) => "nothing".to_owned(),
    }
}

/// Which signatures lie there. Whether they hold is for `snapshot verify` to say.
fn signed(folder: &Path) -> String {
    let there = |kind: &SignatureKind| folder.join(format!("manifest.json{}", kind.suffix())).is_file();
    let kinds: Vec<String> =
        SignatureKind::ALL.iter().filter(|kind| there(kind)).map(ToString::to_string).collect();
    match kinds.is_empty() {
        true => "no".to_owned(),
        false => format!("by {}; `tidegate snapshot verify` says whether that holds", kinds.join(" and ")),
    }
}
