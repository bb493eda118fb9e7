//! The web server of the daemon: notices of builds come in, the published folder goes out, and a health
//! check says whether the planner lives. With the simulated services of `rehearse` the only place that
//! knows axum.
//!
//! It speaks plain HTTP/1.1. Before anything but loopback belongs a proxy that speaks TLS and limits how
//! slow a client may be; this server itself limits what a request may hold and how long its body may take.

mod access;
mod files;
mod health;
mod library;
mod notice;
pub mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::access::Access;
use self::files::PublishedFolder;
use crate::clock::SharedClock;
use crate::config::Configuration;
use crate::store::Store;

/// How long a stop waits for answers that are under way, such as long downloads.
const FAREWELL: Duration = Duration::from_secs(10);

/// What every handler works with.
struct Shared {
    store: Store,
    clock: SharedClock,
    access: RwLock<Arc<Access>>,
    published: Option<PublishedFolder>,
    /// The folder in which the daemon's control socket lies.
    state: PathBuf,
    heartbeat: Duration,
}

impl Shared {
    fn access(&self) -> Arc<Access> {
        self.access.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A web server that serves. Dropping it cuts every connection; [`WebServer::stop`] is the orderly way.
pub struct WebServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl WebServer {
    /// Begins to serve where `[web]` in `tidegate.toml` says; nothing without that table. Fails where the
    /// address cannot be bound.
    pub async fn start(
        configuration: &Configuration,
        store: Store,
        clock: SharedClock,
    ) -> anyhow::Result<Option<Self>> {
        let settings = &configuration.settings;
        let Some(web) = &settings.web else { return Ok(None) };
        let listener = TcpListener::bind(web.listen)
            .await
            .with_context(|| format!("cannot listen on {}, which [web] names", web.listen))?;
        let address = listener.local_addr().context("cannot tell the address that was bound")?;
        let shared = Arc::new(Shared {
            store,
            clock,
            access: RwLock::new(Arc::new(Access::of(configuration))),
            published: settings.publish.as_ref().map(|publish| PublishedFolder::new(&publish.directory)),
            state: settings.state.clone(),
            heartbeat: settings.daemon.heartbeat.get(),
        });
        let stop = CancellationToken::new();
        let (router, stopped) = (router(shared.clone()), stop.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                tracing::error!("the web server has ended: {error}");
            }
        });
        tracing::info!(%address, "the web server listens");
        Ok(Some(Self { shared, address, stop, serving }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What puts a new configuration's tokens and packages in force.
    pub fn reloader(&self) -> impl Fn(&Configuration) + Send + Sync + 'static {
        let shared = self.shared.clone();
        move |configuration| {
            let access = Arc::new(Access::of(configuration));
            *shared.access.write().unwrap_or_else(PoisonError::into_inner) = access;
        }
    }

    /// Takes no further requests, and waits a while for the answers that are under way.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(FAREWELL, &mut self.serving).await.is_err() {
            tracing::warn!("some answers of the web server were cut off after {FAREWELL:?}");
        }
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new().route("/health", get(health::answer));
    for path in ["/api/v1/packages/integrate", "/api/v1/packages/integrate/"] {
        router = router.route(path, post(library::integrate_v1));
    }
    for path in ["/api/v2/packages/integrate", "/api/v2/packages/integrate/"] {
        router = router.route(path, post(library::integrate_v2));
    }
    for path in ["/api/v1/packages/stage", "/api/v1/packages/stage/"] {
        router = router.route(path, post(library::stage));
    }
    for path in ["/api/v1/packages/pass", "/api/v1/packages/pass/"] {
        router = router.route(path, post(library::pass));
    }
    router.fallback(files::answer).with_state(shared)
}
