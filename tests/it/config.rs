//! What operators write: every mistake has a message that says where it is and what to do, and the files
//! that are shipped are sound.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tidegate::config::{Colour, Configuration, Diagnostic, JobKind, schema, schema_names, shipped};
use tidegate::jobs::snapshot::Manifest;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config")
}

/// Copies a folder with everything in it over another one.
fn lay_over(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            lay_over(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A sound configuration of its own for one test, which may then break it.
fn base() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    lay_over(&data().join("base"), folder.path());
    folder
}

fn mistakes_in(folder: &Path) -> Vec<Diagnostic> {
    Configuration::load(&folder.join("config")).expect_err("the configuration has mistakes")
}

/// The messages as `tidegate check` draws them, without the test's own folder.
fn drawn(folder: &Path, mistakes: &[Diagnostic]) -> String {
    let prefix = format!("{}/", folder.display());
    let drawn: Vec<String> = mistakes.iter().map(|mistake| mistake.render(100, Colour::Never)).collect();
    drawn.join("\n\n").replace(&prefix, "")
}

#[test]
fn every_mistake_has_a_message() {
    let mut cases: Vec<PathBuf> =
        fs::read_dir(data().join("bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 18, "{} cases", cases.len());
    for case in cases {
        let folder = base();
        lay_over(&case, folder.path());
        let message = drawn(folder.path(), &mistakes_in(folder.path()));
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&case);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("message", message));
    }
}

#[test]
fn the_base_of_the_cases_is_sound() {
    let folder = base();
    let configuration = Configuration::load(&folder.path().join("config")).unwrap();
    assert_eq!(configuration.jobs.keys().collect::<Vec<_>>(), ["stage"]);
}

#[test]
fn an_empty_set_of_jobs_is_fine() {
    let folder = base();
    fs::remove_file(folder.path().join("jobs/stage.toml")).unwrap();
    assert!(Configuration::load(&folder.path().join("config")).unwrap().jobs.is_empty());
}

#[test]
fn a_missing_file_of_settings_is_said() {
    let folder = base();
    fs::remove_file(folder.path().join("config/tidegate.toml")).unwrap();
    insta::assert_snapshot!(drawn(folder.path(), &mistakes_in(folder.path())));
}

#[test]
fn a_file_that_is_not_text_is_said_with_its_place() {
    let folder = base();
    fs::write(folder.path().join("jobs/stage.toml"), b"kind = \"promote\"\ndescription = \"caf\xe9\"\n")
        .unwrap();
    insta::assert_snapshot!(drawn(folder.path(), &mistakes_in(folder.path())));
}

#[test]
fn a_folder_in_the_place_of_a_file_is_said() {
    let folder = base();
    fs::create_dir(folder.path().join("jobs/odd.toml")).unwrap();
    insta::assert_snapshot!(drawn(folder.path(), &mistakes_in(folder.path())));
}

#[test]
fn a_file_without_end_is_refused() {
    let folder = base();
    fs::write(folder.path().join("jobs/long.toml"), "#".repeat(2_000_000)).unwrap();
    insta::assert_snapshot!(drawn(folder.path(), &mistakes_in(folder.path())));
}

#[test]
fn what_is_not_toml_by_name_is_left_alone() {
    let folder = base();
    fs::write(folder.path().join("jobs/NOTES.md"), "kind = 17").unwrap();
    fs::write(folder.path().join("jobs/.stage.toml.swp"), [0xff, 0xfe]).unwrap();
    assert!(Configuration::load(&folder.path().join("config")).is_ok());
}

#[test]
fn a_program_is_told_line_and_column() {
    let folder = base();
    lay_over(&data().join("bad/unknown-channel"), folder.path());
    let mut mistake = serde_json::to_value(&mistakes_in(folder.path())[0]).unwrap();
    mistake["file"] = "(the job's file)".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&mistake).unwrap());
}

#[test]
fn a_token_in_a_file_is_never_shown() {
    for case in [
        "token-in-clear-text",
        "token-in-a-comment",
        "other-secret-in-clear-text",
        "secret-under-a-wrong-key",
        "secret-in-a-broken-line",
        "private-key-in-clear-text",
        "private-key-in-a-broken-line",
    ] {
        let folder = base();
        lay_over(&data().join("bad").join(case), folder.path());
        let mistakes = mistakes_in(folder.path());
        let shown = drawn(folder.path(), &mistakes) + &serde_json::to_string(&mistakes).unwrap();
        assert!(!shown.contains("0123456789") && !shown.contains("hunter2"), "{case}: {shown}");
        assert!(!format!("{mistakes:?}").contains("hunter2"), "{case}");
    }
}

#[test]
fn the_shipped_files_are_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let loaded = Configuration::load(&folder).unwrap();
    let shipped = shipped();
    // The files in the program are those in the repository.
    assert_eq!(shipped.jobs.keys().collect::<Vec<_>>(), loaded.jobs.keys().collect::<Vec<_>>());
    let kinds: Vec<&str> = loaded.jobs.values().map(|job| job.kind.name()).collect();
    assert_eq!(
        kinds,
        [
            "intake",
            "integrate",
            "recheck",
            "check-status",
            "forecast",
            "publish",
            "recheck",
            "poll-releases",
            "report",
            "snapshot",
            "promote",
            "check-status",
            "write-status"
        ]
    );
    let JobKind::Promote(promote) = &shipped.jobs["r-multiverse-staging"].kind else {
        panic!("the staging job promotes");
    };
    assert_eq!((promote.from.as_str(), promote.to.as_str()), ("community", "staging"));
}

#[test]
fn a_schedules_digest_changes_with_the_schedule_only() {
    let digest = |edit: &dyn Fn(&mut String), file: &str| {
        let mut texts = tidegate::config::shipped_texts();
        let (_, text) = texts.iter_mut().find(|(path, _)| path.ends_with(file)).unwrap();
        edit(text);
        let configuration = Configuration::from_texts(texts).unwrap();
        let digest = |name: &str| configuration.jobs[name].schedule_digest();
        (digest("r-multiverse-staging"), digest("r-multiverse-snapshot"))
    };
    let (staging, snapshot) = digest(&|_| {}, "tidegate.toml");
    let described = |text: &mut String| *text = text.replace("Move releases", "Carry releases");
    assert_eq!(digest(&described, "r-multiverse-staging.toml").0, staging);
    let later = |text: &mut String| *text = text.replace("17 * * * *", "18 * * * *");
    assert_ne!(digest(&later, "r-multiverse-staging.toml").0, staging);
    let moved = |text: &mut String| {
        *text = text.replace("on = { month = 2, day = 15 }", "on = { month = 2, day = 16 }")
    };
    let (staging_then, snapshot_then) = digest(&moved, "distributions/r-multiverse.toml");
    assert_eq!(staging_then, staging);
    assert_ne!(snapshot_then, snapshot);
}

#[test]
fn the_published_schemas_are_those_of_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let written = schema_names().map(|name| (name, schema(name).unwrap()));
    for (name, schema) in written.chain([("manifest", Manifest::schema())]) {
        let path = folder.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("TIDEGATE_UPDATE").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let published = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            published,
            text,
            "{} is out of date: run this test with TIDEGATE_UPDATE=1",
            path.display()
        );
    }
}

#[test]
fn the_shipped_files_satisfy_the_published_schemas() {
    for (path, text) in tidegate::config::shipped_texts() {
        let table: toml::Table = text.parse().unwrap();
        let folder = path.parent().unwrap();
        let name = if path.ends_with("tidegate.toml") {
            "tidegate"
        } else if folder.ends_with("distributions") {
            match table["ecosystem"].as_str() {
                Some("conda") => "conda-distribution",
                _ => "distribution",
            }
        } else {
            match (table["kind"].as_str().unwrap(), table["distribution"].as_str().unwrap()) {
                ("recheck", "r-multiverse") => "r-recheck",
                (kind, _) => kind,
            }
        };
        let validator = jsonschema::validator_for(&schema(name).unwrap()).unwrap();
        let instance = serde_json::to_value(&table).unwrap();
        let errors: Vec<String> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
}

/// The shipped files, one of which has a piece replaced: what an unlucky edit leaves behind.
fn a_broken_edit() -> impl Strategy<Value = Vec<(PathBuf, String)>> {
    let piece = prop_oneof![
        Just(String::new()),
        "[\\[\\]{}=\"',.\n #a-z0-9-]{0,12}",
        any::<i64>().prop_map(|number| number.to_string()),
        "\\PC{0,6}",
    ];
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..20_usize, piece).prop_map(
        |(file, place, length, piece)| {
            let mut texts = tidegate::config::shipped_texts();
            let text = &mut file.get_mut(&mut texts).1;
            let start = place.index(text.len());
            let end = (start + length).min(text.len());
            // The shipped files are ASCII, so that every place is a boundary between characters.
            text.replace_range(start..end, &piece);
            texts
        },
    )
}

/// The configuration that the README walks through: its two TOML blocks, and a job for each row of its table.
fn walk_through(readme: &str) -> Vec<(PathBuf, String)> {
    let blocks: Vec<&str> =
        readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [settings, distribution] = blocks.as_slice() else { panic!("{} blocks of TOML", blocks.len()) };
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).collect::<Vec<_>>().join("\n");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `jobs/"));
    let jobs = rows.map(|row| {
        let (name, cells) = row.split_once("` |").unwrap();
        let (when, table) = cells.split_once(" | ").unwrap();
        let table = quoted(table).replace("] ", "]\n");
        let text = format!("distribution = \"example\"\n{}\n{table}\n", quoted(when));
        (Path::new("jobs").join(name), text)
    });
    let files = [("config/tidegate.toml", settings), ("config/distributions/example.toml", distribution)];
    files.map(|(path, text)| (path.into(), (*text).to_owned())).into_iter().chain(jobs).collect()
}

#[test]
fn the_configuration_in_the_readme_is_sound() {
    let texts = walk_through(include_str!("../../README.md"));
    let configuration = Configuration::from_texts(texts).unwrap_or_else(|mistakes| {
        panic!("{}", mistakes.iter().map(|mistake| mistake.render(100, Colour::Never)).collect::<String>())
    });
    let jobs: Vec<&str> = configuration.jobs.keys().map(String::as_str).collect();
    assert_eq!(jobs, ["community-status", "releases", "snapshot", "staging", "staging-status"]);
}

#[test]
fn the_engine_of_github_actions_in_the_operations_document_is_sound_and_its_workflow_is_shipped() {
    let document = include_str!("../../docs/operations.md");
    let (_, block) = document.split_once("[engine.github-actions]\nrepository").unwrap();
    let block = block.split("```").next().unwrap().replace("/srv/tidegate", "../published");
    let text = format!("[engine.github-actions]\nrepository{block}");
    let configuration = Configuration::from_texts(vec![("/etc/tidegate/config/tidegate.toml".into(), text)]);
    let actions = configuration.unwrap().settings.engine.github_actions.unwrap();
    assert_eq!(actions.served[0].folder, Path::new("/etc/tidegate/published"), "seen from the file's folder");
    let workflow =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/github-actions").join(actions.workflow);
    assert!(workflow.is_file(), "{}", workflow.display());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is written, either every file takes part or somebody is told why not; and the telling
    /// itself never fails.
    #[test]
    fn no_edit_is_ignored(texts in a_broken_edit()) {
        match Configuration::from_texts(texts) {
            Ok(configuration) => {
                prop_assert_eq!(configuration.jobs.len(), 13);
                prop_assert_eq!(configuration.distributions.len() + configuration.conda.len(), 2);
            }
            Err(mistakes) => {
                prop_assert!(!mistakes.is_empty());
                for mistake in mistakes {
                    prop_assert!(!mistake.message.is_empty());
                    prop_assert!(!mistake.render(100, Colour::Always).is_empty());
                    prop_assert!(mistake.position().is_some());
                }
            }
        }
    }
}
