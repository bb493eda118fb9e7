//! What a crash leaves, at every step.

use super::*;

/// Every step of a switch, in order.
const STEPS: [Step; 5] = [Step::Compared, Step::Synced, Step::Renamed, Step::LinkMade, Step::Switched];

fn filled(directory: &Directory, name: &str, content: &str) -> Prepared {
    let prepared = directory.prepare(name).unwrap();
    fs::create_dir_all(prepared.path().join("src/contrib")).unwrap();
    fs::write(prepared.path().join("src/contrib/PACKAGES"), content).unwrap();
    fs::write(prepared.path().join(format!("src/contrib/{content}_1.0.tar.gz")), content).unwrap();
    prepared
}

fn crash_at(step: Step) -> impl Fn(Step) -> io::Result<()> {
    move |now| if now == step { Err(io::Error::other("the power failed")) } else { Ok(()) }
}

/// A name as it was published before there were generations.
fn plain(root: &Path, name: &str, content: &str) {
    let folder = root.join(name).join("src/contrib");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("PACKAGES"), content).unwrap();
    fs::write(folder.join(format!("{content}_1.0.tar.gz")), content).unwrap();
}

/// What a reader finds who reads the index under a name, and then each file of it.
fn read(root: &Path, name: &str) -> Option<String> {
    let folder = root.join(name).join("src/contrib");
    let index = fs::read_to_string(folder.join("PACKAGES")).ok()?;
    assert_eq!(fs::read_to_string(folder.join(format!("{index}_1.0.tar.gz"))).unwrap(), index);
    Some(index)
}

/// What a reader of the root sees: everything that is not hidden.
fn visible(root: &Path) -> Vec<String> {
    let names = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

fn is_archive(_: &str, path: &str) -> bool {
    path.ends_with(".tar.gz")
}

#[test]
fn a_crash_at_any_step_leaves_the_old_or_the_new_and_the_next_try_ends_well() {
    for step in STEPS {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::new(root.path());
        directory.commit(filled(&directory, "2026-06-15", "old")).unwrap();
        let prepared = filled(&directory, "2026-09-15", "new");
        let expected = FolderSums::of_folder(prepared.path()).unwrap();
        directory.commit_in_steps(prepared, &crash_at(step)).unwrap_err();

        let seen = read(root.path(), "2026-09-15");
        assert_eq!(seen.is_some(), step == Step::Switched, "{step:?}");
        assert_eq!(read(root.path(), "2026-06-15").unwrap(), "old", "{step:?}");
        let again = directory.commit(filled(&directory, "2026-09-15", "new")).unwrap();
        let outcome = if step == Step::Switched { Outcome::Adopted } else { Outcome::New };
        assert_eq!((again.outcome, again.generation), (outcome, 1), "{step:?}");
        assert_eq!(FolderSums::of_folder(&again.folder).unwrap(), expected, "{step:?}");
        assert_eq!(visible(root.path()), ["2026-06-15", "2026-09-15"], "{step:?}");
    }
}

#[test]
fn what_nobody_saw_yet_is_begun_anew_with_other_files() {
    for step in [Step::Renamed, Step::LinkMade] {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::new(root.path());
        let prepared = filled(&directory, "2026-09-15", "one");
        directory.commit_in_steps(prepared, &crash_at(step)).unwrap_err();
        directory.commit(filled(&directory, "2026-09-15", "two")).unwrap();
        assert_eq!(read(root.path(), "2026-09-15").unwrap(), "two", "{step:?}");
        assert!(!root.path().join("2026-09-15/src/contrib/one_1.0.tar.gz").exists());
    }
}

#[test]
fn a_crash_while_the_files_are_written_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path());
    let half = filled(&directory, "2026-09-15", "half");
    fs::write(half.path().join("stray"), "stray").unwrap();
    drop(half);
    assert_eq!(visible(root.path()), Vec::<String>::new());
    let published = directory.commit(filled(&directory, "2026-09-15", "whole")).unwrap();
    let sums = FolderSums::of_folder(&published.folder).unwrap();
    let files: Vec<&str> = sums.files().map(|(path, _)| path).collect();
    assert_eq!(files, ["src/contrib/PACKAGES", "src/contrib/whole_1.0.tar.gz"]);
}

#[test]
fn what_is_published_is_adopted_when_equal_and_never_replaced_when_not() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path());
    plain(root.path(), "2026-06-15", "one");
    let plain = directory.commit(filled(&directory, "2026-06-15", "one")).unwrap();
    assert_eq!((plain.outcome, &plain.folder), (Outcome::Adopted, &root.path().join("2026-06-15")));
    assert!(!root.path().join("2026-06-15").is_symlink(), "it is not touched");
    let first = directory.commit(filled(&directory, "2026-09-15", "one")).unwrap();
    let again = directory.commit(filled(&directory, "2026-09-15", "one")).unwrap();
    assert_eq!((first.outcome, again.outcome), (Outcome::New, Outcome::Adopted));
    let other = filled(&directory, "2026-09-15", "one");
    fs::write(other.path().join("src/contrib/PACKAGES"), "two").unwrap();
    let less = directory.commit(other).unwrap_err();
    let more = filled(&directory, "2026-09-15", "one");
    fs::write(more.path().join("more"), "").unwrap();
    let more = directory.commit(more).unwrap_err();
    insta::assert_snapshot!(format!("{less}\n{more}"), @r#"
    `2026-09-15` is published already with other files: `src/contrib/PACKAGES` has another content there; publish under another name
    `2026-09-15` is published already with other files: `more` is missing there; publish under another name
    "#);
    assert_eq!(read(root.path(), "2026-09-15").unwrap(), "one");
}

#[test]
fn a_crash_while_a_name_is_rewritten_leaves_the_old_or_the_new_generation() {
    for as_plain_folder in [false, true] {
        for step in STEPS {
            let root = tempfile::tempdir().unwrap();
            let directory = Directory::new(root.path());
            match as_plain_folder {
                true => plain(root.path(), "2026-06-15", "old"),
                false => drop(directory.commit(filled(&directory, "2026-06-15", "old")).unwrap()),
            }
            let rewritten = filled(&directory, "2026-06-15", "new");
            directory.rewrite_in_steps(rewritten, 2, &crash_at(step)).unwrap_err();
            let expected = if step == Step::Switched { "new" } else { "old" };
            assert_eq!(read(root.path(), "2026-06-15").unwrap(), expected, "{step:?}");

            let again = directory.rewrite(filled(&directory, "2026-06-15", "new"), 2).unwrap();
            assert_eq!(again.generation, 2);
            assert_eq!(read(root.path(), "2026-06-15").unwrap(), "new", "{step:?}");
            assert_eq!(visible(root.path()), ["2026-06-15"], "{step:?}");
            let first = root.path().join(".generations/2026-06-15/1/src/contrib");
            assert_eq!(fs::read_to_string(first.join("old_1.0.tar.gz")).unwrap(), "old", "{step:?}");

            directory.forget_older("2026-06-15").unwrap();
            assert!(!first.exists(), "{step:?}");
            assert_eq!(read(root.path(), "2026-06-15").unwrap(), "new", "{step:?}");
        }
    }
}

#[test]
fn a_generation_follows_the_one_before_it_and_never_changes() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path());
    directory.commit(filled(&directory, "2026-06-15", "one")).unwrap();
    directory.rewrite(filled(&directory, "2026-06-15", "two"), 2).unwrap();
    let kept = directory.rewrite(filled(&directory, "2026-06-15", "three"), 2).unwrap();
    assert_eq!(kept.outcome, Outcome::Adopted);
    assert_eq!(read(root.path(), "2026-06-15").unwrap(), "two");
    let gap = directory.rewrite(filled(&directory, "2026-06-15", "four"), 4).unwrap_err();
    let unknown = directory.rewrite(filled(&directory, "2026-09-15", "one"), 2).unwrap_err();
    insta::assert_snapshot!(format!("{gap}\n{unknown}"), @"
    `2026-06-15` is at generation 2, so generation 4 cannot follow; restore the folder or the state from a copy
    `2026-09-15` is not published here, so nothing can point at it
    ");
}

#[test]
fn a_crash_while_the_link_is_switched_leaves_it_at_the_old_or_the_new() {
    for step in STEPS {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::new(root.path());
        plain(root.path(), "2026-06-15", "old");
        directory.commit(filled(&directory, "2026-09-15", "new")).unwrap();
        assert_eq!(directory.point("latest", "2026-06-15", &is_archive).unwrap(), Outcome::New);
        directory.point_in_steps("latest", "2026-09-15", &is_archive, &crash_at(step)).unwrap_err();
        let expected = if step == Step::Switched { "new" } else { "old" };
        assert_eq!(read(root.path(), "latest").unwrap(), expected, "{step:?}");

        directory.point("latest", "2026-09-15", &is_archive).unwrap();
        assert_eq!(read(root.path(), "latest").unwrap(), "new");
        assert_eq!(directory.pointed("latest").unwrap().unwrap().of, "2026-09-15");
        // A reader who read the index before the switch finds its files after it.
        assert!(root.path().join("latest/src/contrib/old_1.0.tar.gz").exists(), "{step:?}");
        assert!(!root.path().join("2026-09-15/src/contrib/old_1.0.tar.gz").exists());
        assert_eq!(visible(root.path()), ["2026-06-15", "2026-09-15", "latest"]);
        let again = directory.point("latest", "2026-09-15", &is_archive).unwrap();
        assert_eq!(again, Outcome::Adopted);
    }
}

#[test]
fn files_of_before_are_carried_for_a_while_and_not_where_they_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path());
    for name in ["a", "b", "c", "d"] {
        directory.commit(filled(&directory, name, name)).unwrap();
        directory.point("latest", name, &is_archive).unwrap();
    }
    let carried = |directory: &Directory| {
        let pointed = directory.pointed("latest").unwrap().unwrap();
        pointed.carried.into_iter().map(|(path, of)| format!("{of}: {path}")).collect::<Vec<_>>()
    };
    let two = ["b: src/contrib/b_1.0.tar.gz", "c: src/contrib/c_1.0.tar.gz"];
    assert_eq!(carried(&directory), two, "of the last two, and no index");
    let refused = |of: &str, path: &str| of != "c" && is_archive(of, path);
    assert_eq!(directory.point("latest", "d", &refused).unwrap(), Outcome::New);
    assert!(!root.path().join("latest/src/contrib/c_1.0.tar.gz").exists());
    directory.forget_older("latest").unwrap();
    let kept = Generations::of(root.path(), "latest").unwrap().numbers().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(read(root.path(), "latest").unwrap(), "d");
}

#[test]
fn a_link_that_was_made_by_hand_is_taken_over_with_its_files() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path());
    plain(root.path(), "2026-06-15", "old");
    directory.commit(filled(&directory, "2026-09-15", "new")).unwrap();
    std::os::unix::fs::symlink("2026-06-15", root.path().join("latest")).unwrap();
    directory.point("latest", "2026-09-15", &is_archive).unwrap();
    assert_eq!(read(root.path(), "latest").unwrap(), "new");
    assert!(root.path().join("latest/src/contrib/old_1.0.tar.gz").exists());
}

#[test]
fn nothing_is_published_outside_the_root_or_through_links() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path());
    for name in ["", ".", "..", "../up", "a/b", ".hidden", "a\0", "-x", &"a".repeat(129)] {
        assert!(matches!(directory.prepare(name), Err(PublishError::BadName(_))), "{name}");
        let pointed = directory.point(name, "x", &is_archive);
        assert!(matches!(pointed, Err(PublishError::BadName(_))), "{name}");
    }
    let prepared = filled(&directory, "2026-09-15", "one");
    std::os::unix::fs::symlink("/etc/passwd", prepared.path().join("passwd")).unwrap();
    assert!(matches!(directory.commit(prepared), Err(PublishError::Disk { .. })));
    let empty = directory.prepare("2026-09-15").unwrap();
    assert!(matches!(directory.commit(empty), Err(PublishError::Empty(_))));
    assert_eq!(visible(root.path()), Vec::<String>::new());
}

#[test]
fn a_link_replaces_only_links_and_points_only_at_what_is_published() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path());
    directory.commit(filled(&directory, "2026-09-15", "one")).unwrap();
    let unknown = directory.point("latest", "2026-12-15", &is_archive);
    assert!(matches!(unknown, Err(PublishError::NotPublished(_))));
    std::os::unix::fs::symlink("/srv/elsewhere", root.path().join("2026-12-15")).unwrap();
    let under_a_link = directory.commit(filled(&directory, "2026-12-15", "one")).unwrap_err();
    assert!(matches!(under_a_link, PublishError::Foreign { .. }), "{under_a_link}");
    fs::write(root.path().join("latest"), "a file of somebody else").unwrap();
    let file = directory.point("latest", "2026-09-15", &is_archive);
    assert!(matches!(file, Err(PublishError::NotALink(_))));
    fs::create_dir(root.path().join("newest")).unwrap();
    let folder = directory.point("newest", "2026-09-15", &is_archive);
    assert!(matches!(folder, Err(PublishError::NotALink(_))));
}
