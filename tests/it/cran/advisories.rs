//! The advisory database as an archive: what is read of it, what is refused, and how it is asked for.

use std::io::{Cursor, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Url;
use tidegate::ecosystem::cran::advisories::{Advisories, AdvisoryAnswer, AdvisoryClient};
use tidegate::failure::Failure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::serve::{always, answer, client};

const ADVISORY: &str = "id: RSEC-2026-1\naffected:\n  - package:\n      name: haven\n      ecosystem: CRAN\n    versions:\n      - \"1.0.0\"\n";

/// What GitHub packs: one folder with the branch's name, and files that are no advisories.
fn repository() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("main/README.md", b"A database.".to_vec()),
        ("main/.github/workflows/check.yml", b"on: push".to_vec()),
        ("main/vulns/haven/RSEC-2026-1.yaml", ADVISORY.into()),
    ]
}

fn zipped(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        archive.start_file(*path, SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn tarball(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // Written by hand: the crate refuses to write what a stranger may send.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        archive.append(&header, content.as_slice()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<Advisories, String> {
    Advisories::read_archive("the archive", bytes).map_err(|failure| failure.to_string())
}

#[test]
fn both_kinds_of_archive_say_the_same_and_other_files_are_passed_over() {
    for archive in [zipped(&repository()), tarball(&repository())] {
        let advisories = read(&archive).unwrap();
        let address =
            "https://github.com/RConsortium/r-advisory-database/blob/main/vulns/haven/RSEC-2026-1.yaml";
        assert_eq!(advisories.against("haven", "1.0.0"), [address]);
        assert_eq!(advisories.against("haven", "1.0"), Vec::<String>::new(), "the exact version alone");
        assert_eq!(advisories.into_known()["haven"]["1.0.0"], [address]);
    }
}

#[test]
fn an_archive_without_advisories_or_with_one_that_cannot_be_read_is_refused() {
    let with = |path: &'static str, content: &[u8]| {
        let mut files = repository();
        files.push((path, content.to_vec()));
        files
    };
    let cases = [
        repository()[..2].to_vec(),
        with("main/vulns/a/RSEC-2026-2.yaml", b"id: ["),
        with("main/vulns/a/RSEC-2026-2.yml", b"id: ../x"),
        with("main/vulns/a/RSEC-2026-2.yaml", b"\xff\xfe"),
        with("main/vulns/a/RSEC-2026-2.yaml", &vec![b'#'; 1024 * 1024 + 1]),
        with("main/../vulns/a/RSEC-2026-2.yaml", ADVISORY.as_bytes()),
    ];
    let mut said: Vec<String> = Vec::new();
    for files in &cases {
        let both = [read(&zipped(files)).unwrap_err(), read(&tarball(files)).unwrap_err()];
        assert_eq!(both[0], both[1]);
        said.push(both[0].clone());
    }
    let mut cut = zipped(&repository());
    cut.truncate(cut.len() - 30);
    said.push(read(&cut).unwrap_err());
    let mut cut = tarball(&repository());
    cut.truncate(cut.len() / 2);
    said.push(read(&cut).unwrap_err());
    said.push(read(b"<html>").unwrap_err());
    insta::assert_snapshot!(said.join("\n"));
}

/// A server that answers each connection with the next of these, and counts them.
async fn one_after_the_other(answers: Vec<Vec<u8>>) -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut vec![0; 8192]).await;
            let number = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let _ = stream.write_all(&answers[number]).await;
            let _ = stream.shutdown().await;
        }
    });
    (Url::parse(&format!("http://{address}/main.zip")).unwrap(), asked)
}

#[tokio::test]
async fn what_may_work_later_is_tried_three_times() {
    let broken = answer("502 Bad Gateway", b"");
    let (url, asked) =
        one_after_the_other(vec![broken.clone(), broken.clone(), answer("200 OK", b"PK")]).await;
    let archive = AdvisoryClient::new(url, client()).archive(None).await.unwrap();
    assert!(matches!(archive, AdvisoryAnswer::Archive { bytes, etag: None } if bytes == b"PK"));
    assert_eq!(asked.load(Ordering::SeqCst), 3);

    let (url, asked) = one_after_the_other(vec![broken]).await;
    let Err(failure) = AdvisoryClient::new(url, client()).archive(None).await else { panic!("it worked") };
    assert!(failure.is_transient());
    assert_eq!(asked.load(Ordering::SeqCst), 3);

    let (url, asked) = one_after_the_other(vec![answer("404 Not Found", b"")]).await;
    let gone = AdvisoryClient::new(url, client()).archive(None).await;
    assert!(matches!(gone, Err(Failure::Permanent { .. })));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "what is not there is not asked for again");
}

#[tokio::test]
async fn an_archive_that_is_still_the_same_is_not_sent() {
    let unchanged = always(b"HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".to_vec()).await;
    let client = AdvisoryClient::new(unchanged, client());
    assert!(matches!(client.archive(Some("\"1\"")).await, Ok(AdvisoryAnswer::Unchanged)));
    assert!(client.archive(None).await.is_err(), "nobody has an older one");
}
