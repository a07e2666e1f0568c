//! The beginning of a safetensors file, read and written: what each tensor is and where it lies.
//!
//! In: a path, or names and shapes. Out: a file whose header is held to its length, or the bytes before the first number.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};

use super::WeightsError;
use crate::guard;

/// Longest header a file may have: a hundred times that of the largest network here. Parsed it takes several times
/// as much memory.
const HEADER_LIMIT: u64 = 16 << 20;

/// A safetensors file whose header was read.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The file.
    pub(crate) file: File,
    /// Names, shapes, number formats and places, each held to the others and to the file's length.
    pub(crate) header: Metadata,
    /// Bytes before the first tensor.
    pub(crate) data_start: u64,
}

/// The start of a file of 32-bit floats: its length and the JSON that says where each tensor lies, filled up with
/// spaces to a multiple of eight bytes, so that the tensors behind it are aligned. They follow in the order given.
///
/// # Errors
/// The sizes overflow.
pub(crate) fn start<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>,
) -> Result<Vec<u8>, SafeTensorError> {
    let mut end: usize = 0;
    let mut places = Vec::new();
    for (name, shape) in tensors {
        let bytes = shape.iter().try_fold(size_of::<f32>(), |bytes, side| bytes.checked_mul(*side));
        let begin = end;
        end = bytes.and_then(|bytes| begin.checked_add(bytes)).ok_or(SafeTensorError::ValidationOverflow)?;
        let info = TensorInfo { dtype: Dtype::F32, shape: shape.to_vec(), data_offsets: (begin, end) };
        places.push((name.to_owned(), info));
    }
    // What PyTorch's loaders ask for.
    let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let mut header = serde_json::to_vec(&Metadata::new(Some(about), places)?)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok([&(header.len() as u64).to_le_bytes(), header.as_slice()].concat())
}

/// Reads eight bytes of length and that much JSON, and holds both to the file's length; it may be a link.
pub(crate) fn open(path: &Path) -> Result<Opened, WeightsError> {
    let io = |source| WeightsError::Io { path: path.to_path_buf(), source };
    let format = |reason: String| WeightsError::Format { path: path.to_path_buf(), reason };
    let mut file = guard::open_linked(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    if length < 8 {
        return Err(format(format!("it has only {length} bytes")));
    }
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(io)?;
    let wrong = |reason: String| match is_pickle(start) {
        true => WeightsError::Pickle { path: path.to_path_buf() },
        false => format(reason),
    };
    let size = u64::from_le_bytes(start);
    if size > HEADER_LIMIT.min(length - 8) {
        return Err(wrong(format!("its first bytes promise a header of {size} bytes")));
    }
    let mut text = Vec::new();
    (&file).take(size).read_to_end(&mut text).map_err(io)?;
    let header: Metadata =
        serde_json::from_slice(&text).map_err(|error| wrong(format!("its header: {error}")))?;
    let expected = (8 + size).saturating_add(header.data_len() as u64);
    match length == expected {
        true => Ok(Opened { file, header, data_start: 8 + size }),
        false => Err(format(format!("it has {length} bytes, its header says {expected}"))),
    }
}

/// Whether a file that is no safetensors file begins as a ZIP archive, which PyTorch's are, or as a bare pickle.
fn is_pickle(start: [u8; 8]) -> bool {
    start.starts_with(b"PK\x03\x04") || start[0] == 0x80 && (2..=5).contains(&start[1])
}
