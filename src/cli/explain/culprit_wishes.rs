//! What people asked about a member of a metapackage, and what it came to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::super::shown::{plain, rows};
use super::explanation::Question;
use crate::domain::CulpritWish;
use crate::github::markdown::{code, escape};
use crate::store::Store;

/// A wish as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct ShownWish {
    pub at: Timestamp,
    #[serde(flatten)]
    pub wish: CulpritWish,
    pub answered_at: Option<Timestamp>,
    pub answer: Option<String>,
}

/// The newest wish for each job and platform, as it stood at the time that is asked about.
pub(super) async fn of(store: &Store, question: &Question<'_>) -> anyhow::Result<Vec<ShownWish>> {
    let mut newest = BTreeMap::new();
    for kept in store.culprit_wishes_about(question.package).await? {
        let is_later = |at: Timestamp| question.at.is_some_and(|asked| at > asked);
        let elsewhere = question.distribution.is_some_and(|name| kept.wish.distribution != name);
        if elsewhere || is_later(kept.at) {
            continue;
        }
        let (answered_at, answer) = kept.answer.filter(|(at, _)| !is_later(*at)).unzip();
        let place = (kept.wish.job.clone(), kept.wish.platform.clone());
        newest.insert(place, ShownWish { at: kept.at, wish: kept.wish, answered_at, answer });
    }
    Ok(newest.into_values().collect())
}

fn lines(shown: &ShownWish) -> [(&'static str, String); 3] {
    let CulpritWish { job, platform, most_tests, by, reason, .. } = &shown.wish;
    let place = platform.as_deref().unwrap_or("every platform");
    let answer = match (&shown.answer, shown.answered_at) {
        (Some(answer), Some(at)) => format!("{answer} ({at})"),
        _ => format!("none yet: the next pass of {job} looks for it"),
    };
    [
        ("asked", format!("{} by {by}: {reason}", shown.at)),
        ("search", format!("{place}; tests at most: {most_tests}")),
        ("answer", answer),
    ]
}

/// For a terminal.
pub(super) fn text(shown: &ShownWish) -> String {
    let CulpritWish { distribution, job, member, .. } = &shown.wish;
    let told = lines(shown).map(|(name, value)| (name, plain(&value)));
    format!("\nwhat broke {member} in {distribution}, asked of {job}\n{}", rows(told))
}

/// For an issue or a comment.
pub(super) fn markdown(shown: &ShownWish) -> String {
    let CulpritWish { distribution, job, member, .. } = &shown.wish;
    let told: String =
        lines(shown).iter().map(|(name, value)| format!("- {name}: {}\n", escape(value))).collect();
    format!("\n### What broke {} in {}, asked of {}\n\n{told}", code(member), escape(distribution), code(job))
}
