//! From what is wanted to exact builds, with resolvo: the same input gives the same answer, and where
//! there is none, why, and between which two.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::channel::ChannelIndex;
use super::conflict::{self, Oracle};
use super::offer::{NoAnswer, Offer};
use super::platform::VirtualPackages;
use super::reader::known_platform;
use super::solution::Solution;
use super::spec::Spec;

/// The most questions that the search for what is at fault may cost.
const QUESTIONS: usize = 64;

/// What is wanted of which channels.
#[derive(Clone, Debug)]
pub struct SolveTask<'a> {
    /// The channels. A package is taken from the first of them that has it at all, in whatever version.
    pub channels: &'a [ChannelIndex],
    /// The platform, such as `linux-64`.
    pub platform: &'a str,
    /// The match specs of what is to be installed, as indexes write them (`python 3.8` is exact).
    pub specs: Vec<String>,
    /// Match specs that hold for a package if it comes in at all.
    pub constraints: Vec<String>,
    /// Only builds that appeared until then, by the time when they were indexed or else built. A build
    /// that has neither is left out.
    pub exclude_newer: Option<Timestamp>,
    /// What the platform provides; [`VirtualPackages::of`] the platform where absent.
    pub virtual_packages: Option<VirtualPackages>,
    /// The longest time for the whole answer.
    pub timeout: Duration,
}

/// Why there is no solution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SolveError {
    /// Nothing satisfies it.
    #[error("{explanation}")]
    Impossible {
        /// Why, in the solver's words; 40 lines and 8 KiB at most.
        explanation: String,
        /// The two specs that exclude each other, where two alone do and they were found in time.
        conflict: Option<(String, String)>,
    },
    /// A spec, a platform or a record cannot be read.
    #[error("{message}")]
    Malformed {
        /// Which, and what is wrong with it.
        message: String,
    },
    /// No answer was found in time.
    #[error("the solver found no answer in {} s", after.as_secs_f64())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
}

impl SolveError {
    /// Why, in one clause where two specs alone exclude each other.
    pub fn in_short(&self) -> String {
        match self {
            Self::Impossible { conflict: Some((one, other)), .. } => {
                format!("`{one}` and `{other}` exclude each other")
            }
            other => other.to_string(),
        }
    }
}

impl<'a> SolveTask<'a> {
    /// Nothing yet, of these channels for this platform; a minute at most.
    pub fn new(channels: &'a [ChannelIndex], platform: &'a str) -> Self {
        Self {
            channels,
            platform,
            specs: Vec::new(),
            constraints: Vec::new(),
            exclude_newer: None,
            virtual_packages: None,
            timeout: Duration::from_secs(60),
        }
    }

    /// The task with these specs.
    pub fn wanting<T: Into<String>>(self, specs: impl IntoIterator<Item = T>) -> Self {
        Self { specs: specs.into_iter().map(Into::into).collect(), ..self }
    }
}

/// Chooses the newest builds that satisfy the task. The answer depends on the task alone: not on the
/// order of records in an index, and not on this machine.
pub fn solve(task: &SolveTask<'_>) -> Result<Solution, SolveError> {
    let question = Question::new(task, &[])?;
    let everything: Vec<usize> = (0..question.specs.len()).collect();
    let explanation = match question.ask(&everything) {
        Ok(solution) => return Ok(solution),
        Err(SolveError::Impossible { explanation, .. }) => explanation,
        Err(other) => return Err(other),
    };
    let mut asked = Asked { question: &question, left: QUESTIONS };
    let Some(fault) = conflict::smallest(&everything, &mut asked) else {
        return Err(SolveError::Impossible { explanation, conflict: None });
    };
    if let [only] = fault.as_slice()
        && let Some(inner) = question.within(task, *only)
    {
        return Err(inner);
    }
    Err(question.impossible(&fault, explanation))
}

/// The same answer as [`solve`], or nothing where nothing satisfies the task: without the search for
/// what is at fault, which costs many times more.
pub fn solution(task: &SolveTask<'_>) -> Result<Option<Solution>, SolveError> {
    let question = Question::new(task, &[])?;
    let everything: Vec<usize> = (0..question.specs.len()).collect();
    match question.ask(&everything) {
        Ok(solution) => Ok(Some(solution)),
        Err(SolveError::Impossible { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// A task whose specs were read, to ask about any part of them.
pub(super) struct Question<'a> {
    offer: Offer<'a>,
    platform: &'a str,
    specs: Vec<Spec>,
    timeout: Duration,
    until: Instant,
}

impl<'a> Question<'a> {
    /// The task, with `more` specs after its own, which it may ask about as well.
    pub(super) fn new(task: &SolveTask<'a>, more: &[Spec]) -> Result<Self, SolveError> {
        let malformed = |error: &dyn std::fmt::Display| SolveError::Malformed { message: error.to_string() };
        known_platform(task.platform).map_err(|error| malformed(&error))?;
        let read = |texts: &[String]| -> Result<Vec<Spec>, SolveError> {
            texts.iter().map(|text| Spec::lenient(text).map_err(|error| malformed(&error))).collect()
        };
        let mut specs = read(&task.specs)?;
        specs.extend_from_slice(more);
        let platform = task.virtual_packages.clone().unwrap_or_else(|| VirtualPackages::of(task.platform));
        let offer = Offer::new(task.channels, task.platform, &specs)
            .on(platform.generic().map_err(|error| malformed(&error))?)
            .constrained(&read(&task.constraints)?);
        let offer = match task.exclude_newer {
            Some(moment) => offer.until(moment),
            None => offer,
        };
        let until = Instant::now() + task.timeout;
        Ok(Self { offer, platform: task.platform, specs, timeout: task.timeout, until })
    }

    /// The solution of the specs with these indexes.
    pub(super) fn ask(&self, wanted: &[usize]) -> Result<Solution, SolveError> {
        let (specs, left) = (self.chosen(wanted), self.time_left()?);
        let records = self.offer.solve(&specs, left).map_err(|none| self.error(none))?;
        Ok(Solution::new(self.platform, records))
    }

    /// Whether the specs with these indexes have a solution.
    fn possible(&self, wanted: &[usize]) -> Result<bool, SolveError> {
        let (specs, left) = (self.chosen(wanted), self.time_left()?);
        self.offer.possible(&specs, left).map_err(|none| self.error(none))
    }

    fn chosen(&self, wanted: &[usize]) -> Vec<&Spec> {
        wanted.iter().map(|index| &self.specs[*index]).collect()
    }

    fn time_left(&self) -> Result<Duration, SolveError> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.error(NoAnswer::TimedOut)) } else { Ok(left) }
    }

    fn error(&self, none: NoAnswer) -> SolveError {
        match none {
            NoAnswer::Impossible(explanation) => SolveError::Impossible { explanation, conflict: None },
            NoAnswer::Malformed(message) => SolveError::Malformed { message },
            NoAnswer::TimedOut => SolveError::TimedOut { after: self.timeout },
        }
    }

    /// Why these cannot be had together.
    pub(super) fn explanation(&self, wanted: &[usize]) -> Option<String> {
        match self.ask(wanted) {
            Err(SolveError::Impossible { explanation, .. }) => Some(explanation),
            Ok(_) | Err(_) => None,
        }
    }

    /// The error for those at fault: their explanation says the same as the whole, `explanation`, in
    /// fewer words.
    fn impossible(&self, fault: &[usize], explanation: String) -> SolveError {
        let text = |index: usize| self.specs[index].to_string();
        let conflict = match fault {
            [one, other] => Some((text(*one), text(*other))),
            _ => None,
        };
        SolveError::Impossible { explanation: self.explanation(fault).unwrap_or(explanation), conflict }
    }

    /// What is at fault among the dependencies of the one package at fault: for a metapackage, the spec
    /// that names it says nothing. None where its dependencies are not what is wrong.
    fn within(&self, task: &SolveTask<'a>, only: usize) -> Option<SolveError> {
        let spec = &self.specs[only];
        let channel =
            task.channels.iter().find(|channel| channel.names(task.platform).contains(spec.name()))?;
        let record = channel.newest_record(spec, task.platform)?;
        let depends = record.package_record.depends.iter();
        let read = depends.filter_map(|line| Spec::of_record(line).ok());
        let depends: Vec<Spec> = read.filter(|spec| !spec.has_condition()).collect();
        let inner = SolveTask {
            specs: Vec::new(),
            timeout: self.until.saturating_duration_since(Instant::now()),
            ..task.clone()
        };
        let question = Question::new(&inner, &depends).ok()?;
        let everything: Vec<usize> = (0..depends.len()).collect();
        let explanation = question.explanation(&everything)?;
        let mut asked = Asked { question: &question, left: QUESTIONS };
        let fault = conflict::smallest(&everything, &mut asked)?;
        Some(question.impossible(&fault, explanation))
    }
}

/// Questions about parts of a task, as many as are left.
pub(super) struct Asked<'a, 'q> {
    pub(super) question: &'q Question<'a>,
    /// How many may still be asked.
    pub(super) left: usize,
}

impl Oracle for Asked<'_, '_> {
    fn possible(&mut self, wishes: &[usize]) -> Option<bool> {
        self.left = self.left.checked_sub(1)?;
        self.question.possible(wishes).ok()
    }
}
