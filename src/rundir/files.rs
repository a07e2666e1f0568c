//! Whole files, or none: how bytes that matter reach a file system.
//!
//! In: a file system, paths and bytes. Out: either the whole new content under the name, or the old one; never
//! a part. Every error carries its path. A failed fsync is never retried: the kernel may have dropped the
//! pages, so a second success would mean nothing.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::RunDirError;
use super::fs::{Disk, Fs, FsFile, Kind};
use crate::guard;

const TEMPORARY_END: &str = ".tmp";

/// Replaces a file so that a kill or a power cut leaves the old content or the new one: temporary file in
/// the same folder, fsync, rename, fsync of the folder. One writer at a time per path (hold the lock).
pub fn replace(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    let temporary = write_beside(fs, path, bytes, "", true)?;
    rename(fs, &temporary, path)?;
    sync_dir(fs, parent_of(path))
}

/// As [`replace`] without the two fsyncs: whole against a kill, and a power cut may lose it. For progress
/// that is rewritten many times a minute and that a reader can do without.
pub fn replace_unsynced(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    let temporary = write_beside(fs, path, bytes, "", false)?;
    rename(fs, &temporary, path)
}

/// As [`replace`], for a file that several processes may write at the same time: the last one wins.
pub fn replace_shared(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    let temporary = write_beside(fs, path, bytes, &format!(".{}", std::process::id()), true)?;
    rename(fs, &temporary, path)?;
    sync_dir(fs, parent_of(path))
}

/// Writes a file that must not exist yet and fsyncs it (not its folder).
pub fn create(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    let mut file = fs.create_new(path).map_err(|source| RunDirError::io("create", path, source))?;
    file.write_all(bytes).map_err(|source| RunDirError::io("write", path, source))?;
    sync_file(file.as_ref(), path)
}

/// Writes a file that must not exist yet, piece by piece and without fsync: whoever makes its folder durable
/// has to sync it too.
pub fn create_with(
    fs: &dyn Fs,
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), RunDirError> {
    let file = fs.create_new(path).map_err(|source| RunDirError::io("create", path, source))?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    fill(&mut writer).and_then(|()| writer.flush()).map_err(|source| RunDirError::io("write", path, source))
}

/// Creates a folder and its parents; each new entry is made durable in its parent. A parent may be a link to a
/// folder, as people keep their runs on another disk; the folder itself may not.
pub fn create_dir(fs: &dyn Fs, path: &Path) -> Result<(), RunDirError> {
    match fs.entry(path) {
        Ok(found) if found.kind == Kind::Folder => return Ok(()),
        Ok(_) => return Err(no_folder("create folder", path)),
        Err(error) if is_absent(&error) => {}
        Err(source) => return Err(RunDirError::io("look at", path, source)),
    }
    let parent = parent_of(path);
    let mut created = fs.create_dir(path);
    if created.as_ref().is_err_and(is_absent) {
        create_dir(fs, parent)?;
        created = fs.create_dir(path);
    }
    match created {
        Ok(()) => sync_dir(fs, parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => create_dir(fs, path),
        Err(source) => Err(RunDirError::io("create folder", path, source)),
    }
}

/// Makes everything that was written on the file system of `folder` durable: for many small files, one call
/// in place of several fsyncs each.
pub fn sync_file_system(folder: &Path) -> Result<(), RunDirError> {
    #[cfg(target_os = "linux")]
    {
        let opened =
            std::fs::File::open(folder).map_err(|source| RunDirError::io("open folder", folder, source))?;
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
pub fn read_text(fs: &dyn Fs, path: &Path, limit: u64) -> Result<Option<String>, RunDirError> {
    let Some(file) = open(fs, path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|source| RunDirError::io("read", path, source))?;
    if bytes.len() as u64 > limit {
        return Err(RunDirError::malformed(path, format!("larger than {limit} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| RunDirError::malformed(path, "not UTF-8"))
}

/// Opens a regular file for reading; `None` where there is none. Anything else under the name is damage.
pub fn open(fs: &dyn Fs, path: &Path) -> Result<Option<Box<dyn FsFile>>, RunDirError> {
    match fs.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(unusable(fs, "read", path, source)),
    }
}

/// Why a file cannot be opened: something else stands under its name, or the system refuses.
pub(super) fn unusable(fs: &dyn Fs, action: &'static str, path: &Path, source: io::Error) -> RunDirError {
    match fs.entry(path) {
        Ok(found) if found.kind != Kind::File => {
            RunDirError::malformed(path, "not a regular file; move it away to go on")
        }
        _ => RunDirError::io(action, path, source),
    }
}

/// Opens a log for appending, and creates what is missing.
pub fn open_log(path: &Path) -> Result<File, RunDirError> {
    guard::append_or_create(path).map_err(|source| unusable(&Disk, "open", path, source))
}

/// Makes a folder's entries durable: a rename or a new file survives a power cut only after this.
pub fn sync_dir(fs: &dyn Fs, path: &Path) -> Result<(), RunDirError> {
    fs.sync_dir(path).map_err(|source| RunDirError::io("sync folder", path, source))
}

pub(super) fn sync_file(file: &dyn FsFile, path: &Path) -> Result<(), RunDirError> {
    file.sync().map_err(|source| RunDirError::io("sync", path, source))
}

pub(crate) fn rename(fs: &dyn Fs, from: &Path, to: &Path) -> Result<(), RunDirError> {
    fs.rename(from, to).map_err(|source| RunDirError::io("rename to", to, source))
}

pub(super) fn remove_file(fs: &dyn Fs, path: &Path) -> Result<(), RunDirError> {
    fs.remove_file(path).map_err(|source| RunDirError::io("delete", path, source))
}

pub(super) fn remove_dir(fs: &dyn Fs, path: &Path) -> Result<(), RunDirError> {
    fs.remove_dir(path).map_err(|source| RunDirError::io("delete folder", path, source))
}

/// Deletes a folder of our own temporary kind with what is in it, if it is there; links inside are removed,
/// not followed.
pub(crate) fn remove_tree(fs: &dyn Fs, path: &Path) -> Result<(), RunDirError> {
    match fs.entry(path) {
        Ok(found) if found.kind == Kind::Folder => {
            for name in names_in(fs, path)? {
                remove_tree(fs, &path.join(name))?;
            }
            remove_dir(fs, path)
        }
        Ok(_) => remove_file(fs, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(RunDirError::io("look at", path, source)),
    }
}

/// The names in a folder; an absent folder is an empty one, and a link to one is not looked into.
pub(super) fn names_in(fs: &dyn Fs, path: &Path) -> Result<Vec<OsString>, RunDirError> {
    match fs.entry(path) {
        Ok(found) if found.kind == Kind::Folder => {}
        Ok(_) => return Err(no_folder("list", path)),
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(source) => return Err(RunDirError::io("look at", path, source)),
    }
    fs.names(path).map_err(|source| RunDirError::io("list", path, source))
}

fn temporary_name(path: &Path, tag: &str) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(tag);
    name.push(TEMPORARY_END);
    name
}

/// Whether [`replace_shared`] of some process gives this name to what is to become `path`.
pub(super) fn is_temporary_of(path: &Path, name: &OsStr) -> bool {
    let text = name.to_str().unwrap_or_default();
    let pid = text.strip_suffix(TEMPORARY_END).and_then(|text| text.rsplit_once('.')).map(|(_, pid)| pid);
    pid.and_then(|pid| pid.parse::<u32>().ok())
        .is_some_and(|pid| name == temporary_name(path, &format!(".{pid}")).as_os_str())
}

fn write_beside(
    fs: &dyn Fs,
    path: &Path,
    bytes: &[u8],
    tag: &str,
    durable: bool,
) -> Result<PathBuf, RunDirError> {
    let temporary = path.with_file_name(temporary_name(path, tag));
    let mut created = fs.create_new(&temporary);
    if created.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
        // A kill left it.
        remove_file(fs, &temporary)?;
        created = fs.create_new(&temporary);
    }
    let mut file = created.map_err(|source| RunDirError::io("create", &temporary, source))?;
    let written = file
        .write_all(bytes)
        .map_err(|source| RunDirError::io("write", path, source))
        .and_then(|()| if durable { sync_file(file.as_ref(), path) } else { Ok(()) });
    if let Err(error) = written {
        // The part is of no use and may be what fills the disk; the error to report is the first one.
        let _ = fs.remove_file(&temporary);
        return Err(error);
    }
    Ok(temporary)
}

/// Whether nothing has the name: it is missing, or one above it is no folder.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn no_folder(action: &'static str, path: &Path) -> RunDirError {
    let reason = "a file or a link has the name of a folder; move it away";
    RunDirError::io(action, path, io::Error::new(io::ErrorKind::NotADirectory, reason))
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
    use std::fs;

    use super::*;
    use crate::rundir::Disk;

    #[test]
    fn replace_leaves_only_the_new_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        replace(&Disk, &path, b"one").unwrap();
        replace(&Disk, &path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names_in(&Disk, folder.path()).unwrap(), ["a.json"]);
    }

    #[test]
    fn a_leftover_temporary_file_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(folder.path().join(".a.json.tmp"), "half of something longer").unwrap();
        replace(&Disk, &path, b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn errors_name_the_path_and_count_as_storage() {
        let error = replace(&Disk, Path::new("/proc/ablate/a.json"), b"x").unwrap_err();
        assert!(error.to_string().contains("/proc/ablate/.a.json.tmp"), "{error}");
        assert!(error.is_storage());
    }

    #[test]
    fn a_text_above_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&Disk, &path, 5).unwrap().as_deref(), Some("12345"));
        assert!(read_text(&Disk, &path, 4).unwrap_err().to_string().contains("larger than 4 bytes"));
        assert!(read_text(&Disk, &folder.path().join("none"), 4).unwrap().is_none());
    }
}
