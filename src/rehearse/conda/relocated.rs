//! The world's configuration with its addresses, folders and tokens replaced by the rehearsal's.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::channels;
use crate::config::{Configuration, EngineKind, Engines, JobKind, LocalEngine, Publish, Web};
use crate::rehearse::rehearsal::PUBLISHED;
use crate::rehearse::world::CondaWorld;
use crate::web::token::digest;

/// The token of a package in a rehearsal: what its repository sends along with a notice.
pub(super) fn token_of(package: &str) -> String {
    format!("a-token-of-{package}-in-a-rehearsal")
}

/// The drop folder in the folder of the world.
pub(super) fn drop_folder(root: &Path) -> PathBuf {
    root.join("drop")
}

/// The configuration of `world`, led into the output folder `out` and the world's own folder `root`; tests
/// run on this machine as `engine` says.
pub(super) fn relocated(world: &CondaWorld, engine: &LocalEngine, out: &Path, root: &Path) -> Configuration {
    let mut relocated = world.configuration.clone().without_targets();
    let settings = &mut relocated.settings;
    settings.state = out.to_owned();
    settings.publish = Some(Publish::to_folder(out.join(PUBLISHED)));
    settings.web = Some(Web { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) });
    // A socket of systemd's serves the daemon's own folder and no other.
    settings.engine =
        Engines { local: LocalEngine { socket: None, ..engine.clone() }, slurm: None, github_actions: None };
    for distribution in relocated.conda.values_mut() {
        for address in &mut distribution.external {
            if let Some(channel) = world.channels.iter().find(|channel| channel.address == *address) {
                *address = channels::folder(root, &channel.name).display().to_string();
            }
        }
        for (name, package) in &mut distribution.packages {
            package.token_sha256 = Some(digest(&token_of(name)));
        }
    }
    for job in relocated.jobs.values_mut() {
        match &mut job.kind {
            JobKind::Intake(intake) => intake.drop = intake.drop.as_ref().map(|_| drop_folder(root)),
            JobKind::Recheck(recheck) => recheck.engine = EngineKind::Local,
            _ => {}
        }
    }
    relocated
}
