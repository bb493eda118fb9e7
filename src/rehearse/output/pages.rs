//! Every pull request as a page of Markdown, as a person would have read it on GitHub.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::rehearse::github::state::PullRequest;

/// Writes one page per pull request, named by its number; pages of numbers that are gone stay away.
pub fn write(folder: &Path, pull_requests: &[(String, PullRequest)]) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot renew {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (repository, pull) in pull_requests {
        let name = format!("{}-{:04}.md", repository.replace('/', "-"), pull.number);
        let path = folder.join(name);
        fs::write(&path, page(repository, pull))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// How a pull request ended, in one word.
pub fn state(pull: &PullRequest) -> &'static str {
    match (&pull.merged, pull.closed_at) {
        (Some(_), _) => "merged",
        (None, Some(_)) => "closed",
        (None, None) => "open",
    }
}

fn page(repository: &str, pull: &PullRequest) -> String {
    let state = match (&pull.merged, pull.closed_at) {
        (Some(merge), _) => format!("merged by {} on {}", merge.by, merge.at),
        (None, Some(at)) => format!("closed unmerged on {at}"),
        (None, None) => "open".to_owned(),
    };
    let touched = match &pull.touched_by {
        Some(person) => format!("\n- commits by {person} on its branch"),
        None => String::new(),
    };
    format!(
        "# {title} (#{number})\n\n\
         - {repository}: `{head}` into `{base}`\n\
         - opened by {user} on {opened}\n\
         - {state}{touched}\n\n---\n\n{body}",
        title = pull.title,
        number = pull.number,
        head = pull.head,
        base = pull.base,
        user = pull.user,
        opened = pull.created_at,
        body = pull.body,
    )
}
