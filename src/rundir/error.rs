//! What can go wrong in a run folder: every error names the file it is about.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use thiserror::Error;

/// An error of the run tree.
#[derive(Debug, Error)]
pub enum RunDirError {
    /// The operating system refused a read or a write.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb: "read", "write", "rename".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Too little room for the next checkpoint; noticed before anything was written.
    #[error(
        "{} has {} MiB free, the next checkpoint needs about {}; free some space and run the same command again",
        path.display(),
        free_bytes >> 20,
        (needed_bytes >> 20) + 1
    )]
    NoSpace {
        /// A folder on the full file system.
        path: PathBuf,
        /// Bytes that are available.
        free_bytes: u64,
        /// Bytes the last checkpoint took.
        needed_bytes: u64,
    },
    /// The file is not what its name says.
    #[error("{} is damaged: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Written by a later version of this program.
    #[error(
        "{} has {what} format {found}, this program knows formats up to {known}; use a newer ablate",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Which of our formats.
        what: &'static str,
        /// The version in the file.
        found: u32,
        /// The newest version this program reads.
        known: u32,
    },
    /// A log that exists has other columns than those about to be written.
    #[error("{} has the header \"{found}\", expected \"{expected}\"; move the file away to go on", path.display())]
    Header {
        /// The log.
        path: PathBuf,
        /// Its first line.
        found: String,
        /// What this version writes.
        expected: String,
    },
    /// A row has another number of cells than the header.
    #[error("a row for {} has {found} cells, its header has {expected}", path.display())]
    RowWidth {
        /// The log.
        path: PathBuf,
        /// Columns of the header.
        expected: usize,
        /// Cells of the row.
        found: usize,
    },
    /// The log ends inside a row, or an earlier write failed: it must be rewound before it is written.
    #[error("{} ends inside a row; it can be written again after a resume has rewound it", path.display())]
    Torn {
        /// The log.
        path: PathBuf,
    },
    /// A log lacks rows that a checkpoint says were there.
    #[error(
        "{} does not hold the {bytes} bytes that the checkpoint saw: {reason}; restore the file, or delete the run's folder to train it again",
        path.display()
    )]
    LogChanged {
        /// The log.
        path: PathBuf,
        /// Length of the prefix at the checkpoint.
        bytes: u64,
        /// Missing, shorter, or other bytes.
        reason: &'static str,
    },
    /// The caller's code that fills a checkpoint failed.
    #[error("cannot save checkpoint {}: {source}", path.display())]
    Save {
        /// The checkpoint's final path.
        path: PathBuf,
        /// What the caller reported.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A name that may not become a path.
    #[error("\"{name}\" cannot be a folder's name: use 1 to 128 of A-Z a-z 0-9 . _ - and no leading dot")]
    Name {
        /// The name as given, made printable.
        name: String,
    },
}

impl RunDirError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        RunDirError::Io { action, path: path.to_path_buf(), source }
    }

    pub(crate) fn malformed(path: &Path, reason: impl ToString) -> Self {
        RunDirError::Malformed { path: path.to_path_buf(), reason: reason.to_string() }
    }

    /// Whether the system would not let us read what may be whole: a broken disk, rights, too many open files. What
    /// is missing, or is not what it should be, is damage.
    pub(crate) fn is_unreadable(&self) -> bool {
        const REFUSALS: &[Errno] = &[
            Errno::IO,
            Errno::ACCESS,
            Errno::PERM,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::STALE,
            Errno::TIMEDOUT,
        ];
        let RunDirError::Io { source, .. } = self else { return false };
        Errno::from_io_error(source).is_some_and(|errno| REFUSALS.contains(&errno))
    }

    /// Whether storage is to blame (disk full, I/O error): the run is resumable and its worker exits 74.
    pub fn is_storage(&self) -> bool {
        match self {
            RunDirError::Io { .. } | RunDirError::NoSpace { .. } => true,
            RunDirError::Save { source, .. } => {
                let mut cause: Option<&(dyn StdError + 'static)> = Some(source.as_ref());
                while let Some(error) = cause {
                    let ours = error.downcast_ref::<RunDirError>().is_some_and(RunDirError::is_storage);
                    if ours || error.is::<io::Error>() {
                        return true;
                    }
                    cause = error.source();
                }
                false
            }
            _ => false,
        }
    }
}
