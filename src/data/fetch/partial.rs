//! A file on its way: `<name>.partial`, hashed while it grows, never longer than the whole.
//!
//! In: bytes, in order. Out: the same bytes on disk, synced, and their digest. What an earlier process left
//! under the name is hashed and gone on with; a file that is longer than the whole is thrown away.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::digest::{Digest, feed};
use super::error::FetchError;

/// Ends the name of every file that is not whole.
pub(super) const SUFFIX: &str = ".partial";

#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    length: u64,
    whole: u64,
}

impl Partial {
    /// Where the part of a file lies.
    pub(super) fn path_of(folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}{SUFFIX}"))
    }

    /// Takes up what is there of a file of `whole` bytes.
    pub(super) fn open(path: PathBuf, whole: u64) -> Result<Self, FetchError> {
        // A link would have its target written to.
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            fs::remove_file(&path).map_err(FetchError::io("delete", &path))?;
        }
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(FetchError::io("write", &path))?;
        let mut hasher = Sha256::new();
        let length = feed(&mut hasher, &mut file).map_err(FetchError::io("read", &path))?;
        let mut partial = Self { path, file, hasher, length, whole };
        if length > whole {
            partial.restart()?;
        }
        Ok(partial)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that are there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn is_whole(&self) -> bool {
        self.length == self.whole
    }

    /// Adds bytes; `false`, and nothing added, where they would be more than the whole.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<bool, FetchError> {
        if bytes.len() as u64 > self.whole - self.length {
            return Ok(false);
        }
        self.file.write_all(bytes).map_err(FetchError::io("write", &self.path))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(true)
    }

    /// Throws away what is there.
    pub(super) fn restart(&mut self) -> Result<(), FetchError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(FetchError::io("write", &self.path))?;
        self.hasher = Sha256::new();
        self.length = 0;
        Ok(())
    }

    /// The digest of what is there.
    pub(super) fn digest(&self) -> Digest {
        Digest::finish(self.hasher.clone())
    }

    /// Makes the file durable under its partial name.
    pub(super) fn sync(&self) -> Result<(), FetchError> {
        self.file.sync_all().map_err(FetchError::io("sync", &self.path))
    }

    /// Deletes the file.
    pub(super) fn discard(self) -> Result<(), FetchError> {
        fs::remove_file(&self.path).map_err(FetchError::io("delete", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_was_left_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = Partial::path_of(folder.path(), "f");
        fs::write(&path, "abc").unwrap();
        let mut partial = Partial::open(path.clone(), 6).unwrap();
        assert_eq!((partial.length(), partial.is_whole()), (3, false));
        assert!(partial.append(b"def").unwrap() && partial.is_whole());
        assert_eq!(partial.digest(), Digest::of(b"abcdef"));
        assert_eq!(fs::read(&path).unwrap(), b"abcdef");
    }

    #[test]
    fn nothing_makes_it_longer_than_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = Partial::path_of(folder.path(), "f");
        fs::write(&path, "much too long").unwrap();
        let mut partial = Partial::open(path.clone(), 4).unwrap();
        assert_eq!(partial.length(), 0);
        assert!(partial.append(b"abc").unwrap() && !partial.append(b"de").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"abc");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, path) = (folder.path().join("precious"), Partial::path_of(folder.path(), "f"));
        fs::write(&target, "mine").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        Partial::open(path, 9).unwrap().append(b"theirs").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"mine");
    }
}
