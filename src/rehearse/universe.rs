//! The simulated R-universe and CRAN: one server on loopback that says what a world says at the
//! time of its clock.
//!
//! It is strict. A request for something that the real services do not have is answered with 400 and
//! kept under [`SimulatedUniverse::violations`]; what they could have, but do not have now, is a 404.
//! Its addresses, for each channel of the world:
//!
//! - `/universe/<channel>/api/packages?stream=true&fields=...`
//! - `/universe/<channel>/src/contrib/...`, `/universe/<channel>/bin/...`: a CRAN-like repository
//! - `/cran/<channel>/<date>/src/contrib/PACKAGES` and `PACKAGES.gz`: the index of a frozen date; it
//!   has a channel because a recorded outage of it concerns the jobs of one channel only
//! - `/advisories/main.zip`: the advisory database, for the jobs of every channel

mod advisories;
mod bundles;
mod cran;
mod cranlike;
mod maker;
mod records;
mod requests;
mod scene;
mod shelf;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::domain::Listing;
use crate::rehearse::world::Playback;

pub use maker::{MadePackage, PackageMaker, Platform};
use records::Lines;
use scene::Scene;
use shelf::Shelf;

/// The rows of a channel's `packages.json` now. The simulated GitHub owns the repositories.
pub type Listings = Arc<dyn Fn(&str) -> Vec<Listing> + Send + Sync>;

/// The series of R, such as `4.5`, that the distribution targets at a time.
pub type TargetedSeries = Arc<dyn Fn(Timestamp) -> String + Send + Sync>;

/// What the simulated universe depends on.
#[derive(Clone)]
pub struct Surroundings {
    /// The world's clock.
    pub clock: SharedClock,
    /// What the repositories list.
    pub listings: Listings,
    /// The R that checks and binaries are for.
    pub targeted_r: TargetedSeries,
    /// Who makes packages.
    pub maker: Arc<dyn PackageMaker>,
}

/// A running server. It stops when it is dropped.
pub struct SimulatedUniverse {
    address: SocketAddr,
    violations: Arc<Violations>,
    stop: CancellationToken,
    task: Option<JoinHandle<io::Result<()>>>,
}

/// Requests that the real services would not have understood.
#[derive(Default)]
struct Violations(Mutex<Vec<String>>);

/// What the handlers share.
struct Served {
    scene: Scene,
    lines: Lines,
    violations: Arc<Violations>,
}

impl SimulatedUniverse {
    /// Serves a world on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Where no port can be bound.
    pub async fn start(playback: Arc<Playback>, surroundings: Surroundings) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let violations = Arc::new(Violations::default());
        let shelf = Shelf::new(Arc::clone(&surroundings.maker));
        let served = Arc::new(Served {
            scene: Scene {
                newest_patches: scene::newest_patches(playback.world()),
                playback,
                surroundings,
                shelf,
            },
            lines: Lines::default(),
            violations: Arc::clone(&violations),
        });
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server = axum::serve(listener, requests::router(served)).with_graceful_shutdown(stopped);
        let task = tokio::spawn(async move { server.await });
        Ok(Self { address, violations, stop, task: Some(task) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a channel's universe, without a slash at the end.
    pub fn universe_url(&self, channel: &str) -> String {
        format!("http://{}/universe/{channel}", self.address)
    }

    /// The template of the addresses of CRAN for a channel's jobs: `{date}` stands for the frozen date.
    pub fn cran_url(&self, channel: &str) -> String {
        format!("http://{}/cran/{channel}/{{date}}", self.address)
    }

    /// The address of the advisory database.
    pub fn advisories_url(&self) -> String {
        format!("http://{}/advisories/main.zip", self.address)
    }

    /// The requests so far that no real service would have understood, in order.
    pub fn violations(&self) -> Vec<String> {
        self.violations.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops serving once the open requests are answered.
    ///
    /// # Errors
    /// Where the server had ended by an error of its own.
    pub async fn stop(mut self) -> io::Result<()> {
        self.stop.cancel();
        match self.task.take() {
            Some(task) => task.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }
}

impl Drop for SimulatedUniverse {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Violations {
    fn add(&self, violation: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(violation);
    }
}
