//! Suites of Galaxy and of the registry, taken apart by `tidegate destructure`.

mod pins;
mod registry;
mod suites;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tidegate::cli::{Streams, run_with};
use tidegate::clock::ManualClock;
use tidegate::config::Colour;
use tidegate::domain::Destructured;

/// Real files.
fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/galaxy")
}

/// What the command printed and how it ended, with the folder as `PLACE` and the real files as `DATA`.
fn run(place: &Path, arguments: &[&str]) -> (u8, String, String) {
    let words = [("PLACE", place.to_path_buf()), ("DATA", data())];
    let line = std::iter::once("tidegate").chain(arguments.iter().copied());
    let line = line.map(|word| {
        let put = |word: String, (name, path): &(&str, PathBuf)| word.replace(name, path.to_str().unwrap());
        OsString::from(words.iter().fold(word.to_owned(), put))
    });
    let clock = ManualClock::new("2026-08-20T12:00:00Z".parse().unwrap());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = Streams { out: &mut out, err: &mut err, colour: Colour::Never };
    let code = run_with(line, clock, streams);
    let text = |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        words.iter().fold(text, |text, (name, path)| text.replace(path.to_str().unwrap(), name))
    };
    (code, text(out), text(err))
}

/// What a command that succeeds prints.
fn shown(place: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = run(place, arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    out
}

fn found(place: &Path, arguments: &[&str]) -> Destructured {
    serde_json::from_str(&shown(place, &[arguments, &["--json"]].concat())).unwrap()
}

/// How each of these commands fails.
fn refusals(place: &Path, commands: &[&[&str]]) -> String {
    let told = commands.iter().map(|arguments| {
        let (code, out, err) = run(place, arguments);
        assert_eq!(out, "");
        format!("$ {}\n{err}exit code {code}\n", arguments.join(" "))
    });
    told.collect::<Vec<_>>().join("\n")
}

fn write(place: &Path, path: &str, text: &str) {
    let path = place.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
