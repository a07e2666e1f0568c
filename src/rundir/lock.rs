//! Who owns a folder. In: a run's or an experiment's folder. Out: a lock held until dropped, or the owner.
//!
//! The kernel's lock decides (`File::try_lock`, never blocking, gone with the process); the record in the
//! file only names the owner. Where a file system has no locks, the record decides.

mod alive;
mod file_system;
mod heartbeat;

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Disk, ExperimentDir, Process, RunDir, RunDirError, files};
use crate::guard;
use heartbeat::Heartbeat;

pub use alive::{is_launching, owner_is_alive};
pub use file_system::network_file_system;

/// How long an owner may take from the lock to its record before it stays nameless. Nobody waits longer.
const RECORD_PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks.
const TICK: Duration = Duration::from_millis(5);
/// Without locks: how long a record must stand before it is believed that nobody else wrote one.
const SETTLE: Duration = Duration::from_millis(200);
const RECORD_LIMIT: u64 = 4096;

/// The right to write in a run's folder; given back when dropped.
#[derive(Debug)]
pub struct RunLock {
    _taken: Taken,
}

/// The right to launch an experiment's runs; given back when dropped.
#[derive(Debug)]
pub struct ExperimentLock {
    _taken: Taken,
}

/// Why a lock was not obtained.
#[derive(Debug, thiserror::Error)]
pub enum Held {
    /// Somebody alive has it.
    #[error("{} is in use by {}", path.display(), describe(owner.as_ref()))]
    By {
        /// The folder.
        path: PathBuf,
        /// The owner as recorded; absent where it was writing its record just now.
        owner: Option<Process>,
    },
    /// The lock file itself cannot be used.
    #[error(transparent)]
    Unusable(#[from] RunDirError),
}

impl RunLock {
    /// Takes the lock of an existing run folder, or says at once who has it.
    pub fn acquire(run: &RunDir) -> Result<RunLock, Held> {
        Ok(RunLock { _taken: acquire(run.path(), &run.lock_path())? })
    }
}

impl ExperimentLock {
    /// Takes the lock of an existing experiment folder, or says at once who has it.
    pub fn acquire(experiment: &ExperimentDir) -> Result<ExperimentLock, Held> {
        Ok(ExperimentLock { _taken: acquire(experiment.path(), &experiment.lock_path())? })
    }
}

/// A locked file. Fields are dropped in their order: the lock goes with the last handle on the file.
#[derive(Debug)]
struct Taken {
    _heartbeat: Option<Heartbeat>,
    _file: File,
}

fn describe(owner: Option<&Process>) -> String {
    owner.map_or_else(|| "another process".to_owned(), Process::to_string)
}

fn acquire(folder: &Path, path: &Path) -> Result<Taken, Held> {
    let deadline = Instant::now() + RECORD_PATIENCE;
    loop {
        let mut file =
            guard::write_or_create(path).map_err(|source| files::unusable(&Disk, "open", path, source))?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path)? => {
                record(&mut file).map_err(|source| RunDirError::io("write", path, source))?;
                return taken(folder, file, path);
            }
            // Deleted by its owner meanwhile: whoever comes next locks another file under the same name.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // A dead one is the owner before, or somebody who only looked whether the lock was free.
                let owner = read_owner(path).filter(|owner| owner.is_alive() != Some(false));
                if owner.is_some() || Instant::now() >= deadline {
                    return Err(Held::By { path: folder.to_path_buf(), owner });
                }
            }
            Err(TryLockError::Error(error)) if file_system::has_no_locks(&error) => {
                by_record(folder, &mut file, path)?;
                return taken(folder, file, path);
            }
            Err(TryLockError::Error(source)) => return Err(RunDirError::io("lock", path, source).into()),
        }
        if Instant::now() >= deadline {
            return Err(Held::By { path: folder.to_path_buf(), owner: None });
        }
        std::thread::sleep(TICK);
    }
}

fn taken(folder: &Path, file: File, path: &Path) -> Result<Taken, Held> {
    let heartbeat = match network_file_system(folder) {
        Some(_) => Some(Heartbeat::start(&file).map_err(|source| RunDirError::io("watch", path, source))?),
        None => None,
    };
    Ok(Taken { _heartbeat: heartbeat, _file: file })
}

/// Whether the opened file still has that name.
fn is_at(file: &File, path: &Path) -> Result<bool, RunDirError> {
    let ours = file.metadata().map_err(|source| RunDirError::io("read", path, source))?;
    let named = std::fs::symlink_metadata(path);
    Ok(named.is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())))
}

/// Ownership where there are no locks: the last record that stands is the owner's.
fn by_record(folder: &Path, file: &mut File, path: &Path) -> Result<(), Held> {
    let held = |owner| Held::By { path: folder.to_path_buf(), owner: Some(owner) };
    // Unknown counts as alive while it gives signs: disturbing a live owner is worse than stopping with its name.
    let lives = |owner: &Process| owner.is_alive().unwrap_or_else(|| !alive::is_silent(folder, &[path]));
    if let Some(owner) = read_owner(path).filter(lives) {
        return Err(held(owner));
    }
    record(file).map_err(|source| RunDirError::io("write", path, source))?;
    std::thread::sleep(SETTLE);
    match read_owner(path) {
        Some(owner) if owner != Process::current() => Err(held(owner)),
        _ => Ok(()),
    }
}

/// Writes the owner in place: a rename would put another file under the name than the locked one.
fn record(file: &mut File) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(&Process::current()).map_err(std::io::Error::other)?;
    text.push(b'\n');
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&text)
}

fn read_owner(path: &Path) -> Option<Process> {
    let mut text = String::new();
    let file = guard::open(path).ok()?;
    file.take(RECORD_LIMIT).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
