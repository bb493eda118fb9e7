//! `destructure`: the exact members of a metapackage or suite, wherever it is described.

mod conda;
mod galaxy;
mod registry;
mod table;

use std::path::{Path, PathBuf};

use clap::Args;

use super::{CommandError, Context, Output};
use crate::ecosystem::galaxy::is_suite_source;

/// The source that stands for the suites of the state.
const REGISTRY: &str = "registry";

/// List the exact members of a metapackage or suite
#[derive(Debug, Args)]
#[command(
    after_help = "A line of a conda metapackage that fits one build of its channel is exact. Where lines such as
`q2-types 2023.7.*` fit several, the metapackage is solved for the platform, with the other channels given by
--channel, in their order. One that cannot be installed as a whole is listed with the newest builds, and a note.

A Galaxy suite is listed as its file has it: files rarely pin revisions, and what they leave open stays open. In a
folder of suites, those within the suite are taken apart as well.

Examples:
  tidegate destructure /srv/qiime2/2024.10/tiny/staged qiime2-tiny
  tidegate destructure https://packages.qiime2.org/qiime2/2024.10/tiny/released \\
    'qiime2-tiny=2024.10' -c https://channels.example.org/forge \\
    --members seed-environment-conda.yml --json
  tidegate destructure /srv/qiime2/2023.7/staged/core qiime2-core \\
    --members data.yaml --members conda_build_config.yaml
  tidegate destructure tools-iuc/suites/suite_samtools/repository_dependencies.xml
  tidegate destructure tools-iuc/suites iuc/suite_samtools --lock samtools.yml.lock
  tidegate destructure registry qiime2-tiny=2024.10"
)]
pub(super) struct Destructure {
    /// A conda channel (a folder or a URL); a Galaxy suite (repository_dependencies.xml or .shed.yml), or a
    /// folder of suites; or the word `registry` for the suites that the state has
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Which one. conda: a match spec, of which the newest build is taken. Galaxy: NAME or OWNER/NAME.
    /// registry: [NAMESPACE/]NAME[=VERSION[=BUILD]]. May be left out where there is one only
    spec: Option<String>,
    /// conda: the platform [default: linux-64]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// conda: another channel that it is installed with; to be given once for each, in order of priority
    #[arg(short = 'c', long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// conda: its members, as names parted by commas, or a file that names them: data.yaml, the catalogue of
    /// all distributions, or an environment (a seed or solved), of which only what lies in its own channel is a
    /// member. A conda_build_config.yaml says which versions they have; to be given once for each file.
    /// Otherwise they are its dependencies that lie there
    #[arg(long, value_name = "FILE|NAMES")]
    members: Vec<String>,
    /// conda: names that are no members, parted by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    ignore: Vec<String>,
    /// conda: members that are metapackages themselves, parted by commas. Others are known by what they
    /// install, where they lie in a folder, and by lines that all pin packages of the channel
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    nested: Vec<String>,
    /// conda: the longest time for solving, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Galaxy: a lock file of usegalaxy, whose revisions are listed; to be given once for each
    #[arg(long = "lock", value_name = "FILE")]
    locks: Vec<PathBuf>,
}

impl Destructure {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let is_suite = self.source != REGISTRY && is_suite_source(Path::new(&self.source));
        self.check(is_suite)?;
        let found = match self.source.as_str() {
            REGISTRY => self.of_registry(context)?,
            _ if is_suite => self.of_suite()?,
            _ => self.of_channel()?,
        };
        match context.output {
            Output::Json => context.print_json(&found),
            Output::Text => Ok(context.out.write_all(table::of(&found).as_bytes())?),
        }
    }

    /// Refuses what would be left unheeded.
    fn check(&self, is_suite: bool) -> Result<(), CommandError> {
        let of_conda = [
            ("--platform", self.platform.is_some()),
            ("--channel", !self.channels.is_empty()),
            ("--members", !self.members.is_empty()),
            ("--ignore", !self.ignore.is_empty()),
            ("--nested", !self.nested.is_empty()),
        ];
        let is_conda = !is_suite && self.source != REGISTRY;
        let odd = match of_conda.into_iter().find(|(_, given)| *given && !is_conda) {
            Some((option, _)) => Some((option, "a conda channel")),
            None => (!self.locks.is_empty() && !is_suite).then_some(("--lock", "a Galaxy suite")),
        };
        match odd {
            Some((option, meant)) => {
                let message = format!("{option} is for {meant}, and {} is none", self.source);
                Err(CommandError::invalid(message))
            }
            None => Ok(()),
        }
    }
}
