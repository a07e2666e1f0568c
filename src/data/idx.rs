//! IDX files of grey images, plain or gzip-compressed, as the MNIST family is published.
//!
//! In: a path. Out: the image count and size from the header, then all pixels. Sixteen bytes of
//! header (magic 0x00000803, count, rows, columns, big-endian), then one byte a pixel. Compression is
//! recognised by content, not by name. The header is held against the file's length before anything is
//! decoded, and no more is ever decoded than it announces, so neither a false header nor a gzip bomb costs
//! memory.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use super::error::Error;
use super::reader::stamp;

const IMAGES_MAGIC: u32 = 0x0000_0803;
const LABELS_MAGIC: u32 = 0x0000_0801;
const HEADER_BYTES: u64 = 16;
/// Above any published file of the family (EMNIST has 814,255).
const MAX_COUNT: u32 = 1_000_000;
const MAX_SIDE: u32 = 1024;
/// Deflate cannot compress better than this.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// An IDX file of images whose header has been read and believed.
#[derive(Debug)]
pub(super) struct ImageFile {
    path: PathBuf,
    compressed: bool,
    /// Length and time of the last change, to notice another file under the same name.
    pub(super) stamp: String,
    pub(super) count: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl ImageFile {
    /// Reads and checks the header.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let metadata = fs::metadata(path).map_err(Error::io("open", path))?;
        if !metadata.is_file() {
            return Err(malformed(path, "it is not a regular file"));
        }
        let compressed = starts_with_gzip_magic(path)?;
        let mut header = [0; HEADER_BYTES as usize];
        decoder(path, compressed)?.read_exact(&mut header).map_err(|e| read_error(path, e))?;
        let word = |i: usize| u32::from_be_bytes([0, 1, 2, 3].map(|k| header[4 * i + k]));
        let (magic, count, rows, columns) = (word(0), word(1), word(2), word(3));
        if magic == LABELS_MAGIC {
            return Err(malformed(path, "it holds labels, not images; were two files swapped?"));
        }
        if magic != IMAGES_MAGIC {
            let reason = format!("it begins with {magic:#010x} instead of {IMAGES_MAGIC:#010x}");
            return Err(malformed(path, reason));
        }
        if !(1..=MAX_COUNT).contains(&count) {
            return Err(malformed(
                path,
                format!("it announces {count} images; 1 to {MAX_COUNT} are possible"),
            ));
        }
        if !(1..=MAX_SIDE).contains(&rows) || !(1..=MAX_SIDE).contains(&columns) {
            return Err(malformed(path, format!("it announces images of {rows} x {columns} pixels")));
        }
        let announced = HEADER_BYTES + u64::from(count) * u64::from(rows) * u64::from(columns);
        check_length(path, compressed, announced, metadata.len())?;
        Ok(Self {
            path: path.to_owned(),
            compressed,
            stamp: stamp(&metadata),
            count: count as usize,
            rows: rows as usize,
            columns: columns as usize,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The pixels of all images, one after the other. The end of the file (with the checksum, where
    /// compressed) is checked as well.
    pub(super) fn pixels(&self) -> Result<Vec<u8>, Error> {
        let length = self.count * self.rows * self.columns;
        let mut input = decoder(&self.path, self.compressed)?;
        let mut read = |limit: u64| {
            let mut bytes = Vec::new();
            input.by_ref().take(limit).read_to_end(&mut bytes).map_err(|e| read_error(&self.path, e))?;
            Ok::<_, Error>(bytes)
        };
        read(HEADER_BYTES)?;
        let pixels = read(length as u64)?;
        if pixels.len() < length {
            return Err(read_error(&self.path, io::ErrorKind::UnexpectedEof.into()));
        }
        if !read(1)?.is_empty() {
            let reason = format!("data goes on after the {} images it announces", self.count);
            return Err(malformed(&self.path, reason));
        }
        Ok(pixels)
    }
}

fn starts_with_gzip_magic(path: &Path) -> Result<bool, Error> {
    let mut start = Vec::with_capacity(2);
    let file = File::open(path).map_err(Error::io("open", path))?;
    file.take(2).read_to_end(&mut start).map_err(Error::io("read", path))?;
    Ok(start == [0x1f, 0x8b])
}

fn decoder(path: &Path, compressed: bool) -> Result<Box<dyn Read>, Error> {
    let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(Error::io("open", path))?);
    Ok(if compressed { Box::new(BufReader::new(GzDecoder::new(file))) } else { Box::new(file) })
}

fn check_length(path: &Path, compressed: bool, announced: u64, length: u64) -> Result<(), Error> {
    let reason = match compressed {
        false if length < announced => {
            format!("it is cut short: {length} of {announced} bytes are there; fetch it again")
        }
        false if length > announced => {
            format!("it has {length} bytes where its header announces {announced}; fetch it again")
        }
        true if announced > length.saturating_mul(MAX_DEFLATE_RATIO) => {
            format!("its header announces {announced} bytes, more than {length} compressed bytes can hold")
        }
        _ => return Ok(()),
    };
    Err(malformed(path, reason))
}

/// A short read and a broken compression are faults of the file; anything else is the system's.
fn read_error(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => malformed(path, "it is cut short; fetch it again"),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            malformed(path, format!("its compressed data is damaged ({error}); fetch it again"))
        }
        _ => Error::io("read", path)(error),
    }
}

pub(super) fn malformed(path: &Path, reason: impl Into<String>) -> Error {
    Error::Malformed { path: path.to_owned(), format: "IDX", reason: reason.into() }
}

#[cfg(test)]
#[path = "idx_tests.rs"]
pub(super) mod tests;
