//! Why a metapackage cannot be taken apart, in words that name the member and the metapackage.

use std::fmt;
use std::time::Duration;

use crate::ecosystem::conda::spec::MalformedSpec;

/// Why a metapackage was not taken apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestructureError {
    /// The spec cannot be read.
    #[error(transparent)]
    MalformedSpec(#[from] MalformedSpec),
    /// The channel has no build that the spec accepts.
    #[error("{0}")]
    NothingMatches(Box<NothingMatches>),
    /// The name in the spec is a pattern that several packages fit.
    #[error("`{spec}` fits several packages of {channel}: {}", names.join(", "))]
    SeveralMatch {
        /// The spec as written.
        spec: String,
        /// The channel.
        channel: String,
        /// The packages, by name.
        names: Vec<String>,
    },
    /// The package depends on nothing that could be a member.
    #[error("{package} is no metapackage: it depends on no package of its channel {channel}")]
    NoMembers {
        /// The package, with version and build.
        package: String,
        /// Its channel.
        channel: String,
    },
    /// A line of a metapackage's dependencies cannot be read.
    #[error("{package} has a dependency that cannot be read: {why}")]
    MalformedDependency {
        /// The metapackage, with version and build.
        package: String,
        /// What is wrong.
        why: MalformedSpec,
    },
    /// A metapackage leads back to itself, over others or over what it holds.
    #[error("metapackages hold each other: {}", path.join(" → "))]
    Cycle {
        /// From a metapackage back to itself.
        path: Vec<String>,
    },
    /// There are more metapackages within it than any real one has.
    #[error("{package} holds more than {limit} metapackages")]
    TooManyWithin {
        /// The outermost metapackage, with version and build.
        package: String,
        /// The most that are looked into.
        limit: usize,
    },
    /// Members are not as they have to be: every one of them.
    #[error("{package} does not hold what it should:{}", listed(problems))]
    Members {
        /// The metapackage, with version and build.
        package: String,
        /// What is wrong, by member.
        problems: Vec<MemberProblem>,
    },
    /// Which builds it means is the solver's choice, and the solver found no answer in time.
    #[error("the solver found no answer for {package} on {platform} in {} s", after.as_secs_f64())]
    TimedOut {
        /// The metapackage, with version and build.
        package: String,
        /// The platform.
        platform: String,
        /// The limit.
        after: Duration,
    },
}

/// What is there instead of what a spec asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NothingMatches {
    /// The spec as written.
    pub spec: String,
    /// The channel.
    pub channel: String,
    /// The platform.
    pub platform: String,
    /// Versions of that package, the newest first; empty where it has none. Where the spec accepts one of
    /// them, and no build of it, the builds with their versions instead.
    pub versions: Vec<String>,
    /// Names of the channel that are much like the one asked for.
    pub nearest: Vec<String>,
    /// Files of that package that the channel lists and that are not believed, with the reason.
    pub refused: Vec<String>,
    /// The folders, of those for the platform and for all platforms, that the channel does not have.
    pub missing_folders: Vec<String>,
}

/// What is wrong with one member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum MemberProblem {
    /// It is declared as a member, and the metapackage does not name it.
    #[error("{member} is declared as a member, but the metapackage does not depend on it")]
    Missing {
        /// The member.
        member: String,
    },
    /// It is declared as a member, and comes from another channel.
    #[error("{member} comes from {channel} and not from the metapackage's own channel")]
    Foreign {
        /// The member.
        member: String,
        /// Where it comes from; `no channel that is read` where none has it.
        channel: String,
    },
    /// Its version is another one than the distribution says.
    #[error("{member} is {found} where the distribution says {expected}")]
    OtherVersion {
        /// The member.
        member: String,
        /// What the distribution says.
        expected: String,
        /// What the metapackage holds.
        found: String,
    },
    /// The metapackage pins a build that its channel does not have.
    #[error("`{line}` of {metapackage} names no build of the channel{}", instead(there, refused))]
    NoSuchBuild {
        /// The line of the dependencies.
        line: String,
        /// The metapackage whose line it is.
        metapackage: String,
        /// Builds of that package that the channel has, the newest first, five at most.
        there: Vec<String>,
        /// Files of that package that the channel lists and that are not believed, with the reason.
        refused: Vec<String>,
    },
    /// Two metapackages hold different builds of it.
    #[error("{member} is held as {one} and as {other}")]
    Twice {
        /// The member.
        member: String,
        /// One build, with the metapackage that holds it.
        one: String,
        /// The other one.
        other: String,
    },
}

impl fmt::Display for NothingMatches {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spec, channel, platform, .. } = self;
        write!(formatter, "`{spec}` fits no package of {channel} for {platform}")?;
        if !self.versions.is_empty() {
            write!(formatter, "; it has {}", self.versions.join(", "))?;
        }
        if !self.missing_folders.is_empty() {
            write!(formatter, "; the channel has no folder {}", self.missing_folders.join(" and none "))?;
        }
        self.refused.iter().try_for_each(|refused| write!(formatter, "; {refused}"))
    }
}

fn listed(problems: &[MemberProblem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

fn instead(there: &[String], refused: &[String]) -> String {
    let there = if there.is_empty() { String::new() } else { format!(", which has {}", there.join(", ")) };
    refused.iter().fold(there, |told, refused| format!("{told}; {refused}"))
}
