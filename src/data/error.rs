//! What can be wrong with data: each message names the file or the key, the reason and what to do.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a data set could not be opened or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused; the cause is the source.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: "open", "read".
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },

    /// A file is there but is not what its format says.
    #[error("{} is not a usable {format} file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The format it was read as.
        format: &'static str,
        /// What contradicts the format, and what to do.
        reason: String,
    },

    /// Files of a data set were not found.
    #[error("{}", missing_text(dataset, folder, searched, missing, help))]
    Missing {
        /// The data set, as in `data.dataset`.
        dataset: &'static str,
        /// The folder that should hold the files.
        folder: PathBuf,
        /// Folders inside `folder` that were searched too.
        searched: &'static [&'static str],
        /// One entry a missing file: the names it may have.
        missing: Vec<String>,
        /// How to obtain the files and where to put them.
        help: String,
    },

    /// One picture file cannot be decoded.
    #[error("{} is not a usable image: {reason}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// Some files of a folder cannot be decoded.
    #[error("{}", corrupt_text(*total, *count, named))]
    Corrupt {
        /// Images listed.
        total: usize,
        /// How many of them are unusable.
        count: usize,
        /// The first of those, with what is wrong.
        named: Vec<(PathBuf, String)>,
    },

    /// A folder of pictures has none.
    #[error("{}", no_pictures_text(folder))]
    NoPictures {
        /// The folder.
        folder: PathBuf,
    },

    /// An image is no longer the one the run began with.
    #[error("{image} changed while it was in use; restore it, or start the run anew")]
    Changed {
        /// Which image.
        image: String,
    },

    /// A value in `[data]` that these images cannot serve.
    #[error("data.{key} = {value} {reason}")]
    Setting {
        /// The key inside `[data]`.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it and what to use instead.
        reason: String,
    },

    /// A batch of nothing, or over no timesteps.
    #[error("cannot prepare batches: {reason}")]
    Batch {
        /// What is zero.
        reason: &'static str,
    },

    /// The thread that prepares batches could not be started.
    #[error("cannot start the thread that prepares batches")]
    Thread {
        /// The system's answer.
        #[source]
        source: io::Error,
    },

    /// No more batches come, because of an earlier error.
    #[error("no more batches are prepared: {message}")]
    Stopped {
        /// The error.
        message: String,
    },

    /// The thread that prepares batches panicked.
    #[error("the thread that prepares batches panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
}

impl Error {
    /// Adds the path to an I/O error; for `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

fn missing_text(dataset: &str, folder: &Path, searched: &[&str], missing: &[String], help: &str) -> String {
    let mut text = format!("the data set {dataset} is not complete in {}", folder.display());
    text.push_str(&format!("\n  looked there and in its folders {} for", searched.join(", ")));
    for names in missing {
        text.push_str(&format!("\n    {names}"));
    }
    text.push_str(&format!("\n  help: {help}"));
    text
}

fn corrupt_text(total: usize, count: usize, named: &[(PathBuf, String)]) -> String {
    let mut text = format!("{count} of {total} images cannot be used:");
    for (path, reason) in named {
        text.push_str(&format!("\n  {}: {reason}", path.display()));
    }
    if count > named.len() {
        text.push_str(&format!("\n  and {} more", count - named.len()));
    }
    text.push_str("\n  help: restore or remove them, or leave them out with data.skip_corrupt = true");
    text
}

fn no_pictures_text(folder: &Path) -> String {
    let text = if folder.is_dir() {
        format!("{} has no PNG, JPEG or WebP file, in none of its folders either", folder.display())
    } else {
        format!("there is no folder {}", folder.display())
    };
    text + "\n  help: set data.root to the folder that has the pictures"
}
