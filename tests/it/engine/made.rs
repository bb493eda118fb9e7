//! Channels, assignments and engines for tests.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rattler_conda_types::compression_level::CompressionLevel;
use rattler_package_streaming::write::write_conda_package;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tidegate::domain::Build;
use tidegate::engine::local::{LocalEngine, LocalSettings, WorkerStart};
use tidegate::engine::sandbox::Sandbox;
use tidegate::engine::worker::WorkerSettings;
use tidegate::engine::{
    Assignment, AssignmentFolder, CommandWork, CondaTest, Engine, Limits, Network, Progress, Report, Ticket,
    Work,
};

/// How long a test waits for what takes a second at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// A real component that a test needs; false where it is missing.
pub fn there(program: &str) -> bool {
    let found = ["/usr/bin", "/usr/sbin"].iter().any(|folder| Path::new(folder).join(program).is_file());
    if !found {
        assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "{program} is not installed");
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// The channel whose recheck outcomes are known.
pub fn recheck_channel() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conda/recheck-channel/channel/noarch")
}

/// A folder with a channel, a cache and assignments.
pub struct Place {
    pub folder: TempDir,
}

/// One record of a channel, as an assignment holds it.
#[derive(Clone)]
pub struct Record(Value);

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("assignments")
    }

    pub fn worker(&self) -> WorkerSettings {
        WorkerSettings { cache: self.folder.path().join("cache"), sandbox: Sandbox::Bubblewrap }
    }

    /// An engine with its own processes; every call is what a new daemon has.
    pub fn engine(&self, workers: usize) -> LocalEngine {
        self.engine_with(workers, self.worker())
    }

    pub fn engine_with(&self, workers: usize, settings: WorkerSettings) -> LocalEngine {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_tidegate"));
        let start = WorkerStart::Process { program, settings };
        LocalEngine::new(LocalSettings { root: self.root(), workers, start }).unwrap()
    }

    pub fn assign(&self, assignment: &Assignment) -> AssignmentFolder {
        AssignmentFolder::create(&self.root().join(&assignment.key), assignment).unwrap()
    }

    /// A package made of these files, which lie below its root.
    pub fn package(&self, name: &str, files: &[(&str, &str)]) -> Record {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        let index = json!({
            "name": name, "version": "1.0", "build": "0", "build_number": 0, "depends": [],
            "subdir": "noarch", "noarch": "generic",
        });
        let payload: Vec<&str> =
            files.iter().map(|(path, _)| *path).filter(|path| !path.starts_with("info/")).collect();
        let paths: Vec<Value> =
            payload.iter().map(|path| json!({ "_path": path, "path_type": "hardlink" })).collect();
        let mut all: BTreeMap<&str, String> =
            files.iter().map(|(path, text)| (*path, (*text).to_owned())).collect();
        all.insert("info/index.json", index.to_string());
        all.insert("info/paths.json", json!({ "paths": paths, "paths_version": 1 }).to_string());
        for (path, text) in &all {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            if path.components().any(|part| part.as_os_str() == "bin") {
                executable(&path);
            }
        }
        let file_name = format!("{name}-1.0-0.conda");
        let channel = self.folder.path().join("channel/noarch");
        fs::create_dir_all(&channel).unwrap();
        let paths: Vec<PathBuf> = all.keys().map(|path| folder.path().join(path)).collect();
        let file = fs::File::create(channel.join(&file_name)).unwrap();
        let stem = format!("{name}-1.0-0");
        write_conda_package(file, folder.path(), &paths, CompressionLevel::Default, None, &stem, None, None)
            .unwrap();
        Record::new(&channel, &file_name, index)
    }
}

/// Lets a file be run.
pub fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Record {
    /// The record of a file in a folder of a channel, with its real sha256.
    fn new(folder: &Path, file_name: &str, index: Value) -> Self {
        let mut record = index;
        let path = folder.join(file_name);
        record["sha256"] = hex(&Sha256::digest(fs::read(&path).unwrap())).into();
        record["fn"] = file_name.into();
        record["url"] = url::Url::from_file_path(&path).unwrap().to_string().into();
        record["channel"] = url::Url::from_file_path(folder.parent().unwrap()).unwrap().to_string().into();
        Self(record)
    }

    /// The record of a file of the recheck channel.
    pub fn of_recheck_channel(file_name: &str) -> Self {
        let index = fs::read(recheck_channel().join("repodata.json")).unwrap();
        let index: Value = serde_json::from_slice(&index).unwrap();
        Self::new(&recheck_channel(), file_name, index["packages"][file_name].clone())
    }

    /// The same with another sum.
    pub fn with_sha256(mut self, sha256: &str) -> Self {
        self.0["sha256"] = sha256.into();
        self
    }

    /// The same at another address.
    pub fn with_url(mut self, url: &str) -> Self {
        self.0["url"] = url.into();
        self
    }

    fn build(&self) -> Build {
        let text = |key: &str| self.0[key].as_str().unwrap().to_owned();
        Build {
            name: text("name"),
            version: text("version"),
            build: text("build"),
            build_number: 0,
            subdir: "noarch".to_owned(),
            file_name: text("fn"),
            sha256: text("sha256"),
            channel: text("channel"),
        }
    }
}

/// A channel on loopback: answers each request with the file of that name, or with 404.
pub fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut line).unwrap();
            let name = line.split_whitespace().nth(1).unwrap().trim_start_matches('/').to_owned();
            // The rest of the request's head, up to its empty line.
            while reader.read_line(&mut line).unwrap() > 2 {}
            let (status, body) = match fs::read(folder.join(name)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).unwrap();
        }
    });
    format!("http://{address}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The test of the first of these packages among all of them.
pub fn conda_test(key: &str, records: &[Record]) -> Assignment {
    let platform = format!("linux-{}", if cfg!(target_arch = "aarch64") { "aarch64" } else { "64" });
    let values: Vec<Value> = records.iter().map(|record| record.0.clone()).collect();
    Assignment {
        key: key.to_owned(),
        work: Work::CondaTest(CondaTest {
            member: records[0].build(),
            platform,
            records: serde_json::from_value(Value::Array(values)).unwrap(),
        }),
        limits: Limits { time: 60, ..Limits::default() },
        network: Network::Denied,
    }
}

/// A shell command.
pub fn command(key: &str, code: &str) -> Assignment {
    let command = ["bash", "-c", code].map(str::to_owned).to_vec();
    Assignment {
        key: key.to_owned(),
        work: Work::Command(CommandWork { command, variables: BTreeMap::new() }),
        limits: Limits { time: 60, ..Limits::default() },
        network: Network::Denied,
    }
}

/// Looks until the assignment has ended or is lost.
pub async fn end_of(engine: &dyn Engine, ticket: &Ticket) -> Progress {
    until(engine, ticket, |progress| matches!(progress, Progress::Ended(_) | Progress::Lost { .. })).await
}

/// Looks until the progress is as wished.
pub async fn until(engine: &dyn Engine, ticket: &Ticket, wished: impl Fn(&Progress) -> bool) -> Progress {
    let began = Instant::now();
    loop {
        let progress = engine.look(ticket).await.unwrap();
        if wished(&progress) {
            return progress;
        }
        assert!(began.elapsed() < PATIENCE, "still {progress:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Submits an assignment to a new engine, and waits for its report.
pub async fn report_of(place: &Place, assignment: &Assignment) -> Report {
    let folder = place.assign(assignment);
    let engine = place.engine(1);
    let ticket = engine.submit(&folder).await.unwrap();
    match end_of(&engine, &ticket).await {
        Progress::Ended(report) => report,
        progress => panic!("{progress:?}"),
    }
}

/// What an assignment printed.
pub fn log_of(place: &Place, key: &str) -> String {
    fs::read_to_string(place.root().join(key).join("log.txt")).unwrap()
}
