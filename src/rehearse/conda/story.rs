//! What happened outside, as a person reads it.

use crate::rehearse::world::{Deed, DeedKind};

/// What happened outside, in one line.
pub(super) fn done_outside(deed: &Deed) -> String {
    // The archive's name without its folder and its format says what it is.
    let short = |name: &String| {
        let file = name.rsplit('/').next().unwrap_or(name);
        file.trim_end_matches(".conda").trim_end_matches(".tar.bz2").to_owned()
    };
    let builds = deed.builds().iter().map(short).collect::<Vec<_>>().join(", ");
    match &deed.what {
        DeedKind::Appear { channel, .. } => format!("{builds}: new in the channel {channel}"),
        DeedKind::Withdraw { channel, .. } => format!("{builds}: withdrawn from the channel {channel}"),
        DeedKind::Build(build) => {
            format!("{builds}: built by run {} of {}, which sent a notice", build.run, build.repository)
        }
        DeedKind::Drop { .. } => format!("{builds}: put into the drop folder"),
    }
}
