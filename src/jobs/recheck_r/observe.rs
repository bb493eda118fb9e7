//! Which packages are checked, with which archive and in which environment, and what is known of them.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::RecheckR;
use crate::calendar::Targets;
use crate::config::{CommandFields, CommandWord, Only};
use crate::daemon::{RunContext, RunError};
use crate::decide::own_check::{OwnCheckCase, OwnCheckFacts, PastCheck, dependency_commits};
use crate::decide::status::bad_checks;
use crate::digest::sha256_hex;
use crate::domain::{CheckedSource, Fact, Recipe, System};
use crate::ecosystem::cran::layout::{ContribFolder, RepositoryPath};
use crate::engine::Network;
use crate::jobs::check_status::{SeenPackage, SeenUniverse};
use crate::jobs::recheck_r::testing::{LIBRARY, log_of};
use crate::jobs::universes::{universe_client, universe_of};

impl RecheckR {
    /// The facts of the decision.
    pub(super) async fn facts(
        &self,
        universe: &SeenUniverse,
        targets: &Targets,
        context: &RunContext,
    ) -> Result<OwnCheckFacts, RunError> {
        let mut facts = OwnCheckFacts {
            distribution: self.distribution.name.clone(),
            channel: self.settings.channel.clone(),
            nominal: context.nominal,
            r_series: targets.r.clone(),
            cran_date: targets.dependency_freeze,
            platform: self.services.engines.platform(self.settings.engine).to_owned(),
            attempts: self.settings.attempts,
            counts: self.settings.counts,
            packages: BTreeMap::new(),
        };
        for package in
            universe.iter().filter(|(_, seen)| self.wants(seen, targets)).map(|(package, _)| package)
        {
            let Some(mut case) = self.case(package, universe, targets)? else { continue };
            let environment = facts.environment(&case).map_err(anyhow::Error::from)?;
            case.fingerprint = sha256_hex(&environment);
            case.tests = self.past_checks(&case, context).await?;
            facts.packages.insert(package.clone(), case);
        }
        Ok(facts)
    }

    /// The universe's own checks decide, and not what became of them: a check that was cleared has to be
    /// kept up. What fails on another operating system alone, this engine can say nothing of.
    fn wants(&self, seen: &SeenPackage, targets: &Targets) -> bool {
        let ours = System::of_platform(self.services.engines.platform(self.settings.engine));
        let bad = bad_checks(&seen.facts, &targets.r, self.distribution.policy.evidence);
        self.settings.only == Only::All
            || bad.iter().any(|check| System::of_check(&check.config) == Some(ours))
    }

    /// One package; nothing where the universe never built it.
    fn case(
        &self,
        package: &str,
        universe: &SeenUniverse,
        targets: &Targets,
    ) -> Result<Option<OwnCheckCase>, RunError> {
        let Some(seen) = universe.get(package) else { return Ok(None) };
        let (Some(version), Some(commit)) = (&seen.facts.version, &seen.facts.commit) else {
            return Ok(None);
        };
        let path = source_path(package, version)?;
        let file = path.as_str().rsplit('/').next().unwrap_or_default().to_owned();
        let home = universe_of(&self.distribution, &self.settings.channel)?;
        let fields = CommandFields {
            source: &file,
            package,
            version,
            library: LIBRARY,
            universe: &home.url,
            cran: &targets.cran,
        };
        let filled = |words: &[CommandWord]| words.iter().map(|word| word.filled(&fields)).collect();
        let recipe = Recipe {
            prepare: filled(&self.settings.prepare),
            command: filled(&self.settings.command),
            network: self.settings.network == Network::Allowed,
        };
        let dependencies = dependency_commits(package, |name| universe.get(name).map(|seen| &seen.facts));
        let source = match &seen.source {
            None => Fact::unknown("the universe offers no source of this version"),
            Some(source) => {
                let url = universe_client(&self.services, home)?.file_url(&path)?.to_string();
                Fact::Known(CheckedSource { url, file, sha256: source.sha256.clone() })
            }
        };
        Ok(Some(OwnCheckCase {
            version: version.clone(),
            commit: commit.clone(),
            source,
            dependencies,
            recipe,
            fingerprint: String::new(),
            tests: Vec::new(),
        }))
    }

    /// The checks of this archive in exactly this environment that have ended, oldest first. What they said is
    /// read from the logs that were kept.
    pub(super) async fn past_checks(
        &self,
        case: &OwnCheckCase,
        context: &RunContext,
    ) -> anyhow::Result<Vec<PastCheck>> {
        let Some(source) = case.source.known() else { return Ok(Vec::new()) };
        let store = &self.services.store;
        let platform = self.services.engines.platform(self.settings.engine);
        let mut past = Vec::new();
        for test in store.recheck_tests(&source.sha256, platform, &case.fingerprint).await? {
            let (Some(verdict), Some(ended_at)) = (test.verdict, test.ended_at) else { continue };
            let log = match &test.log_digest {
                Some(digest) => {
                    store.blob(digest).await?.with_context(|| format!("the log {digest} is gone"))?
                }
                None => Vec::new(),
            };
            let this_pass = test.run == context.run_id;
            past.push(PastCheck { verdict, log: log_of(&log), ended_at, this_pass });
        }
        Ok(past)
    }
}

/// Where the source of a package lies in its universe.
pub(super) fn source_path(package: &str, version: &str) -> anyhow::Result<RepositoryPath> {
    Ok(ContribFolder::source().archive(package, version)?)
}
