//! Channels read from folders and from servers, and everything that is refused rather than believed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate::ecosystem::conda::address::ChannelAddress;
use tidegate::ecosystem::conda::channel::ChannelIndex;
use tidegate::ecosystem::conda::reader::{ChannelReader, IndexLimits};
use tidegate::ecosystem::conda::spec::Spec;
use tidegate::failure::Failure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::channel_builder::{Record, indexes, record, write};

fn data(relative: &str) -> ChannelAddress {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conda").join(relative);
    path.to_str().unwrap().parse().unwrap()
}

fn reader(limits: IndexLimits) -> ChannelReader {
    tidegate::tls::prepare();
    ChannelReader::new(reqwest::Client::new(), limits)
}

async fn read(address: &ChannelAddress) -> Result<ChannelIndex, Failure> {
    reader(IndexLimits::default()).read(address, &["linux-64"]).await
}

/// What an index with these bytes is read as.
async fn read_bytes(bytes: &[u8]) -> Result<ChannelIndex, Failure> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("noarch")).unwrap();
    std::fs::write(folder.path().join("noarch/repodata.json"), bytes).unwrap();
    let address = folder.path().to_str().unwrap().parse().unwrap();
    read(&address).await.map_err(|failure| match failure {
        Failure::Permanent { message } => {
            Failure::Permanent { message: message.replace(folder.path().to_str().unwrap(), "/place") }
        }
        other => other,
    })
}

fn files(channel: &ChannelIndex) -> Vec<String> {
    channel.builds().iter().map(|build| format!("{}/{}", build.subdir, build.file_name)).collect()
}

/// Answers of a server by path, head and body as they are; everything else is 404.
async fn serve(answers: BTreeMap<String, Vec<u8>>) -> ChannelAddress {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let missing = answer("404 Not Found", b"");
            let _ = stream.write_all(answers.get(path).unwrap_or(&missing)).await;
            let _ = stream.shutdown().await;
        }
    });
    format!("http://{address}/q2").parse().unwrap()
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    promising(status, body.len(), body)
}

fn promising(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn sample() -> Vec<Record> {
    vec![
        record("q2-types 1.0 0", &[]),
        record("q2-types 1.0 0", &[]).tar_bz2(),
        record("q2-types 1.10 0", &[]).on("linux-64"),
        record("q2-types 1.9 3", &[]),
        record("q2-types 1.10 h_1", &[]),
    ]
}

/// The answers of a server that has the sample, plain or compressed.
fn answers(file: &str, pack: impl Fn(&[u8]) -> Vec<u8>) -> BTreeMap<String, Vec<u8>> {
    let all = indexes(&sample()).into_iter();
    all.map(|(subdir, index)| {
        (format!("/q2/{subdir}/{file}"), answer("200 OK", &pack(index.to_string().as_bytes())))
    })
    .collect()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

#[tokio::test]
async fn a_folder_and_a_server_give_the_same_channel() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &sample());
    let local = read(&folder.path().to_str().unwrap().parse().unwrap()).await.unwrap();
    assert_eq!(
        files(&local),
        [
            "noarch/q2-types-1.0-0.tar.bz2",
            "noarch/q2-types-1.0-0.conda",
            "noarch/q2-types-1.9-3.conda",
            "linux-64/q2-types-1.10-0.conda",
            "noarch/q2-types-1.10-h_1.conda",
        ]
    );
    let compressed = read(&serve(answers("repodata.json.zst", zstd)).await).await.unwrap();
    let plain = read(&serve(answers("repodata.json", <[u8]>::to_vec)).await).await.unwrap();
    for remote in [compressed, plain] {
        assert_eq!(files(&remote), files(&local));
        assert_eq!(remote.digest(), local.digest());
    }
}

#[tokio::test]
async fn the_newest_is_that_of_conda_by_version_and_then_build_number() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &sample());
    let channel = read(&folder.path().to_str().unwrap().parse().unwrap()).await.unwrap();
    let newest = |text: &str, platform: &str| {
        channel.newest(&Spec::lenient(text).unwrap(), platform).map(|build| build.file_name)
    };
    assert_eq!(newest("q2-types", "linux-64").as_deref(), Some("q2-types-1.10-h_1.conda"));
    assert_eq!(newest("q2-types <1.10", "linux-64").as_deref(), Some("q2-types-1.9-3.conda"));
    assert_eq!(newest("q2-types 1.0", "linux-64").as_deref(), Some("q2-types-1.0-0.conda"));
    assert_eq!(newest("q2-types 1.10 0", "osx-64"), None);
    assert_eq!(newest("q2", "linux-64"), None);
}

#[tokio::test]
async fn a_digest_changes_with_the_index_and_with_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &sample());
    let address: ChannelAddress = folder.path().to_str().unwrap().parse().unwrap();
    let before = read(&address).await.unwrap();
    assert_eq!(read(&address).await.unwrap().digest(), before.digest());
    write(folder.path(), &[sample(), vec![record("q2-new 1 0", &[])]].concat());
    assert_ne!(read(&address).await.unwrap().digest(), before.digest());
}

#[tokio::test]
async fn a_missing_platform_is_absent_and_a_missing_channel_an_error() {
    let mut half = answers("repodata.json", <[u8]>::to_vec);
    half.retain(|path, _| path.contains("noarch"));
    let channel = read(&serve(half).await).await.unwrap();
    assert_eq!(channel.subdirs().collect::<Vec<_>>(), ["noarch"]);

    let nowhere = read(&serve(BTreeMap::new()).await).await.unwrap_err();
    assert!(matches!(nowhere, Failure::Permanent { .. }), "{nowhere:?}");
    assert!(
        nowhere
            .to_string()
            .ends_with("is no conda channel: there is no noarch/repodata.json and no linux-64/repodata.json")
    );

    let Err(Failure::Configuration { hint: Some(hint), .. }) =
        read(&"/nowhere/conda-forge".parse().unwrap()).await
    else {
        panic!("a folder that does not exist is a mistake of whoever wrote it")
    };
    insta::assert_snapshot!(hint, @"a name alone is read as a folder; write a channel of a server with its whole address");
}

#[tokio::test]
async fn what_a_server_fails_at_is_never_an_empty_channel() {
    let with = |broken: Vec<u8>| {
        let mut answers = answers("repodata.json.zst", zstd);
        answers.insert("/q2/linux-64/repodata.json.zst".to_owned(), broken);
        answers
    };
    let index = indexes(&sample())["linux-64"].to_string();
    let whole = zstd(index.as_bytes());
    let transient = [answer("503 Service Unavailable", b""), promising("200 OK", whole.len() + 7, &whole)];
    for broken in transient {
        let failure = read(&serve(with(broken)).await).await.unwrap_err();
        assert!(failure.is_transient(), "{failure}");
    }
    let permanent = [
        answer("403 Forbidden", b""),
        answer("200 OK", &whole[..whole.len() - 9]),
        answer("200 OK", &zstd(&index.as_bytes()[..index.len() - 9])),
        answer("200 OK", b"<html>not found</html>"),
        answer("200 OK", b""),
    ];
    for broken in permanent {
        let failure = read(&serve(with(broken)).await).await.unwrap_err();
        assert!(matches!(failure, Failure::Permanent { .. }), "{failure:?}");
    }
}

#[tokio::test]
async fn nothing_larger_than_the_limits_is_taken_in() {
    let bomb = zstd(&vec![b' '; 3 << 20]);
    assert!(bomb.len() < 1000);
    let address = serve([("/q2/noarch/repodata.json.zst".to_owned(), answer("200 OK", &bomb))].into()).await;
    let limited = |transferred, unpacked| {
        reader(IndexLimits { transferred, unpacked, timeout: Duration::from_secs(10) })
    };
    for (transferred, unpacked) in [(1 << 20, 1 << 20), (100, 1 << 30)] {
        let failure = limited(transferred, unpacked).read(&address, &[]).await.unwrap_err();
        assert!(failure.to_string().contains("bytes allowed"), "{failure}");
        assert!(matches!(failure, Failure::Permanent { .. }));
    }
    let local = limited(1 << 20, 50).read(&data("recheck-channel/channel"), &[]).await.unwrap_err();
    assert!(local.to_string().ends_with("the index has more than the 50 bytes allowed"), "{local}");
}

#[tokio::test]
async fn an_index_that_is_not_whole_or_not_one_is_refused() {
    for (text, why) in [
        (r#"{"packages": {"#, "cannot be read"),
        (r"{}", "it is no index of a channel"),
        (r"[]", "cannot be read"),
        (r#"{"info": {"subdir": "osx-64"}, "packages": {}}"#, "is that of `osx-64`"),
        (r#"{"packages": {"a-1-0.tar.bz2": {"name": "a"}}}"#, "cannot be read"),
        (r#"{"packages": {"a.zip": {}}}"#, "cannot be read"),
        (
            r#"{"info": {"subdir": "noarch", "base_url": "https://u:p@x/"}, "packages": {}}"#,
            "base_url that is refused",
        ),
    ] {
        let failure = read_bytes(text.as_bytes()).await.unwrap_err();
        assert!(matches!(&failure, Failure::Permanent { message } if message.contains(why)), "{failure:?}");
    }
}

#[tokio::test]
async fn records_that_contradict_their_place_are_left_out_and_told() {
    let sha256 = "a".repeat(64);
    let record = |name: &str, version: &str, subdir: &str| json!({ "name": name, "version": version, "build": "0", "build_number": 0, "subdir": subdir, "sha256": sha256 });
    let mut unverified = record("e", "1", "noarch");
    unverified["sha256"] = Value::Null;
    let index = json!({ "packages": {
        "a-1-0.tar.bz2": record("a", "1", "noarch"),
        "b-1-0.tar.bz2": record("b", "1", "linux-64"),
        "c-1-0.tar.bz2": record("x", "1", "noarch"),
        "d-1-0.tar.bz2": record("d", "2", "noarch"),
        "e-1-0.tar.bz2": unverified,
        "../f-1-0.tar.bz2": record("../f", "1", "noarch"),
        "g-1-0.tar.bz2": record("g", "1", ""),
    } });
    let channel = read_bytes(index.to_string().as_bytes()).await.unwrap();
    assert_eq!(files(&channel), ["noarch/a-1-0.tar.bz2", "noarch/g-1-0.tar.bz2"]);
    let told: Vec<String> =
        channel.refused().map(|refused| format!("{}: {}\n", refused.file_name, refused.why)).collect();
    insta::assert_snapshot!(told.concat(), @"
    ../f-1-0.tar.bz2: its file name holds characters that no file name of a package has
    b-1-0.tar.bz2: its record says that it is of `linux-64`
    c-1-0.tar.bz2: its record says that it is `x`
    d-1-0.tar.bz2: its record says that it is version 2
    e-1-0.tar.bz2: its record has no SHA-256, so the file could not be verified
    ");
}

#[tokio::test]
async fn what_was_taken_back_is_not_offered() {
    let mut index = indexes(&sample())["noarch"].clone();
    index["removed"] = json!(["q2-types-1.9-3.conda", "q2-types-0.1-0.conda"]);
    let channel = read_bytes(index.to_string().as_bytes()).await.unwrap();
    assert_eq!(files(&channel).len(), 3);
    assert!(!files(&channel).iter().any(|file| file.contains("1.9")));
    let removed: Vec<String> = channel.removed().into_iter().collect();
    assert_eq!(removed, ["noarch/q2-types-0.1-0.conda", "noarch/q2-types-1.9-3.conda"]);
}

#[tokio::test]
async fn a_file_that_is_described_twice_and_differently_is_not_believed() {
    let one =
        json!({ "name": "a", "version": "1", "build": "0", "build_number": 0, "sha256": "a".repeat(64) });
    let mut other = one.clone();
    other["depends"] = json!(["python"]);
    let index = json!({ "packages": { "a-1-0.tar.bz2": one }, "v3": { "tar.bz2": { "a-1-0": other } } });
    let channel = read_bytes(index.to_string().as_bytes()).await.unwrap();
    assert_eq!((files(&channel).len(), channel.refused().count()), (0, 1));
}

#[tokio::test]
async fn real_indexes_are_read() {
    let recheck = read(&data("recheck-channel/channel")).await.unwrap();
    assert_eq!((recheck.builds().len(), recheck.refused().count()), (8, 0));
    for folder in ["repodata/dummy", "repodata/dummy-no-conda-packages"] {
        let address = data(folder);
        let channel = read(&address).await.unwrap();
        let text = std::fs::read(address.folder().unwrap().join("linux-64/repodata.json")).unwrap();
        let index: Value = serde_json::from_slice(&text).unwrap();
        let listed = |section: &str| index[section].as_object().map_or(0, |records| records.len());
        let known = channel.builds().len() + channel.refused().count() + channel.removed().len();
        assert_eq!(known, listed("packages") + listed("packages.conda"), "{folder}");
        assert!(!channel.builds().is_empty());
    }
    let empty = read(&data("repodata/empty")).await.unwrap();
    assert!(empty.builds().is_empty());
    let misplaced = read(&data("repodata/dummy-noarch-str")).await.unwrap_err().to_string();
    assert!(misplaced.ends_with("dummy-noarch-str/linux-64 is that of `noarch`"), "{misplaced}");
}

#[tokio::test]
async fn a_platform_that_conda_does_not_know_never_becomes_a_path() {
    let failure = reader(IndexLimits::default()).read(&data("repodata"), &["../dummy"]).await.unwrap_err();
    assert!(matches!(failure, Failure::Configuration { .. }), "{failure:?}");
}
