//! The files of the cache: how they are laid out, written and read.
//!
//! ```text
//! magic 8 | version 8 | channels height width train test 5 x 8 | tail length 8 | tail hash 32    96 bytes
//! pixels of every usable image, training images first                              a pixel file only
//! tail: ids 8 each | pixel hashes 16 each | positions 4 each | unusable images as JSON
//! ```
//! All numbers little-endian. A file is written under a temporary name, synced and renamed, never changed
//! afterwards. Reading checks length and tail hash, and every image's hash: of a sample of the images where the
//! file is so large that reading it would take longer than a run should need to start.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use rayon::prelude::*;
use tempfile::NamedTempFile;

use super::index::{Extent, Index, pixel_hash};
use super::reader::Shape;
use super::store::Pixels;

const VERSION: u64 = 2;
pub(super) const HEADER_BYTES: usize = 8 + 8 + 5 * 8 + 8 + 32;
/// Ends the name of a file in the making.
pub(super) const TEMPORARY_SUFFIX: &str = ".partial";
/// Up to here every image is checked whenever a file is opened.
const CHECKED_WHOLE_BYTES: usize = 4 << 30;
/// Images checked of a larger file, evenly spaced.
const CHECKED_IMAGES: usize = 1024;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The pixels and the index.
    Pixels,
    /// The index alone: what a stream needs.
    Index,
}

impl Kind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Pixels => b"ABLATEPX",
            Self::Index => b"ABLATEIX",
        }
    }

    /// The extension of its files.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Pixels => "bin",
            Self::Index => "index",
        }
    }
}

/// Why a file of the cache cannot serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it vanished")]
    Absent,
    #[error("{0}")]
    Damaged(String),
}

/// Opens a file and checks it against what the reader promises; the pixels of [`Kind::Index`] are not there.
pub(super) fn load(path: &Path, kind: Kind, promised: Extent) -> Result<(Index, Option<Pixels>), Unusable> {
    let damaged = |error: io::Error| Unusable::Damaged(error.to_string());
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unusable::Absent),
        metadata => metadata.map_err(damaged)?,
    };
    if !metadata.is_file() {
        return Err(Unusable::Damaged("not a regular file".to_owned()));
    }
    let file = File::open(path).map_err(damaged)?;
    let (extent, start) = read_header(&file, kind, promised, metadata.len())?;
    let index = read_tail(&file, kind, extent, start)?;
    let pixels = match kind {
        Kind::Index => None,
        Kind::Pixels => Some(map(&file, &index, metadata.len())?),
    };
    Ok((index, pixels))
}

/// The extent and where the tail starts.
fn read_header(file: &File, kind: Kind, promised: Extent, length: u64) -> Result<(Extent, usize), Unusable> {
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0).map_err(|error| Unusable::Damaged(error.to_string()))?;
    let word = |i: usize| u64::from_le_bytes(std::array::from_fn(|k| header[8 * i + k]));
    if header[..8] != *kind.magic() || word(1) != VERSION {
        return Err(Unusable::Damaged("it has another format".to_owned()));
    }
    let [channels, height, width, train, test] = [2, 3, 4, 5, 6].map(|i| word(i) as usize);
    let extent = Extent { shape: Shape { channels, height, width }, train, test };
    if extent.shape != promised.shape || train > promised.train || test > promised.test {
        return Err(Unusable::Damaged("it holds other images".to_owned()));
    }
    let start = HEADER_BYTES + if kind == Kind::Pixels { extent.pixel_bytes() } else { 0 };
    let expected = (start as u64).saturating_add(word(7));
    if length != expected {
        return Err(Unusable::Damaged(format!("{length} bytes instead of {expected}")));
    }
    Ok((extent, start))
}

fn read_tail(file: &File, kind: Kind, extent: Extent, start: usize) -> Result<Index, Unusable> {
    let damaged = |error: io::Error| Unusable::Damaged(error.to_string());
    let length = file.metadata().map_err(damaged)?.len() as usize - start;
    let mut tail = vec![0; length];
    file.read_exact_at(&mut tail, start as u64).map_err(damaged)?;
    let mut expected = [0; HEADER_BYTES];
    file.read_exact_at(&mut expected, 0).map_err(damaged)?;
    let index = Index::from_bytes(extent, &tail).filter(|_| header(kind, extent, &tail) == expected);
    index.ok_or_else(|| Unusable::Damaged("its list of images is damaged".to_owned()))
}

fn map(file: &File, index: &Index, length: u64) -> Result<Pixels, Unusable> {
    // SAFETY: a map is unsound if the file changes below it. Files in the cache are never written in place:
    // they come to be by a rename and go by a rename or an unlink, which leave this map's inode as it is.
    let map = unsafe { Mmap::map(file) }.map_err(|error| Unusable::Damaged(error.to_string()))?;
    if map.len() as u64 != length {
        return Err(Unusable::Damaged("its length is changing".to_owned()));
    }
    let (values, n) = (index.extent.shape.values(), index.extent.images());
    let checked = if n * values <= CHECKED_WHOLE_BYTES { n } else { CHECKED_IMAGES.min(n) };
    let pixels = |row: usize| &map[HEADER_BYTES + row * values..][..values];
    let whole = (0..checked).into_par_iter().with_min_len(64).all(|i| {
        let row = i * n / checked;
        pixel_hash(pixels(row)) == index.hashes[row]
    });
    if !whole {
        return Err(Unusable::Damaged("its images are damaged".to_owned()));
    }
    Ok(Pixels::Mapped(map, HEADER_BYTES))
}

fn header(kind: Kind, extent: Extent, tail: &[u8]) -> [u8; HEADER_BYTES] {
    let words = [VERSION].into_iter().chain(extent.words()).chain([tail.len() as u64]);
    let start: Vec<u8> = kind.magic().iter().copied().chain(words.flat_map(u64::to_le_bytes)).collect();
    let mut hasher = blake3::Hasher::new_derive_key("ablate cache tail v2");
    hasher.update(&start).update(tail);
    let mut header = [0; HEADER_BYTES];
    header[..start.len()].copy_from_slice(&start);
    header[start.len()..].copy_from_slice(hasher.finalize().as_bytes());
    header
}

/// A file in the making.
pub(super) struct Draft {
    out: BufWriter<NamedTempFile>,
    kind: Kind,
    path: PathBuf,
    folder: PathBuf,
}

impl Draft {
    /// Begins the file that will be `folder`/`name`.
    pub(super) fn create(folder: &Path, name: &str, kind: Kind) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 20, temporary(folder, name, TEMPORARY_SUFFIX)?);
        out.write_all(&[0; HEADER_BYTES])?;
        Ok(Self { out, kind, path: folder.join(name), folder: folder.to_owned() })
    }

    /// Adds the pixels of the next image.
    pub(super) fn put(&mut self, pixels: &[u8]) -> io::Result<()> {
        self.out.write_all(pixels)
    }

    /// Gives the file its name.
    pub(super) fn finish(mut self, index: &Index) -> io::Result<()> {
        let tail = index.to_bytes();
        self.out.write_all(&tail)?;
        let mut temporary = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let file = temporary.as_file_mut();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header(self.kind, index.extent, &tail))?;
        file.sync_all()?;
        put_in_place(temporary, &self.folder, &self.path)
    }
}

/// A file in the making, beside what it will be.
pub(super) fn temporary(folder: &Path, prefix: &str, suffix: &str) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(suffix);
    #[cfg(unix)]
    {
        // Readable by everyone who shares the folder, as far as the umask allows.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    builder.tempfile_in(folder)
}

/// Gives a file that was synced its name, for good.
pub(super) fn put_in_place(temporary: NamedTempFile, folder: &Path, path: &Path) -> io::Result<()> {
    temporary.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}
