//! How long a sweep over 10,000 unchanged repositories takes, in how many requests and in how much memory.
//!
//! The process serves a made-up GitHub on loopback and starts itself once more as the client, so that
//! the memory measured is the client's own: `cargo bench --bench poll_sweep [-- REPOSITORIES LATENCY_MS]`.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use serde_json::{Map, Value, json};
use tidegate::clock::SystemClock;
use tidegate::github::{GitHub, GitHubSettings, Lookup, Pace, RepositoryName};
use tidegate::store::{Durability, Store};

/// Says to the child where the server is; cargo passes arguments of its own.
const SERVER: &str = "TIDEGATE_BENCH_SERVER";

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let repositories = numbers.first().copied().unwrap_or(10_000);
    match std::env::var(SERVER) {
        Ok(server) => runtime.block_on(sweep(&server, repositories)),
        Err(_) => runtime.block_on(serve(repositories, numbers.get(1).copied().unwrap_or(0))),
    }
}

async fn serve(repositories: u64, latency: u64) -> anyhow::Result<()> {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let answer = move |body: Bytes| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(Duration::from_millis(latency)).await;
            answer(&body)
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/graphql", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client =
        Command::new(std::env::current_exe()?).arg(repositories.to_string()).env(SERVER, address).spawn();
    let status = tokio::task::spawn_blocking(move || client?.wait()).await??;
    anyhow::ensure!(status.success(), "the client failed");
    println!("{} requests, {latency} ms of latency each", requests.load(Ordering::Relaxed));
    Ok(())
}

fn answer(body: &[u8]) -> String {
    let request: Value = serde_json::from_slice(body).expect("the client sends JSON");
    let mut data = Map::new();
    let release = json!({
        "tagName": "v1.2.3", "publishedAt": "2026-07-01T00:00:00Z", "createdAt": "2026-07-01T00:00:00Z",
        "isDraft": false, "isPrerelease": false, "tagCommit": { "oid": "a".repeat(40) },
    });
    for index in 0.. {
        let part = |kind: &str| request["variables"][format!("{kind}{index}")].as_str();
        let (Some(owner), Some(name)) = (part("o"), part("n")) else { break };
        let repository = json!({
            "nameWithOwner": format!("{owner}/{name}"), "isArchived": false,
            "latestRelease": release, "releases": { "nodes": vec![release.clone(); 5] },
        });
        data.insert(format!("a{index}"), repository);
    }
    data.insert(
        "rateLimit".to_owned(),
        json!({ "cost": 1, "limit": 5000, "remaining": 4900, "resetAt": "2126-01-01T00:00:00Z" }),
    );
    json!({ "data": data }).to_string()
}

async fn sweep(server: &str, repositories: u64) -> anyhow::Result<()> {
    let names: Vec<RepositoryName> = (0..repositories)
        .map(|index| format!("owner/repository-{index}").parse())
        .collect::<Result<_, _>>()?;
    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().join("state.db"), Durability::PowerFailure).await?;
    let settings = GitHubSettings::new(server.parse()?, "token".into());
    let github = GitHub::new(settings, store, Arc::new(SystemClock), Pace::Real).await?;
    for sweep in ["first", "second"] {
        let start = Instant::now();
        let answers = github.poll_releases(&names, 100).await?;
        let found = answers.values().filter(|lookup| matches!(lookup, Lookup::Found(_))).count();
        anyhow::ensure!(found == names.len(), "{found} of {} found", names.len());
        println!("{sweep} sweep: {found} repositories in {:.3} s", start.elapsed().as_secs_f64());
    }
    println!("peak memory of the client: {}", peak_memory()?);
    Ok(())
}

/// The most memory that this process has held at once, as Linux counts it.
fn peak_memory() -> anyhow::Result<String> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("only Linux says how much memory was used")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().to_owned())
}
