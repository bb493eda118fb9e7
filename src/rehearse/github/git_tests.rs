//! Object names are compared with those that git itself gives (git 2.47, `git hash-object`, `git cat-file`).

use super::*;

fn signature(second: i64) -> Signature {
    Signature {
        name: "Ada".into(),
        email: "ada@example.org".into(),
        at: Timestamp::from_second(second).unwrap(),
    }
}

fn commit(git: &mut Git, parents: &[Oid], message: &str) -> Oid {
    let tree = git.store_tree(Tree::new());
    let (author, committer) = (signature(0), signature(0));
    git.store_commit(Commit { tree, parents: parents.to_vec(), author, committer, message: message.into() })
        .unwrap()
}

#[test]
fn objects_have_the_names_that_git_gives_them() {
    let mut git = Git::default();
    let files = [("a", "hello\n"), ("lib/x", "x\n"), ("lib.txt", "y"), ("lib-z", "z")];
    let tree = git.write_files(None, &FileChanges::write(files)).unwrap();
    let author = signature(1_776_211_200);
    let first =
        Commit { tree, parents: vec![], committer: author.clone(), author, message: "First\n".into() };
    let first = git.store_commit(first).unwrap();
    assert_eq!(git.entry(tree, "a").unwrap().oid.to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
    assert_eq!(git.entry(tree, "lib").unwrap().oid.to_string(), "ab69b4abf3bb84d4e268bd42d84e4a9a5e242bd3");
    assert_eq!(tree.to_string(), "48c6f6c63826ae621576f80f97238c8130557030");
    assert_eq!(first.to_string(), "bf0eee98f4b9fc7c771ba5dc924dbd20630a1267");
}

#[test]
fn removing_the_last_file_of_a_folder_removes_the_folder() {
    let mut git = Git::default();
    let tree = git.write_files(None, &FileChanges::write([("a", "1"), ("b/c/d", "2")])).unwrap();
    let gone = FileChanges { deletions: ["b/c/d".to_owned()].into(), ..FileChanges::default() };
    let left = git.write_files(Some(tree), &gone).unwrap();
    assert_eq!(git.tree(left).unwrap().keys().collect::<Vec<_>>(), ["a"]);
    assert!(git.write_files(Some(left), &gone).is_err(), "a file that is not there cannot be removed");
}

#[test]
fn a_path_cannot_leave_its_tree() {
    for path in ["../x", "/x", "a//b", "a/", ".git/config", "a/./b", ""] {
        assert!(Git::default().write_files(None, &FileChanges::write([(path, "1")])).is_err(), "{path}");
    }
}

#[test]
fn the_merge_base_is_the_newest_common_ancestor() {
    let mut git = Git::default();
    let root = commit(&mut git, &[], "root");
    let fork = commit(&mut git, &[root], "fork");
    let left = commit(&mut git, &[fork], "left");
    let right = commit(&mut git, &[fork], "right");
    let merged = commit(&mut git, &[left, right], "merged");
    let later = commit(&mut git, &[right], "later");
    assert_eq!(git.merge_base(left, right), Some(fork));
    assert_eq!(git.merge_base(merged, later), Some(right));
    assert_eq!(git.merge_base(merged, root), Some(root));
    assert_eq!(git.ahead(left, merged), [right, merged]);
    assert!(git.contains(merged, right) && !git.contains(later, left));
    let stranger = commit(&mut git, &[], "stranger");
    assert_eq!(git.merge_base(merged, stranger), None);
}
