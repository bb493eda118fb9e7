//! Which files stay in the store: all that somebody holds, but for binaries of snapshots that are too old.
//! Sources stay for good.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::domain::{HeldFile, Holder};

/// The folder of a CRAN-like repository below which binaries lie.
const BINARIES: &str = "bin/";

/// The files that stay. The binaries of a snapshot that is older than `oldest` are not held by it any more;
/// somebody else may hold them still.
pub fn held(mut files: Vec<HeldFile>, oldest: Option<Date>) -> Vec<HeldFile> {
    files.retain(|file| match (&file.holder, oldest) {
        (Holder::Snapshot { date, .. }, Some(oldest)) => *date >= oldest || !file.path.starts_with(BINARIES),
        _ => true,
    });
    files
}

/// The digests of the files that another distribution than this one publishes or is about to: what one withdraws
/// is not withdrawn from the others.
pub fn held_by_others(files: Vec<HeldFile>, withdraws: &str) -> BTreeSet<String> {
    let is_others = |file: &HeldFile| match &file.holder {
        Holder::Snapshot { distribution, .. }
        | Holder::Channel { distribution, .. }
        | Holder::Arrival { distribution } => distribution != withdraws,
        Holder::Revision { .. } | Holder::Withdrawal { .. } | Holder::Test { .. } => false,
    };
    files.into_iter().filter(is_others).map(|file| file.sha256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, date: &str) -> HeldFile {
        let holder =
            Holder::Snapshot { distribution: "demo".to_owned(), date: date.parse().expect("a date") };
        HeldFile { sha256: "0".repeat(64), size: None, path: path.to_owned(), holder }
    }

    #[test]
    fn binaries_go_with_age_and_sources_never() {
        let old = file("src/contrib/tidal_1.0.tar.gz", "2024-06-15");
        let (before, after) = (file("bin/windows/contrib/4.4/tidal_1.0.zip", "2024-06-15"), "2025-06-15");
        let young = file("bin/windows/contrib/4.4/tidal_1.0.zip", after);
        let channel = HeldFile {
            holder: Holder::Channel {
                distribution: "demo".to_owned(),
                channel: "staging".to_owned(),
                package: "tidal".to_owned(),
            },
            ..before.clone()
        };
        let all = vec![old.clone(), before, young.clone(), channel.clone()];
        assert_eq!(held(all.clone(), None), all);
        assert_eq!(held(all, Some("2025-06-15".parse().unwrap())), [old, young, channel]);
    }
}
