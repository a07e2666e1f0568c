//! A folder that appears whole or not at all.
//!
//! In: the name it is to have. Out: a folder beside it to fill, which gets the name by one rename; dropped before that,
//! it is removed with what is in it. Links are not followed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::InteropError;
use crate::rundir::fs::{Fs, Kind};
use crate::rundir::{Disk, RunDirError, files};

/// A folder that is being filled.
#[derive(Debug)]
pub(super) struct Fresh {
    target: PathBuf,
    path: PathBuf,
    published: bool,
}

/// What may have the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// Nothing.
    Nothing,
    /// A folder without anything in it.
    EmptyFolder,
}

impl Fresh {
    /// Makes the folder that is to become `target`, and the folders above it.
    ///
    /// # Errors
    /// Something has the name, or the disk refuses.
    pub(super) fn begin(target: &Path, existing: Existing) -> Result<Fresh, InteropError> {
        let absolute = std::path::absolute(target);
        let target = absolute.map_err(|source| RunDirError::io("find", target, source))?;
        check_free(&target, existing)?;
        let parent = target.parent().unwrap_or(&target);
        files::create_dir(&Disk, parent)?;
        let path = parent.join(temporary_name(&target));
        // A process with our number may have been killed here.
        files::remove_tree(&Disk, &path)?;
        Disk.create_dir(&path).map_err(|source| RunDirError::io("create folder", &path, source))?;
        Ok(Fresh { target, path, published: false })
    }

    /// Where to write meanwhile.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name it will have, absolute.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// Somebody took the name meanwhile, or the disk refuses.
    pub(super) fn publish(mut self) -> Result<(), InteropError> {
        files::sync_dir(&Disk, &self.path)?;
        // Takes the place of an empty folder, and of nothing else.
        files::rename(&Disk, &self.path, &self.target)?;
        self.published = true;
        Ok(files::sync_dir(&Disk, self.target.parent().unwrap_or(&self.target))?)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.published {
            // The error to report is the one that led here.
            let _ = files::remove_tree(&Disk, &self.path);
        }
    }
}

fn check_free(target: &Path, existing: Existing) -> Result<(), InteropError> {
    let taken = |reason| Err(InteropError::Taken { path: target.to_path_buf(), reason });
    if target.file_name().is_none() {
        return taken("is no name for a new folder");
    }
    match Disk.entry(target) {
        Ok(found) if found.kind == Kind::Folder && existing == Existing::EmptyFolder => {
            let names = Disk.names(target).map_err(|source| RunDirError::io("list", target, source))?;
            if names.is_empty() { Ok(()) } else { taken("is a folder that is not empty") }
        }
        Ok(found) if found.kind == Kind::Other => {
            taken("is a link or no file at all, and nothing is written there")
        }
        Ok(_) => taken("is there already"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(RunDirError::io("look at", target, source).into()),
    }
}

/// `.<name>.new-<pid>`: hidden, and nobody else's, so that two who make the same folder do not meet.
fn temporary_name(target: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".new-{}", std::process::id()));
    name
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_folder_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a/b");
        let fresh = Fresh::begin(&target, Existing::Nothing).unwrap();
        fs::write(fresh.path().join("x"), "1").unwrap();
        assert!(!target.exists());
        drop(fresh);
        assert!(names(&folder.path().join("a")).is_empty());
        let fresh = Fresh::begin(&target, Existing::Nothing).unwrap();
        fs::write(fresh.path().join("x"), "2").unwrap();
        fresh.publish().unwrap();
        assert_eq!(
            (names(&folder.path().join("a")), names(&target)),
            (vec!["b".to_owned()], vec!["x".to_owned()])
        );
    }

    #[test]
    fn what_is_there_already_is_never_touched() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("empty")).unwrap();
        fs::create_dir(at("full")).unwrap();
        fs::write(at("full/x"), "mine").unwrap();
        fs::write(at("file"), "mine").unwrap();
        std::os::unix::fs::symlink(at("empty"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("dead")).unwrap();
        let refused = |name: &str, existing| Fresh::begin(&at(name), existing).unwrap_err().to_string();
        for name in ["full", "file", "link", "dead"] {
            refused(name, Existing::EmptyFolder);
        }
        assert!(refused("full", Existing::EmptyFolder).ends_with("full is a folder that is not empty"));
        assert!(refused("empty", Existing::Nothing).ends_with("empty is there already"));
        assert!(refused("link", Existing::Nothing).contains("is a link"));
        Fresh::begin(&at("empty"), Existing::EmptyFolder).unwrap().publish().unwrap();
        // Filled by somebody else meanwhile.
        let fresh = Fresh::begin(&at("empty"), Existing::EmptyFolder).unwrap();
        fs::write(at("empty/y"), "theirs").unwrap();
        assert!(fresh.publish().is_err());
        assert_eq!(names(folder.path()), ["dead", "empty", "file", "full", "link"]);
        assert_eq!(names(&at("empty")), ["y"]);
    }
}
