//! Where a repository stands. That it is there, has another name or is archived is believed at once, since
//! GitHub says so; that it is not there only after several looks over some time, since a 404 may pass.

use jiff::Timestamp;

use crate::domain::{Confirmation, Missing, Moved, RepositorySeen, Sighting};

/// What is known of the repository listed as `listed` after one more look; nothing where it is there under
/// that name, as it should be. A look that failed is no look: then what was known stays.
pub fn look(
    before: Option<&RepositorySeen>,
    listed: &str,
    sighting: &Sighting,
    now: Timestamp,
    confirmation: Confirmation,
) -> Option<RepositorySeen> {
    // A row that names another repository than before begins anew.
    let before = before.filter(|seen| seen.listed.eq_ignore_ascii_case(listed));
    let seen = match sighting {
        Sighting::There { name, archived } => RepositorySeen {
            listed: listed.to_owned(),
            moved: (!name.eq_ignore_ascii_case(listed)).then(|| moved(before, name, now)),
            archived_since: archived_since(before, *archived, now),
            missing: None,
        },
        Sighting::Absent(how) => {
            let known = before.cloned().unwrap_or_default();
            let missing = match known.missing {
                // Blocked after it was not found, or the other way: gone in either case.
                Some(missing) if missing.confirmed_at.is_some() => Missing { how: *how, ..missing },
                Some(missing) if missing.how == *how => Missing { looks: missing.looks + 1, ..missing },
                _ => Missing { how: *how, since: now, looks: 1, confirmed_at: None },
            };
            let missing = Some(confirmed(missing, now, confirmation));
            RepositorySeen { listed: listed.to_owned(), missing, ..known }
        }
    };
    let usual = seen.moved.is_none() && seen.archived_since.is_none() && seen.missing.is_none();
    (!usual).then_some(seen)
}

fn moved(before: Option<&RepositorySeen>, to: &str, now: Timestamp) -> Moved {
    let known = before.and_then(|seen| seen.moved.as_ref()).filter(|moved| moved.to == to);
    known.cloned().unwrap_or_else(|| Moved { to: to.to_owned(), since: now })
}

fn archived_since(
    before: Option<&RepositorySeen>,
    archived: Option<bool>,
    now: Timestamp,
) -> Option<Timestamp> {
    let known = before.and_then(|seen| seen.archived_since);
    match archived {
        Some(true) => known.or(Some(now)),
        Some(false) => None,
        None => known,
    }
}

fn confirmed(missing: Missing, now: Timestamp, confirmation: Confirmation) -> Missing {
    let enough = missing.looks >= confirmation.looks
        && now.duration_since(missing.since) >= confirmation.time
        && missing.confirmed_at.is_none();
    if enough { Missing { confirmed_at: Some(now), ..missing } } else { missing }
}
