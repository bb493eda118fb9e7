//! `destructure`: the exact members of a metapackage.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::shown::plain;
use super::{CommandError, Context, Output, given_file, state};
use crate::domain::Destructured;
use crate::ecosystem::conda::address::ChannelAddress;
use crate::ecosystem::conda::channel::ChannelIndex;
use crate::ecosystem::conda::destructure::{
    Candidate, Declared, DestructureError, DestructureTask, MemberProblem, candidates, destructure,
};
use crate::ecosystem::conda::reader::{ChannelReader, IndexLimits};
use crate::ecosystem::conda::solve::SolveError;
use crate::ecosystem::conda::spec::Spec;
use crate::failure::Failure;
use crate::tls;

/// How long a server may take to accept a connection, and be silent in the middle of an answer.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(60);

/// How many candidates are named to somebody who names no metapackage.
const NAMED: usize = 8;

/// List the exact members of a metapackage
#[derive(Debug, Args)]
#[command(
    after_help = "A metapackage that pins exact builds is looked up. One with lines such as `q2-types 2023.7.*` is
solved for the platform, with the other channels given by --channel, in their order.

Examples:
  tidegate destructure /srv/qiime2/2024.10/tiny/staged qiime2-tiny
  tidegate destructure https://packages.qiime2.org/qiime2/2024.10/tiny/released \\
    'qiime2-tiny=2024.10' -c https://channels.example.org/forge \\
    --members seed-environment-conda.yml --json"
)]
pub(super) struct Destructure {
    /// The metapackage's channel: a folder, or a URL
    #[arg(value_name = "CHANNEL")]
    source: String,
    /// A match spec of the metapackage; the newest build that it accepts is taken. May be left out where
    /// the channel has one metapackage only
    spec: Option<String>,
    /// The platform
    #[arg(long, value_name = "PLATFORM", default_value = "linux-64")]
    platform: String,
    /// Another channel that it is installed with; to be given once for each, in order of priority
    #[arg(short = 'c', long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// Its members, as names parted by commas, or a file that names them: data.yaml, the catalogue of all
    /// distributions, or an environment, of which only what lies in its own channel is a member.
    /// Otherwise they are its dependencies that lie there
    #[arg(long, value_name = "FILE|NAMES")]
    members: Option<String>,
    /// Names that are no members, parted by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Members that are metapackages themselves, parted by commas. Those in a folder are known by their
    /// archives, and those that pin exact builds by their lines
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    nested: Vec<String>,
    /// The longest time for solving, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

impl Destructure {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let (channel, externals) = state::block_on(self.read())?;
        let spec = match &self.spec {
            Some(spec) => spec.clone(),
            None => only_candidate(&channel, &self.platform)?,
        };
        let declared = self.declared(&spec)?;
        let members = destructure(&DestructureTask {
            channel: &channel,
            externals: &externals,
            platform: &self.platform,
            spec: &spec,
            declared,
            virtual_packages: None,
            timeout: Duration::from_secs(self.timeout),
        });
        let members = members.map_err(|error| explained(&error))?;
        match context.output {
            Output::Json => context.print_json(&members),
            Output::Text => Ok(context.out.write_all(table(&members).as_bytes())?),
        }
    }

    /// The channels, its own one first.
    async fn read(&self) -> Result<(ChannelIndex, Vec<ChannelIndex>), CommandError> {
        let reader = ChannelReader::new(client()?, IndexLimits::default());
        let platforms = [self.platform.as_str()];
        let channel = reader.read(&address(&self.source)?, &platforms).await?;
        let mut externals = Vec::new();
        for text in &self.channels {
            externals.push(reader.read(&address(text)?, &platforms).await?);
        }
        Ok((channel, externals))
    }

    fn declared(&self, spec: &str) -> Result<Declared, CommandError> {
        let metapackage = Spec::lenient(spec).map(|spec| spec.name().to_owned()).unwrap_or_default();
        let mut declared = match &self.members {
            None => Declared::default(),
            Some(given) if names_a_file(given) => {
                let bytes = given_file::read(Path::new(given))?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| CommandError::invalid(format!("{given} is not text in UTF-8")))?;
                Declared::from_yaml(&text, &metapackage).map_err(|error| {
                    CommandError::invalid(format!("{given} does not name members: {error}"))
                })?
            }
            Some(given) => {
                let names = given.split([',', ' ']).filter(|name| !name.is_empty());
                let names: BTreeSet<String> = names.map(str::to_lowercase).collect();
                if names.is_empty() {
                    return Err(CommandError::invalid("--members names no members"));
                }
                Declared { members: Some(names), ..Declared::default() }
            }
        };
        declared.ignore.extend(self.ignore.iter().map(|name| name.trim().to_lowercase()));
        declared.nested.extend(self.nested.iter().map(|name| name.trim().to_lowercase()));
        Ok(declared)
    }
}

/// Whether `--members` is a file: names of packages end otherwise, and have no folder.
fn names_a_file(given: &str) -> bool {
    given.contains('/') || given.ends_with(".yml") || given.ends_with(".yaml") || Path::new(given).is_file()
}

fn address(text: &str) -> Result<ChannelAddress, CommandError> {
    ChannelAddress::try_from(text).map_err(given_file::refused)
}

fn client() -> Result<reqwest::Client, Failure> {
    tls::prepare();
    reqwest::Client::builder()
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .build()
        .map_err(|error| Failure::permanent(format!("cannot set up HTTP: {error}")))
}

/// The one metapackage of the channel.
fn only_candidate(channel: &ChannelIndex, platform: &str) -> Result<String, CommandError> {
    let found = candidates(channel, platform);
    let address = channel.address();
    match found.as_slice() {
        [only] => Ok(only.build.name.clone()),
        [] => {
            let message = format!("{address} has no package for {platform} that looks like a metapackage");
            Err(CommandError::failed(message).hint("name the package: tidegate destructure CHANNEL SPEC"))
        }
        several => {
            let message = format!("{address} has several packages that could be metapackages");
            let named = several.iter().take(NAMED);
            let hint = |candidate: &Candidate| {
                let build = &candidate.build;
                format!(
                    "name one, such as `{}` ({} dependencies in the channel)",
                    build.name, candidate.holds
                )
            };
            Err(named.fold(CommandError::failed(message), |error, candidate| error.hint(hint(candidate))))
        }
    }
}

/// What went wrong, and what to do about it.
fn explained(error: &DestructureError) -> CommandError {
    let message = error.to_string();
    match error {
        DestructureError::MalformedSpec(_) => CommandError::invalid(message),
        DestructureError::NothingMatches(nothing) => nothing
            .nearest
            .iter()
            .fold(CommandError::failed(message), |error, name| error.hint(format!("there is `{name}`"))),
        DestructureError::SeveralMatch { .. } => CommandError::failed(message).hint("name one of them"),
        DestructureError::Members { problems, .. } => {
            let failed = CommandError::failed(message);
            let missing = problems.iter().any(|problem| matches!(problem, MemberProblem::Missing { .. }));
            let foreign = problems.iter().any(|problem| matches!(problem, MemberProblem::Foreign { .. }));
            let lost = problems.iter().any(
                |problem| matches!(problem, MemberProblem::NoSuchBuild { there, .. } if there.is_empty()),
            );
            let failed = match missing || foreign || lost {
                true => failed.hint("leave out with --ignore what is not meant to be a member"),
                false => failed,
            };
            match lost {
                true => failed.hint("give with --channel the channels of what comes from elsewhere"),
                false => failed,
            }
        }
        DestructureError::Unsatisfiable { why, .. } => {
            let failed = CommandError::failed(message);
            match why {
                SolveError::Impossible { conflict: Some((one, other)), .. } => {
                    failed.hint(format!("`{one}` and `{other}` exclude each other"))
                }
                SolveError::TimedOut { .. } => failed.hint("give it more time with --timeout"),
                SolveError::Impossible { .. } => {
                    failed.hint("are all channels given that it is installed with? See --channel")
                }
                SolveError::Malformed { .. } => failed,
            }
        }
        _ => CommandError::failed(message),
    }
}

/// The members under each other, with the beginning of each digest.
fn table(found: &Destructured) -> String {
    let package = &found.metapackage;
    let count = match found.members.len() {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    let platform = found.platform.as_deref().unwrap_or("all platforms");
    let mut text = format!(
        "{} {} {} on {platform}: {count}\n  of {}\n\n",
        package.name, package.version, package.build, package.channel
    );
    let mut rows = vec![["member", "version", "build", "sha256", "via"].map(str::to_owned)];
    rows.extend(found.members.iter().map(|member| {
        let package = &member.package;
        let digest = package.sha256.chars().take(12).collect();
        [package.name.clone(), package.version.clone(), package.build.clone(), digest, member.via.join(" → ")]
    }));
    let widths: Vec<usize> = (0..5)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
        .collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{:<width$}", plain(cell)));
        text += &format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}
