//! Keeps the package cache from growing without end: what no environment needed for a month goes.
//!
//! rattler never removes anything from its cache. An entry is a folder `<name>-<version>-<build>`, for some
//! sources with a digest behind it, and a file with `.lock` added. The time of the folder says when it was
//! used last: [`used`] sets it, since the time of the last access is kept on few machines.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use rattler::package_cache::PackageCache;

use super::install::InstallRequest;

/// How long an entry stays that nothing needs.
const UNUSED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How often the cache is gone through.
const EVERY: SignedDuration = SignedDuration::from_hours(24);

/// The file whose time says when that was done last.
const MARKER: &str = ".pruned";

/// What a folder is called while it is removed: an entry that is half gone is none.
const GOING: &str = ".going-";

/// Says that these builds are needed now, where the cache has them. What it has not comes in with the time of its
/// coming.
pub fn used(cache: &Path, request: &InstallRequest, now: Timestamp) -> io::Result<()> {
    let wanted: BTreeSet<String> = request
        .records
        .iter()
        .map(|record| {
            let package = &record.package_record;
            format!("{}-{}-{}", package.name.as_normalized(), package.version, package.build)
        })
        .collect();
    for (name, path) in entries(cache)? {
        if wanted.contains(build_of(&name)) {
            fs::File::open(&path)?.set_modified(SystemTime::from(now))?;
        }
    }
    Ok(())
}

/// Removes what was not used for thirty days, once a day at most, and says how many entries that were. Waits
/// until no environment is being installed.
pub async fn prune(cache: &Path, now: Timestamp) -> anyhow::Result<usize> {
    let marker = cache.join(MARKER);
    if age(&marker, now).is_some_and(|age| age < EVERY) {
        return Ok(0);
    }
    let _nobody_installs = PackageCache::new(cache).acquire_global_lock().await?;
    fs::write(&marker, b"")?;
    fs::File::options().write(true).open(&marker)?.set_modified(SystemTime::from(now))?;
    let mut removed = 0;
    for (name, path) in entries(cache)? {
        if name.starts_with(GOING) {
            fs::remove_dir_all(&path)?;
        } else if age(&path, now).is_some_and(|age| age > UNUSED) {
            let going = cache.join(format!("{GOING}{name}"));
            fs::rename(&path, &going)?;
            match fs::remove_file(cache.join(format!("{name}.lock"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => fs::remove_dir_all(&going)?,
            }
            removed += 1;
        }
    }
    Ok(removed)
}

/// The folders in the cache, in the order of their names; none where there is no cache yet.
fn entries(cache: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let found = match fs::read_dir(cache) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found?,
    };
    let mut entries = Vec::new();
    for entry in found {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            entries.push((name, entry.path()));
        }
    }
    entries.sort();
    Ok(entries)
}

/// The name of an entry without the digest of where it came from.
fn build_of(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((build, digest))
            if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            build
        }
        _ => name,
    }
}

/// How long ago a file or folder was changed; nothing where there is none, or where that lies ahead.
fn age(path: &Path, now: Timestamp) -> Option<SignedDuration> {
    let changed = fs::metadata(path).and_then(|there| there.modified()).ok()?;
    let changed = Timestamp::try_from(changed).ok()?;
    Some(now.duration_since(changed)).filter(|age| !age.is_negative())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(cache: &Path, name: &str, at: Timestamp) {
        fs::create_dir_all(cache.join(name).join("info")).unwrap();
        fs::write(cache.join(format!("{name}.lock")), b"").unwrap();
        fs::File::open(cache.join(name)).unwrap().set_modified(SystemTime::from(at)).unwrap();
    }

    fn names(cache: &Path) -> Vec<String> {
        entries(cache).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[tokio::test]
    async fn what_no_environment_needed_for_a_month_goes_and_what_one_needs_stays() {
        let place = tempfile::tempdir().unwrap();
        let cache = place.path();
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let days = |days: i64| begin + SignedDuration::from_hours(24 * days);
        let digest = "ab".repeat(32);
        entry(cache, "unused-1.0-0", begin);
        entry(cache, &format!("extdep-1.0-0-{digest}"), begin);
        entry(cache, ".going-left-by-a-crash", begin);
        assert_eq!(prune(cache, days(20)).await.unwrap(), 0);

        let record = serde_json::json!([{
            "build": "0", "build_number": 0, "name": "extdep", "version": "1.0", "subdir": "noarch",
            "depends": [], "fn": "extdep-1.0-0.tar.bz2", "url": "file:///srv/extdep-1.0-0.tar.bz2",
            "channel": "file:///srv", "sha256": digest,
        }]);
        used(cache, &serde_json::from_value(record).unwrap(), days(20)).unwrap();
        assert_eq!(prune(cache, days(31)).await.unwrap(), 1);
        assert_eq!(names(cache), [format!("extdep-1.0-0-{digest}")]);
        assert!(!cache.join("unused-1.0-0.lock").exists());

        assert_eq!(prune(cache, days(31)).await.unwrap(), 0, "once a day is enough");
        assert_eq!(prune(cache, days(51)).await.unwrap(), 1);
        assert!(names(cache).is_empty());
    }
}
