//! Comments: what people are called for.

use std::fmt::Write as _;

use super::package::over_sentence;
use super::pieces::{changes, day, name};
use super::{Ending, Frame, key_in_words};
use crate::decide::recheck::Gate;
use crate::decide::report::{News, Troubles, moved};
use crate::github::markdown::escape;

/// The most lines of one comment.
const LINES: usize = 50;

/// The comment that tells the maintainers of a package what is new, in one. `ending` is read where the news
/// is that all is well.
pub fn package_comment(frame: &Frame, package: &str, ending: &Ending, news: &[News]) -> String {
    let lines: Vec<String> = news
        .iter()
        .map(|one| match one {
            News::Over => format!(
                "{} There is nothing left to do, so this issue is closed.",
                over_sentence(frame, package, ending)
            ),
            News::Elsewhere { place, since } => {
                format!("It now fails on {} too, since {}.", escape(&key_in_words(place)), day(*since))
            }
            News::OtherRevision { revision } => format!("Its build {} fails as well.", name(revision)),
            News::Fault { changes: found, places } => {
                let places: Vec<String> = places.iter().map(|place| escape(&key_in_words(place))).collect();
                let at_fault = match found.as_slice() {
                    [only] => format!("The change at fault was found: {}", name(only)),
                    several => format!("What is at fault together was found: {}", changes(several)),
                };
                format!("{at_fault}, on {}.", places.join(", and on "))
            }
        })
        .collect();
    match lines.as_slice() {
        [only] => format!("{only}\n"),
        several => several.iter().take(LINES).map(|line| format!("- {line}\n")).collect(),
    }
}

/// The comment that tells those who look after the distribution what went wrong and what is well again, in
/// the order of the members, and whether the metapackage passes now.
pub fn moved_comment(frame: &Frame, told: &Troubles, now: &Troubles, gate: &Gate) -> String {
    let (began, ended) = moved(told, now);
    let split = |place: &str| {
        let (member, rest) = place.split_once('/').unwrap_or((place, ""));
        (name(member), escape(&key_in_words(rest)))
    };
    let began = began.iter().map(|place| {
        let ((member, rest), trouble) = (split(place), &now[*place]);
        format!("- {member} {} does not pass on {rest}\n", name(&trouble.revision))
    });
    let ended = ended.iter().map(|place| {
        let (member, rest) = split(place);
        format!("- {member} is no longer in the way on {rest}\n")
    });
    let lines: Vec<String> = began.chain(ended).collect();
    let mut text: String = lines.iter().take(LINES).map(String::as_str).collect();
    if lines.len() > LINES {
        let _ = writeln!(text, "- and {} more", lines.len() - LINES);
    }
    let metapackage = name(&format!("{} {}", frame.metapackage.name, frame.metapackage.version));
    let _ = match gate {
        Gate::Open => writeln!(text, "\n{metapackage} passes."),
        Gate::Waiting | Gate::Closed(_) | Gate::NotWhole(_) | Gate::WholeUnknown(_) | Gate::Withdrawn(_) => {
            writeln!(text, "\n{metapackage} does not pass. The text above says why, and who has to act.")
        }
    };
    text
}
