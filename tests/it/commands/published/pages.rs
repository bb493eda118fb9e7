//! The pages that people read, and the feed.

use jiff::Timestamp;
use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;

use super::*;

#[test]
fn a_page_says_how_to_install_what_is_in_what_changed_and_what_was_left_out() {
    let shop = Shop::new();
    shop.publish("2026-03-15", &[LUNAR, TIDAL, BRINE]);
    shop.publish("2026-06-15", &[LUNAR, ("tidal", "1.3.0", &["lunar"]), ("kelp", "0.1", &[])]);
    shop.run("snapshot withdraw 2026-06-15 kelp --reason WHY").printed();
    insta::assert_snapshot!("the_page_of_a_snapshot", body(&shop.page("2026-06-15/index.html")));
    insta::assert_snapshot!("the_page_of_all_snapshots", body(&shop.page("index.html")));
    insta::assert_snapshot!("the_feed", shop.page("feed.xml"));
}

/// A page without its style.
fn body(page: &str) -> &str {
    &page[page.find("<body>").unwrap()..]
}

#[test]
fn the_same_snapshots_give_the_same_pages() {
    let pages = || {
        let shop = Shop::with_two_quarters();
        shop.run("snapshot withdraw 2026-06-15 brine --reason WHY").printed();
        let everything = shop.everything().into_iter();
        everything.filter(|(path, _)| !path.ends_with("lock")).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(pages(), pages());
}

/// Text from outside that would do harm where it is not escaped.
const HOSTILE: &str = "<script>alert(1)</script>\"' ]]> &amp; \u{1b}[31m\u{0}";

#[test]
fn text_from_outside_is_only_text() {
    let shop = Shop::new();
    let directory = shop.directory();
    let prepared = directory.prepare("2026-06-15").unwrap();
    fill(prepared.path(), "2026-06-15", &[LUNAR, BRINE]);
    let mut manifest = manifest("2026-06-15", &[LUNAR, BRINE]);
    manifest.packages[0].url = "javascript:alert(1)".to_owned();
    manifest.packages[1].url = format!("https://example.org/{}", HOSTILE.replace(' ', ""));
    manifest.packages[0].caveat = Some(HOSTILE.to_owned());
    manifest.packages[1].version = HOSTILE.to_owned();
    manifest.left_out[0].reason = HOSTILE.to_owned();
    manifest.cran = format!("https://cran.example.org/\"); system(\"true{HOSTILE}");
    manifest.files = files_below(prepared.path())
        .into_iter()
        .filter(|(path, _)| path != "manifest.json")
        .map(|(path, bytes)| ManifestFile { path, sha256: sha256(&bytes), size: bytes.len() as u64 })
        .collect();
    let bytes = manifest.to_bytes().unwrap();
    fs::write(prepared.path().join("manifest.json"), &bytes).unwrap();
    directory.commit(prepared).unwrap();
    shop.write_down("2026-06-15", 2, sha256(&bytes));
    let reason = format!("--reason={HOSTILE}");
    shop.place.run(["snapshot", "withdraw", "2026-06-15", "lunar", &reason.replace('\0', "")]).printed();
    for page in ["2026-06-15/index.html", "index.html"] {
        let page = shop.page(page);
        assert!(!page.contains("<script") && !page.contains("javascript:"), "{page}");
        assert!(!page.contains("\"true<"), "{page}");
    }
    let page = shop.page("2026-06-15/index.html");
    assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "{page}");
    // The install line is still one string: the quote within it is one of R's escapes.
    assert!(page.contains("\\&#34;); system(\\&#34;true"), "{page}");
    assert_eq!(
        entries(&shop.page("feed.xml")),
        ["tag:production.r-multiverse.org,2026-06-15:r-multiverse/snapshot"]
    );
}

#[test]
fn the_feed_keeps_to_the_standard_and_its_ids_stay() {
    let shop = Shop::with_two_quarters();
    shop.run("snapshot rollback --newest --reason WHY").printed();
    let first = shop.page("feed.xml");
    let ids = entries(&first);
    assert_eq!(ids.len(), 2);
    shop.publish("2026-09-15", &[LUNAR]);
    shop.run("snapshot withdraw 2026-03-15 brine --reason WHY").printed();
    let later = entries(&shop.page("feed.xml"));
    assert_eq!(later[1..], ids, "the newest first, and all others as they were");
    assert_ne!(shop.page("feed.xml"), first);
}

/// Reads a feed as RFC 4287 wants it, and gives back the ids of its entries. Strict: an element that is missing, doubled or
/// unknown, a time or an address of another form, a doubled id, and text where none belongs are failures.
fn entries(feed: &str) -> Vec<String> {
    let mut reader = NsReader::from_str(feed);
    reader.config_mut().check_end_names = true;
    let mut path: Vec<String> = Vec::new();
    let (mut ids, mut found): (Vec<String>, Vec<Vec<String>>) = (Vec::new(), Vec::new());
    let mut text = String::new();
    loop {
        let (namespace, event) = reader.read_resolved_event().unwrap();
        let is_atom = matches!(namespace, ResolveResult::Bound(ns) if ns.0 == "http://www.w3.org/2005/Atom");
        match event {
            Event::Start(start) | Event::Empty(start) if !is_atom => panic!("not Atom: {start:?}"),
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_owned();
                if let Some(children) = found.last_mut() {
                    children.push(name.clone());
                }
                path.push(name);
                found.push(Vec::new());
                text.clear();
            }
            Event::Empty(link) => {
                assert_eq!(link.local_name().as_ref(), "link");
                let get = |name: &str| {
                    let value = link.try_get_attribute(name).unwrap();
                    value.map(|value| value.value.into_owned())
                };
                assert!(url::Url::parse(&get("href").unwrap()).is_ok());
                found.last_mut().unwrap().push(format!("link {}", get("rel").unwrap()));
            }
            Event::Text(more) => text.push_str(&more),
            Event::GeneralRef(reference) => text.push_str(&format!("&{};", &*reference)),
            Event::End(_) => {
                let (name, children) = (path.pop().unwrap(), found.pop().unwrap());
                ended(&name, &path, &children, text.trim());
                if name == "id" {
                    ids.push(text.trim().to_owned());
                }
                text.clear();
            }
            Event::Decl(declaration) => assert_eq!(&*declaration.encoding().unwrap().unwrap(), "utf-8"),
            Event::Eof => break,
            other => panic!("{other:?} has no place in a feed"),
        }
    }
    assert!(path.is_empty(), "{path:?} does not end");
    let once: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(once.len(), ids.len(), "{ids:?}");
    ids.split_off(1)
}

/// Checks an element that has ended: its place, its children and its text.
fn ended(name: &str, parents: &[String], children: &[String], text: &str) {
    let count = |wanted: &str| children.iter().filter(|child| *child == wanted).count();
    match name {
        "feed" => {
            assert!(parents.is_empty());
            for once in ["id", "title", "updated", "author"] {
                assert_eq!(count(once), 1, "{once}");
            }
            assert!(count("link self") <= 1);
        }
        "entry" => {
            assert_eq!(parents, ["feed"]);
            for once in ["id", "title", "updated", "published", "summary", "link alternate"] {
                assert_eq!(count(once), 1, "{once}");
            }
            assert_eq!(children.len(), 6, "{children:?}");
        }
        "author" => assert_eq!(children, ["name"]),
        "id" => assert!(url::Url::parse(text).is_ok(), "{text} is no IRI"),
        "updated" | "published" => {
            assert!(text.parse::<Timestamp>().is_ok() && text.ends_with('Z'), "{text} is no time");
        }
        "title" | "name" | "summary" => assert!(!text.is_empty() && children.is_empty()),
        other => panic!("{other} has no place in a feed"),
    }
}
