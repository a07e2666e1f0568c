//! Takes the files that the catalogue lists out of a gzip-compressed tar archive, and nothing else.
//!
//! In: an archive and the members it must have, with their sizes. Out: exactly these files, synced, below an
//! empty folder, and their digests. An archive that holds a link, a device, a path that is not plainly below
//! its root, a member of another size or one twice is refused as a whole; other regular files are passed over.
//! No more is decompressed than the members and a megabyte of headers and read-me files can take.

use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};
use tar::{Archive, Entry, EntryType};

use super::catalogue::{Member, safe_path};
use super::digest::Digest;
use super::error::FetchError;

/// Decompressed bytes besides the members: headers, padding, what is passed over.
const SLACK: u64 = 1 << 20;

/// Unpacks `members` of `archive` into the empty folder `into`; gives their digests in the same order.
///
/// # Errors
/// If the archive is damaged or is not what it should be, or a file cannot be written.
pub fn unpack(archive: &Path, members: &[Member], into: &Path) -> Result<Vec<Digest>, FetchError> {
    let file = fs::File::open(archive).map_err(FetchError::io("open", archive))?;
    let allowed = members.iter().map(|member| member.bytes).sum::<u64>() + SLACK;
    let unpacked = GzDecoder::new(BufReader::with_capacity(1 << 18, file));
    let mut archive_reader = Archive::new(Bounded { inner: unpacked, left: allowed });
    let refuse = |reason: String| FetchError::Archive { path: archive.to_owned(), reason };
    let damaged = |error: io::Error| refuse(damage(&error));

    let mut digests = vec![None; members.len()];
    for entry in archive_reader.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let Some(index) = select(&entry, members).map_err(&refuse)? else { continue };
        if digests[index].is_some() {
            return Err(refuse(format!("holds {} twice", members[index].path)));
        }
        digests[index] = Some(write(&mut entry, &members[index], into, archive)?);
    }
    // To the end, where the checksum of the compression is.
    io::copy(&mut archive_reader.into_inner(), &mut io::sink()).map_err(damaged)?;
    let found = digests
        .iter()
        .zip(members)
        .map(|(digest, member)| digest.ok_or_else(|| refuse(format!("lacks {}", member.path))));
    found.collect()
}

/// Which member an entry is; `None` for one that is passed over, the reason for one that may not be there.
fn select(entry: &Entry<'_, impl Read>, members: &[Member]) -> Result<Option<usize>, String> {
    let name = entry.path_bytes();
    let text = std::str::from_utf8(&name).ok();
    let Some(path) = text.and_then(|text| safe_path(text.trim_end_matches('/'))) else {
        // The root itself is no place to write to, and many archives begin with it.
        if entry.header().entry_type() == EntryType::Directory && matches!(text, Some("." | "./")) {
            return Ok(None);
        }
        return Err(format!("holds the unsafe path {:?}", String::from_utf8_lossy(&name)));
    };
    match entry.header().entry_type() {
        EntryType::Regular => {}
        EntryType::Directory | EntryType::XGlobalHeader => return Ok(None),
        other => return Err(format!("holds {}, which is {}", path.display(), kind(other))),
    }
    let Some(index) = members.iter().position(|member| Path::new(&member.path) == path) else {
        return Ok(None);
    };
    let Member { path, bytes } = &members[index];
    match entry.size() {
        size if size == *bytes => Ok(Some(index)),
        size => Err(format!("holds {path} with {size} bytes instead of {bytes}")),
    }
}

fn kind(entry_type: EntryType) -> &'static str {
    match entry_type {
        EntryType::Link => "a hard link",
        EntryType::Symlink => "a symbolic link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "no regular file",
    }
}

fn write(entry: &mut impl Read, member: &Member, into: &Path, archive: &Path) -> Result<Digest, FetchError> {
    let path = into.join(&member.path);
    let parent = path.parent().unwrap_or(into);
    fs::create_dir_all(parent).map_err(FetchError::io("create folder", parent))?;
    let created = OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = created.map_err(FetchError::io("create", &path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut left = member.bytes;
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = match entry.read(&mut buffer[..most]) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read,
        };
        let count = count
            .map_err(|error| FetchError::Archive { path: archive.to_owned(), reason: damage(&error) })?;
        file.write_all(&buffer[..count]).map_err(FetchError::io("write", &path))?;
        hasher.update(&buffer[..count]);
        left -= count as u64;
    }
    file.sync_all().map_err(FetchError::io("sync", &path))?;
    Ok(Digest::finish(hasher))
}

fn damage(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "is cut short".to_owned(),
        io::ErrorKind::QuotaExceeded => "decompresses to more than the published one".to_owned(),
        _ => format!("is damaged: {error}"),
    }
}

/// Lets so many bytes through and fails at the next.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return match self.inner.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(io::ErrorKind::QuotaExceeded.into()),
            };
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..most])?;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Makes a folder's entries durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), FetchError> {
    let opened = fs::File::open(folder).map_err(FetchError::io("open folder", folder))?;
    opened.sync_all().map_err(FetchError::io("sync folder", folder))
}

/// Moves unpacked members below their final folder, each by a rename.
pub(super) fn publish(members: &[Member], from: &Path, folder: &Path) -> Result<(), FetchError> {
    let mut parents: Vec<PathBuf> = Vec::new();
    for member in members {
        let to = folder.join(&member.path);
        let parent = to.parent().unwrap_or(folder).to_owned();
        fs::create_dir_all(&parent).map_err(FetchError::io("create folder", &parent))?;
        fs::rename(from.join(&member.path), &to).map_err(FetchError::io("rename a file to", &to))?;
        if !parents.contains(&parent) {
            parents.push(parent);
        }
    }
    parents.iter().try_for_each(|parent| sync_folder(parent))
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
