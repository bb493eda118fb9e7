//! Revisions: what a file pins, what a lock has, and what nobody says.

use proptest::prelude::*;
use tidegate::ecosystem::galaxy::{Lock, Repository};

use super::{found, refusals, shown, write};

const PINNED: &str = "<repositories>
  <repository name=\"sort\" owner=\"iuc\" changeset_revision=\"0407236012e5\" />
  <repository name=\"bwa\" owner=\"devteam\" toolshed=\"https://toolshed.g2.bx.psu.edu/\" changeset_revision=\"000000000000\" />
  <repository name=\"cat\" owner=\"iuc\" version=\"1.10\" />
  <repository name=\"uniq\" owner=\"iuc\" version=\"2.0\" changeset_revision=\"1e4687170395\" />
  <repository name=\"open\" owner=\"iuc\" />
</repositories>
";

#[test]
fn a_pinned_changeset_is_text_even_where_it_looks_like_a_number() {
    let place = tempfile::tempdir().unwrap();
    write(place.path(), "suite_pinned/repository_dependencies.xml", PINNED);
    insta::assert_snapshot!(shown(place.path(), &["destructure", "PLACE/suite_pinned"]), @"
    suite_pinned: 5 members
      of PLACE/suite_pinned/repository_dependencies.xml

      member  version       build         channel                               via
      bwa     000000000000  -             toolshed.g2.bx.psu.edu/repos/devteam  suite_pinned
      cat     1.10          -             iuc                                   suite_pinned
      open    -             -             iuc                                   suite_pinned
      sort    0407236012e5  -             iuc                                   suite_pinned
      uniq    2.0           1e4687170395  iuc                                   suite_pinned

    note: 1 of 5 members are pinned to no revision: a tool shed takes the latest one when the suite is uploaded
    ");
}

#[test]
fn json_leaves_out_what_nobody_says() {
    let place = tempfile::tempdir().unwrap();
    let xml = "<repositories>\n  <repository name=\"open\" owner=\"iuc\"/>\n  <repository name=\"sort\" owner=\"iuc\" changeset_revision=\"0407236012e5\"/>\n</repositories>";
    write(place.path(), "suite_two/repository_dependencies.xml", xml);
    insta::assert_snapshot!(shown(place.path(), &["destructure", "PLACE/suite_two", "--json"]), @r#"
    {
      "source": "PLACE/suite_two/repository_dependencies.xml",
      "metapackage": {
        "name": "suite_two"
      },
      "members": [
        {
          "name": "open",
          "channel": "iuc",
          "via": [
            "suite_two"
          ]
        },
        {
          "name": "sort",
          "version": "0407236012e5",
          "channel": "iuc",
          "via": [
            "suite_two"
          ]
        }
      ],
      "notes": [
        "1 of 2 members are pinned to no revision: a tool shed takes the latest one when the suite is uploaded"
      ]
    }
    "#);
}

#[test]
fn a_lock_lists_revisions_and_none_of_them_is_called_the_newest() {
    let place = tempfile::tempdir().unwrap();
    let xml = "<repositories>\n  <repository name=\"datamash_ops\" owner=\"iuc\"/>\n  <repository name=\"fastp\" owner=\"iuc\"/>\n  <repository name=\"nowhere\" owner=\"iuc\"/>\n</repositories>";
    write(place.path(), "suite_locked/repository_dependencies.xml", xml);
    let line = [
        "destructure",
        "PLACE/suite_locked",
        "--lock",
        "DATA/usegalaxy-tools/usegalaxy.org_datamash.yml.lock",
        "--lock",
        "DATA/usegalaxy-tools/cloud_fastq_quality_control.yml.lock",
    ];
    insta::assert_snapshot!(shown(place.path(), &line));
    let found = found(place.path(), &line);
    assert!(found.members.iter().all(|member| member.package.version.is_none()));
    assert_eq!(found.members[0].locked[0], "2f3c6f2dcf39");
}

#[test]
fn suites_that_pin_different_revisions_of_a_member_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let suite = |name: &str, members: &str| {
        let path = format!("{name}/repository_dependencies.xml");
        write(place.path(), &path, &format!("<repositories>{members}</repositories>"));
    };
    let member = |name: &str, revision: &str| {
        format!("<repository name=\"{name}\" owner=\"iuc\" changeset_revision=\"{revision}\"/>")
    };
    suite("suite_a", &(member("suite_b", "aaaaaaaaaaaa") + &member("sort", "111111111111")));
    suite("suite_b", "<repository name=\"sort\" owner=\"iuc\"/>");
    let agreed = found(place.path(), &["destructure", "PLACE", "suite_a"]);
    assert_eq!(agreed.members[0].package.version.as_deref(), Some("111111111111"));
    assert_eq!(
        agreed.notes,
        ["suite_b is held at aaaaaaaaaaaa; its file does not say which revision it is of"]
    );

    suite("suite_b", &member("sort", "222222222222"));
    write(place.path(), "odd.lock", "tools:\n- name: a\n  owner: b\n  revisions: [latest]\n");
    let commands: [&[&str]; 2] = [
        &["destructure", "PLACE", "suite_a"],
        &["destructure", "PLACE", "suite_b", "--lock", "PLACE/odd.lock"],
    ];
    insta::assert_snapshot!(refusals(place.path(), &commands), @"
    $ destructure PLACE suite_a
    error: iuc/sort is pinned to 111111111111 by suite_a and to 222222222222 by suite_b
    exit code 1

    $ destructure PLACE suite_b --lock PLACE/odd.lock
    error: PLACE/odd.lock: `latest` of b/a is no changeset
    exit code 2
    ");
}

proptest! {
    #[test]
    fn every_changeset_of_a_lock_stays_as_it_is_written(
        revisions in prop::collection::vec("[0-9a-f]{12}|[0-9]{12}|[0-9]{5}e[0-9]{6}", 1..5)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let lines: String = revisions.iter().map(|revision| format!("  - {revision}\n")).collect();
        let path = folder.path().join("x.lock");
        std::fs::write(&path, format!("tools:\n- name: a\n  owner: b\n  revisions:\n{lines}")).unwrap();
        let mut lock = Lock::default();
        lock.add(&path).unwrap();
        let mut once = revisions.clone();
        let mut seen = std::collections::BTreeSet::new();
        once.retain(|revision| seen.insert(revision.clone()));
        prop_assert_eq!(lock.of(&Repository::new("a", Some("b"), None).unwrap()), once);
    }
}
