//! One file from a server that misbehaves: nothing counts that is not what was promised, and nothing that came
//! is asked for twice.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate::digest::sha256_hex;
use tidegate::ecosystem::cran::fetch::{Downloaded, FetchLimits, PartialFile, Promise};
use tidegate::ecosystem::cran::layout::ContribFolder;
use tidegate::ecosystem::cran::universe::UniverseClient;
use tidegate::failure::Failure;

use super::serve::{answer, client, promising, scripted};

/// A file, a server that gives it somehow, and the place where it is fetched to.
struct Fetching {
    folder: tempfile::TempDir,
    universe: UniverseClient,
    asked: Arc<Mutex<Vec<String>>>,
    promise: Promise,
}

fn content() -> Vec<u8> {
    (0_u32..50_000).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
}

/// An answer with an ETag whose body ends after `length` bytes.
fn cut(tag: &str, length: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\netag: {tag}\r\ncontent-length: {}\r\n\r\n", content().len());
    [head.as_bytes(), &content()[..length]].concat()
}

/// The rest of the file from `start` on, of which `length` bytes come.
fn part(start: usize, length: usize) -> Vec<u8> {
    let whole = content();
    let (rest, end) = (whole.len() - start, whole.len() - 1);
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {start}-{end}/{}\r\ncontent-length: {rest}\r\n\r\n",
        whole.len()
    );
    [head.as_bytes(), &whole[start..start + length]].concat()
}

impl Fetching {
    async fn from(responses: Vec<Vec<u8>>) -> Self {
        let (url, asked) = scripted(responses).await;
        let universe = UniverseClient::new(url, client(), FetchLimits::default());
        let promise = Promise { sha256: sha256_hex(&content()), size: Some(content().len() as u64) };
        Self { folder: tempfile::tempdir().unwrap(), universe, asked, promise }
    }

    fn partial(&self) -> PathBuf {
        self.folder.path().join("partial")
    }

    /// One try, as a process of its own would make it.
    async fn fetch(&self) -> Result<Downloaded, Failure> {
        fetch(&self.universe, &self.promise, &self.partial()).await
    }

    /// The ranges that were asked for.
    fn ranges(&self) -> Vec<String> {
        let line = |head: &String, name: &str| {
            let value = head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            value.unwrap_or("-").to_owned()
        };
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|head| format!("{} {}", line(head, "range:"), line(head, "if-range:"))).collect()
    }

    fn has_arrived(&self) -> usize {
        std::fs::metadata(self.partial()).map_or(0, |there| there.len() as usize)
    }
}

async fn fetch(universe: &UniverseClient, promise: &Promise, partial: &Path) -> Result<Downloaded, Failure> {
    let path = ContribFolder::source().archive("tidal", "1.2.0").unwrap();
    let limits = FetchLimits { bytes: 64 << 20, timeout: Duration::from_secs(20) };
    let mut partial = PartialFile::open(partial)?.expect("nobody else fetches it");
    universe.fetch(&path, promise, &limits, &mut partial, &|_| {}).await
}

#[tokio::test]
async fn a_connection_that_breaks_goes_on_where_it_stopped() {
    let tag = "\"v1\"";
    let fetching = Fetching::from(vec![cut(tag, 70_000), part(70_000, 30_000), part(100_000, 100_000)]).await;
    let came = fetching.fetch().await.unwrap();
    assert_eq!((came.sha256, came.size), (fetching.promise.sha256.clone(), 200_000));
    assert_eq!(std::fs::read(fetching.partial()).unwrap(), content());
    assert_eq!(fetching.ranges(), ["- -", "bytes=70000- \"v1\"", "bytes=100000- \"v1\""]);
}

#[tokio::test]
async fn what_came_outlives_the_process_that_fetched_it() {
    let nothing = promising("200 OK", content().len(), b"");
    let fetching = Fetching::from(vec![cut("\"v1\"", 70_000), nothing, part(70_000, 130_000)]).await;
    let failure = fetching.fetch().await.unwrap_err();
    assert!(failure.is_transient(), "{failure}");
    // An answer without a byte says nothing of the file; the server began anew, and so did the file.
    assert_eq!(fetching.has_arrived(), 0);
    let fetching = Fetching::from(vec![cut("\"v1\"", 70_000), Vec::new(), part(70_000, 130_000)]).await;
    let failure = fetching.fetch().await.unwrap_err();
    assert!(
        failure.is_transient() && failure.to_string().contains("/src/contrib/tidal_1.2.0.tar.gz"),
        "{failure}"
    );
    assert_eq!(fetching.has_arrived(), 70_000);
    assert_eq!(fetching.fetch().await.unwrap().sha256, fetching.promise.sha256);
    assert_eq!(fetching.ranges().last().unwrap(), "bytes=70000- \"v1\"");
}

#[tokio::test]
async fn a_server_that_has_another_file_by_now_is_read_from_the_beginning() {
    let whole = answer("200 OK", &content());
    let fetching = Fetching::from(vec![cut("\"v1\"", 70_000), whole]).await;
    assert_eq!(fetching.fetch().await.unwrap().size, 200_000);
    assert_eq!(fetching.ranges(), ["- -", "bytes=70000- \"v1\""]);
    // Nothing tells whether it is still the same: asking for a part could mix two files.
    let whole = answer("200 OK", &content());
    let fetching = Fetching::from(vec![cut("W/\"v1\"", 70_000), whole]).await;
    assert_eq!(fetching.fetch().await.unwrap().size, 200_000);
    assert_eq!(fetching.ranges(), ["- -", "- -"]);
}

#[tokio::test]
async fn a_part_that_was_not_asked_for_is_not_appended() {
    let whole = answer("200 OK", &content());
    let fetching = Fetching::from(vec![cut("\"v1\"", 70_000), part(60_000, 140_000), whole]).await;
    let failure = fetching.fetch().await.unwrap_err();
    assert!(failure.is_transient() && failure.to_string().contains("another part"), "{failure}");
    assert_eq!(fetching.fetch().await.unwrap().sha256, fetching.promise.sha256);
    let less = answer("416 Range Not Satisfiable", b"");
    let fetching = Fetching::from(vec![cut("\"v1\"", 70_000), less, answer("200 OK", &content())]).await;
    assert_eq!(fetching.fetch().await.unwrap().sha256, fetching.promise.sha256);
}

#[tokio::test]
async fn a_wrong_file_is_asked_for_once_more_and_then_named() {
    let mut wrong = content();
    wrong[100] ^= 1;
    let (bad, good) = (answer("200 OK", &wrong), answer("200 OK", &content()));
    let fetching = Fetching::from(vec![bad.clone(), good.clone()]).await;
    assert_eq!(fetching.fetch().await.unwrap().sha256, fetching.promise.sha256);
    let fetching = Fetching::from(vec![bad.clone(), bad, good]).await;
    let failure = fetching.fetch().await.unwrap_err();
    assert!(failure.is_transient(), "{failure}");
    for part in ["tidal_1.2.0.tar.gz", &sha256_hex(&wrong), &fetching.promise.sha256, "asked for again"] {
        assert!(failure.to_string().contains(part), "{part} in {failure}");
    }
    assert_eq!((fetching.ranges().len(), fetching.has_arrived()), (2, 0));
    assert_eq!(fetching.fetch().await.unwrap().sha256, fetching.promise.sha256);
}

#[tokio::test]
async fn a_file_of_another_size_is_not_the_promised_one() {
    let longer = [content(), b"more".to_vec()].concat();
    let fetching = Fetching::from(vec![answer("200 OK", &longer)]).await;
    let failure = fetching.fetch().await.unwrap_err();
    assert!(
        failure.is_transient() && failure.to_string().contains("more than the 200000 bytes"),
        "{failure}"
    );
    let fetching = Fetching::from(vec![answer("200 OK", &content()[..199_999])]).await;
    let failure = fetching.fetch().await.unwrap_err();
    assert!(failure.to_string().contains("has 199999 bytes, and 200000 were promised"), "{failure}");
    assert_eq!(fetching.has_arrived(), 0);
}

#[tokio::test]
async fn what_the_server_says_is_told_and_what_came_stays() {
    for (status, transient) in [("500 Internal Server Error", true), ("404 Not Found", false)] {
        let fetching = Fetching::from(vec![cut("\"v1\"", 50_000), answer(status, b"")]).await;
        let failure = fetching.fetch().await.unwrap_err();
        assert_eq!(failure.is_transient(), transient, "{failure}");
        assert!(failure.to_string().contains(status), "{failure}");
        assert_eq!(fetching.has_arrived(), 50_000, "{status}");
    }
}

#[tokio::test]
async fn a_file_that_came_whole_before_a_crash_is_not_asked_for_again() {
    let fetching = Fetching::from(vec![answer("500 Internal Server Error", b"")]).await;
    std::fs::write(fetching.partial(), content()).unwrap();
    assert_eq!(fetching.fetch().await.unwrap().sha256, fetching.promise.sha256);
    assert_eq!(fetching.ranges(), Vec::<String>::new());
    // What a power failure left of it is noticed, and asked for.
    let fetching = Fetching::from(vec![answer("200 OK", &content())]).await;
    std::fs::write(fetching.partial(), vec![0; 200_000]).unwrap();
    assert_eq!(fetching.fetch().await.unwrap().sha256, fetching.promise.sha256);
}

#[tokio::test]
async fn two_that_fetch_one_file_do_not_write_over_each_other() {
    let fetching = Fetching::from(vec![answer("200 OK", &content())]).await;
    let first = PartialFile::open(&fetching.partial()).unwrap();
    assert!(first.is_some() && PartialFile::open(&fetching.partial()).unwrap().is_none());
}

/// Says to a child process where it fetches from and to, and the variable by which the child knows itself.
const FULL_DISK: &str = "TIDEGATE_TEST_OF_A_FULL_DISK";

#[tokio::test]
async fn a_full_disk_is_named_and_the_next_try_goes_on() {
    let fetching = Fetching::from(vec![cut("\"v1\"", 200_000), part(131_072, 68_928)]).await;
    let url =
        fetching.universe.file_url(&ContribFolder::source().archive("tidal", "1.2.0").unwrap()).unwrap();
    let base = url.as_str().trim_end_matches("src/contrib/tidal_1.2.0.tar.gz").to_owned();
    // A limit on the size of files stands for the disk: 256 blocks of 512 bytes in a POSIX shell.
    let mut child = Command::new("sh");
    child.arg("-c").arg("trap '' XFSZ; ulimit -f 256; exec \"$@\"").arg("sh");
    child.arg(std::env::current_exe().unwrap());
    child.args(["--exact", "cran::fetching::fetches_onto_a_full_disk", "--ignored", "--nocapture"]);
    child.env(FULL_DISK, format!("{base}\n{}", fetching.partial().display()));
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("File too large"), "{said}");
    assert_eq!(fetching.has_arrived(), 131_072);
    assert_eq!(fetching.fetch().await.unwrap().sha256, fetching.promise.sha256);
    assert_eq!(fetching.ranges(), ["- -", "bytes=131072- \"v1\""]);
}

#[tokio::test]
#[ignore = "the test of a full disk runs it, in a process with a limit"]
async fn fetches_onto_a_full_disk() {
    let Ok(told) = std::env::var(FULL_DISK) else { return };
    let (base, partial) = told.split_once('\n').unwrap();
    let universe = UniverseClient::new(base.parse().unwrap(), client(), FetchLimits::default());
    let promise = Promise { sha256: sha256_hex(&content()), size: Some(content().len() as u64) };
    let failure = fetch(&universe, &promise, Path::new(partial)).await.unwrap_err();
    assert!(failure.is_transient() && failure.to_string().contains("raise the limit"), "{failure}");
    println!("{failure}");
}
