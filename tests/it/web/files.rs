//! The published folder as clients of channels read it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use sha2::{Digest as _, Sha256};
use tidegate::ecosystem::conda::layout::ArchiveFormat;
use tidegate::publish::channel::{ChannelFolder, PackageFile, Patches};
use tokio_util::sync::CancellationToken;

use super::place::Place;
use crate::conda::made::made;

/// Publishes packages of these names as a channel at `root`.
fn publish(root: &Path, names: &[&str]) {
    fs::create_dir_all(root.parent().unwrap()).unwrap();
    let beside = tempfile::tempdir().unwrap();
    let files: Vec<PackageFile> = names
        .iter()
        .map(|name| {
            let package = made(name, "1.0", "0");
            let path = beside.path().join(package.file_name(ArchiveFormat::Conda));
            let bytes = package.bytes(ArchiveFormat::Conda);
            fs::write(&path, &bytes).unwrap();
            PackageFile {
                subdir: "noarch".into(),
                file_name: package.file_name(ArchiveFormat::Conda),
                sha256: Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
                size: bytes.len() as u64,
                path,
            }
        })
        .collect();
    ChannelFolder::new(root).unwrap().publish(&files, &Patches::new()).unwrap();
}

const INDEX: &str = "/tiny/tested/noarch/repodata.json";
const PACKAGE: &str = "/tiny/tested/noarch/q2-types-1.0-0.conda";

async fn channel(names: &[&str]) -> Place {
    let place = Place::new().await;
    publish(&place.published().join("tiny/tested"), names);
    place
}

fn header(response: &reqwest::Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn files_come_whole_in_part_or_as_their_headers_alone() {
    let place = channel(&["q2-types"]).await;
    let bytes = fs::read(place.published().join(&PACKAGE[1..])).unwrap();
    let whole = place.get(PACKAGE).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    assert_eq!(header(&whole, "content-type"), "application/octet-stream");
    assert_eq!(header(&whole, "accept-ranges"), "bytes");
    assert!(header(&whole, "cache-control").contains("immutable"));
    let etag = header(&whole, "etag");
    assert_eq!(whole.bytes().await.unwrap(), bytes);

    let head = place.request(Method::HEAD, PACKAGE).send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, bytes.len().to_string()));
    assert_eq!(header(&head, "etag"), etag);

    let part = place.get(PACKAGE).header("range", "bytes=10-19").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(header(&part, "content-range"), format!("bytes 10-19/{}", bytes.len()));
    assert_eq!(part.bytes().await.unwrap(), &bytes[10..20]);

    let rest =
        place.get(PACKAGE).header("range", "bytes=10-").header("if-range", &etag).send().await.unwrap();
    assert_eq!((rest.status().as_u16(), rest.bytes().await.unwrap().len()), (206, bytes.len() - 10));
    let changed =
        place.get(PACKAGE).header("range", "bytes=10-").header("if-range", "\"old\"").send().await.unwrap();
    assert_eq!(changed.status(), 200, "a part of another file is of no use");

    let beyond = place.get(PACKAGE).header("range", "bytes=99999999-").send().await.unwrap();
    assert_eq!(
        (beyond.status().as_u16(), header(&beyond, "content-range")),
        (416, format!("bytes */{}", bytes.len()))
    );
    assert_eq!(place.request(Method::PUT, PACKAGE).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn who_has_the_newest_is_sent_nothing_until_something_is_published() {
    let place = channel(&["q2-types"]).await;
    let first = place.get(INDEX).send().await.unwrap();
    let etag = header(&first, "etag");
    assert_eq!(header(&first, "cache-control"), "no-cache");
    let again = place.get(INDEX).header("if-none-match", format!("\"x\", W/{etag}")).send().await.unwrap();
    assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, etag.clone()));

    publish(&place.published().join("tiny/tested"), &["q2-types", "q2-feature-table"]);
    let newer = place.get(INDEX).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(newer.status(), 200);
    assert!(newer.text().await.unwrap().contains("q2-feature-table"));

    // Back to the older set: the content counts, whatever the date says.
    let channel = ChannelFolder::new(place.published().join("tiny/tested")).unwrap();
    channel.publish(&channel.files(1).unwrap(), &Patches::new()).unwrap();
    let older = place.get(INDEX).send().await.unwrap();
    assert!(!older.text().await.unwrap().contains("q2-feature-table"));
}

#[tokio::test]
async fn an_index_comes_in_the_form_that_the_client_reads() {
    let place = channel(&["q2-types"]).await;
    let plain = place.get(INDEX).send().await.unwrap();
    assert_eq!(header(&plain, "vary"), "accept-encoding");
    let (plain_etag, text) = (header(&plain, "etag"), plain.bytes().await.unwrap());

    let zstd = place.get(INDEX).header("accept-encoding", "gzip, zstd").send().await.unwrap();
    assert_eq!(
        (header(&zstd, "content-encoding"), header(&zstd, "content-type")),
        ("zstd".into(), "application/json".into())
    );
    let zstd_etag = header(&zstd, "etag");
    assert_eq!(zstd::decode_all(&zstd.bytes().await.unwrap()[..]).unwrap(), text);

    let gzip = place.get(INDEX).header("accept-encoding", "gzip, zstd;q=0").send().await.unwrap();
    assert_eq!(header(&gzip, "content-encoding"), "gzip");
    let gzip_etag = header(&gzip, "etag");
    let mut unpacked = Vec::new();
    let packed = gzip.bytes().await.unwrap();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut unpacked).unwrap();
    assert_eq!(unpacked, text);
    assert!(plain_etag != zstd_etag && zstd_etag != gzip_etag && plain_etag != gzip_etag);

    let by_name = place.get(&format!("{INDEX}.zst")).header("accept-encoding", "zstd").send().await.unwrap();
    assert_eq!(
        (header(&by_name, "content-encoding"), header(&by_name, "content-type")),
        (String::new(), "application/zstd".into())
    );
}

#[tokio::test]
async fn nothing_hidden_and_nothing_outside_is_there() {
    let place = channel(&["q2-types"]).await;
    let secret = place.folder.path().join("secret.txt");
    fs::write(&secret, "secret").unwrap();
    std::os::unix::fs::symlink(&secret, place.published().join("leak.txt")).unwrap();
    fs::write(place.published().join(".hidden"), "hidden").unwrap();
    assert!(place.published().join("tiny/.tested-generations/1/noarch/repodata.json").exists());
    for path in [
        "/tiny/.tested-generations/1/noarch/repodata.json",
        "/tiny/%2etested-generations/1/noarch/repodata.json",
        "/.hidden",
        "/leak.txt",
        "/%2e%2e/secret.txt",
        "/tiny/..%2f..%2fsecret.txt",
        "/tiny/tested/noarch",
        "/tiny/tested/noarch/",
        "/",
        "/nothing",
        "/tiny/tested/noarch/repodata.json/x",
    ] {
        assert_eq!(place.get(path).send().await.unwrap().status(), 404, "{path}");
    }
    assert_eq!(place.get(INDEX).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_client_that_reads_during_publications_always_gets_a_whole_index() {
    let place = channel(&["q2-types"]).await;
    let root = place.published().join("tiny/tested");
    // A reader's files stay for as long as two more publications; so it is given its time between them.
    let reads = Arc::new(AtomicUsize::new(0));
    let seen = reads.clone();
    let publishing = tokio::task::spawn_blocking(move || {
        for round in 0..10 {
            let more: &[&str] = if round % 2 == 0 { &["q2-types", "q2-emperor"] } else { &["q2-types"] };
            publish(&root, more);
            let before = seen.load(Ordering::SeqCst);
            while seen.load(Ordering::SeqCst) == before {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    while !publishing.is_finished() {
        let response = place.get(INDEX).header("accept-encoding", "zstd").send().await.unwrap();
        assert_eq!(response.status(), 200);
        let text = zstd::decode_all(&response.bytes().await.unwrap()[..]).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for file in index["packages.conda"].as_object().unwrap().keys() {
            let path = format!("/tiny/tested/noarch/{file}");
            let response = place.get(&path).send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
        }
        reads.fetch_add(1, Ordering::SeqCst);
    }
    publishing.await.unwrap();
}

/// What a gzip file holds.
fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut text).unwrap();
    text
}

#[tokio::test]
async fn text_of_any_size_is_compressed_as_it_is_sent_and_nothing_else_is() {
    let place = Place::new().await;
    fs::create_dir_all(place.published().join("r/2026-06-15")).unwrap();
    let folder = place.published().join("r/2026-06-15");
    // Larger than every buffer on the way, and not the same again and again.
    let large: String = (0..200_000).map(|number: u64| format!("record {number}\n")).collect();
    for name in ["manifest.json", "notes.txt", "issues.xml", "page.html", "NEWS"] {
        fs::write(folder.join(name), &large).unwrap();
        let path = format!("/r/2026-06-15/{name}");
        let whole = place.get(&path).send().await.unwrap();
        assert_eq!(
            (header(&whole, "vary"), header(&whole, "content-encoding")),
            ("accept-encoding".into(), String::new())
        );
        let gzip = place.get(&path).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(
            (header(&gzip, "content-encoding"), header(&gzip, "vary")),
            ("gzip".into(), "accept-encoding".into())
        );
        assert_eq!(header(&gzip, "content-type"), header(&whole, "content-type"), "{name}");
        let etag = header(&gzip, "etag");
        assert_ne!(etag, header(&whole, "etag"), "another form is another representation");
        let packed = gzip.bytes().await.unwrap();
        assert!(packed.len() < large.len() / 2, "{name}: {}", packed.len());
        assert!(unpacked(&packed) == large.as_bytes(), "{name}");
        let known = place.get(&path).header("accept-encoding", "gzip").header("if-none-match", &etag);
        assert_eq!(known.send().await.unwrap().status(), 304);
        let head = place.request(Method::HEAD, &path).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!((header(&head, "content-encoding"), header(&head, "etag")), ("gzip".into(), etag));
        assert!(head.bytes().await.unwrap().is_empty());
        // A range is one of the text itself.
        let part = place.get(&path).header("accept-encoding", "gzip").header("range", "bytes=0-4");
        let part = part.send().await.unwrap();
        assert_eq!((part.status().as_u16(), header(&part, "content-encoding")), (206, String::new()));
        assert_eq!(part.bytes().await.unwrap(), &large.as_bytes()[..5]);
    }
    fs::write(folder.join("tidal_1.0.tar.gz"), &large).unwrap();
    let archive = place.get("/r/2026-06-15/tidal_1.0.tar.gz").header("accept-encoding", "gzip, zstd");
    let archive = archive.send().await.unwrap();
    assert_eq!(
        (header(&archive, "content-encoding"), header(&archive, "vary")),
        (String::new(), String::new())
    );
}

#[tokio::test]
async fn the_compressed_file_beside_an_index_of_r_is_its_compressed_form() {
    let place = Place::new().await;
    let folder = place.published().join("src/contrib");
    fs::create_dir_all(&folder).unwrap();
    let text = "Package: tidal\nVersion: 1.0\n";
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, text.as_bytes()).unwrap();
    let published = packer.finish().unwrap();
    fs::write(folder.join("PACKAGES"), text).unwrap();
    fs::write(folder.join("PACKAGES.gz"), &published).unwrap();
    let gzip = place.get("/src/contrib/PACKAGES").header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(
        (header(&gzip, "content-encoding"), header(&gzip, "content-type")),
        ("gzip".into(), "text/plain; charset=utf-8".into())
    );
    assert_eq!(gzip.bytes().await.unwrap(), published, "the published bytes, not others that mean the same");
    let by_name =
        place.get("/src/contrib/PACKAGES.gz").header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(header(&by_name, "content-encoding"), "");
    assert_eq!(by_name.bytes().await.unwrap(), published);
}

#[tokio::test]
async fn a_date_counts_where_it_is_the_very_one_and_no_etag_is_named() {
    let place = channel(&["q2-types"]).await;
    let first = place.get(INDEX).send().await.unwrap();
    let (date, etag) = (header(&first, "last-modified"), header(&first, "etag"));
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
    let ask = async |headers: &[(&str, &str)]| {
        let request =
            headers.iter().fold(place.get(INDEX), |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(&[("if-modified-since", &date)]).await, 304);
    assert_eq!(ask(&[("if-modified-since", &date), ("if-none-match", "\"x\"")]).await, 200);
    assert_eq!(
        ask(&[("if-none-match", &etag), ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")]).await,
        304
    );
    // A later date is no promise: what is published next may be older.
    assert_eq!(ask(&[("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")]).await, 200);
    assert_eq!(ask(&[("if-modified-since", "yesterday")]).await, 200);
}

#[tokio::test]
async fn a_folder_with_a_page_is_that_page_and_others_are_not_listed() {
    let place = channel(&["q2-types"]).await;
    let folder = place.published().join("r/notes");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("index.html"), "<p>Notes</p>").unwrap();
    let page = place.get("/r/notes/").send().await.unwrap();
    assert_eq!(
        (page.status().as_u16(), header(&page, "content-type")),
        (200, "text/html; charset=utf-8".into())
    );
    assert_eq!(page.text().await.unwrap(), "<p>Notes</p>");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let address = format!("http://{}/r/notes", place.web.address());
    let moved = client.get(address).send().await.unwrap();
    assert_eq!((moved.status().as_u16(), header(&moved, "location")), (301, "./notes/".into()));
    let followed = place.get("/r/notes").send().await.unwrap();
    assert_eq!((followed.url().path(), followed.status().as_u16()), ("/r/notes/", 200));
    for path in ["/r/", "/r", "/", "/r/notes//", "/r/notes/index.html/", "/tiny/tested/noarch/"] {
        assert_eq!(place.get(path).send().await.unwrap().status(), 404, "{path}");
    }
    fs::write(place.published().join("index.html"), "<p>All</p>").unwrap();
    assert_eq!(place.get("/").send().await.unwrap().text().await.unwrap(), "<p>All</p>");
}

/// How often each path is read.
const READS: usize = 200;

/// Reads these paths again and again over connections that stay, while `work` goes on; `is_whole` judges each body.
async fn read_during(
    place: &Place,
    paths: &[&str],
    is_whole: impl Fn(&[u8]) -> bool,
    work: impl FnMut() + Send + 'static,
) {
    let (stop, mut work) = (CancellationToken::new(), work);
    let stopped = stop.clone();
    // Stopped by a failure too, or the test would never end.
    let stop = stop.drop_guard();
    let working = tokio::task::spawn_blocking(move || {
        while !stopped.is_cancelled() {
            work();
        }
    });
    // What an ETag stood for once it stands for always.
    let mut stood_for: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for _ in 0..READS {
        for path in paths {
            let response = place.get(path).send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            let etag = header(&response, "etag");
            let body = response.bytes().await.unwrap().to_vec();
            assert!(is_whole(&body), "{path}: {} bytes", body.len());
            assert_eq!(*stood_for.entry(etag).or_insert_with(|| body.clone()), body, "{path}");
        }
    }
    drop(stop);
    working.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_replaced_while_it_is_read_comes_whole() {
    let place = Place::new().await;
    let root = place.published().join("r");
    fs::create_dir_all(&root).unwrap();
    let text = |round: usize| format!("<{}>", "x".repeat(1 + round % 7 * 30_000));
    fs::write(root.join("index.html"), text(0)).unwrap();
    let is_whole = |body: &[u8]| body.starts_with(b"<") && body.ends_with(b">");
    let mut round = 0;
    read_during(&place, &["/r/index.html", "/r/"], is_whole, move || {
        round += 1;
        fs::write(root.join(".writing"), text(round)).unwrap();
        fs::rename(root.join(".writing"), root.join("index.html")).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_below_a_link_is_found_though_what_the_link_showed_before_is_gone_at_once() {
    let place = Place::new().await;
    let root = place.published().join("r");
    let show = move |round: usize| {
        let folder = root.join(format!(".generations/{round}/src"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("tidal_1.0.tar.gz"), "tidal").unwrap();
        std::os::unix::fs::symlink(format!(".generations/{round}"), root.join(".switching")).unwrap();
        fs::rename(root.join(".switching"), root.join("latest")).unwrap();
        if round > 0 {
            fs::remove_dir_all(root.join(format!(".generations/{}", round - 1))).unwrap();
        }
        // A switch of a real folder takes far longer than that.
        std::thread::sleep(Duration::from_millis(1));
    };
    show(0);
    let mut round = 0;
    read_during(
        &place,
        &["/r/latest/src/tidal_1.0.tar.gz"],
        |body| body == b"tidal",
        move || {
            round += 1;
            show(round);
        },
    )
    .await;
}
