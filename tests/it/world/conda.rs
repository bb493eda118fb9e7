//! Worlds of conda packages: the bundled one, copies of it, and every kind of mistake in one.

use std::fs;
use std::path::Path;

use tidegate::rehearse::world::{ChosenWorld, CondaWorld, DeedKind};

/// The bundled world as a folder.
const BUNDLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/worlds/qiime2-tiny");

/// A copy of the bundled world in a folder of its own.
struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        copy_into(Path::new(BUNDLED), copy.0.path());
        copy
    }

    /// With another text in a file, which has to be there once at least.
    fn replacing(self, file: &str, old: &str, new: &str) -> Self {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{file} does not have {old}");
        fs::write(path, text.replacen(old, new, 1)).unwrap();
        self
    }

    fn adding(self, file: &str, more: &str) -> Self {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, text + more).unwrap();
        self
    }

    fn without(self, file: &str) -> Self {
        fs::remove_file(self.0.path().join(file)).unwrap();
        self
    }

    fn open(&self) -> Result<ChosenWorld, String> {
        let folder = self.0.path();
        let shown = |problem: &dyn std::fmt::Display| {
            problem.to_string().replace(&folder.display().to_string(), "mine")
        };
        ChosenWorld::open(folder).map_err(|problem| shown(&problem))
    }
}

fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        match path.is_dir() {
            true => copy_into(&path, &to.join(name)),
            false => drop(fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}

fn conda(world: ChosenWorld) -> CondaWorld {
    match world {
        ChosenWorld::Conda(world) => *world,
        ChosenWorld::R(world) => panic!("{} is a world of R packages", world.name),
    }
}

#[test]
fn a_world_is_chosen_by_name_or_by_folder() {
    let bundled = conda(ChosenWorld::open(Path::new("qiime2")).unwrap());
    let copied = conda(Copy::new().open().unwrap());
    assert_eq!(bundled.digest(), copied.digest(), "the binary carries what lies in the folder");
    assert!(bundled.deeds.iter().any(|deed| matches!(deed.what, DeedKind::Withdraw { .. })));
    assert!(matches!(ChosenWorld::open(Path::new("r-multiverse")), Ok(ChosenWorld::R(_))));
    let other = conda(Copy::new().adding("timeline.toml", "# One more thought.\n").open().unwrap());
    assert_ne!(bundled.digest(), other.digest());
}

#[test]
fn a_build_is_as_old_as_its_first_deed_and_has_the_same_bytes_each_time() {
    let world = CondaWorld::bundled().unwrap();
    let mended = &world.builds["linux-64/q2-types-2026.4.1-py310_0.tar.bz2"];
    assert_eq!(mended.timestamp.to_string(), "2026-03-05T09:00:00Z");
    for build in world.builds.values() {
        assert_eq!(build.archive().unwrap(), build.archive().unwrap());
    }
}

fn cases() -> Vec<(&'static str, Copy)> {
    let new = Copy::new;
    let first_run = "at = \"2026-03-02T01:00:00Z\"\nrun = 101\n";
    vec![
        ("no file of builds", new().without("builds.toml")),
        ("no configuration", new().without("config/tidegate.toml")),
        ("an unknown ecosystem", new().replacing("world.toml", "\"conda\"", "\"cnda\"")),
        ("a newer format", new().replacing("world.toml", "format = 1", "format = 2")),
        ("a world that ends before it begins", new().replacing("world.toml", "2026-03-09", "2026-03-01")),
        (
            "a channel that nobody builds on",
            new().replacing("world.toml", "https://lab.example", "https://lap.example"),
        ),
        ("a channel that is a folder", new().replacing("world.toml", "https://lab.example/tools", "/srv/lab")),
        ("a channel with no place in the world", new().replacing("world.toml", "[[channel]]\nname = \"lab\"\naddress = \"https://lab.example/tools\"\n", "")),
        ("two channels of one name", new().replacing("world.toml", "\"lab\"", "\"forge\"")),
        (
            "a job that is malformed",
            new().replacing("jobs/qiime2-tiny-recheck.toml", "test_time = \"60s\"", "test_time = \"soon\""),
        ),
        (
            "a second distribution",
            new().adding(
                "config/distributions/other.toml",
                "title = \"O\"\necosystem = \"conda\"\nepoch = \"2026.4\"\nmetapackage = \"other\"\n\
                 platforms = [\"linux-64\"]\nmembers = [\"a\"]\n[[channel]]\nname = \"tested\"\npath = \"o\"\n",
            ),
        ),
        ("a misspelt key", new().replacing("builds.toml", "test_needs = ", "test_need = ")),
        ("a build without a folder", new().replacing("builds.toml", "\"noarch/framelib-1.0-0", "\"framelib-1.0-0")),
        ("a build that no archive is called", new().replacing("builds.toml", "framelib-1.0-0.conda", "framelib-1.0-0.zip")),
        ("a build twice", new().replacing("builds.toml", "framelib-2.0-0", "framelib-1.0-0")),
        ("a need that nobody can read", new().replacing("builds.toml", "\"clicker >=8\"", "\"clicker >=<8\"")),
        ("a file that leaves its environment", new().replacing("builds.toml", "share/qiime2/version", "../qiime2")),
        ("a file that describes the package", new().replacing("builds.toml", "share/qiime2/version", "info/index.json")),
        (
            "a build that nothing brings",
            new().adding("builds.toml", "\n[[build]]\nfile = \"noarch/lonely-1.0-0.conda\"\n"),
        ),
        ("an unknown build", new().replacing("timeline.toml", "framelib-2.0-0", "framlib-2.0-0")),
        ("an unknown channel", new().replacing("timeline.toml", "channel = \"lab\"", "channel = \"lap\"")),
        ("a deed before the world", new().replacing("timeline.toml", "2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z")),
        ("a time that is none", new().replacing("timeline.toml", "2026-03-03T10:00:00Z", "Tuesday")),
        ("a run of a stranger", new().replacing("timeline.toml", "package = \"q2-types\"", "package = \"q2-type\"")),
        ("a number of a run twice", new().replacing("timeline.toml", "run = 102", "run = 101")),
        ("a run without a build", new().replacing("timeline.toml", "[\"noarch/qiime2-2026.4.0-0.conda\"]", "[]")),
        (
            "an artifact before its run",
            new().replacing(
                "timeline.toml",
                first_run,
                &format!("{first_run}uploaded = \"2026-03-02T00:30:00Z\"\n"),
            ),
        ),
        ("an artifact with a strange name", new().replacing("timeline.toml", "\"linux-64\"", "\"linux/64\"")),
        ("a notice of an unknown kind", new().replacing("timeline.toml", "\"v1\"", "\"v3\"")),
        (
            "a build that appears where it is",
            new().replacing("timeline.toml", "[\"noarch/seqtool-2.1-0.conda\"]", "[\"noarch/seqtool-2.0-0.conda\"]"),
        ),
        (
            "a build that is withdrawn where it is not",
            new().replacing("timeline.toml", "[[withdraw]]\nat = \"2026-03-06T20", "[[withdraw]]\nat = \"2026-03-05T20"),
        ),
        (
            "archives that are dropped where nobody looks",
            new().replacing("jobs/qiime2-tiny-intake.toml", "drop = \"/srv/tidegate-drop\"\n", ""),
        ),
    ]
}

#[test]
fn every_mistake_in_a_world_of_conda_packages_is_shown_at_its_place() {
    let mut shown = String::new();
    for (title, copy) in cases() {
        let problem = copy.open().err().unwrap_or_else(|| panic!("accepted: {title}"));
        shown.push_str(&format!("## {title}\n{problem}\n\n"));
    }
    insta::assert_snapshot!("conda_mistakes", shown);
}
