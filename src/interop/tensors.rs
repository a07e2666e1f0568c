//! A stored network's tensors, held to ours by name and shape, and written as 32-bit floats.
//!
//! In: a safetensors file. Out: another one in our order, tensor by tensor, so that memory is bounded whatever the
//! size; f16 and bf16 become the same numbers in 32 bits.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::{InteropError, names};
use crate::config::{Problem, Problems};
use crate::rundir::fs::{Fs, FsFile};
use crate::rundir::tensor_file::{self, Opened};
use crate::rundir::{Disk, RunDirError};

/// Bytes read at a time; a multiple of every width.
const PIECE: usize = 1 << 20;
/// Most names of one kind that are told.
const MOST: usize = 10;

/// A file of weights.
#[derive(Debug)]
pub(super) struct Stored {
    path: PathBuf,
    opened: Opened,
}

/// A tensor of our network and where it is stored.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) name: String,
    info: TensorInfo,
}

impl Stored {
    /// Opens a file and holds its header to its length.
    ///
    /// # Errors
    /// It is no whole safetensors file.
    pub(super) fn open(path: &Path) -> Result<Stored, InteropError> {
        Ok(Stored { path: path.to_path_buf(), opened: tensor_file::open(path)? })
    }

    /// Every tensor of a network, by name.
    ///
    /// # Errors
    /// Tensors are missing, shaped otherwise, of another number format, or no part of the network.
    pub(super) fn find(&self, network: &[(String, Vec<usize>)]) -> Result<Vec<Found>, InteropError> {
        let mut misfits = Misfits::default();
        let stored = self.opened.header.tensors();
        let mut by_name: BTreeMap<String, (&str, &TensorInfo)> = BTreeMap::new();
        // In the order of the names, so that two of one meaning are always told the same way.
        for (name, info) in stored.iter().collect::<BTreeMap<_, _>>() {
            if let Some((first, _)) = by_name.insert(names::current(name), (name, info)) {
                misfits.unexpected.push(format!("{name} (which is {first} under another name)"));
            }
        }
        let mut found = Vec::new();
        for (name, shape) in network {
            match by_name.remove(name) {
                None => misfits.missing.push(name.clone()),
                Some((_, info)) if info.shape != *shape => {
                    misfits.shaped.push(format!("{name} {:?}, not {shape:?}", info.shape));
                }
                Some((_, info)) if width(info.dtype).is_none() => {
                    misfits.formats.push(format!("{name} {:?}", info.dtype));
                }
                Some((_, info)) => found.push(Found { name: name.clone(), info: info.clone() }),
            }
        }
        misfits.unexpected.extend(by_name.into_values().map(|(name, _)| name.to_owned()));
        misfits.into_result(&self.path)?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Writes these tensors to a new file and forces it to the disk; returns the BLAKE3 of its bytes.
    ///
    /// # Errors
    /// The disk refuses, or a number is none or infinite.
    pub(super) fn write(&self, tensors: &[Found], to: &Path) -> Result<String, InteropError> {
        let mut out = Output::create(to, tensors.iter().map(|found| (found.name.as_str(), &found.info)))?;
        let (mut stored, mut numbers) = (vec![0; PIECE], Vec::with_capacity(2 * PIECE));
        for Found { name, info } in tensors {
            let (mut at, end) = (info.data_offsets.0, info.data_offsets.1);
            while at < end {
                let piece = &mut stored[..PIECE.min(end - at)];
                let place = self.opened.data_start + at as u64;
                let read = self.opened.file.read_exact_at(piece, place);
                read.map_err(|source| InteropError::Io { path: self.path.clone(), source })?;
                numbers.clear();
                if !widen(info.dtype, piece, &mut numbers) {
                    let reason =
                        format!("tensor {} holds numbers that are not finite", crate::guard::printable(name));
                    return Err(InteropError::Malformed { path: self.path.clone(), reason });
                }
                out.write(&numbers)?;
                at += piece.len();
            }
        }
        out.finish()
    }
}

/// Writes a file of zeros of these names and shapes: what no step has moved. It takes no room where the file system
/// knows holes.
pub(super) fn write_zeros(tensors: &[(String, Vec<usize>)], to: &Path) -> Result<(), RunDirError> {
    let start = tensor_file::start(tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())))
        .map_err(|error| RunDirError::malformed(to, error))?;
    let floats =
        |shape: &Vec<usize>| shape.iter().fold(4_u64, |bytes, side| bytes.saturating_mul(*side as u64));
    let bytes = tensors.iter().map(|(_, shape)| floats(shape)).fold(start.len() as u64, u64::saturating_add);
    let write = |error| RunDirError::io("write", to, error);
    let mut file = Disk.create_new(to).map_err(|source| RunDirError::io("create", to, source))?;
    file.write_all(&start).and_then(|()| file.set_len(bytes)).and_then(|()| file.sync()).map_err(write)
}

/// A file that is written and hashed at once.
struct Output {
    path: PathBuf,
    file: BufWriter<Box<dyn FsFile>>,
    hasher: blake3::Hasher,
}

impl Output {
    fn create<'a>(
        path: &Path,
        tensors: impl Iterator<Item = (&'a str, &'a TensorInfo)>,
    ) -> Result<Output, InteropError> {
        let start = tensor_file::start(tensors.map(|(name, info)| (name, info.shape.as_slice())))
            .map_err(|error| RunDirError::malformed(path, error))?;
        let file = Disk.create_new(path).map_err(|source| RunDirError::io("create", path, source))?;
        let file = BufWriter::with_capacity(PIECE, file);
        let mut output = Output { path: path.to_path_buf(), file, hasher: blake3::Hasher::new() };
        output.write(&start)?;
        Ok(output)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RunDirError> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|source| RunDirError::io("write", &self.path, source))
    }

    fn finish(mut self) -> Result<String, InteropError> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync());
        synced.map_err(|source| RunDirError::io("write", &self.path, source))?;
        Ok(self.hasher.finalize().to_hex().to_string())
    }
}

/// What does not fit.
#[derive(Default)]
struct Misfits {
    missing: Vec<String>,
    unexpected: Vec<String>,
    shaped: Vec<String>,
    formats: Vec<String>,
}

impl Misfits {
    fn into_result(self, path: &Path) -> Result<(), Problems> {
        let kinds = [
            ("lacks tensors of the network", self.missing),
            ("has tensors that are no part of the network", self.unexpected),
            ("has tensors of another shape", self.shaped),
            ("has tensors of a number format that cannot be kept (f32, f16 and bf16 can)", self.formats),
        ];
        let told = kinds.into_iter().filter(|(_, names)| !names.is_empty()).map(|(what, mut names)| {
            let more = names.len().saturating_sub(MOST);
            names.truncate(MOST);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Problem::new(format!("{} {what}: {}{more}", path.display(), names.join(", ")))
                .with_help("config.json and the weights must be of one network")
        });
        Problems(told.collect()).into_result()
    }
}

/// Bytes of a number in a format that fits into 32-bit floats.
fn width(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F32 => Some(4),
        Dtype::F16 | Dtype::BF16 => Some(2),
        _ => None,
    }
}

/// Appends the same numbers as little-endian 32-bit floats; false where one is not finite.
fn widen(dtype: Dtype, stored: &[u8], out: &mut Vec<u8>) -> bool {
    let mut finite = true;
    let mut push = |number: f32| {
        finite &= number.is_finite();
        out.extend_from_slice(&number.to_le_bytes());
    };
    let pairs = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
    match dtype {
        Dtype::BF16 => {
            stored.chunks_exact(2).map(|b| f32::from_bits(u32::from(pairs(b)) << 16)).for_each(push);
        }
        Dtype::F16 => stored.chunks_exact(2).map(|b| half(pairs(b))).for_each(push),
        _ => stored.chunks_exact(4).for_each(|b| push(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
    }
    finite
}

/// The number that 16 bits of IEEE 754 stand for: a sign, five bits of exponent, ten of fraction.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    let magnitude = match exponent {
        // Below the smallest normal number: steps of 2⁻²⁴.
        0 => fraction as f32 / (1_u32 << 24) as f32,
        0x1f => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
#[path = "tensors_tests.rs"]
mod tests;
