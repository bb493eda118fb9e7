//! R-multiverse's own files: read whole, written with upstream's bytes.

use tidegate::domain::{Check, Issue};
use tidegate::ecosystem::cran::files::{
    ConfigFile, LedgerFile, ListedSnapshot, PackagesFile, StatusFile, read_nonstandard_licenses,
    read_snapshot, read_snapshots, write_nonstandard_licenses, write_snapshot, write_snapshots,
};

use super::bytes;

const FREEZES: [&str; 4] =
    ["2025-05-15-c42672f8", "2025-06-09-e29a317b", "2026-02-15-378cfbf8", "2026-08-15-b6595a49"];

fn text(relative: &str) -> String {
    String::from_utf8(bytes(relative)).unwrap()
}

#[test]
fn every_recorded_packages_file_is_written_back_byte_for_byte() {
    let mut files = vec![
        "current/community/packages.json".to_owned(),
        "current/staging/packages.json".to_owned(),
        "dependency-freeze/before.packages.json".to_owned(),
        "dependency-freeze/after.packages.json".to_owned(),
    ];
    for freeze in FREEZES {
        files.extend(
            ["before", "after"].map(|side| format!("candidate-freeze/{freeze}/{side}.packages.json")),
        );
    }
    for file in files {
        let packages = PackagesFile::read(&file, &bytes(&file)).unwrap();
        assert!(packages.listings.len() > 50, "{file}");
        assert_eq!(packages.write(), text(&file), "{file}");
    }
}

#[test]
fn a_new_packages_file_is_sorted_and_laid_out_as_upstream_does_today() {
    let recorded = "current/staging/packages.json";
    let mut listings = PackagesFile::read(recorded, &bytes(recorded)).unwrap().listings;
    listings.reverse();
    assert_eq!(PackagesFile::new(listings).write(), text(recorded));
}

#[test]
fn fields_without_a_word_of_ours_survive_a_change_of_the_branch() {
    let before = br#"[{"package":"abc","url":"https://example.org/abc","branch":"*release","metadata":{"a":[1,{"b":null}]}}]"#;
    let mut packages = PackagesFile::read("packages.json", before).unwrap();
    packages.listings[0].branch = Some("0123456789012345678901234567890123456789".to_owned());
    insta::assert_snapshot!(packages.write(), @r#"
    [
      {
        "package": "abc",
        "url": "https://example.org/abc",
        "branch": "0123456789012345678901234567890123456789",
        "metadata": {
          "a": [
            1,
            {
              "b": null
            }
          ]
        }
      }
    ]
    "#);
}

#[test]
fn every_recorded_status_file_of_today_is_written_back_byte_for_byte() {
    let mut files =
        vec!["current/community/status.json".to_owned(), "current/staging/status.json".to_owned()];
    // The first freeze is older than the array form of check results.
    files.extend(FREEZES[1..].iter().map(|freeze| format!("candidate-freeze/{freeze}/before.status.json")));
    for file in files {
        let status = StatusFile::read(&file, &bytes(&file)).unwrap();
        assert_eq!(status.write(), text(&file), "{file}");
    }
}

#[test]
fn unboxed_scalars_read_as_the_boxed_ones_do() {
    let unboxed = StatusFile::read("expected", &bytes("status/expected-status.json")).unwrap();
    let boxed = StatusFile::read("boxed", unboxed.write().as_bytes()).unwrap();
    assert_eq!(unboxed, boxed);
    assert_eq!(unboxed.0.len(), 58);
    let colorout = unboxed.0.get("colorout").unwrap();
    assert_eq!(colorout.issues[0], Issue::License("NOT FOUND".to_owned()));
    // A package that only the ledger knows has an entry with nothing but its versions.
    let partial = unboxed.0.get("version_decremented").unwrap();
    assert_eq!((partial.success, &partial.version, partial.issues.len()), (false, &None, 1));
}

#[test]
fn the_older_shape_of_check_results_is_understood() {
    let file = "candidate-freeze/2025-05-15-c42672f8/before.status.json";
    let status = StatusFile::read(file, &bytes(file)).unwrap();
    let Issue::RCmdCheck(checks) = &status.0.get("adbcsnowflake").unwrap().issues[0] else {
        panic!("no checks")
    };
    let url = "https://github.com/r-universe/r-multiverse-staging/actions/runs/14849541191";
    let check = |check: &str, config: &str, r: &str| Check {
        check: check.to_owned(),
        config: config.to_owned(),
        r: r.to_owned(),
        url: url.to_owned(),
    };
    let expected = [
        check("WARNING", "mac aarch64", "4.5.0"),
        check("WARNING", "mac x86_64", "4.5.0"),
        check("MISSING", "win", ""),
    ];
    assert_eq!(checks.as_slice(), expected);
}

#[test]
fn the_staging_rule_reads_a_status_file_whose_issues_it_does_not_know() {
    let status = br#"{"abc": {"success": [true], "remote_hash": "x1", "cran": {"unheard": [["of"]]}}, "def": {"success": false}}"#;
    assert!(StatusFile::read("status.json", status).is_err());
    let read = StatusFile::read_for_staging("status.json", status).unwrap();
    assert_eq!(read.get("abc").unwrap().remote_hash.as_deref(), Some("x1"));
    assert!(!read.get("def").unwrap().success);
}

#[test]
fn the_small_files_are_written_back_byte_for_byte() {
    let file = "current/staging/config.json";
    assert_eq!(ConfigFile::read(file, &bytes(file)).unwrap().write(), text(file));
    let file = "current/staging/snapshot.json";
    let record = read_snapshot(file, &bytes(file)).unwrap();
    assert_eq!(write_snapshot(&record), text(file));
    let listed = |withdrawn: Option<&str>| ListedSnapshot {
        record: record.clone(),
        withdrawn: withdrawn.map(str::to_owned),
        rolled_back: None,
    };
    let all = write_snapshots(&[listed(None), listed(Some("it was built from another branch"))]);
    insta::assert_snapshot!(all, @r#"
    [{"dependency_freeze":"2026-07-15","candidate_freeze":"2026-08-15","snapshot":"2026-09-15","r":"4.6","cran":"https://packagemanager.posit.co/cran/2026-07-15","r_multiverse":"https://production.r-multiverse.org/2026-09-15"},{"dependency_freeze":"2026-07-15","candidate_freeze":"2026-08-15","snapshot":"2026-09-15","r":"4.6","cran":"https://packagemanager.posit.co/cran/2026-07-15","r_multiverse":"https://production.r-multiverse.org/2026-09-15","withdrawn":"it was built from another branch"}]
    "#);
    assert_eq!(read_snapshots("snapshots.json", all.as_bytes()).unwrap(), [record.clone(), record.clone()]);
    let file = "current/staging/nonstandard_licenses.json";
    assert_eq!(
        write_nonstandard_licenses(&read_nonstandard_licenses(file, &bytes(file)).unwrap()),
        text(file)
    );
    for file in ["current/staging/versions.json", "current/community/versions.json"] {
        assert_eq!(LedgerFile::read(file, &bytes(file)).unwrap().write(), text(file));
    }
    assert_eq!(
        LedgerFile::read("v", &bytes("status/versions.json"))
            .unwrap()
            .get("version_decremented")
            .unwrap()
            .hash_highest
            .as_deref(),
        Some("hash_1.0.0")
    );
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place() {
    let packages =
        |text: &str| PackagesFile::read("staging/packages.json", text.as_bytes()).unwrap_err().to_string();
    let status =
        |text: &str| StatusFile::read("staging/status.json", text.as_bytes()).unwrap_err().to_string();
    let messages = [
        packages("[\n  {\"package\": \"abc\"}\n]"),
        packages("[\n  {\"package\": \"../abc\", \"url\": \"https://example.org\"}\n]"),
        packages(
            "[{\"package\": \"abc\", \"url\": \"https://a.org\"}, {\"package\": \"abc\", \"url\": \"https://b.org\"}]",
        ),
        packages("[{\"package\": \"abc\", \"url\": \"ssh://a.org/b\"}]"),
        packages("[{\"package\": \"abc\", \"url\": \"https://a.org\", \"subdir\": \"r/../..\"}]"),
        packages("[{\"package\": \"abc\", \"url\": \"https://a.org/\\n\"}]"),
        packages("[{\"package\": \"abc\", \"package\": \"xyz\"}]"),
        packages("{\"abc\": 1}"),
        packages("[{\"package\": \"abc\", \"url\": \"https:"),
        status("{\n  \"abc\": {\n    \"success\": [\"yes\"]\n  }\n}"),
        status("{\n  \"abc\": {\n    \"version\": [\"1.0\"]\n  }\n}"),
        status("{\n  \"abc\": {\"success\": [true, false]}\n}"),
        status("{\"abc\": {\"success\": true}, \"abc\": {\"success\": false}}"),
        read_snapshot("snapshot.json", b"[]").unwrap_err().to_string(),
        ConfigFile::read("config.json", b"{\n  \"cran_version\": \"soon\"\n}").unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r###"
    staging/packages.json, line 2, column 20: missing field `url`; the file should be an array of records with `package` and `url`
    staging/packages.json, line 2, column 53: `../abc` is not a name that R allows for a package; the file should be an array of records with `package` and `url`
    staging/packages.json: the package `abc` is listed twice; remove one of the rows
    staging/packages.json, line 1, column 43: `ssh://a.org/b` is not the address of a repository, such as https://host/path; the file should be an array of records with `package` and `url`
    staging/packages.json, line 1, column 64: `subdir` is not a folder inside the repository; the file should be an array of records with `package` and `url`
    staging/packages.json, line 1, column 46: `url` has a control character; the file should be an array of records with `package` and `url`
    staging/packages.json, line 1, column 29: `package` stands twice in one record; the file should be an array of records with `package` and `url`
    staging/packages.json, line 1: invalid type: map, expected a sequence; the file should be an array of records with `package` and `url`
    staging/packages.json, line 1, column 34: the file ends too early; the file should be an array of records with `package` and `url`
    staging/status.json, line 3, column 21: invalid type: string "yes", expected a boolean; the file should be an object that maps each package to its status
    staging/status.json, line 4, column 3: missing field `success`; the file should be an object that maps each package to its status
    staging/status.json, line 2, column 34: an array of several values where one was expected; the file should be an object that maps each package to its status
    staging/status.json, line 1, column 32: the package `abc` has two entries; the file should be an object that maps each package to its status
    snapshot.json: expected one record of dates, found 0
    config.json, line 2, column 24: failed to parse four digit integer as year: invalid digit, expected 0-9 but got s; the file should be an object with the date `cran_version`
    "###);
}
