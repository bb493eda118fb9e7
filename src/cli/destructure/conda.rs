//! The metapackage of a conda channel.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::super::{CommandError, given_file, state};
use super::Destructure;
use crate::domain::Destructured;
use crate::ecosystem::conda::address::ChannelAddress;
use crate::ecosystem::conda::channel::ChannelIndex;
use crate::ecosystem::conda::destructure::{
    Candidate, Declared, DestructureError, DestructureTask, MalformedDeclaration, MemberProblem, candidates,
    destructure,
};
use crate::ecosystem::conda::reader::{ChannelReader, IndexLimits};
use crate::ecosystem::conda::spec::Spec;
use crate::failure::Failure;
use crate::tls;

/// How long a server may take to accept a connection, and be silent in the middle of an answer.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(60);

/// The platform, unless another one is named.
const PLATFORM: &str = "linux-64";

/// How many candidates are named to somebody who names no metapackage.
const NAMED: usize = 8;

impl Destructure {
    /// The members of the metapackage that is named, or of the only one.
    pub(super) fn of_channel(&self) -> Result<Destructured, CommandError> {
        let (channel, externals) = state::block_on(self.read())?;
        let platform = self.platform();
        let spec = match &self.spec {
            Some(spec) => spec.clone(),
            None => only_candidate(&channel, platform)?,
        };
        let declared = self.declared(&spec)?;
        let members = destructure(&DestructureTask {
            channel: &channel,
            externals: &externals,
            platform,
            spec: &spec,
            declared,
            virtual_packages: None,
            timeout: Duration::from_secs(self.timeout),
        });
        members.map_err(|error| explained(&error))
    }

    fn platform(&self) -> &str {
        self.platform.as_deref().unwrap_or(PLATFORM)
    }

    /// The channels, its own one first.
    async fn read(&self) -> Result<(ChannelIndex, Vec<ChannelIndex>), CommandError> {
        let reader = ChannelReader::new(client()?, IndexLimits::default());
        let platforms = [self.platform()];
        let channel = reader.read(&address(&self.source)?, &platforms).await?;
        let mut externals = Vec::new();
        for text in &self.channels {
            externals.push(reader.read(&address(text)?, &platforms).await?);
        }
        Ok((channel, externals))
    }

    fn declared(&self, spec: &str) -> Result<Declared, CommandError> {
        let metapackage = Spec::lenient(spec).map(|spec| spec.name().to_owned()).unwrap_or_default();
        let mut declared = Declared::default();
        for given in &self.members {
            let refused = |error: MalformedDeclaration| {
                CommandError::invalid(format!("{given} does not name members: {error}"))
            };
            let more = members_in(given, &metapackage)?.map_err(refused)?;
            declared = declared.and(more).map_err(refused)?;
        }
        declared.ignore.extend(self.ignore.iter().map(|name| name.trim().to_lowercase()));
        declared.nested.extend(self.nested.iter().map(|name| name.trim().to_lowercase()));
        Ok(declared)
    }
}

/// What one `--members` says.
fn members_in(
    given: &str,
    metapackage: &str,
) -> Result<Result<Declared, MalformedDeclaration>, CommandError> {
    if names_a_file(given) {
        let bytes = given_file::read(Path::new(given))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| CommandError::invalid(format!("{given} is not text in UTF-8")))?;
        return Ok(Declared::from_yaml(&text, metapackage));
    }
    let names = given.split([',', ' ']).filter(|name| !name.is_empty());
    let names: BTreeSet<String> = names.map(str::to_lowercase).collect();
    match names.is_empty() {
        true => Err(CommandError::invalid("--members names no members")),
        false => Ok(Ok(Declared { members: Some(names), ..Declared::default() })),
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
        DestructureError::TimedOut { .. } => {
            CommandError::failed(message).hint("give it more time with --timeout")
        }
        _ => CommandError::failed(message),
    }
}
