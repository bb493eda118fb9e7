//! `exception add`: a leave is added behind what is written, or nothing changes.

use super::place::Place;
use super::{Ran, text};

const FILE: &str = "config/distributions/r-multiverse.exceptions.toml";

fn add(place: &Place, package: &str, version: &str, until: &str) -> Ran {
    place.run([
        "exception",
        "add",
        package,
        version,
        "--distribution",
        "r-multiverse",
        "--by",
        "Ada \"L.\"",
        "--reason",
        "mends a data loss",
        "--until",
        until,
    ])
}

#[test]
fn an_exception_is_added_and_the_difference_is_shown() {
    let place = Place::apart();
    let ran = add(&place, "polars", "1.2.0", "2026-09-14");
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @r#"
    --- PLACE/config/distributions/r-multiverse.exceptions.toml
    +++ PLACE/config/distributions/r-multiverse.exceptions.toml
    @@ -0,0 +1,6 @@
    +[[exception]]
    +package = "polars"
    +version = "1.2.0"
    +by = 'Ada "L."'
    +reason = "mends a data loss"
    +until = "2026-09-14"
    "#);
    insta::assert_snapshot!(ran.err, @"note: no daemon runs; it counts from the next start on");
    let loaded = tidegate::config::Configuration::load(&place.config()).unwrap();
    let exceptions = &loaded.distributions["r-multiverse"].exceptions;
    assert_eq!((exceptions[0].package.as_str(), exceptions[0].by.as_str()), ("polars", "Ada \"L.\""));
}

#[test]
fn what_a_person_wrote_before_stays_as_it_is() {
    let place = Place::apart();
    let written = "# Ask the moderators first.\n[[exception]]\npackage = 'duckdb' # urgent\nversion = \"1.0\"\nby = \"Bob\"\nreason = \"r\"\nuntil = \"2026-09-01\"";
    std::fs::write(place.path(FILE), written).unwrap();
    assert_eq!(add(&place, "polars", "1.2.0", "2026-09-14").code, 0);
    let after = text(&place.path(FILE));
    assert!(after.starts_with(&format!("{written}\n\n[[exception]]\npackage = \"polars\"\n")), "{after}");
}

#[test]
fn a_second_exception_for_the_same_version_is_refused() {
    let place = Place::apart();
    assert_eq!(add(&place, "polars", "1.2.0", "2026-09-14").code, 0);
    let before = text(&place.path(FILE));
    let ran = add(&place, "polars", "1.2.0", "2026-10-01");
    insta::assert_snapshot!(ran.err, @r#"
    error: polars 1.2.0 has an exception already, by Ada "L." until 2026-09-14
    hint: change that one in its file
    "#);
    assert_eq!((ran.code, text(&place.path(FILE))), (2, before));
    assert_eq!(add(&place, "polars", "1.2.1", "2026-10-01").code, 0);
}

#[test]
fn an_exception_that_is_over_is_refused() {
    let place = Place::apart();
    let ran = add(&place, "polars", "1.2.0", "2026-08-19");
    insta::assert_snapshot!(ran.err, @"error: 2026-08-19 is over: the exception would never count");
    assert_eq!(ran.code, 2);
    assert!(!place.path(FILE).exists());
    assert_eq!(add(&place, "polars", "1.2.0", "2026-08-20").code, 0, "the last day counts");
}

#[test]
fn a_name_that_cannot_be_one_is_refused_before_anything_is_written() {
    let place = Place::apart();
    let ran = add(&place, "a b", "1.2.0", "2026-09-14");
    insta::assert_snapshot!(ran.err, @r#"
    error: `package` is not one plain word
     --> PLACE/config/distributions/r-multiverse.exceptions.toml:2:11
      |
    2 | package = "a b"
      |           ^^^^^ empty, too long, or with spaces

    error: the configuration has 1 mistake
    hint: nothing was written
    "#);
    assert_eq!(ran.code, 2);
    assert!(!place.path(FILE).exists());
}
