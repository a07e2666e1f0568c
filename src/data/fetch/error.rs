//! What can go wrong while a data set is fetched, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a data set could not be fetched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A catalogue that cannot be read.
    #[error("the catalogue of data sets is not valid: {reason}")]
    Catalogue {
        /// What is wrong with it.
        reason: String,
    },

    /// A name that no data set has.
    #[error("there is no data set {name:?}; this version knows {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },

    /// A data set that comes from elsewhere.
    #[error("there is nothing to fetch for {name}: {reason}")]
    NotFetched {
        /// The data set.
        name: String,
        /// Where it comes from.
        reason: String,
    },

    /// A mirror that cannot be one.
    #[error("the mirror {mirror} cannot be used: {reason}")]
    Mirror {
        /// As given.
        mirror: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A file of the user's stands where a fetched one would go.
    #[error("{} is not the published file: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How it differs.
        reason: String,
    },

    /// The operating system refused; the cause is the source.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },

    /// Less room on the disk than the files need.
    #[error("{} needs {} and {} are free", path.display(), size(*needed), size(*free))]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Bytes still to be written.
        needed: u64,
        /// Bytes free.
        free: u64,
    },

    /// No source has the file, or none has the right one.
    #[error("cannot fetch {file} of {dataset}{}", failed_text(failures))]
    Unobtainable {
        /// The data set.
        dataset: String,
        /// The file.
        file: String,
        /// What each source said last.
        failures: Vec<Failure>,
        /// Bytes kept for the next try.
        kept: u64,
    },

    /// An archive that is damaged, or holds what the published one does not.
    #[error("the archive {} {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// Another process fetches into the same folder.
    #[error("another process is fetching into {}", folder.display())]
    Held {
        /// The folder.
        folder: PathBuf,
    },

    /// The user asked to stop.
    #[error("interrupted: {} of {} of {file} are there; the same command goes on", size(*at), size(*bytes))]
    Interrupted {
        /// The file being fetched.
        file: String,
        /// Bytes that are kept.
        at: u64,
        /// Bytes of the whole file.
        bytes: u64,
    },
}

/// What one source said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where the file was looked for.
    pub from: String,
    /// Why that did not work.
    pub reason: String,
    /// Whether the source answered that it has no such file.
    pub absent: bool,
}

/// Whose fault an error is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The user's input.
    Input,
    /// The disk, or a permission.
    Storage,
    /// The network, or what is at the other end.
    Source,
    /// Another process is at work.
    Held,
    /// The user interrupted.
    Interrupted,
}

impl FetchError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unknown { .. } | Self::NotFetched { .. } | Self::Mirror { .. } | Self::Foreign { .. } => {
                Fault::Input
            }
            Self::Io { .. } | Self::NoRoom { .. } => Fault::Storage,
            Self::Catalogue { .. } | Self::Unobtainable { .. } | Self::Archive { .. } => Fault::Source,
            Self::Held { .. } => Fault::Held,
            Self::Interrupted { .. } => Fault::Interrupted,
        }
    }

    /// Adds the path to an I/O error; for `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

fn failed_text(failures: &[Failure]) -> String {
    failures.iter().map(|failure| format!("\n  {}: {}", failure.from, failure.reason)).collect()
}

/// Bytes as a user reads them.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_change_their_unit_where_a_reader_would() {
        let shown = [0, 1023, 1024, 1_048_575, 9_912_422, 170_052_171, 5 << 40].map(size);
        assert_eq!(
            shown,
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.0 MiB", "9.5 MiB", "162.2 MiB", "5120.0 GiB"]
        );
    }
}
