//! Whether the owner that a status names still runs its run.
//!
//! On its own machine the kernel's table of processes says so. For one of another host or container the run's
//! lock does, where the file system's locks can be believed; else an owner that has given no sign for a
//! quarter of an hour counts as dead.

use std::fs::TryLockError;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{network_file_system, read_owner};
use crate::guard;
use crate::rundir::{ExperimentDir, RunDir, Status};

/// How long an owner on another host may be silent before it is taken for dead.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// Whether the process that a run's status names still runs it.
pub fn owner_is_alive(run: &RunDir, status: &Status) -> bool {
    status.owner.is_alive().unwrap_or_else(|| match is_locked(&run.lock_path()) {
        Some(true) => true,
        Some(false) if network_file_system(run.path()).is_none() => false,
        _ => !is_silent(run.path(), &[&run.lock_path(), &run.status_path()]),
    })
}

/// Whether a launcher is at work on an experiment.
pub fn is_launching(experiment: &ExperimentDir) -> bool {
    let path = experiment.lock_path();
    is_locked(&path).unwrap_or_else(|| read_owner(&path).and_then(|owner| owner.is_alive()) == Some(true))
}

/// Whether somebody has the lock; `None` where that cannot be found out. Whoever takes it just now tries again.
fn is_locked(path: &Path) -> Option<bool> {
    if !path.try_exists().ok()? {
        return Some(false);
    }
    let file = guard::open(path).ok()?;
    match file.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

/// Whether none of these files of a folder was written lately, by the clock that stamps them.
pub(super) fn is_silent(folder: &Path, files: &[&Path]) -> bool {
    let now = time_in(folder);
    let written = files.iter().filter_map(|path| std::fs::symlink_metadata(path).ok()?.modified().ok());
    written.max().is_none_or(|last| now.duration_since(last).is_ok_and(|silence| silence >= SILENCE))
}

/// What time it is where the folder's files get theirs from; our own time where nothing can be written.
fn time_in(folder: &Path) -> SystemTime {
    let stamped = tempfile::tempfile_in(folder).and_then(|file| file.metadata()?.modified());
    stamped.unwrap_or_else(|_| SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rundir::{ExperimentLock, RunLock};

    fn run() -> (tempfile::TempDir, RunDir, Status) {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        let mut status = Status::planned(1).next_attempt();
        status.write(&run).unwrap();
        (folder, run, status)
    }

    #[test]
    fn a_status_of_a_dead_process_has_no_owner() {
        let (_folder, run, mut status) = run();
        assert!(owner_is_alive(&run, &status));
        status.owner.boot_id = "an earlier boot".to_owned();
        assert!(!owner_is_alive(&run, &status));
    }

    #[test]
    fn an_experiment_is_launched_while_its_lock_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        assert!(!is_launching(&experiment));
        let lock = ExperimentLock::acquire(&experiment).unwrap();
        assert!(is_launching(&experiment));
        drop(lock);
        assert!(!is_launching(&experiment));
    }

    #[test]
    fn of_another_container_the_lock_says_whether_the_owner_lives() {
        let (_folder, run, mut status) = run();
        status.owner.host = "another container".to_owned();
        status.owner.boot_id = "or another machine".to_owned();
        assert!(!owner_is_alive(&run, &status), "it never had a lock");
        let lock = RunLock::acquire(&run).unwrap();
        assert!(owner_is_alive(&run, &status));
        drop(lock);
        assert!(!owner_is_alive(&run, &status));
    }

    #[test]
    fn a_pipe_in_the_place_of_a_lock_blocks_nobody() {
        let (_folder, run, mut status) = run();
        status.owner.host = "elsewhere".to_owned();
        status.owner.boot_id = "elsewhere".to_owned();
        rustix::fs::mkfifoat(rustix::fs::CWD, run.lock_path(), rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(is_locked(&run.lock_path()), None);
        assert!(owner_is_alive(&run, &status), "it wrote a moment ago");
    }

    #[test]
    fn silence_is_measured_by_the_youngest_sign() {
        let (_folder, run, _) = run();
        let (lock, status) = (run.lock_path(), run.status_path());
        let age = |path: &Path, minutes: u64| {
            let file =
                std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(60 * minutes)).unwrap();
        };
        age(&status, 60);
        assert!(is_silent(run.path(), &[&lock, &status]), "there is no lock");
        age(&lock, 1);
        assert!(!is_silent(run.path(), &[&lock, &status]), "a long evaluation, but its lock beats");
        age(&lock, 16);
        assert!(is_silent(run.path(), &[&lock, &status]));
        assert!(is_silent(Path::new("/nowhere"), &[Path::new("/nowhere/.lock")]));
    }
}
