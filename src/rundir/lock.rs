//! Who owns a folder. In: a run's or an experiment's folder. Out: a lock held until dropped, or the owner.
//!
//! The kernel's lock decides (`File::try_lock`, never blocking, gone with the process); the record in the
//! file only names the owner. Where a file system has no locks, the record decides.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{TimeDelta, Utc};

use super::files;
use super::{Disk, ExperimentDir, Process, RunDir, RunDirError, Status};

/// How long an owner on another host may be silent before it is taken for dead.
const SILENCE: TimeDelta = TimeDelta::minutes(15);

/// The right to write in a run's folder; given back when dropped.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// The right to launch an experiment's runs; given back when dropped.
#[derive(Debug)]
pub struct ExperimentLock {
    _file: File,
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
        Ok(RunLock { _file: acquire(run.path(), &run.lock_path())? })
    }
}

impl ExperimentLock {
    /// Takes the lock of an existing experiment folder, or says at once who has it.
    pub fn acquire(experiment: &ExperimentDir) -> Result<ExperimentLock, Held> {
        Ok(ExperimentLock { _file: acquire(experiment.path(), &experiment.lock_path())? })
    }
}

/// Whether the process that a status names still runs it. On another host, where only that host could
/// tell, a status written in the last quarter of an hour counts as alive.
pub fn owner_is_alive(status: &Status) -> bool {
    status.owner.is_alive().unwrap_or_else(|| Utc::now() - status.updated < SILENCE)
}

/// The name of a network file system on which locks may not reach other hosts; `None` for a local one.
pub fn network_file_system(path: &Path) -> Option<&'static str> {
    #[cfg(target_os = "linux")]
    {
        // Magic numbers of statfs(2).
        match rustix::fs::statfs(path).ok()?.f_type as u64 & 0xffff_ffff {
            0x6969 => Some("NFS"),
            0xff53_4d42 | 0xfe53_4d42 | 0x517b => Some("SMB"),
            0x0bd0_0bd0 => Some("Lustre"),
            0x0102_1997 => Some("9p"),
            0x6573_5546 => Some("FUSE"),
            _ => None,
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

fn describe(owner: Option<&Process>) -> String {
    match owner {
        Some(owner) => format!("process {} on host {}", owner.pid, super::text::printable(&owner.host)),
        None => "another process".to_owned(),
    }
}

fn acquire(folder: &Path, path: &Path) -> Result<File, Held> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|source| RunDirError::io("open", path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Held::By { path: folder.to_path_buf(), owner: wait_for_owner(path) });
        }
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
            let owner = read_owner(path);
            // Unknown counts as alive: disturbing a live owner is worse than stopping with its name.
            if owner.as_ref().is_some_and(|owner| owner.is_alive() != Some(false)) {
                return Err(Held::By { path: folder.to_path_buf(), owner });
            }
        }
        Err(TryLockError::Error(source)) => return Err(RunDirError::io("lock", path, source).into()),
    }
    record(&mut file).map_err(|source| RunDirError::io("write", path, source))?;
    Ok(file)
}

/// Writes the owner in place: a rename would put another file under the name than the locked one.
fn record(file: &mut File) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(&Process::current()).map_err(std::io::Error::other)?;
    text.push(b'\n');
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&text)
}

/// The owner's record, which it writes a moment after it has the lock.
fn wait_for_owner(path: &Path) -> Option<Process> {
    (0..20).find_map(|attempt| {
        std::thread::sleep(Duration::from_millis(if attempt == 0 { 0 } else { 5 }));
        read_owner(path)
    })
}

fn read_owner(path: &Path) -> Option<Process> {
    serde_json::from_str(&files::read_text(&Disk, path, 4096).ok()??).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn run() -> (tempfile::TempDir, RunDir) {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        (folder, run)
    }

    #[test]
    fn a_second_taker_is_told_the_owner_at_once() {
        let (_folder, run) = run();
        let lock = RunLock::acquire(&run).unwrap();
        let Err(Held::By { owner, .. }) = RunLock::acquire(&run) else { panic!("two owners") };
        assert_eq!(owner, Some(Process::current()));
        drop(lock);
        RunLock::acquire(&run).unwrap();
    }

    #[test]
    fn a_lock_of_another_process_is_respected_and_ends_with_it() {
        let (_folder, run) = run();
        // util-linux's flock takes the same kind of lock; its child keeps it until stdin closes.
        let spawned = Command::new("flock")
            .arg(run.lock_path())
            .arg("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut holder) = spawned else {
            eprintln!("skipped: no flock(1) here");
            return;
        };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while RunLock::acquire(&run).is_ok() {
            assert!(std::time::Instant::now() < deadline, "the other process never took the lock");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(matches!(RunLock::acquire(&run), Err(Held::By { .. })));
        drop(holder.stdin.take());
        holder.wait().unwrap();
        RunLock::acquire(&run).unwrap();
    }

    #[test]
    fn a_status_of_a_dead_process_has_no_owner() {
        let mut status = Status::planned(1).next_attempt();
        assert!(owner_is_alive(&status));
        status.owner.boot_id = "an earlier boot".to_owned();
        assert!(!owner_is_alive(&status));
        status.owner.host = "another host".to_owned();
        assert!(owner_is_alive(&status), "it wrote a moment ago");
        status.updated -= TimeDelta::hours(1);
        assert!(!owner_is_alive(&status));
    }
}
