//! What `latest` shows, as `snapshot verify` sees it: the snapshot, and files for readers of the ones before it.

use super::*;

/// Two quarters, and `latest` at the second: it carries what only the first lists.
fn shop() -> Shop {
    let shop = Shop::with_two_quarters();
    shop.run("snapshot rollback 2026-03-15 --reason WHY").printed();
    shop.run("snapshot rollback --newest --reason WHY").printed();
    assert!(shop.at("latest/src/contrib/tidal_1.2.0.tar.gz").exists());
    shop
}

fn verify(shop: &Shop) -> (u8, String) {
    let ran = shop.run(&format!("snapshot verify {}", shop.at("latest").display()));
    let sums = regex::Regex::new("[0-9a-f]{64}").unwrap();
    let text = sums.replace_all(&ran.out, "SHA256").replace("PLACE/published/r-multiverse/latest", "LATEST");
    (ran.code, text)
}

#[test]
fn files_for_readers_of_earlier_snapshots_are_no_differences() {
    let shop = shop();
    let (code, told) = verify(&shop);
    insta::assert_snapshot!(told, @r"
    LATEST: 3 packages, 12 files, all as its manifest says; and 2 files for readers of earlier snapshots, as published
    not signed
    ");
    assert_eq!(code, 0);
    let json = shop.run(&format!("--json snapshot verify {}", shop.at("latest").display())).json();
    assert_eq!((&json["carried"], &json["is_signed"]), (&2.into(), &false.into()));
    // A date has nothing but what its manifest names.
    let json = shop.run("--json snapshot verify 2026-06-15").json();
    assert_eq!(json.get("carried"), None);
}

#[test]
fn each_of_them_has_to_be_the_very_file_of_its_snapshot() {
    let shop = shop();
    let carried = shop.at("latest/src/contrib/tidal_1.2.0.tar.gz");
    fs::remove_file(shop.at("latest/bin/windows/contrib/4.5/tidal_1.2.0.zip")).unwrap();
    let bytes = fs::read(&carried).unwrap();
    fs::remove_file(&carried).unwrap();
    fs::write(&carried, [&bytes[1..], &[0]].concat()).unwrap();
    fs::write(shop.at("latest/src/contrib/evil_1.0.tar.gz"), "evil").unwrap();
    let (code, told) = verify(&shop);
    insta::assert_snapshot!(told, @r"
    missing     bin/windows/contrib/4.5/tidal_1.2.0.zip: it lies there for readers of 2026-03-15, and is not there
    extra       src/contrib/evil_1.0.tar.gz: the manifest does not name it
    changed     src/contrib/tidal_1.2.0.tar.gz: it lies there for readers of 2026-03-15, and its sha256 is SHA256, and SHA256 was published
    not signed
    ");
    assert_eq!(code, 1);
}

#[test]
fn a_note_that_names_more_than_was_published_hides_nothing() {
    let shop = shop();
    fs::write(shop.at("latest/src/contrib/evil_1.0.tar.gz"), "evil").unwrap();
    let real = fs::canonicalize(shop.at("latest")).unwrap();
    let note = real.with_extension("json");
    let mut pointed: Value = serde_json::from_slice(&fs::read(&note).unwrap()).unwrap();
    pointed["carried"]["src/contrib/evil_1.0.tar.gz"] = "2026-03-15".into();
    pointed["carried"]["src/contrib/more_1.0.tar.gz"] = "../../etc".into();
    fs::write(&note, pointed.to_string()).unwrap();
    let (code, told) = verify(&shop);
    assert_eq!(code, 1);
    let named =
        "evil_1.0.tar.gz: it lies there for readers of 2026-03-15, and the manifest of that does not name it";
    assert!(told.contains(named), "{told}");
    assert!(told.contains("more_1.0.tar.gz: it lies there for readers of ../../etc"), "{told}");
}
