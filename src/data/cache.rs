//! Decoded images, kept on disk and mapped into memory: decoded once, shared by all workers of a machine.
//!
//! In: a reader and the data folder. Out: a [`Store`]. The file `cache/<dataset>-<C>x<H>x<W>-<key>.bin` has
//! a header (magic, version, extent, content hash) and the body that `store` describes; `key` is a hash of
//! what the pixels depend on (source files with length and time of change, reader version), so another
//! source means another file. A file is written under a temporary name, synced and renamed: several
//! processes may race, each writes the same bytes and the last rename wins. Every opening checks length,
//! header and content hash (faster than decoding by far), and a damaged file is rebuilt. Where the folder
//! cannot be written, the images are held in memory and a note says so.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use memmap2::Mmap;

use super::error::Error;
use super::reader::{Part, Reader};
use super::store::{Bytes, Extent, Store};

const MAGIC: &[u8; 8] = b"ABLATEPX";
const VERSION: u64 = 1;
/// Magic, version, the five words of the extent, content hash.
const HEADER_BYTES: usize = 8 + 8 + 5 * 8 + 32;
const TEMPORARY_SUFFIX: &str = ".partial";
/// A temporary file untouched for so long was left by a killed process.
const STALE_AFTER: Duration = Duration::from_secs(3600);

/// Opens the decoded images of `reader`, from the cache in `data_dir` if it is there and whole, else by
/// decoding. The second value holds sentences for the user.
pub(super) fn open(reader: &dyn Reader, data_dir: &Path) -> Result<(Store, Vec<String>), Error> {
    let folder = data_dir.join("cache");
    let path = folder.join(file_name(reader));
    let extent = Extent::of(reader);
    let mut notes = Vec::new();
    match load(&path, extent) {
        Ok(store) => return Ok((store, notes)),
        Err(Unusable::Absent) => {}
        Err(Unusable::Damaged(reason)) => {
            notes
                .push(format!("the image cache {} is unusable ({reason}) and is built anew", path.display()));
        }
    }
    let written = write(reader, extent, &folder, &path);
    let reason = match written {
        Ok(()) => match load(&path, extent) {
            Ok(store) => return Ok((store, notes)),
            Err(unusable) => unusable.to_string(),
        },
        Err(Failure::Source(error)) => return Err(error),
        Err(Failure::Storage(error)) => error.to_string(),
    };
    notes.push(format!(
        "no image cache in {} ({reason}): every run decodes the images into its own memory",
        folder.display()
    ));
    let mut body = Vec::new();
    body.try_reserve_exact(extent.body_bytes())
        .map_err(|error| Error::io("hold in memory the images of", &path)(io::Error::other(error)))?;
    match decode(reader, extent, &mut body) {
        Ok(_) => Ok((Store::new(Bytes::Memory(body), 0, extent), notes)),
        Err(Failure::Source(error)) => Err(error),
        Err(Failure::Storage(error)) => Err(Error::io("decode images for", &path)(error)),
    }
}

/// Why a cache file cannot serve.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it vanished")]
    Absent,
    #[error("{0}")]
    Damaged(String),
}

/// Which side of the copy failed: only the second can be done without.
enum Failure {
    Source(Error),
    Storage(io::Error),
}

fn file_name(reader: &dyn Reader) -> String {
    let shape = reader.shape();
    let mut hasher = blake3::Hasher::new_derive_key("ablate cache key v1");
    hasher.update(reader.identity().as_bytes());
    let key = hasher.finalize().to_hex();
    format!("{}-{}x{}x{}-{}.bin", reader.name(), shape.channels, shape.height, shape.width, &key[..16])
}

fn load(path: &Path, extent: Extent) -> Result<Store, Unusable> {
    let damaged = |error: io::Error| Unusable::Damaged(error.to_string());
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unusable::Absent),
        metadata => metadata.map_err(damaged)?,
    };
    let expected = HEADER_BYTES + extent.body_bytes();
    if !metadata.is_file() {
        return Err(Unusable::Damaged("not a regular file".to_owned()));
    }
    if metadata.len() != expected as u64 {
        return Err(Unusable::Damaged(format!("{} bytes instead of {expected}", metadata.len())));
    }
    let file = File::open(path).map_err(damaged)?;
    // SAFETY: a map is unsound if the file changes below it. Files in the cache are never written in place:
    // they come to be by a rename and go by a rename or an unlink, which leave this map's inode as it is.
    let map = unsafe { Mmap::map(&file) }.map_err(damaged)?;
    if map.len() != expected {
        return Err(Unusable::Damaged("its length is changing".to_owned()));
    }
    let mut header = [0; HEADER_BYTES];
    header.copy_from_slice(&map[..HEADER_BYTES]);
    let store = Store::new(Bytes::Mapped(map), HEADER_BYTES, extent);
    if header != self::header(extent, store.content_hash()) {
        return Err(Unusable::Damaged("its content hash differs".to_owned()));
    }
    Ok(store)
}

fn header(extent: Extent, content_hash: &[u8; 32]) -> [u8; HEADER_BYTES] {
    let words = std::iter::once(VERSION).chain(extent.words()).flat_map(u64::to_le_bytes);
    let bytes = MAGIC.iter().copied().chain(words).chain(*content_hash);
    let mut header = [0; HEADER_BYTES];
    header.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
    header
}

fn write(reader: &dyn Reader, extent: Extent, folder: &Path, path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(Failure::Storage)?;
    remove_stale(folder);
    let mut builder = tempfile::Builder::new();
    builder.prefix(reader.name()).suffix(TEMPORARY_SUFFIX);
    #[cfg(unix)]
    {
        // Readable by everyone who shares the folder, as far as the umask allows.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    let mut temporary = builder.tempfile_in(folder).map_err(Failure::Storage)?;
    let content_hash = {
        let mut out = BufWriter::with_capacity(1 << 20, temporary.as_file_mut());
        out.write_all(&[0; HEADER_BYTES]).map_err(Failure::Storage)?;
        let content_hash = decode(reader, extent, &mut out)?;
        out.flush().map_err(Failure::Storage)?;
        content_hash
    };
    let finish = || {
        let file = temporary.as_file_mut();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header(extent, &content_hash))?;
        file.sync_all()?;
        temporary.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    finish().map_err(Failure::Storage)
}

/// Writes the body of a store and gives its content hash.
fn decode(reader: &dyn Reader, extent: Extent, out: &mut dyn Write) -> Result<[u8; 32], Failure> {
    let mut hasher = extent.hasher();
    let mut put = |bytes: &[u8]| {
        hasher.update(bytes);
        out.write_all(bytes).map_err(Failure::Storage)
    };
    let mut pixels = vec![0; extent.shape.values()];
    let mut ids = Vec::with_capacity(extent.images() * 8);
    for part in Part::ALL {
        let mut images = reader.images(part).map_err(Failure::Source)?;
        for _ in 0..reader.count(part) {
            let id = images.next(&mut pixels).map_err(Failure::Source)?;
            ids.extend_from_slice(&id.to_le_bytes());
            put(&pixels)?;
        }
    }
    put(&ids)?;
    Ok(*hasher.finalize().as_bytes())
}

/// Removes what killed processes left; best effort, a file that resists is somebody else's.
fn remove_stale(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().ends_with(TEMPORARY_SUFFIX);
        let age = entry.metadata().ok().and_then(|metadata| metadata.modified().ok()?.elapsed().ok());
        if ours && age.is_some_and(|age| age > STALE_AFTER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
