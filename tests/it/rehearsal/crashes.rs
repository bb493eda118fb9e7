//! The rehearsal's process is killed again and again, and started again on the same folder. What it
//! leaves behind in the end is what an undisturbed rehearsal leaves behind.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tidegate::store::Verdict;

use super::dice::Dice;
use super::invented::{Invented, PACKAGES, Tempers};
use super::stage::{LeftBehind, configuration_texts};

/// Just after the first snapshot.
const TO: &str = "2026-06-15T13:00:00Z";

/// A world, a configuration and room for output, all in one folder.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new(seed: u64, tempers: Tempers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = folder.path().join("world");
        std::fs::create_dir(&world).unwrap();
        Invented::from_seed(seed, tempers).write_to(&world);
        for (path, text) in configuration_texts("*/6") {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { folder }
    }

    pub fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn world(&self) -> PathBuf {
        self.folder.path().join("world")
    }

    /// The command that rehearses this world into the folder `out`.
    pub fn rehearse(&self, out: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.arg("--config").arg(self.folder.path().join("config")).arg("--json");
        command.arg("rehearse").arg(self.world()).args(["--to", TO]).args(more).arg("--out").arg(out);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Rehearses without being disturbed.
    pub fn finish(&self, out: &Path, more: &[&str]) -> LeftBehind {
        let output = self.rehearse(out, more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        LeftBehind(out.to_owned())
    }
}

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after it began.
    After(Duration),
    /// As soon as so many more things happened on the simulated GitHub.
    OnceGitHubChanged(usize),
    /// As soon as world time moved on so many more times.
    OnceTimePassed(usize),
}

/// Waits for the moment, then kills. True where the process had ended by itself before.
fn kill(mut child: Child, moment: Moment, journal: &Path) -> bool {
    let began = Instant::now();
    let (changes_before, steps_before) = journalled(journal);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let output = child.wait_with_output().unwrap();
            assert!(status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            return true;
        }
        let due = match moment {
            Moment::After(delay) => began.elapsed() >= delay,
            Moment::OnceGitHubChanged(times) => journalled(journal).0 >= changes_before + times,
            Moment::OnceTimePassed(times) => journalled(journal).1 >= steps_before + times,
        };
        if due {
            child.kill().unwrap();
            child.wait().unwrap();
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How many things happened on the simulated GitHub, and how often world time moved on.
fn journalled(journal: &Path) -> (usize, usize) {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let steps = text.lines().filter(|line| line.starts_with("{\"clock\"")).count();
    (text.lines().count() - steps, steps)
}

fn play_with_kills(place: &Place, out: &Path, more: &[&str], seed: u64) -> (LeftBehind, usize) {
    let mut dice = Dice::new(seed);
    let journal = out.join("world.jsonl");
    let mut kills = 0;
    loop {
        let moment = match kills % 4 {
            0 => Moment::After(Duration::from_millis(dice.between(1, 50))),
            1 => Moment::OnceTimePassed(dice.between(1, 60) as usize),
            _ => Moment::OnceGitHubChanged(dice.between(1, 3) as usize),
        };
        let child = place.rehearse(out, more).spawn().unwrap();
        if kill(child, moment, &journal) {
            return (LeftBehind(out.to_owned()), kills);
        }
        kills += 1;
        assert!(kills < 400, "it never comes to an end");
    }
}

/// Everything of a verdict but the number of the run that decided it.
fn without_run(verdicts: Vec<Verdict>) -> Vec<String> {
    let told = verdicts.into_iter().map(|verdict| {
        let Verdict { distribution, scope, package, kind, body, since, until, .. } = verdict;
        format!("{distribution}/{scope} {package} {kind} {since} {until:?} {body}")
    });
    told.collect()
}

pub fn assert_same(one: &LeftBehind, other: &LeftBehind) {
    assert_same_lines(&one.pages_as_lines(), &other.pages_as_lines());
    let lines = |left: &LeftBehind| left.timeline().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_same_lines(&lines(one), &lines(other));
    let verdicts = |left: &LeftBehind| without_run(left.verdicts(PACKAGES));
    assert_same_lines(&verdicts(one), &verdicts(other));
    for key in ["snapshots", "held_snapshots", "pull_requests", "occurrences"] {
        assert_eq!(one.summary()[key], other.summary()[key], "{key}");
    }
    assert_eq!(one.published().keys().collect::<Vec<_>>(), other.published().keys().collect::<Vec<_>>());
    assert!(one.published() == other.published(), "published bytes differ");
    assert!(!one.published().is_empty(), "nothing was published");
}

/// Shows the first differing lines, not all of them.
fn assert_same_lines(one: &[String], other: &[String]) {
    let at = one.iter().zip(other).position(|(one, other)| one != other);
    let at = at.or((one.len() != other.len()).then_some(one.len().min(other.len())));
    if let Some(at) = at {
        panic!("line {at} is\n{:?}\nand\n{:?}", one.get(at), other.get(at));
    }
}

#[test]
fn a_rehearsal_that_is_killed_again_and_again_comes_to_the_same_end() {
    let place = Place::new(7, Tempers::Contrary);
    let undisturbed = place.finish(&place.out("undisturbed"), &[]);
    let (killed, kills) = play_with_kills(&place, &place.out("killed"), &[], 7);
    assert!(kills >= 12, "only {kills} kills");
    assert_same(&undisturbed, &killed);
}

#[test]
fn so_does_one_that_commits() {
    let place = Place::new(8, Tempers::Agreeable);
    let way = ["--via", "commit"];
    let undisturbed = place.finish(&place.out("undisturbed"), &way);
    let (killed, kills) = play_with_kills(&place, &place.out("killed"), &way, 8);
    assert!(kills >= 12, "only {kills} kills");
    assert_same(&undisturbed, &killed);
}
