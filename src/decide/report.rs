//! When people are called: what is new of something that is in trouble, compared with what they were told.
//!
//! The rule compares states and not events, so it gives the same answer however often a pass is repeated
//! and whatever was lost between: what was told is never news again, and what was not is news until it is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::sha256_hex;

/// Everything that is wrong with a subject, by the place where it is: a platform, a check, a member. Empty
/// where all is well.
pub type Troubles = BTreeMap<String, Trouble>;

/// What is wrong in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// What exactly is in trouble, such as a version with its build.
    pub revision: String,
    /// What is at fault, as people say it, as far as it was ever found out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<String>,
}

/// Something that people are called for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// It is in trouble somewhere else as well.
    Elsewhere {
        /// The place.
        place: String,
        /// Since when.
        since: Timestamp,
    },
    /// Another revision of it is in the same trouble.
    OtherRevision {
        /// The revision.
        revision: String,
    },
    /// It was found out what is at fault.
    Fault {
        /// What, as people say it; several are at fault together.
        changes: Vec<String>,
        /// Where, in order.
        places: Vec<String>,
    },
    /// All is well again.
    Over,
}

impl News {
    /// What tells this news from all others of the same trouble.
    fn key(&self) -> String {
        match self {
            Self::Elsewhere { place, since } => format!("elsewhere/{place}/{since}"),
            Self::OtherRevision { revision } => format!("revision/{revision}"),
            Self::Fault { changes, .. } => format!("fault/{}", changes.join("/")),
            Self::Over => "over".to_owned(),
        }
    }
}

/// A key for these news together.
pub fn key(news: &[News]) -> String {
    let keys: Vec<String> = news.iter().map(News::key).collect();
    sha256_hex(keys.join("\n").as_bytes())[..16].to_owned()
}

/// What is wrong now, with what was known before and still holds: since when, and what is at fault.
pub fn carry(before: &Troubles, now: Troubles) -> Troubles {
    let carried = |(place, trouble): (String, Trouble)| {
        let known = before.get(&place);
        let since = known.map_or(trouble.since, |known| known.since);
        let fault = match known {
            Some(known) if trouble.fault.is_empty() => known.fault.clone(),
            _ => trouble.fault,
        };
        (place, Trouble { since, fault, revision: trouble.revision })
    };
    now.into_iter().map(carried).collect()
}

/// What is new since people were told of `told`. Nothing where they were told of nothing: the report that
/// begins says it all. `now` was carried on from `told`.
pub fn news(told: &Troubles, now: &Troubles) -> Vec<News> {
    if told.is_empty() {
        return Vec::new();
    }
    if now.is_empty() {
        return vec![News::Over];
    }
    let elsewhere = now.iter().filter(|(place, _)| !told.contains_key(*place));
    let mut news: Vec<News> = elsewhere
        .map(|(place, trouble)| News::Elsewhere { place: place.clone(), since: trouble.since })
        .collect();
    let known = |revision: &String| told.values().any(|trouble| trouble.revision == *revision);
    for trouble in now.values().filter(|trouble| !known(&trouble.revision)) {
        news.push(News::OtherRevision { revision: trouble.revision.clone() });
    }
    let mut faults: BTreeMap<&Vec<String>, Vec<String>> = BTreeMap::new();
    for (place, trouble) in now.iter().filter(|(_, trouble)| !trouble.fault.is_empty()) {
        // The same fault in another place is no news: that place is.
        if !told.values().any(|known| known.fault == trouble.fault) {
            faults.entry(&trouble.fault).or_default().push(place.clone());
        }
    }
    news.extend(faults.into_iter().map(|(changes, places)| News::Fault { changes: changes.clone(), places }));
    news.sort();
    news.dedup();
    news
}

/// The places where something went wrong, and those where it is well again, since people were told.
pub fn moved<'a>(told: &'a Troubles, now: &'a Troubles) -> (Vec<&'a str>, Vec<&'a str>) {
    let missing = |of: &'a Troubles, from: &'a Troubles| {
        of.keys().filter(|place| !from.contains_key(*place)).map(String::as_str).collect()
    };
    (missing(now, told), missing(told, now))
}

/// A key for what moved: it is another one when the same happens again.
pub fn moved_key(told: &Troubles, now: &Troubles) -> String {
    let (began, ended) = moved(told, now);
    let lines = began.iter().map(|place| format!("+{place} {}\n", now[*place].since));
    let lines = lines.chain(ended.iter().map(|place| format!("-{place} {}\n", told[*place].since)));
    sha256_hex(lines.collect::<String>().as_bytes())[..16].to_owned()
}
