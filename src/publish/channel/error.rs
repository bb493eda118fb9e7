//! Why nothing was published in a channel.

use std::path::PathBuf;

use super::PublishError;

/// Why a channel is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The name of the channel, the link, or the disk.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Files that may not be published, each with the reason.
    #[error("nothing was published in {}:{}", root.display(), lines(problems))]
    Refused {
        /// The channel.
        root: PathBuf,
        /// `<subdir>/<file name>` and what is wrong with it, in order.
        problems: Vec<(String, String)>,
    },
    /// The link is there, but not of our making.
    #[error("{} points at {}, which is no generation of this channel; put the link away to publish here", root.display(), target.display())]
    Foreign {
        /// The link.
        root: PathBuf,
        /// What it points at.
        target: PathBuf,
    },
    /// There is no such generation.
    #[error("{} keeps no generation {generation}; kept are {}", root.display(), listed(kept))]
    NoGeneration {
        /// The channel.
        root: PathBuf,
        /// What was asked for.
        generation: u64,
        /// What is kept.
        kept: Vec<u64>,
    },
    /// The file that says what a generation holds cannot be read.
    #[error("{} does not say what the channel holds: {why}; put it back from a backup", path.display())]
    Contents {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

fn lines(problems: &[(String, String)]) -> String {
    problems.iter().map(|(file, problem)| format!("\n  {file}: {problem}")).collect()
}

fn listed(numbers: &[u64]) -> String {
    let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
