//! The rules by which a world is played back, one by one, on a small made-up world.

use tidegate::domain::Listing;
use tidegate::rehearse::world::{Building, OutageSource, Playback, UniverseRow};

use super::folder::{Folder, alpha, commit, row, time};

const RUN: &str = "https://github.com/r-universe/someone/actions/runs/7";

fn building(run: &str) -> String {
    format!(", \"building\": \"{run}\"")
}

fn evidence(rows: &[String]) -> Folder {
    Folder::new().with("evidence.jsonl", rows.concat())
}

/// What a universe says of `alpha` alone.
fn only<'a>(playback: &'a Playback, channel: &str, listing: &'a Listing, at: &str) -> UniverseRow<'a> {
    playback.rows(channel, std::slice::from_ref(listing), time(at)).pop().unwrap()
}

#[test]
fn a_pinned_package_has_the_commit_of_its_pin_whatever_is_released() {
    let playback = Folder::new().playback();
    let pinned = alpha(&commit('1'));
    assert_eq!(only(&playback, "staging", &pinned, "2026-04-19T00:00:00Z").commit, commit('1'));
}

#[test]
fn a_package_that_follows_releases_has_the_newest_one_of_the_time() {
    let playback = Folder::new().playback();
    let following = alpha("*release");
    let commit_at = |at| only(&playback, "community", &following, at).commit;
    assert_eq!(commit_at("2026-04-16T11:59:59Z"), commit('1'));
    assert_eq!(commit_at("2026-04-16T12:00:00Z"), commit('2'), "from the very instant on");
    assert_eq!(commit_at("2026-04-17T12:00:00Z"), commit('3'), "the tag has moved");
}

#[test]
fn a_release_counts_only_for_the_packages_it_carries() {
    let playback = Folder::new().playback();
    let beta = &playback.world().initial["community"].packages[1];
    assert_eq!(beta.package, "Beta");
    let late = "2026-04-19T00:00:00Z";
    assert_eq!(only(&playback, "community", beta, late).commit, commit('5'));
    assert_eq!(playback.release_of("https://github.com/someone/mono", time(late)).unwrap().tag, "v6");
    assert_eq!(playback.release_of_package(beta, time(late)).unwrap().tag, "v5");
    assert_eq!(playback.release_of("https://github.com/someone/mono", time("2026-04-01T00:00:00Z")), None);
}

#[test]
fn a_package_without_a_release_yet_is_not_in_the_universe() {
    let playback = Folder::new().playback();
    let zeta = playback.world().registry[0].set["Zeta"].clone();
    let listings = [zeta];
    assert!(playback.rows("community", &listings, time("2026-04-17T17:00:00Z")).is_empty());
    assert_eq!(playback.rows("community", &listings, time("2026-04-17T18:00:00Z")).len(), 1);
}

#[test]
fn a_package_that_follows_a_tag_has_the_commit_that_the_tag_has_at_the_time() {
    let playback = Folder::new().playback();
    let tagged = alpha("v2.0.0");
    assert_eq!(only(&playback, "community", &tagged, "2026-04-16T13:00:00Z").commit, commit('2'));
    assert_eq!(only(&playback, "community", &tagged, "2026-04-18T00:00:00Z").commit, commit('3'));
    let unknown = [alpha("main")];
    assert!(playback.rows("community", &unknown, time("2026-04-18T00:00:00Z")).is_empty());
}

#[test]
fn the_last_row_at_or_before_the_time_speaks() {
    let remotes = ", \"remotes\": [\"a/b\"]";
    let playback = evidence(&[
        row("2026-04-15T06:00:00Z", "community", '1', ""),
        row("2026-04-15T08:00:00Z", "community", '1', remotes),
    ])
    .playback();
    let listing = alpha(&commit('1'));
    let remotes_at = |at| only(&playback, "community", &listing, at).remotes.len();
    assert_eq!(remotes_at("2026-04-15T07:59:59Z"), 0);
    assert_eq!(remotes_at("2026-04-15T08:00:00Z"), 1);
    assert_eq!(remotes_at("2026-04-19T08:00:00Z"), 1);
}

#[test]
fn a_universe_without_a_row_of_its_own_borrows_the_others() {
    let license = ", \"license\": \"file LICENSE\"";
    let playback = evidence(&[
        row("2026-04-15T06:00:00Z", "community", '1', license),
        row("2026-04-15T09:00:00Z", "staging", '1', ""),
    ])
    .playback();
    let listing = alpha(&commit('1'));
    let said = only(&playback, "staging", &listing, "2026-04-15T07:00:00Z");
    assert_eq!((said.license, said.building), (Some("file LICENSE"), None));
    let said = only(&playback, "staging", &listing, "2026-04-15T09:00:00Z");
    assert_eq!(said.license, None, "its own row comes first, even if the other one says more");
}

#[test]
fn a_commit_without_any_row_is_still_being_built() {
    let playback = evidence(&[row("2026-04-15T06:00:00Z", "community", '1', "")]).playback();
    let listing = alpha("*release");
    let said = only(&playback, "staging", &listing, "2026-04-15T05:00:00Z");
    assert_eq!((said.building, said.version), (Some(Building::NotBuiltYet), Some("1.0.0")));
    let said = only(&playback, "staging", &listing, "2026-04-16T12:00:00Z");
    assert_eq!((said.building, said.version), (Some(Building::NotBuiltYet), Some("2.0.0")));
    let unknown = alpha(&commit('9'));
    let said = only(&playback, "staging", &unknown, "2026-04-16T12:00:00Z");
    assert_eq!((said.building, said.version), (Some(Building::NotBuiltYet), None));
}

#[test]
fn a_build_counts_only_while_its_commit_is_the_newest_row() {
    let playback = evidence(&[
        row("2026-04-15T06:00:00Z", "community", '1', &building(RUN)),
        row("2026-04-15T08:00:00Z", "community", '2', &building("recent")),
        row("2026-04-15T09:00:00Z", "community", '1', ""),
    ])
    .playback();
    let (old, new) = (alpha(&commit('1')), alpha(&commit('2')));
    let building_of = |listing, at| only(&playback, "community", listing, at).building;
    assert_eq!(building_of(&old, "2026-04-15T07:00:00Z"), Some(Building::Run(RUN)));
    assert_eq!(building_of(&old, "2026-04-15T08:00:00Z"), None, "the universe has turned to another commit");
    assert_eq!(building_of(&new, "2026-04-15T08:00:00Z"), Some(Building::Recent));
    assert_eq!(building_of(&new, "2026-04-15T09:00:00Z"), None, "and back again");
}

#[test]
fn a_borrowed_build_counts_while_it_runs_where_it_was_seen() {
    let playback = evidence(&[
        row("2026-04-15T06:00:00Z", "community", '1', &building(RUN)),
        row("2026-04-15T08:00:00Z", "community", '2', ""),
    ])
    .playback();
    let listing = alpha(&commit('1'));
    let building_of = |at| only(&playback, "staging", &listing, at).building;
    assert_eq!(building_of("2026-04-15T07:00:00Z"), Some(Building::Run(RUN)));
    assert_eq!(building_of("2026-04-15T08:00:00Z"), None);
}

#[test]
fn a_package_that_a_universe_has_lost_is_gone_until_it_is_seen_again() {
    let gone = "{\"at\": \"2026-04-15T08:00:00Z\", \"universe\": \"community\", \"package\": \"alpha\", \"gone\": true}\n";
    let playback = evidence(&[
        row("2026-04-15T06:00:00Z", "community", '1', ""),
        gone.to_owned(),
        row("2026-04-15T10:00:00Z", "community", '1', ""),
    ])
    .playback();
    let listing = alpha(&commit('1'));
    let gone_at = |channel, at| only(&playback, channel, &listing, at).gone;
    assert!(!gone_at("community", "2026-04-15T07:00:00Z"));
    assert!(gone_at("community", "2026-04-15T08:00:00Z"));
    assert!(!gone_at("community", "2026-04-15T10:00:00Z"));
    assert!(!gone_at("staging", "2026-04-15T08:00:00Z"), "the other universe still has it");
    let lost = only(&playback, "community", &listing, "2026-04-15T08:00:00Z");
    assert_eq!((lost.version, lost.evidence, lost.building), (None, None, None));
}

#[test]
fn unfinished_builds_have_a_run_and_a_beginning() {
    let playback = evidence(&[
        row("2026-04-15T06:00:00Z", "community", '1', &building(RUN)),
        row("2026-04-15T06:30:00Z", "community", '1', &(building(RUN) + ", \"remotes\": [\"a/b\"]")),
        row("2026-04-15T08:00:00Z", "community", '1', &building("recent")),
    ])
    .playback();
    let listings = [alpha("*release")];
    let builds = |channel, at| playback.unfinished_builds(channel, &listings, time(at));

    let running = &builds("community", "2026-04-15T07:00:00Z")[0];
    assert_eq!((running.url.as_str(), running.id, running.package.as_str()), (RUN, 7, "alpha"));
    assert_eq!(running.started_at, time("2026-04-15T06:00:00Z"), "the first of the rows that know the run");

    assert!(builds("community", "2026-04-15T08:00:00Z").is_empty(), "an ended build has no run any more");

    let made_up = &builds("community", "2026-04-16T13:00:00Z")[0];
    assert_eq!(made_up.started_at, time("2026-04-16T12:00:00Z"), "the release could be seen from then on");
    assert_eq!(made_up.commit, commit('2'));
    let prefix = "https://github.com/r-universe/someone/actions/runs/";
    assert_eq!(made_up.url, format!("{prefix}{}", made_up.id));
    assert_eq!(builds("community", "2026-04-16T14:00:00Z")[0], *made_up, "it does not change with the time");
    let elsewhere = "https://github.com/r-universe/someone-staging/actions/runs/";
    assert!(builds("staging", "2026-04-16T13:00:00Z")[0].url.starts_with(elsewhere));
}

#[test]
fn an_outage_is_half_open_and_concerns_one_source_of_one_universe() {
    let world = Folder::new().load().unwrap();
    let out = |source, universe, at| world.outage(source, universe, time(at));
    assert!(!out(OutageSource::Cran, "staging", "2026-04-17T00:59:59Z"));
    assert!(out(OutageSource::Cran, "staging", "2026-04-17T01:00:00Z"));
    assert!(!out(OutageSource::Cran, "staging", "2026-04-17T02:00:00Z"));
    assert!(!out(OutageSource::Cran, "community", "2026-04-17T01:00:00Z"));
    assert!(!out(OutageSource::Github, "staging", "2026-04-17T01:00:00Z"));
}

#[test]
fn the_registry_changes_by_whole_files_in_upstreams_order() {
    let world = Folder::new().load().unwrap();
    let commits = world.listing_commits();
    let names = |index: usize| -> Vec<&str> {
        commits[index].listings.iter().map(|listing| listing.package.as_str()).collect()
    };
    assert_eq!(names(0), ["alpha", "Beta", "Zeta"], "capitals do not come first");
    assert_eq!(names(1), ["alpha", "Zeta"]);
    assert_eq!(commits[1].at, time("2026-04-18T00:00:00Z"));
    insta::assert_snapshot!(commits[1].packages_json, @r#"
    [
      {
        "package": "alpha",
        "url": "https://github.com/someone/alpha2",
        "branch": "*release"
      },
      {
        "package": "Zeta",
        "url": "https://github.com/someone/mono",
        "branch": "*release",
        "subdir": "r/zeta"
      }
    ]
    "#);
}

#[test]
fn a_description_says_what_the_world_knows_of_a_commit() {
    let world = evidence(&[row(
        "2026-04-15T06:00:00Z",
        "staging",
        '1',
        ", \"remotes\": [\"a/b\", \"c/d\"], \"license\": \"file LICENSE\"",
    )])
    .load()
    .unwrap();
    insta::assert_snapshot!(world.description("alpha", &commit('1')).unwrap(), @r#"
    Package: alpha
    Version: 1.0.0
    Title: Stand-in for 'alpha' in a Rehearsal
    Authors@R: person("Robin", "Tide", email = "robin@example.org", role = c("aut", "cre"))
    Description: Carries the metadata of 'alpha' as a recorded world knows it, and none of its code.
    License: file LICENSE
    URL: https://github.com/someone/alpha
    Encoding: UTF-8
    Imports: Beta
    Remotes: a/b, c/d
    "#);
    let later = world.description("alpha", &commit('2')).unwrap();
    assert!(later.contains("License: GPL (>= 3)\n") && !later.contains("Remotes"), "{later}");
    assert_eq!(world.description("alpha", &commit('9')), None);
}

#[test]
fn release_files_lie_in_the_folders_that_the_lists_name() {
    let files = Folder::new().load().unwrap().release_files();
    let paths: Vec<&str> =
        files.iter().flat_map(|release| release.files.keys().map(String::as_str)).collect();
    assert_eq!(
        paths,
        ["DESCRIPTION", "r/beta/DESCRIPTION", "DESCRIPTION", "DESCRIPTION", "r/zeta/DESCRIPTION"]
    );
    assert_eq!(files[1].commit, commit('5'));
}

#[test]
fn a_date_without_an_index_of_its_own_has_the_one_before() {
    let world = Folder::new().load().unwrap();
    let version = |date: &str| {
        world.cran_index(date.parse().unwrap()).and_then(|index| index.get("alpha")).map(|v| v.to_string())
    };
    assert_eq!(version("2026-01-14"), None);
    assert_eq!(version("2026-03-01").as_deref(), Some("0.9.0"));
    assert_eq!(version("2026-04-15").as_deref(), Some("1.1.0"));
}
