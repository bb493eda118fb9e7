//! The members under each other.

use super::super::shown::plain;
use crate::domain::{Destructured, DestructuredMember, DestructuredPackage};

/// How many digits of a digest are shown.
const DIGITS: usize = 12;
/// What is shown where nothing is known.
const UNKNOWN: &str = "-";

/// The text for a person. A column that nobody has a value for is left out, and so is the channel where it is
/// the metapackage's own.
pub(super) fn of(found: &Destructured) -> String {
    let package = &found.metapackage;
    let count = match found.members.len() {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    // The address of a conda channel is a line of its own; a namespace is short, and belongs to the name.
    let (name, whence) = match (&found.platform, &package.channel) {
        (Some(_), Some(channel)) => (package.name.clone(), channel),
        (None, Some(namespace)) => (format!("{namespace}/{}", package.name), &found.source),
        (_, None) => (package.name.clone(), &found.source),
    };
    let exact = [Some(&name), package.version.as_ref(), package.build.as_ref()];
    let exact = exact.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let platform = found.platform.as_ref().map(|platform| format!(" on {platform}")).unwrap_or_default();
    let mut text = format!("{}{}: {count}\n  of {}\n\n", plain(&exact), plain(&platform), plain(whence));
    text += &rows(found);
    for note in &found.notes {
        text += &format!("\nnote: {}", plain(note));
    }
    if !found.notes.is_empty() {
        text.push('\n');
    }
    text
}

fn rows(found: &Destructured) -> String {
    type Column = (&'static str, fn(&DestructuredMember) -> Option<String>);
    let all: [Column; 7] = [
        ("member", |member| Some(member.package.name.clone())),
        ("version", |member| member.package.version.clone()),
        ("build", |member| member.package.build.clone()),
        ("sha256", |member| Some(member.package.sha256.as_ref()?.chars().take(DIGITS).collect())),
        ("channel", |member| member.package.channel.clone()),
        ("locked", |member| match member.locked.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            several => Some(format!("{} revisions", several.len())),
        }),
        ("via", |member| Some(member.via.join(" → "))),
    ];
    let own = |package: &DestructuredPackage| package.channel == found.metapackage.channel;
    let elsewhere = !found.members.iter().all(|member| own(&member.package));
    let shown = all.into_iter().filter(|(name, value)| match *name {
        "channel" => elsewhere,
        _ => found.members.iter().any(|member| value(member).is_some()),
    });
    let columns: Vec<Vec<String>> = shown
        .map(|(name, value)| {
            let cells =
                found.members.iter().map(|member| value(member).unwrap_or_else(|| UNKNOWN.to_owned()));
            std::iter::once(name.to_owned()).chain(cells.map(|cell| plain(&cell).to_string())).collect()
        })
        .collect();
    let width =
        |column: &Vec<String>| column.iter().map(|cell| cell.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = columns.iter().map(width).collect();
    let line = |row: usize| {
        let cells = columns.iter().zip(&widths).map(|(column, width)| format!("{:<width$}", column[row]));
        format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    (0..=found.members.len()).map(line).collect()
}
