//! Suites as their files have them, alone and in folders.

use super::{refusals, run, shown, write};

/// A suite that holds these, as `name`, or `owner/name`.
fn suite(place: &std::path::Path, name: &str, members: &[&str]) {
    let line = |member: &&str| {
        let (owner, name) = member.split_once('/').unwrap_or(("iuc", member));
        format!("  <repository name=\"{name}\" owner=\"{owner}\" />\n")
    };
    let lines: String = members.iter().map(line).collect();
    write(
        place,
        &format!("{name}/repository_dependencies.xml"),
        &format!("<repositories>\n{lines}</repositories>\n"),
    );
    write(place, &format!("{name}/.shed.yml"), &format!("name: {name}\nowner: iuc\n"));
}

#[test]
fn a_real_suite_lists_its_members_and_says_that_none_is_pinned() {
    let place = tempfile::tempdir().unwrap();
    let line = ["destructure", "DATA/tools-iuc/suite_hyphaeon/repository_dependencies.xml"];
    insta::assert_snapshot!(shown(place.path(), &line));
}

#[test]
fn a_suite_of_a_folder_is_named_with_or_without_its_owner() {
    let place = tempfile::tempdir().unwrap();
    let short = shown(place.path(), &["destructure", "DATA/tools-iuc", "suite_samtools_1_4"]);
    let long = shown(place.path(), &["destructure", "DATA/tools-iuc", "iuc/suite_samtools_1_4"]);
    assert_eq!(short, long);
    assert!(short.starts_with("iuc/suite_samtools_1_4: 16 members\n"), "{short}");
}

#[test]
fn a_shed_file_makes_a_suite_of_its_repositories_and_of_those_it_includes() {
    let place = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(shown(place.path(), &["destructure", "DATA/planemo/multi_repos_owners"]), @"
    iuc/suite_cat: 2 members
      of DATA/planemo/multi_repos_owners/.shed.yml

      member   channel  via
      cs-cat1  iuc      suite_cat
      cs-cat2  devteam  suite_cat

    note: 2 of 2 members are pinned to no revision: a tool shed takes the latest one when the suite is uploaded
    ");
    write(place.path(), "bare/.shed.yml", "owner: iuc\nrepositories:\n  one:\nsuite: {name: suite_bare}\n");
    let bare = shown(place.path(), &["destructure", "PLACE/bare"]);
    assert!(bare.contains("one     suite_bare"), "{bare}");
    let all = shown(place.path(), &["destructure", "DATA/planemo/suite_auto/.shed.yml"]);
    assert!(all.starts_with("iuc/suite_1: 15 members\n"), "{all}");
}

#[test]
fn names_of_repositories_are_made_of_the_tools_beside_the_shed_file() {
    let place = tempfile::tempdir().unwrap();
    let shed = std::fs::read_to_string(super::data().join("planemo/flat_flag_suite/.shed.yml")).unwrap();
    write(place.path(), "cat/.shed.yml", &shed);
    write(
        place.path(),
        "cat/cat1.xml",
        "<?xml version=\"1.0\"?>\n<!-- x -->\n<tool id=\"Cat1\" name=\"Cat 1\"><macros/></tool>",
    );
    write(place.path(), "cat/deep/cat2.xml", "<tool id=\"cat2\"></tool>");
    write(place.path(), "cat/macros.xml", "<macros><tool id=\"no\"/></macros>");
    write(place.path(), "cat/broken.xml", "<tool id=");
    insta::assert_snapshot!(shown(place.path(), &["destructure", "PLACE/cat"]), @"
    iuc/suite_cat: 3 members
      of PLACE/cat/.shed.yml

      member      channel  via
      cat_legacy  devteam  suite_cat
      cs-cat1     iuc      suite_cat
      cs-cat2     iuc      suite_cat

    note: 3 of 3 members are pinned to no revision: a tool shed takes the latest one when the suite is uploaded
    ");
}

#[test]
fn suites_within_a_suite_are_taken_apart_where_their_files_are_at_hand() {
    let place = tempfile::tempdir().unwrap();
    suite(place.path(), "suite_all", &["suite_maps", "suite_sorts", "suite_elsewhere", "cat"]);
    suite(place.path(), "suite_maps", &["bwa", "sort"]);
    suite(place.path(), "suite_sorts", &["suite_deep", "sort"]);
    suite(place.path(), "suite_deep", &["bwa", "uniq", "other/suite_maps"]);
    insta::assert_snapshot!(shown(place.path(), &["destructure", "PLACE", "suite_all"]), @"
    iuc/suite_all: 6 members
      of PLACE/suite_all/repository_dependencies.xml

      member           channel  via
      bwa              iuc      suite_all → suite_maps
      cat              iuc      suite_all
      sort             iuc      suite_all → suite_maps
      suite_elsewhere  iuc      suite_all
      suite_maps       other    suite_all → suite_sorts → suite_deep
      uniq             iuc      suite_all → suite_sorts → suite_deep

    note: 6 of 6 members are pinned to no revision: a tool shed takes the latest one when the suite is uploaded
    note: suite_elsewhere is a suite by its name, and its file is not at hand
    note: suite_maps is a suite by its name, and its file is not at hand
    ");
    // The file alone knows of no others.
    let alone = shown(place.path(), &["destructure", "PLACE/suite_all/repository_dependencies.xml"]);
    assert!(alone.starts_with("iuc/suite_all: 4 members\n"), "{alone}");
}

#[test]
fn a_folder_of_channels_stays_one_of_conda() {
    let place = tempfile::tempdir().unwrap();
    write(place.path(), "staged/noarch/repodata.json", "{\"packages\":{},\"packages.conda\":{}}");
    let (_, _, err) = run(place.path(), &["destructure", "PLACE/staged"]);
    assert!(err.contains("no package for linux-64 that looks like a metapackage"), "{err}");
}

#[test]
fn what_is_no_suite_is_told_with_its_place() {
    let place = tempfile::tempdir().unwrap();
    let xml = |name: &str, text: &str| write(place.path(), &format!("xml/{name}.xml"), text);
    xml("cut", "<repositories>\n  <repository name=\"a\" owner=\"iuc\" />\n");
    xml("foreign", "<repositories>\n  <tool id=\"a\" />\n</repositories>");
    xml("nameless", "<repositories>\n\n  <repository owner=\"iuc\" />\n</repositories>");
    xml("odd", "<repositories><repository name=\"a&#10;b\" owner=\"iuc\" /></repositories>");
    xml("entities", "<!DOCTYPE r [<!ENTITY x \"y\">]><repositories/>");
    xml("empty", "<repositories description=\"x\"/>");
    xml("other", "<tool id=\"a\"/>");
    xml(
        "twice",
        "<repositories><repository name=\"a\" owner=\"iuc\" changeset_revision=\"0123456789ab\"/><repository name=\"a\" owner=\"iuc\"/></repositories>",
    );
    write(
        place.path(),
        "both/.shed.yml",
        "owner: iuc\nrepositories: {a: {}}\nauto_tool_repositories: {name_template: x}\nsuite: {name: suite_x}\n",
    );
    write(place.path(), "nameless/.shed.yml", "owner: iuc\nrepositories: {a: {}}\nsuite: {description: x}\n");
    write(
        place.path(),
        "toolless/.shed.yml",
        "owner: iuc\nauto_tool_repositories: {name_template: 'x-{{ tool_id }}'}\nsuite: {name: suite_x}\n",
    );
    suite(&place.path().join("ring"), "suite_a", &["suite_b"]);
    suite(&place.path().join("ring"), "suite_b", &["cat", "suite_a"]);
    let files = ["cut", "foreign", "nameless", "odd", "entities", "empty", "other", "twice"];
    let files: Vec<String> = files.iter().map(|name| format!("PLACE/xml/{name}.xml")).collect();
    let mut commands: Vec<Vec<&str>> = files.iter().map(|file| vec!["destructure", file]).collect();
    commands.extend([
        vec!["destructure", "DATA/planemo/workflow_1/repository_dependencies.xml"],
        vec!["destructure", "DATA/planemo/workflow_1"],
        vec!["destructure", "DATA/planemo/bad_yaml/.shed.yml"],
        vec!["destructure", "PLACE/both"],
        vec!["destructure", "PLACE/nameless"],
        vec!["destructure", "PLACE/toolless"],
        vec!["destructure", "PLACE/ring", "other/suite_a"],
        vec!["destructure", "PLACE/ring", "suite_a"],
        vec!["destructure", "DATA/tools-iuc"],
        vec!["destructure", "DATA/tools-iuc", "--channel", "forge"],
        vec!["destructure", "PLACE/xml", "--lock", "PLACE/nothing.lock"],
    ]);
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    insta::assert_snapshot!(refusals(place.path(), &commands));
}
