//! Which rehearsal an output folder belongs to. Started again on the same folder it goes on; with
//! another world or other flags it refuses.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::rehearsal::RehearsalSettings;
use crate::domain::{EvidencePolicy, StagingModel, Via};

const FILE: &str = "rehearsal.json";

/// What makes a rehearsal the same one. The time up to which it plays is not part of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    world: String,
    world_digest: String,
    staging: Option<StagingModel>,
    via: Option<Via>,
    policy: Option<EvidencePolicy>,
}

/// Takes the folder for this rehearsal of the world of that name and digest, or refuses where it belongs
/// to another one.
pub fn claim(out: &Path, (name, digest): (&str, &str), settings: &RehearsalSettings) -> anyhow::Result<()> {
    let ours = Identity {
        world: name.to_owned(),
        world_digest: digest.to_owned(),
        staging: settings.staging,
        via: settings.via,
        policy: settings.policy,
    };
    let file = out.join(FILE);
    match fs::read(&file) {
        Ok(bytes) => {
            let theirs: Identity = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is not readable", file.display()))?;
            if theirs != ours {
                bail!(
                    "{} belongs to another rehearsal ({}); choose another folder with --out, or remove this one",
                    out.display(),
                    difference(&theirs, &ours)
                );
            }
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => begin(out, &file, &ours),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn begin(out: &Path, file: &Path, ours: &Identity) -> anyhow::Result<()> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let occupied =
        fs::read_dir(out).with_context(|| format!("cannot read {}", out.display()))?.next().is_some();
    if occupied {
        bail!("{} is not empty and holds no rehearsal; choose another folder with --out", out.display());
    }
    let mut temporary = tempfile::NamedTempFile::new_in(out).context("cannot write to the output folder")?;
    serde_json::to_writer_pretty(&mut temporary, ours)?;
    temporary.persist(file).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}

fn difference(theirs: &Identity, ours: &Identity) -> String {
    if theirs.world != ours.world {
        return format!("its world is `{}`", theirs.world);
    }
    if theirs.world_digest != ours.world_digest {
        return "its world has the same name and other contents".to_owned();
    }
    "its --staging, --via or --policy differ".to_owned()
}
