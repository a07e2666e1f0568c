//! The event file itself: written under another name, put in place of earlier ones, then appended to.
//!
//! In: messages. Out: records in `tensorboard/events.out.tfevents.<attempt>.ablate`. The name rises with each attempt,
//! since TensorBoard reads a folder's files in the order of their names and looks for news at the end of the last. Files
//! of earlier attempts stay, empty: one that is being watched must end, and not be gone, for its reader to go on to the
//! next. Nothing is forced to the disk: what a power cut takes is written anew by the next attempt.

use std::path::{Path, PathBuf};

use super::record;
use crate::rundir::fs::{Fs, FsFile, Kind};
use crate::rundir::{RunDirError, files};

const START: &str = "events.out.tfevents.";
const END: &str = ".ablate";
/// While the file is filled: a name in which TensorBoard sees no event file.
const NEW: &str = ".events.tmp";
/// Bytes that are gathered before they are written.
const GATHERED: usize = 1 << 20;

/// The file of an attempt; attempts have ten digits or fewer.
pub(super) fn name(attempt: u32) -> String {
    format!("{START}{attempt:010}{END}")
}

/// Whether [`name`] made it.
fn is_ours(name: &str) -> bool {
    let attempt = name.strip_prefix(START).and_then(|rest| rest.strip_suffix(END));
    attempt.and_then(|digits| digits.parse().ok()).is_some_and(|attempt: u32| self::name(attempt) == name)
}

/// An event file that is open for writing.
#[derive(Debug)]
pub(super) struct EventFile<'a> {
    fs: &'a dyn Fs,
    folder: PathBuf,
    path: PathBuf,
    published: bool,
    file: Box<dyn FsFile>,
    gathered: Vec<u8>,
}

impl<'a> EventFile<'a> {
    /// Creates the file beside its place; the folder too where there is none.
    pub(super) fn create(
        fs: &'a dyn Fs,
        folder: PathBuf,
        attempt: u32,
    ) -> Result<EventFile<'a>, RunDirError> {
        match fs.entry(&folder) {
            Ok(found) if found.kind == Kind::Folder => {}
            Ok(_) => return Err(RunDirError::malformed(&folder, "it is not a folder; move it away")),
            Err(_) => {
                fs.create_dir(&folder).map_err(|source| RunDirError::io("create folder", &folder, source))?;
            }
        }
        let new = folder.join(NEW);
        if let Ok(left) = fs.entry(&new) {
            // A kill left it.
            regular(&new, left.kind)?;
            files::remove_file(fs, &new)?;
        }
        let file = fs.create_new(&new).map_err(|source| RunDirError::io("create", &new, source))?;
        let path = folder.join(name(attempt));
        Ok(EventFile { fs, folder, path, published: false, file, gathered: Vec::new() })
    }

    /// Adds a record.
    pub(super) fn push(&mut self, message: &[u8]) -> Result<(), RunDirError> {
        record::push(&mut self.gathered, message);
        if self.gathered.len() < GATHERED { Ok(()) } else { self.flush() }
    }

    /// Hands what was gathered to the system in one piece, for whoever watches the file.
    pub(super) fn flush(&mut self) -> Result<(), RunDirError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.gathered);
        self.gathered.clear();
        written.map_err(|source| RunDirError::io("write", &self.path, source))
    }

    /// Puts the file in the place of those of earlier attempts. They are emptied first: a kill in between leaves no
    /// curve until the run goes on, instead of each point twice.
    pub(super) fn publish(&mut self) -> Result<(), RunDirError> {
        self.flush()?;
        for found in files::names_in(self.fs, &self.folder)? {
            if !found.to_str().is_some_and(is_ours) {
                continue;
            }
            let path = self.folder.join(found);
            let entry = self.fs.entry(&path).map_err(|source| RunDirError::io("look at", &path, source))?;
            regular(&path, entry.kind)?;
            if entry.bytes > 0 {
                let emptied = self.fs.append(&path).and_then(|file| file.set_len(0));
                emptied.map_err(|source| RunDirError::io("empty", &path, source))?;
            }
        }
        files::rename(self.fs, &self.folder.join(NEW), &self.path)?;
        self.published = true;
        Ok(())
    }

    /// Takes away what was not put in place: half a file may be what fills the disk.
    pub(super) fn discard(&self) {
        if !self.published {
            // The error that led here is the one to tell.
            let _ = self.fs.remove_file(&self.folder.join(NEW));
        }
    }
}

/// A link or a folder of that name is somebody else's.
fn regular(path: &Path, kind: Kind) -> Result<(), RunDirError> {
    match kind {
        Kind::File => Ok(()),
        _ => Err(RunDirError::malformed(path, "not a regular file; move it away")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_making_are_ours() {
        assert_eq!(name(3), "events.out.tfevents.0000000003.ablate");
        assert!(is_ours(&name(0)) && is_ours(&name(u32::MAX)));
        for other in [
            "events.out.tfevents.3.ablate",
            "events.out.tfevents.0000000003.host.17.0",
            "events.out.tfevents.+000000003.ablate",
            "events.out.tfevents.9999999999.ablate",
            ".events.tmp",
            "notes",
        ] {
            assert!(!is_ours(other), "{other}");
        }
        assert!(!NEW.contains("tfevents"), "TensorBoard would read half a file");
    }
}
