//! The folder of the cache: one builder at a time, and nothing left behind.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use super::cache_file::{Kind, TEMPORARY_SUFFIX};

/// A temporary file untouched for so long was left by a killed process.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(3600);

/// Waits until no other process builds in the folder; goes on without where the file system has no locks,
/// since building twice is only slower.
pub(super) fn lock(folder: &Path) -> Option<File> {
    // What is no folder may be a pipe, which would be waited for.
    let file = folder.is_dir().then(|| File::open(folder).ok()).flatten()?;
    file.lock().ok()?;
    Some(file)
}

/// Removes what killed processes left; best effort, a file that resists is somebody else's.
pub(super) fn remove_stale(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Other programs name their parts so too.
        let of_kind = |kind: Kind| name.contains(&format!(".{}", kind.extension()));
        let ours = name.ends_with(TEMPORARY_SUFFIX) && [Kind::Pixels, Kind::Index].into_iter().any(of_kind);
        let age = entry.metadata().ok().and_then(|metadata| metadata.modified().ok()?.elapsed().ok());
        if ours && age.is_some_and(|age| age > STALE_AFTER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes the finished files whose names begin with `family` and not with `stem`: what was decoded from an
/// earlier state of the same source. Best effort.
pub(super) fn remove_outdated(folder: &Path, family: &str, stem: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let finished = [Kind::Pixels, Kind::Index].iter().any(|kind| name.ends_with(kind.extension()));
        if finished && name.starts_with(family) && !name.starts_with(stem) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
