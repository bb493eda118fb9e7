//! `snapshot rollback`.

use super::*;

#[test]
fn latest_goes_back_and_forward_and_every_date_stays() {
    let shop = Shop::with_two_quarters();
    shop.publish("2026-07-15", &[("tidal", "2.0.0", &[])]);
    let first = shop.run("snapshot rollback --by ada --reason WHY").printed();
    let again = shop.run("snapshot rollback 2026-06-15 --by ada --reason WHY").printed();
    let further = shop.run("snapshot rollback 2026-03-15 --by ada --reason WHY").printed();
    let too_far = shop.run("snapshot rollback --by ada --reason WHY").err;
    assert_eq!(shop.listed("latest")[2], "tidal_1.2.0.tar.gz");
    let forward = shop.run("snapshot rollback --newest --by ada --reason WHY").printed();
    assert_eq!(shop.listed("latest"), ["tidal_2.0.0.tar.gz"]);
    insta::assert_snapshot!([first, again, further, too_far, forward].concat(), @r"
    latest  2026-07-15 → 2026-06-15
    latest shows that already
    latest  2026-06-15 → 2026-03-15
    error: `latest` shows 2026-03-15, and no earlier snapshot is published; it stays as it is
    latest  2026-03-15 → 2026-07-15
    ");
    for date in ["2026-03-15", "2026-06-15", "2026-07-15"] {
        shop.verifies(date);
    }
    insta::assert_snapshot!(told(&shop, "latest").join("\n"), @r"
    ada let latest show the snapshot 2026-06-15: a reason
    ada let latest show the snapshot 2026-03-15: a reason
    ada let latest show the snapshot 2026-07-15: a reason
    ");
    // Who has read an index before a switch finds its files after it.
    assert!(shop.at("latest/src/contrib/tidal_1.2.0.tar.gz").exists());
    assert!(!shop.at("2026-07-15/src/contrib/tidal_1.2.0.tar.gz").exists(), "but not under a date");
}

#[test]
fn going_back_holds_until_a_newer_snapshot_is_published() {
    let shop = Shop::with_two_quarters();
    shop.run("snapshot rollback --reason WHY").printed();
    assert_eq!(shop.listed("latest")[2], "tidal_1.2.0.tar.gz");
    // Whatever happens to other snapshots meanwhile.
    shop.run("snapshot withdraw 2026-06-15 brine --reason WHY").printed();
    assert_eq!(shop.listed("latest")[2], "tidal_1.2.0.tar.gz");
    shop.publish("2026-09-15", &[TIDAL]);
    shop.run("snapshot withdraw 2026-03-15 brine --reason WHY").printed();
    assert_eq!(shop.listed("latest"), ["tidal_1.2.0.tar.gz"], "of the new one");
}

#[test]
fn a_dry_run_shows_where_latest_would_go() {
    let shop = Shop::with_two_quarters();
    let before = shop.everything();
    let told = shop.run("snapshot rollback --dry-run --reason WHY").printed();
    assert_eq!(told, "Nothing was changed; this would be:\nlatest  2026-06-15 → 2026-03-15\n");
    assert_eq!(shop.everything(), before);
}

#[test]
fn a_rehearsal_is_changed_where_it_lies_and_nowhere_else() {
    let shop = Shop::with_two_quarters();
    let rehearsed = Shop::with_two_quarters();
    let state = rehearsed.place.state();
    fs::rename(rehearsed.place.path("published"), state.join("published")).unwrap();
    let before = shop.everything();
    let line = ["--state", state.to_str().unwrap(), "snapshot", "withdraw", "2026-03-15", "lunar"];
    shop.place.run(line.into_iter().chain(["--reason", "a reason"])).printed();
    assert_eq!(shop.everything(), before);
    assert_eq!(rows(&state.join("published/r-multiverse/2026-03-15")).len(), 2);
}
