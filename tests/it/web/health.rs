//! The health check, with and without a daemon behind it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tidegate::clock::SystemClock;
use tidegate::daemon::{DaemonSettings, Provided, serve};
use tidegate::store::{Durability, Store};
use tidegate::web::WebServer;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::place::{Place, TYPES, configuration};
use crate::control::Echo;

#[tokio::test]
async fn without_a_daemon_it_is_unwell() {
    let place = Place::new().await;
    let response = place.get("/health").send().await.unwrap();
    assert_eq!(response.status(), 503);
    let text = response.text().await.unwrap();
    assert!(text.contains("the daemon does not answer"), "{text}");
}

#[tokio::test]
async fn a_daemon_that_plans_is_well_until_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = configuration(folder.path().to_owned(), TYPES);
    let state = configuration.settings.state.clone();
    std::fs::create_dir_all(&state).unwrap();
    let store = Store::open(&state.join("tidegate.db"), Durability::ProcessCrash).await.unwrap();
    let web = WebServer::start(&configuration, store.clone(), Arc::new(SystemClock)).await.unwrap().unwrap();
    let settings = DaemonSettings {
        state,
        heartbeat: Duration::from_secs(1),
        stop_within: Duration::from_secs(5),
        concurrent_runs: NonZeroUsize::MIN,
        retention: Default::default(),
    };
    let stop = CancellationToken::new();
    let signals = (stop.clone(), Arc::new(Notify::new()));
    let reload = Box::new(|| Ok(Vec::new()));
    let provided = Provided { jobs: Vec::new(), reload, channels: Arc::new(Echo), snapshots: Arc::new(Echo) };
    let daemon = tokio::spawn(serve(settings, store, Arc::new(SystemClock), provided, signals));

    tidegate::tls::prepare();
    let address = format!("http://{}/health", web.address());
    let mut status = 0;
    for _ in 0..100 {
        status = reqwest::get(&address).await.unwrap().status().as_u16();
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status, 200);
    stop.cancel();
    daemon.await.unwrap().unwrap();
    assert_eq!(reqwest::get(&address).await.unwrap().status(), 503);
    web.stop().await;
    assert!(reqwest::get(&address).await.is_err(), "nobody listens any more");
}
