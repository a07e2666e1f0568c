//! The one seam between the run tree and the disk.
//!
//! In: paths and bytes. Out: either the whole new content under the name, or the old one; never a part.
//! Every error carries its path. A failed fsync is never retried: the kernel may have dropped the pages,
//! so a second success would mean nothing.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::RunDirError;

/// Replaces a file so that a kill or a power cut leaves the old content or the new one: temporary file in
/// the same folder, fsync, rename, fsync of the folder. One writer at a time per path (hold the lock).
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    let temporary = write_beside(path, bytes, "", true)?;
    rename(&temporary, path)?;
    sync_dir(parent_of(path))
}

/// As [`replace`] without the two fsyncs: whole against a kill, and a power cut may lose it. For progress
/// that is rewritten many times a minute and that a reader can do without.
pub fn replace_unsynced(path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    let temporary = write_beside(path, bytes, "", false)?;
    rename(&temporary, path)
}

/// As [`replace`], for a file that several processes may write at the same time: the last one wins.
pub fn replace_shared(path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    let temporary = write_beside(path, bytes, &format!(".{}", std::process::id()), true)?;
    rename(&temporary, path)?;
    sync_dir(parent_of(path))
}

/// Writes a file that must not exist yet and fsyncs it (not its folder).
pub fn create(path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|source| RunDirError::io("create", path, source))?;
    file.write_all(bytes).map_err(|source| RunDirError::io("write", path, source))?;
    sync_file(&file, path)
}

/// Creates a folder and its parents; each new entry is made durable in its parent.
pub fn create_dir(path: &Path) -> Result<(), RunDirError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = parent_of(path);
    create_dir(parent)?;
    match fs::create_dir(path) {
        Ok(()) => sync_dir(parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(source) => Err(RunDirError::io("create folder", path, source)),
    }
}

/// Makes everything that was written on the file system of `folder` durable: for many small files, one call
/// in place of several fsyncs each.
pub fn sync_file_system(folder: &Path) -> Result<(), RunDirError> {
    #[cfg(target_os = "linux")]
    {
        let opened = File::open(folder).map_err(|source| RunDirError::io("open folder", folder, source))?;
        rustix::fs::syncfs(&opened)
            .map_err(|error| RunDirError::io("sync the file system of", folder, error.into()))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        rustix::fs::sync();
        Ok(())
    }
}

/// Reads a text file of at most `limit` bytes; `None` where there is none.
pub fn read_text(path: &Path, limit: u64) -> Result<Option<String>, RunDirError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RunDirError::io("read", path, source)),
    };
    let regular = file.metadata().map_err(|source| RunDirError::io("read", path, source))?.is_file();
    if !regular {
        return Err(RunDirError::malformed(path, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|source| RunDirError::io("read", path, source))?;
    if bytes.len() as u64 > limit {
        return Err(RunDirError::malformed(path, format!("larger than {limit} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| RunDirError::malformed(path, "not UTF-8"))
}

/// Makes a folder's entries durable: a rename or a new file survives a power cut only after this.
pub fn sync_dir(path: &Path) -> Result<(), RunDirError> {
    let folder = File::open(path).map_err(|source| RunDirError::io("open folder", path, source))?;
    folder.sync_all().map_err(|source| RunDirError::io("sync folder", path, source))
}

/// Bytes an unprivileged user may still write on the file system of `path`; `None` where unknown.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

pub(super) fn sync_file(file: &File, path: &Path) -> Result<(), RunDirError> {
    file.sync_all().map_err(|source| RunDirError::io("sync", path, source))
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), RunDirError> {
    fs::rename(from, to).map_err(|source| RunDirError::io("rename a file to", to, source))
}

pub(super) fn remove_file(path: &Path) -> Result<(), RunDirError> {
    fs::remove_file(path).map_err(|source| RunDirError::io("delete", path, source))
}

pub(super) fn remove_dir(path: &Path) -> Result<(), RunDirError> {
    fs::remove_dir(path).map_err(|source| RunDirError::io("delete folder", path, source))
}

/// Deletes a folder of our own temporary kind with what is in it; links inside are removed, not followed.
pub(super) fn remove_tree(path: &Path) -> Result<(), RunDirError> {
    fs::remove_dir_all(path).map_err(|source| RunDirError::io("delete folder", path, source))
}

/// The names in a folder; an absent folder is an empty one.
pub(super) fn names_in(path: &Path) -> Result<Vec<OsString>, RunDirError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(RunDirError::io("list", path, source)),
    };
    entries
        .map(|entry| entry.map(|e| e.file_name()).map_err(|source| RunDirError::io("list", path, source)))
        .collect()
}

fn write_beside(path: &Path, bytes: &[u8], tag: &str, durable: bool) -> Result<PathBuf, RunDirError> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(tag);
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file =
        File::create(&temporary).map_err(|source| RunDirError::io("create", &temporary, source))?;
    let written = file
        .write_all(bytes)
        .map_err(|source| RunDirError::io("write", path, source))
        .and_then(|()| if durable { sync_file(&file, path) } else { Ok(()) });
    if let Err(error) = written {
        // The part is of no use and may be what fills the disk; the error to report is the first one.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(temporary)
}

/// The folder a path lies in; a bare name lies in the current one.
pub(super) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replace_leaves_only_the_new_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names_in(folder.path()).unwrap(), ["a.json"]);
    }

    #[test]
    fn a_leftover_temporary_file_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(folder.path().join(".a.json.tmp"), "half of something longer").unwrap();
        replace(&path, b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn errors_name_the_path_and_count_as_storage() {
        let error = replace(Path::new("/proc/ablate/a.json"), b"x").unwrap_err();
        assert!(error.to_string().contains("/proc/ablate/.a.json.tmp"), "{error}");
        assert!(error.is_storage());
    }

    #[test]
    fn a_text_above_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap().as_deref(), Some("12345"));
        assert!(read_text(&path, 4).unwrap_err().to_string().contains("larger than 4 bytes"));
        assert!(read_text(&folder.path().join("none"), 4).unwrap().is_none());
    }
}
