//! A data set's folder: what stands in it, and how files get there.
//!
//! In: a catalogue's file and the folder. Out: its [`Standing`], or the file under its own name: renamed after
//! its content was verified and synced, so that a kill at any moment leaves it whole or not at all.
//! `SHA256SUMS` keeps the digests of what was taken out of a verified archive.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::catalogue::{Member, PublishedFile};
use super::digest::Digest;
use super::error::FetchError;
use super::unpack::{publish, sync_folder, unpack};
use crate::guard;

const SUMS: &str = "SHA256SUMS";
const UNPACK_PREFIX: &str = ".unpack-";
const LOCK: &str = ".lock";

/// What a folder has of a published file.
#[derive(Debug)]
pub(super) enum Standing {
    /// The file, or all of its members, with the right content.
    There,
    /// Nothing, or not all members.
    Absent,
    /// Something else under its name.
    Foreign(FetchError),
}

/// Compares a file with what the catalogue says of it. It is also there where it lies in one of the `nested` folders
/// that readers look into.
pub(super) fn standing(folder: &Path, nested: &[&str], file: &PublishedFile) -> Result<Standing, FetchError> {
    let found = standing_in(folder, file)?;
    if matches!(found, Standing::There) {
        return Ok(found);
    }
    for place in nested {
        if let Ok(Standing::There) = standing_in(&folder.join(place), file) {
            return Ok(Standing::There);
        }
    }
    // The members of an archive may have been moved out of the folder that it puts them into.
    let flat = |member: &Member| {
        let name = Path::new(&member.path).file_name().map(|name| folder.join(name));
        name.is_some_and(|path| matches!(compare(&path, member.bytes, None), Ok(Standing::There)))
    };
    match !file.unpack.is_empty() && file.unpack.iter().all(flat) {
        true => Ok(Standing::There),
        false => Ok(found),
    }
}

fn standing_in(folder: &Path, file: &PublishedFile) -> Result<Standing, FetchError> {
    let mut there = Vec::new();
    if file.unpack.is_empty() {
        there.push(compare(&folder.join(&file.name), file.bytes, Some(file.sha256))?);
        if let Some(plain) = &file.plain {
            there.push(compare(&folder.join(&plain.name), plain.bytes, Some(plain.sha256))?);
        }
    } else {
        let sums = read_sums(folder)?;
        for member in &file.unpack {
            there.push(compare(&folder.join(&member.path), member.bytes, sums.get(&member.path).copied())?);
        }
    }
    let enough = if file.unpack.is_empty() { 1 } else { file.unpack.len() };
    let right = there.iter().filter(|standing| matches!(standing, Standing::There)).count();
    let foreign = there.into_iter().find(|standing| matches!(standing, Standing::Foreign(_)));
    Ok(foreign.unwrap_or(if right >= enough { Standing::There } else { Standing::Absent }))
}

fn compare(path: &Path, bytes: u64, sha256: Option<Digest>) -> Result<Standing, FetchError> {
    let metadata = match fs::metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Standing::Absent);
        }
        metadata => metadata.map_err(FetchError::io("open", path))?,
    };
    let foreign = |reason| Ok(Standing::Foreign(FetchError::Foreign { path: path.to_owned(), reason }));
    if !metadata.is_file() {
        return foreign("it is not a regular file".to_owned());
    }
    if metadata.len() != bytes {
        return foreign(format!("it has {} bytes instead of {bytes}", metadata.len()));
    }
    let Some(expected) = sha256 else { return Ok(Standing::There) };
    match Digest::of_file(path)? {
        found if found == expected => Ok(Standing::There),
        found => foreign(format!("its SHA-256 is {found} instead of {expected}")),
    }
}

/// The digests noted when an archive was unpacked. Files that somebody unpacked by hand have none, and are
/// compared by their lengths.
fn read_sums(folder: &Path) -> Result<BTreeMap<String, Digest>, FetchError> {
    let path = folder.join(SUMS);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        text => text.map_err(FetchError::io("read", &path))?,
    };
    let pairs = text.lines().filter_map(|line| line.split_once("  "));
    Ok(pairs.filter_map(|(digest, name)| Some((name.to_owned(), Digest::parse(digest)?))).collect())
}

/// Gives a verified file its own name.
pub(super) fn install(from: &Path, folder: &Path, name: &str, twin: Option<&str>) -> Result<(), FetchError> {
    let to = folder.join(name);
    fs::rename(from, &to).map_err(FetchError::io("rename a file to", &to))?;
    if let Some(twin) = twin {
        // Of the two forms readers take the plain one, and only one of them has been verified.
        remove_if_there(&folder.join(twin))?;
    }
    sync_folder(folder)
}

/// Takes the members out of a verified archive, and deletes the archive.
pub(super) fn install_members(archive: &Path, folder: &Path, members: &[Member]) -> Result<(), FetchError> {
    let temporary = temporary_folder(folder)?;
    let digests = unpack(archive, members, temporary.path())?;
    // Before the files themselves: from here on what is there without being whole does not count as there.
    let lines = members.iter().zip(&digests).map(|(member, digest)| format!("{digest}  {}\n", member.path));
    write_sums(folder, temporary.path(), &lines.collect::<String>())?;
    publish(members, temporary.path(), folder)?;
    fs::remove_file(archive).map_err(FetchError::io("delete", archive))?;
    sync_folder(folder)
}

fn write_sums(folder: &Path, temporary: &Path, text: &str) -> Result<(), FetchError> {
    let path = temporary.join(SUMS);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(FetchError::io("write", &path))?;
    let to = folder.join(SUMS);
    fs::rename(&path, &to).map_err(FetchError::io("rename a file to", &to))?;
    sync_folder(folder)
}

/// A folder beside the files, deleted with what is in it.
pub(super) fn temporary_folder(folder: &Path) -> Result<tempfile::TempDir, FetchError> {
    tempfile::Builder::new()
        .prefix(UNPACK_PREFIX)
        .tempdir_in(folder)
        .map_err(FetchError::io("create a folder in", folder))
}

/// The right to write in a folder; given back when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, and removes what a killed owner was unpacking.
    pub(super) fn acquire(folder: &Path) -> Result<Self, FetchError> {
        let path = folder.join(LOCK);
        let file = guard::write_or_create(&path).map_err(FetchError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FetchError::Held { folder: folder.to_owned() }),
            // Without locks two fetches may disturb each other; the hashes keep either from harm.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(FetchError::io("lock", &path)(error)),
        }
        for entry in fs::read_dir(folder).map_err(FetchError::io("list", folder))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNPACK_PREFIX) {
                let left = entry.path();
                fs::remove_dir_all(&left).map_err(FetchError::io("delete", &left))?;
            }
        }
        Ok(Self { _file: file })
    }
}

/// Refuses to begin what the disk has no room for. A file system that does not say is believed to have it.
pub(super) fn check_room(folder: &Path, needed: u64) -> Result<(), FetchError> {
    let Ok(found) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    match free < needed {
        true => Err(FetchError::NoRoom { path: folder.to_owned(), needed, free }),
        false => Ok(()),
    }
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), FetchError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FetchError::io("delete", path)(error)),
        _ => Ok(()),
    }
}

/// Bytes of a file that is there in part.
pub(super) fn length_of(path: &PathBuf) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
