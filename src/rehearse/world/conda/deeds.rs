//! `timeline.toml`, judged: everything happens inside the world's time, with builds, channels and packages
//! that the other files know.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use toml::Spanned;

use super::super::problem::{Mistake, nearest};
use super::super::scalars::{Line, Moment};
use super::super::settings::spanned;
use super::written::{ChannelChange, NoticeText, RunTable, TimelineFile};
use super::{Deed, DeedKind, ExternalChannel, NoticeApi, WorkflowBuild};
use crate::config::CondaDistribution;
use crate::ecosystem::conda::made::MadePackage;

/// More deeds than this are no small world.
const MOST_DEEDS: usize = 20_000;

/// What deeds are held against.
pub(super) struct Frame<'w> {
    /// The text of the file.
    pub text: &'w str,
    /// When the world begins and ends.
    pub time: (Timestamp, Timestamp),
    pub channels: &'w [ExternalChannel],
    pub builds: &'w BTreeMap<String, MadePackage>,
    pub distribution: &'w CondaDistribution,
}

/// A deed with its place in the file: those of one moment happen in the order in which they are written.
type Placed = (usize, Deed);

impl Frame<'_> {
    /// The deeds in their order.
    pub(super) fn deeds(&self, file: &TimelineFile) -> Result<Vec<Deed>, Mistake> {
        let mut placed: Vec<Placed> = Vec::new();
        for change in &file.appear {
            let (channel, builds) = self.change(change)?;
            placed.push(self.deed(&change.at, DeedKind::Appear { channel, builds })?);
        }
        for change in &file.withdraw {
            let (channel, builds) = self.change(change)?;
            placed.push(self.deed(&change.at, DeedKind::Withdraw { channel, builds })?);
        }
        let mut runs = BTreeSet::new();
        for run in &file.run {
            if !runs.insert(*run.run.get_ref()) || *run.run.get_ref() == 0 {
                let message =
                    format!("{} is no number of a new run; expected each once, from 1", run.run.get_ref());
                return Err(spanned(self.text, &run.run, message));
            }
            placed.push(self.deed(&run.at, DeedKind::Build(self.workflow_build(run)?))?);
        }
        for dropped in &file.drop {
            let builds = self.builds(&dropped.builds)?;
            placed.push(self.deed(&dropped.at, DeedKind::Drop { builds })?);
        }
        if placed.len() > MOST_DEEDS {
            let message = format!("{} things happen; expected at most {MOST_DEEDS}", placed.len());
            return Err(Mistake::whole_file(message));
        }
        placed.sort_by_key(|(place, deed)| (deed.at, *place));
        self.listings_fit(&placed)?;
        let deeds: Vec<Deed> = placed.into_iter().map(|(_, deed)| deed).collect();
        self.all_are_used(&deeds)?;
        Ok(deeds)
    }

    fn deed(&self, at: &Spanned<Moment>, what: DeedKind) -> Result<Placed, Mistake> {
        let moment = self.inside(at)?;
        Ok((at.span().start, Deed { at: moment, what }))
    }

    fn inside(&self, at: &Spanned<Moment>) -> Result<Timestamp, Mistake> {
        let ((start, end), moment) = (self.time, at.get_ref().0);
        match (start..=end).contains(&moment) {
            true => Ok(moment),
            false => {
                let message = format!("{moment} is outside of the world's time, {start} to {end}");
                Err(spanned(self.text, at, message))
            }
        }
    }

    fn change(&self, change: &ChannelChange) -> Result<(String, Vec<String>), Mistake> {
        let name = &change.channel.get_ref().0;
        if !self.channels.iter().any(|channel| channel.name == *name) {
            let known = self.channels.iter().map(|channel| channel.name.as_str());
            let message = format!("`{name}` is none of the channels of world.toml");
            return Err(spanned(self.text, &change.channel, message).meant(nearest(name, known)));
        }
        Ok((name.clone(), self.builds(&change.builds)?))
    }

    fn builds(&self, written: &[Spanned<Line>]) -> Result<Vec<String>, Mistake> {
        let known = |line: &Spanned<Line>| {
            let name = &line.get_ref().0;
            if self.builds.contains_key(name) {
                return Ok(name.clone());
            }
            let meant = nearest(name, self.builds.keys().map(String::as_str));
            let message = format!("`{name}` is none of the builds of builds.toml");
            Err(spanned(self.text, line, message).meant(meant))
        };
        written.iter().map(known).collect()
    }

    fn workflow_build(&self, run: &RunTable) -> Result<WorkflowBuild, Mistake> {
        let package = &run.package.get_ref().0;
        let Some(listed) = self.distribution.packages.get(package) else {
            let known = self.distribution.packages.keys().map(String::as_str);
            let message = format!("the distribution has no [[package]] of the name `{package}`");
            return Err(spanned(self.text, &run.package, message).meant(nearest(package, known)));
        };
        let artifact = &run.artifact.get_ref().0;
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if artifact.is_empty() || artifact.starts_with('.') || !artifact.bytes().all(word) {
            let message =
                format!("`{artifact}` is no name of an artifact; expected letters, digits, `.`, `_` and `-`");
            return Err(spanned(self.text, &run.artifact, message));
        }
        let builds = self.builds(run.builds.get_ref())?;
        let Some(first) = builds.first().and_then(|name| self.builds.get(name)) else {
            let message = "the run has made nothing; expected at least one build".to_owned();
            return Err(spanned(self.text, &run.builds, message));
        };
        let uploaded = match &run.uploaded {
            Some(at) if at.get_ref().0 < run.at.get_ref().0 => {
                let message = "the artifact is there before its run; expected a later time".to_owned();
                return Err(spanned(self.text, at, message));
            }
            Some(at) => self.inside(at)?,
            None => run.at.get_ref().0,
        };
        Ok(WorkflowBuild {
            run: *run.run.get_ref(),
            repository: listed.repository.clone(),
            package: package.clone(),
            version: first.name.version.clone(),
            artifact: artifact.clone(),
            builds,
            notice: match run.notice {
                NoticeText::V1 => NoticeApi::V1,
                NoticeText::V2 => NoticeApi::V2,
            },
            uploaded,
        })
    }

    /// A build appears where it is not listed, and is withdrawn where it is.
    fn listings_fit(&self, placed: &[Placed]) -> Result<(), Mistake> {
        let mut listed: BTreeSet<(&str, &str)> = BTreeSet::new();
        for (place, deed) in placed {
            let at = || super::super::problem::place_of(self.text, *place);
            let wrong = |message: String| Err(Mistake::at(at().0, at().1, message));
            match &deed.what {
                DeedKind::Appear { channel, builds } => {
                    if let Some(twice) = builds.iter().find(|build| !listed.insert((channel, build))) {
                        return wrong(format!("`{twice}` is in `{channel}` already at {}", deed.at));
                    }
                }
                DeedKind::Withdraw { channel, builds } => {
                    if let Some(none) = builds.iter().find(|build| !listed.remove(&(channel, build))) {
                        return wrong(format!("`{none}` is not in `{channel}` at {}", deed.at));
                    }
                }
                DeedKind::Build(_) | DeedKind::Drop { .. } => {}
            }
        }
        Ok(())
    }

    /// A build that nothing brings is a misspelt one most of the time.
    fn all_are_used(&self, deeds: &[Deed]) -> Result<(), Mistake> {
        let used: BTreeSet<&String> = deeds.iter().flat_map(Deed::builds).collect();
        match self.builds.keys().find(|name| !used.contains(name)) {
            Some(unused) => Err(Mistake::whole_file(format!("nothing brings the build `{unused}`"))
                .hint(Some("let it appear in a channel, come with a run or be dropped".to_owned()))),
            None => Ok(()),
        }
    }
}

impl Deed {
    /// The builds that it is about.
    pub fn builds(&self) -> &[String] {
        match &self.what {
            DeedKind::Appear { builds, .. }
            | DeedKind::Withdraw { builds, .. }
            | DeedKind::Build(WorkflowBuild { builds, .. })
            | DeedKind::Drop { builds } => builds,
        }
    }
}
