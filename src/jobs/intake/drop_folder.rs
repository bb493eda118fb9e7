//! The drop folder: archives that people put there, in it or in a folder of a platform below it. One that is
//! taken in is removed; one that is refused stays, and is told of once. Names that begin with a dot are left
//! alone, so that a file can be copied under such a name and renamed when it is whole.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::archives::{Incoming, Refusal};
use super::notices::other_bytes;
use super::{Intake, Tally, blocking};
use crate::daemon::{RunContext, RunError};
use crate::ecosystem::conda::layout::{ArchiveFormat, is_subdir};
use crate::publish::content::ContentStore;

/// A file in the folder.
#[derive(Clone)]
struct Dropped {
    path: PathBuf,
    folder: Option<String>,
    file_name: String,
    /// What changes when the file does: it is told of once for each of these.
    mark: String,
}

impl Intake {
    /// Takes in everything that lies in the folder.
    pub(super) async fn empty_drop_folder(
        &self,
        published: &BTreeMap<String, String>,
        context: &RunContext,
        tally: &mut Tally,
    ) -> Result<(), RunError> {
        let Some(folder) = self.settings.drop.clone() else { return Ok(()) };
        for dropped in blocking(move || lying_in(&folder)).await? {
            match self.take_dropped(&dropped, published).await? {
                Ok(()) => tally.add("dropped", 1),
                Err(why) => {
                    tally.add("refused", 1);
                    let body = json!({
                        "file": dropped.path, "why": why,
                        "do": "take the file out of the folder; mend the build and give it another build number",
                    });
                    let key = format!("file/{}/{}", dropped.path.display(), dropped.mark);
                    let event = self.event(context, "refused", None, body, &key);
                    self.services.store.add_event(&event).await?;
                }
            }
        }
        Ok(())
    }

    async fn take_dropped(
        &self,
        dropped: &Dropped,
        published: &BTreeMap<String, String>,
    ) -> Result<Result<(), Refusal>, RunError> {
        let (file, distribution) = (dropped.clone(), self.distribution.clone());
        let (content, largest) = (self.services.content(), self.largest());
        let checked = blocking(move || match file.copied(&content, largest)? {
            Ok(incoming) => incoming.check(&distribution, largest),
            Err(why) => Ok(Err(why)),
        });
        let checked = match checked.await? {
            Ok(checked) => checked,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(why) = checked.clash(published) {
            return Ok(Err(why));
        }
        let content = self.services.content();
        let arrival = blocking(move || checked.keep(&content)).await?;
        let (store, now) = (&self.services.store, self.services.clock.now());
        if let Err(clash) = store.add_arrivals(&self.distribution.name, None, &[arrival], now).await? {
            return Ok(Err(other_bytes(&clash.file, &clash.known)));
        }
        let path = dropped.path.clone();
        blocking(move || fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display())))
            .await?;
        Ok(Ok(()))
    }
}

impl Dropped {
    /// A copy that nobody else writes to.
    fn copied(self, content: &ContentStore, largest: u64) -> anyhow::Result<Result<Incoming, Refusal>> {
        let mut file = content.temporary()?;
        let mut copy = || -> io::Result<u64> {
            io::copy(&mut fs::File::open(&self.path)?.take(largest + 1), file.as_file_mut())
        };
        let size = copy().with_context(|| format!("cannot copy {}", self.path.display()))?;
        if size > largest {
            return Ok(Err(format!("{} has more than the {largest} bytes allowed", self.file_name)));
        }
        Ok(Ok(Incoming { file, folder: self.folder, file_name: self.file_name }))
    }
}

/// The archives in the folder and in the folders of platforms below it, in order.
fn lying_in(folder: &Path) -> anyhow::Result<Vec<Dropped>> {
    let list = |folder: &Path| -> anyhow::Result<Vec<(PathBuf, String, fs::Metadata)>> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
            let there =
                fs::symlink_metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if !name.starts_with('.') {
                found.push((path, name, there));
            }
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(found)
    };
    let mut all = Vec::new();
    let mut take = |folder: Option<String>, (path, file_name, there): (PathBuf, String, fs::Metadata)| {
        if there.is_file() && ArchiveFormat::claimed_by(&file_name).is_some() {
            let mark = format!("{}-{}-{}.{}", there.ino(), there.len(), there.mtime(), there.mtime_nsec());
            all.push(Dropped { path, folder, file_name, mark });
        }
    };
    for entry in list(folder)? {
        if entry.2.is_dir() && is_subdir(&entry.1) {
            for below in list(&entry.0)? {
                take(Some(entry.1.clone()), below);
            }
        } else {
            take(None, entry);
        }
    }
    Ok(all)
}
