//! The rule of own checks: which packages `R CMD check` is run on once more, what its end means, and what an
//! own check that passed clears.
//!
//! A check is known by the exact archive and environment, not by the day: what was checked there is not
//! checked again. One that passes settles it; one that fails has to be seen as often as the operator
//! says; what the machine did, and what took too long, is never blamed on the package. What ran in another
//! R than the targeted one is shown, and tried again after a day: the machine may have got the right one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::status::{OwnFindings, is_of_series};
use crate::domain::{
    Check, CheckLog, CheckedSource, Counts, EvidencePolicy, Fact, FailedStep, Issue, OwnCheck, OwnResult,
    PackageFacts, PackageName, Recipe, StatusFacts, System, TestVerdict,
};

/// How long a result in another R than the targeted one stands.
const OTHER_R: SignedDuration = SignedDuration::from_hours(24);

/// Everything the rule looks at for one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCheckFacts {
    /// The distribution.
    pub distribution: String,
    /// The channel whose packages are checked.
    pub channel: String,
    /// The nominal time of the pass.
    pub nominal: Timestamp,
    /// The targeted R as `major.minor`.
    pub r_series: String,
    /// The date at which CRAN is frozen: what is not of the universe comes from there.
    pub cran_date: Date,
    /// Where checks run, as conda names platforms.
    pub platform: String,
    /// How often a check that fails is made in one environment before it counts; at least 1.
    pub attempts: u32,
    /// How much a check that passes counts.
    pub counts: Counts,
    /// The packages that are to be checked.
    pub packages: BTreeMap<PackageName, OwnCheckCase>,
}

/// What is known of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCheckCase {
    /// The version that the universe has.
    pub version: String,
    /// Its commit.
    pub commit: String,
    /// The archive; unknown where it cannot be had.
    pub source: Fact<CheckedSource>,
    /// The commits of what it depends on, see [`dependency_commits`].
    pub dependencies: BTreeMap<PackageName, String>,
    /// What is run.
    pub recipe: Recipe,
    /// The SHA-256 of its environment, see [`OwnCheckFacts::environment`].
    pub fingerprint: String,
    /// The checks of this archive in exactly this environment that have ended, oldest first.
    pub tests: Vec<PastCheck>,
}

/// A check that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastCheck {
    /// How it came out, see [`verdict_of`].
    pub verdict: TestVerdict,
    /// What its log says.
    pub log: CheckLog,
    /// When it ended.
    pub ended_at: Timestamp,
    /// True where it was run by this very pass.
    pub this_pass: bool,
}

/// What the rule decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCheckPlan {
    /// The checks to be run now, each with the number of the try in its environment, counted from 1.
    pub tests: BTreeMap<PackageName, u32>,
    /// How the own check of every package stands.
    pub own_checks: BTreeMap<PackageName, OwnCheck>,
}

impl OwnCheckFacts {
    /// Everything that a check depends on, as JSON: where it is the same, so is the check.
    pub fn environment(&self, case: &OwnCheckCase) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&serde_json::json!({
            "sha256": case.source.known().map(|source| &source.sha256),
            "dependencies": case.dependencies,
            "r": self.r_series,
            "cran_date": self.cran_date,
            "recipe": case.recipe,
        }))
    }
}

/// True where only time, or the machine, can bring another result: the pass has to be made again.
pub fn is_open(check: &OwnCheck, r_series: &str) -> bool {
    let targeted = check.r.as_deref().is_some_and(|r| is_of_series(r, r_series));
    !(targeted && matches!(check.result, OwnResult::Passed | OwnResult::Failed))
}

/// Decides. The same facts give the same plan.
pub fn own_checks(facts: &OwnCheckFacts) -> OwnCheckPlan {
    let mut plan = OwnCheckPlan::default();
    for (package, case) in &facts.packages {
        let check = stand(facts, case);
        if check.result == OwnResult::Waiting {
            plan.tests.insert(package.clone(), check.tries + 1);
        }
        plan.own_checks.insert(package.clone(), check);
    }
    plan
}

/// How the own check of one package stands.
fn stand(facts: &OwnCheckFacts, case: &OwnCheckCase) -> OwnCheck {
    let (result, test, said) = match &case.source {
        Fact::Unknown { why } => (OwnResult::Unknown, None, why.clone()),
        Fact::Known(_) => outcome_of(facts, &case.tests),
    };
    OwnCheck {
        version: case.version.clone(),
        commit: case.commit.clone(),
        source: case.source.known().cloned(),
        dependencies: case.dependencies.clone(),
        platform: facts.platform.clone(),
        result,
        said,
        r: test.and_then(|test| test.log.r.clone()),
        at: test.map(|test| test.ended_at),
        tries: u32::try_from(case.tests.len()).unwrap_or(u32::MAX - 1),
        counts: facts.counts,
        recipe: case.recipe.clone(),
    }
}

/// A result, the test that decided, and what it said.
type Outcome<'t> = (OwnResult, Option<&'t PastCheck>, String);

/// What all tests of one environment come to. Those in another R count where there is none in the targeted one.
fn outcome_of<'t>(facts: &OwnCheckFacts, tests: &'t [PastCheck]) -> Outcome<'t> {
    let is_other =
        |test: &PastCheck| test.log.r.as_deref().is_some_and(|r| !is_of_series(r, &facts.r_series));
    let (others, targeted): (Vec<&PastCheck>, Vec<&PastCheck>) =
        tests.iter().partition(|test| is_other(test));
    if others.is_empty() || targeted.iter().any(|test| test.log.r.is_some()) {
        let stood = from_tests(facts, &targeted);
        // The machines of a cluster may differ: the next pass may meet the right one again.
        return match others.iter().rev().find(|test| test.this_pass && stood.0 == OwnResult::Waiting) {
            Some(test) => {
                (OwnResult::Unknown, Some(test), "it ran in another R than the targeted one".to_owned())
            }
            None => stood,
        };
    }
    let all: Vec<&PastCheck> = tests.iter().collect();
    let stood = from_tests(facts, &all);
    // Once in a pass is enough to see that the machine still has the other R.
    let again = tests.iter().all(|test| !test.this_pass)
        && stood
            .1
            .is_some_and(|test| is_other(test) && facts.nominal.duration_since(test.ended_at) >= OTHER_R);
    if again { waiting() } else { stood }
}

fn waiting<'t>() -> Outcome<'t> {
    (OwnResult::Waiting, None, "it is still to be checked".to_owned())
}

/// What the tests come to, whatever R they ran in.
fn from_tests<'t>(facts: &OwnCheckFacts, tests: &[&'t PastCheck]) -> Outcome<'t> {
    let last = |wanted: fn(&PastCheck) -> bool| tests.iter().rev().copied().find(|test| wanted(test));
    let status = |test: &PastCheck| test.log.status.clone().unwrap_or_default();
    if let Some(test) = last(|test| test.verdict == TestVerdict::Pass) {
        return (OwnResult::Passed, Some(test), status(test));
    }
    let attempts = facts.attempts.max(1) as usize;
    let failed = tests.iter().filter(|test| is_failure(&test.verdict)).count();
    if failed >= attempts
        && let Some(test) = last(|test| is_failure(&test.verdict))
    {
        return (OwnResult::Failed, Some(test), status(test));
    }
    let slow = tests.iter().filter(|test| matches!(test.verdict, TestVerdict::TimedOut { .. })).count();
    if failed + slow >= attempts
        && let Some(test) = last(|test| matches!(test.verdict, TestVerdict::TimedOut { .. }))
        && let TestVerdict::TimedOut { after } = test.verdict
    {
        return (OwnResult::Unknown, Some(test), format!("it did not end within {after} seconds"));
    }
    // A machine that failed is asked again in the next pass, and not before.
    let broken = tests.iter().rev().find_map(|test| match &test.verdict {
        TestVerdict::Infrastructure { why } if test.this_pass => Some((*test, why.clone())),
        _ => None,
    });
    match broken {
        Some((test, why)) => (OwnResult::Unknown, Some(test), why),
        None => waiting(),
    }
}

fn is_failure(verdict: &TestVerdict) -> bool {
    matches!(verdict, TestVerdict::Fail { .. })
}

/// What the end of `R CMD check` means, from how the program ended and what its log says. Upstream's rule
/// counts warnings and errors; notes pass. Where both do not fit together, or the check came to no
/// end of its own, nothing is known of the package.
pub fn verdict_of(ended: TestVerdict, log: &CheckLog) -> TestVerdict {
    let unknown = |why: String| TestVerdict::Infrastructure { why };
    let (clean_exit, detail) = match ended {
        TestVerdict::Pass => (true, String::new()),
        TestVerdict::Fail { detail, .. } => (false, detail),
        other => return other,
    };
    if let Some(why) = &log.unready {
        return unknown(why.clone());
    }
    let Some(status) = log.status.clone() else {
        let last = detail.lines().last().unwrap_or("its log has no line `Status:`");
        return unknown(format!("the check came to no end of its own: {last}"));
    };
    match (status.contains("ERROR"), status.contains("WARNING"), clean_exit) {
        (true, _, false) | (false, true, _) => TestVerdict::Fail { step: FailedStep::Check(status), detail },
        (false, false, true) => TestVerdict::Pass,
        (true, _, true) | (false, false, false) => {
            let how = if clean_exit { "well" } else { "with an error" };
            unknown(format!("the check ended {how} though its log says `Status: {status}`"))
        }
    }
}

/// The commits of all packages of a universe that `package` depends on, directly or not. What the universe
/// never built has an empty one.
pub fn dependency_commits<'u>(
    package: &str,
    facts_of: impl Fn(&str) -> Option<&'u PackageFacts>,
) -> BTreeMap<PackageName, String> {
    let mut commits = BTreeMap::new();
    let mut open: Vec<&PackageName> = facts_of(package).into_iter().flat_map(|f| &f.dependencies).collect();
    while let Some(name) = open.pop() {
        let Some(facts) = facts_of(name) else { continue };
        if name != package && !commits.contains_key(name) {
            commits.insert(name.clone(), facts.commit.clone().unwrap_or_default());
            open.extend(&facts.dependencies);
        }
    }
    commits
}

/// The own check of a package, where it is of what the universe has now: the same version, the same
/// commit, and the same commits of everything that it depends on there.
pub(super) fn current<'f>(facts: &'f StatusFacts, name: &str) -> Option<&'f OwnCheck> {
    let check = facts.own_checks.get(name)?;
    let package = facts.packages.get(name)?;
    let same = package.version.as_ref() == Some(&check.version)
        && package.commit.as_ref() == Some(&check.commit)
        && dependency_commits(name, |name| facts.packages.get(name)) == check.dependencies;
    same.then_some(check)
}

/// What own checks clear.
pub(super) struct Cleared<'f> {
    /// The findings without it.
    pub findings: Cow<'f, BTreeMap<PackageName, OwnFindings>>,
    /// The bad checks that are gone, by package.
    pub checks: BTreeMap<PackageName, Vec<Check>>,
}

/// Takes the bad checks that own checks clear out of the findings. Only `guarded` knows own checks:
/// `faithful` is upstream's rule. They are cleared here, after the guard, which would take bad checks that
/// vanish from several packages at once for a fault of the source.
pub(super) fn clear<'f>(
    facts: &StatusFacts,
    findings: &'f BTreeMap<PackageName, OwnFindings>,
    policy: EvidencePolicy,
) -> Cleared<'f> {
    let mut cleared = Cleared { findings: Cow::Borrowed(findings), checks: BTreeMap::new() };
    if policy == EvidencePolicy::Faithful {
        return cleared;
    }
    for name in facts.own_checks.keys() {
        let Some(check) = current(facts, name).filter(|check| clears(check, &facts.r_series)) else {
            continue;
        };
        let bad = findings.get(name).into_iter().flat_map(|found| &found.issues).find_map(bad_checks);
        let (gone, stay): (Vec<Check>, Vec<Check>) = bad.into_iter().flatten().cloned().partition(|bad| {
            // A check in the targeted R says nothing of an older one.
            let older = facts.older_r_series.as_ref().is_some_and(|older| is_of_series(&bad.r, older));
            System::of_check(&bad.config) == Some(check.system()) && !older
        });
        if gone.is_empty() {
            continue;
        }
        if let Some(found) = cleared.findings.to_mut().get_mut(name) {
            replace_checks(found, stay);
        }
        cleared.checks.insert(name.clone(), gone);
    }
    cleared
}

/// True for a check that may clear others: the operator lets it, it passed, and in the targeted R.
fn clears(check: &OwnCheck, r_series: &str) -> bool {
    check.counts == Counts::Clears
        && check.result == OwnResult::Passed
        && check.r.as_deref().is_some_and(|r| is_of_series(r, r_series))
}

fn bad_checks(issue: &Issue) -> Option<&Vec<Check>> {
    match issue {
        Issue::RCmdCheck(bad) => Some(bad),
        _ => None,
    }
}

fn replace_checks(found: &mut OwnFindings, stay: Vec<Check>) {
    found.issues.retain_mut(|issue| match issue {
        Issue::RCmdCheck(bad) => {
            bad.clone_from(&stay);
            !bad.is_empty()
        }
        _ => true,
    });
}
