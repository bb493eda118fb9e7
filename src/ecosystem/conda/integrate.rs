//! Whether packages can be installed together, and, where not, which two are at fault and how many can.
//! It asks the solver and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use super::channel::ChannelIndex;
use super::conflict::{self, Oracle as _};
use super::platform::VirtualPackages;
use super::solution::Solution;
use super::solve::{Asked, Question, SolveError, SolveTask};

/// What is to be installed together, on each of some platforms.
#[derive(Clone, Debug)]
pub struct IntegrationTask<'a> {
    /// The channels, in order of priority: the members' own first, then the external ones.
    pub channels: &'a [ChannelIndex],
    /// The platforms.
    pub platforms: &'a [&'a str],
    /// The match spec of each member, exact ones as [`super::spec::exact_spec`] writes them. The order
    /// is that of importance: where one of two has to give way, the later one does.
    pub wanted: &'a [String],
    /// Match specs that hold for a package if it comes in at all.
    pub constraints: &'a [String],
    /// What the platforms provide, by platform; [`VirtualPackages::of`] where one is absent.
    pub virtual_packages: BTreeMap<String, VirtualPackages>,
    /// The longest time for one platform.
    pub timeout: Duration,
    /// The most questions to the solver for one platform. A hundred members with one pair at fault take
    /// some twenty.
    pub questions: usize,
}

/// Whether the wanted packages integrate on one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integration {
    /// They do: what the solver chose.
    Integrates(Solution),
    /// They do not.
    Conflicts(Box<Conflict>),
}

/// Why packages do not integrate, and what does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Why the wanted at fault cannot be had together, in the solver's words.
    pub explanation: String,
    /// The smallest set of wanted specs that is impossible: two for a pair, one for a package that
    /// cannot be installed at all. Absent where it was not found in time.
    pub at_fault: Option<Vec<String>>,
    /// What does integrate. Absent where it was not found in time.
    pub largest: Option<Largest>,
}

/// A part of the wanted packages that integrates, and to which none of the others can be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Largest {
    /// The specs of that part, in their order.
    pub integrates: Vec<String>,
    /// The specs that have to give way for it, in their order.
    pub left_out: Vec<String>,
}

impl Conflict {
    /// The two that exclude each other, where two alone are at fault.
    pub fn pair(&self) -> Option<(&str, &str)> {
        match self.at_fault.as_deref() {
            Some([one, other]) => Some((one, other)),
            _ => None,
        }
    }
}

/// Asks for each platform whether the wanted packages integrate. An error is a spec or a record that
/// cannot be read, or that the joint question itself was not answered in time; then nothing is known.
pub fn integrate(task: &IntegrationTask<'_>) -> Result<BTreeMap<String, Integration>, SolveError> {
    let on = |platform: &&str| Ok(((*platform).to_owned(), on_platform(task, platform)?));
    task.platforms.iter().map(on).collect()
}

fn on_platform(task: &IntegrationTask<'_>, platform: &str) -> Result<Integration, SolveError> {
    let question = Question::new(
        &SolveTask {
            specs: task.wanted.to_vec(),
            constraints: task.constraints.to_vec(),
            virtual_packages: task.virtual_packages.get(platform).cloned(),
            timeout: task.timeout,
            ..SolveTask::new(task.channels, platform)
        },
        &[],
    )?;
    let everything: Vec<usize> = (0..task.wanted.len()).collect();
    let joint = match question.ask(&everything) {
        Ok(solution) => return Ok(Integration::Integrates(solution)),
        Err(SolveError::Impossible { explanation, .. }) => explanation,
        Err(other) => return Err(other),
    };
    let mut asked = Asked { question: &question, left: task.questions };
    let named = |indexes: &[usize]| indexes.iter().map(|index| task.wanted[*index].clone()).collect();
    let Some(at_fault) = conflict::smallest(&everything, &mut asked) else {
        let conflict = Conflict { explanation: joint, at_fault: None, largest: None };
        return Ok(Integration::Conflicts(Box::new(conflict)));
    };
    let largest = largest(&everything, &at_fault, &mut asked).map(|kept| {
        let away = everything.iter().copied().filter(|index| !kept.contains(index));
        Largest { integrates: named(&kept), left_out: named(&away.collect::<Vec<_>>()) }
    });
    Ok(Integration::Conflicts(Box::new(Conflict {
        explanation: question.explanation(&at_fault).unwrap_or(joint),
        at_fault: Some(named(&at_fault)),
        largest,
    })))
}

/// A part of `wanted` that is possible and to which nothing can be added. None where the solver no
/// longer answers.
///
/// The largest part would take up to `2ⁿ` questions. This one is found by taking away, one conflict
/// after the other, the member whose absence alone makes the rest possible, or else the one that
/// excludes most others; and by trying again in the end what was taken away.
fn largest(wanted: &[usize], at_fault: &[usize], asked: &mut Asked<'_, '_>) -> Option<Vec<usize>> {
    let mut kept = wanted.to_vec();
    let mut away = Vec::new();
    let mut fault = at_fault.to_vec();
    loop {
        let (given_up, settled) = give_way(&kept, &fault, asked)?;
        kept.retain(|index| *index != given_up);
        away.push(given_up);
        if settled || asked.possible(&kept)? {
            break;
        }
        fault = conflict::smallest(&kept, asked)?;
    }
    away.sort_unstable();
    for index in away {
        let mut more = kept.clone();
        more.push(index);
        more.sort_unstable();
        if asked.possible(&more)? {
            kept = more;
        }
    }
    Some(kept)
}

/// Which of those at fault gives way, and whether the rest is possible without it.
fn give_way(kept: &[usize], fault: &[usize], asked: &mut Asked<'_, '_>) -> Option<(usize, bool)> {
    if let [only] = fault {
        return Some((*only, false));
    }
    let without = |away: usize| kept.iter().copied().filter(move |index| *index != away);
    for candidate in fault.iter().rev() {
        if asked.possible(&without(*candidate).collect::<Vec<_>>())? {
            return Some((*candidate, true));
        }
    }
    let mut most = None;
    for candidate in fault {
        let mut excluded = 0;
        for other in without(*candidate).filter(|other| !fault.contains(other)) {
            excluded += usize::from(!asked.possible(&[*candidate, other])?);
        }
        if most.is_none_or(|(_, before)| excluded >= before) {
            most = Some((*candidate, excluded));
        }
    }
    most.map(|(candidate, _)| (candidate, false))
}
