//! The words of commits and pull requests: a summary line first, then why, the evidence, what
//! happens next and by when, and how to reproduce or refuse it.
//!
//! Everything that comes from outside is escaped, so that it mentions nobody and closes no issue.

use std::fmt::Write as _;

use crate::domain::{Assessment, Change, Evidence, Fact, Move, PackageName, PromotionFacts};
use crate::github::markdown::{code, code_in_table, escape};

/// The title of the change that begins a dependency freeze.
pub fn freeze_title(facts: &PromotionFacts, moves: &[Move]) -> String {
    format!("Begin the dependency freeze of {}: {}", facts.targets.dependency_freeze, count(moves.len()))
}

/// The title of a change of one package, or of the packages of one release.
pub fn title(facts: &PromotionFacts, moves: &[Move]) -> String {
    match moves {
        [one] => format!("Promote {} {} to {}", one.package, one.to_version, facts.to),
        [first, rest @ ..] if rest.len() < 4 => {
            let names: Vec<&str> = rest.iter().map(|moved| moved.package.as_str()).collect();
            format!("Promote {}, {} {} to {}", first.package, names.join(", "), first.to_version, facts.to)
        }
        _ => format!("Promote {} to {}", count(moves.len()), facts.to),
    }
}

fn count(packages: usize) -> String {
    if packages == 1 { "1 package".to_owned() } else { format!("{packages} packages") }
}

/// One line for each move, for commit messages.
pub fn move_lines(moves: &[Move]) -> String {
    let lines = moves
        .iter()
        .map(|moved| format!("{} {} at {}", moved.package, moved.to_version, short(&moved.to_commit)));
    lines.collect::<Vec<_>>().join("\n")
}

/// The body of a commit message.
pub fn commit_message(moves: &[Move], leaving: &[PackageName]) -> String {
    let mut message = move_lines(moves);
    for package in leaving {
        if !message.is_empty() {
            message.push('\n');
        }
        let _ = write!(message, "{package} leaves");
    }
    message
}

/// The body of the pull request that begins a dependency freeze.
pub fn freeze_body(facts: &PromotionFacts, change: &Change, leaving: &[PackageName]) -> String {
    let targets = &facts.targets;
    let mut body = format!(
        "The dependency freeze of {} begins: this pins {} to their newest admissible release.\n\n",
        targets.dependency_freeze,
        count(change.moves.len()),
    );
    let _ = writeln!(
        body,
        "From now on CRAN is frozen at {} and checks count with R {}.\n",
        targets.dependency_freeze, targets.r
    );
    body.push_str("### What moves\n\n| package | from | to | commit |\n| --- | --- | --- | --- |\n");
    for moved in &change.moves {
        body.push_str(&table_row(moved));
    }
    if !leaving.is_empty() {
        let names: Vec<String> = leaving.iter().map(|package| code(package)).collect();
        let _ = writeln!(
            body,
            "\nThese are not listed by {} any more and leave: {}.",
            facts.from,
            names.join(", ")
        );
    }
    let _ = write!(
        body,
        "\n### What happens next\n\n\
         - Until {candidate}, each newer admissible release is proposed by itself.\n\
         - From {candidate} on, only packages that fail may take a newer release.\n\
         - The snapshot is taken on {snapshot}.\n",
        candidate = targets.candidate_freeze,
        snapshot = targets.snapshot,
    );
    body.push_str(&closing(facts, None));
    body
}

/// The body of a pull request for one package, or for the packages of one release.
pub fn body(facts: &PromotionFacts, change: &Change) -> String {
    let mut body = String::new();
    for moved in &change.moves {
        let from = moved.from_version.as_deref().map_or("new".to_owned(), code);
        let _ = writeln!(
            body,
            "**{}** {from} → {} in {}, because {}.\n",
            escape(&moved.package),
            code(&moved.to_version),
            facts.to,
            escape(&moved.why),
        );
    }
    body.push_str("### What moves\n\n| package | from | to | commit |\n| --- | --- | --- | --- |\n");
    for moved in &change.moves {
        body.push_str(&table_row(moved));
    }
    body.push_str("\n### Evidence\n\n");
    for moved in &change.moves {
        body.push_str(&evidence_lines(facts, moved));
    }
    let _ = write!(
        body,
        "\n### What happens next\n\n\
         Once this is merged, {} builds and checks the new version. What passes on {} is part of the snapshot.\n",
        facts.to, facts.targets.snapshot,
    );
    body.push_str(&closing(facts, change.moves.first()));
    body
}

/// The body of the rolling pull request of the `follow` model.
pub fn rolling_body(facts: &PromotionFacts, change: &Change) -> String {
    let mut body = match change.contents {
        crate::domain::NewContents::CopyOfSource => format!(
            "{} follows {} during the dependency freeze: this brings its list up to date.\n",
            facts.to, facts.from
        ),
        crate::domain::NewContents::Listings(_) => format!(
            "Stages {} for the snapshot of {}: nothing speaks against them.\n",
            count(change.moves.len()),
            facts.targets.snapshot
        ),
    };
    if !change.moves.is_empty() {
        body.push_str(
            "\n### What is staged\n\n| package | from | to | commit |\n| --- | --- | --- | --- |\n",
        );
        for moved in &change.moves {
            body.push_str(&table_row(moved));
        }
    }
    body.push_str(&closing(facts, None));
    body
}

fn table_row(moved: &Move) -> String {
    let from = moved.from_version.as_deref().map_or("(new)".to_owned(), code_in_table);
    let commit = if moved.url.starts_with("https://github.com/") {
        let repository = moved.url.trim_end_matches('/').trim_end_matches(".git");
        format!("[`{}`]({repository}/commit/{})", short(&moved.to_commit), moved.to_commit)
    } else {
        format!("`{}`", short(&moved.to_commit))
    };
    format!(
        "| {} | {from} | {} | {commit} |\n",
        code_in_table(&moved.package),
        code_in_table(&moved.to_version)
    )
}

/// What the channel knows of the version it holds now; the new one is checked after the merge.
fn evidence_lines(facts: &PromotionFacts, moved: &Move) -> String {
    let name = code(&moved.package);
    let status = match &facts.status {
        Fact::Unknown { why } => return format!("- {name}: unknown at the moment ({}).\n", escape(why)),
        Fact::Known(status) => status,
    };
    let Some(assessment) = status.packages.get(&moved.package) else {
        return format!("- {name}: {} does not hold it yet.\n", facts.to);
    };
    let held = assessment.version.as_deref().map_or_else(|| "the version held now".to_owned(), code);
    let mut lines = match assessment.evidence {
        Evidence::Passing => format!("- {name}: {held} passes.\n"),
        Evidence::Pending => format!("- {name}: {held} is being built or checked.\n"),
        Evidence::Unknown => format!("- {name}: nothing is known of {held} at the moment.\n"),
        Evidence::Failing => {
            format!("- {name}: {held} fails: {}.\n", escape(&super::verdicts::issues_in_words(assessment)))
        }
    };
    lines.push_str(&check_links(assessment));
    lines
}

fn check_links(assessment: &Assessment) -> String {
    let mut lines = String::new();
    for issue in &assessment.issues {
        let crate::domain::Issue::RCmdCheck(checks) = issue else { continue };
        for check in checks {
            let what = format!("{} on {} with R {}", check.check, check.config, check.r);
            let link = if check.url.starts_with("https://") && !check.url.contains([' ', ')', '\n']) {
                format!("[log]({})", check.url)
            } else {
                "no log".to_owned()
            };
            let _ = writeln!(lines, "  - {} ({link})", escape(&what));
        }
    }
    lines
}

/// How to reproduce and how to refuse, the same at the end of every pull request.
fn closing(facts: &PromotionFacts, first: Option<&Move>) -> String {
    let about = first.map_or_else(|| "PACKAGE".to_owned(), |moved| moved.package.clone());
    format!(
        "\n### To look closer, or to refuse\n\n\
         - `tidegate explain {about}` shows the whole reasoning; `tidegate calendar {distribution}` the dates.\n\
         - To refuse, close this without merging it: the same version is not proposed again. Reopen it to change your mind.\n\
         - To take it over, push to its branch: tidegate leaves a branch alone that a person committed to.\n",
        distribution = facts.distribution,
    )
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
