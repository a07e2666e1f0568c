//! Named 32-bit tensors in safetensors files.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use thiserror::Error;

use crate::model::NamedTensor;
use crate::rundir::{Disk, RunDirError, files, tensor_file};

/// A weights file that cannot be written or read.
#[derive(Debug, Error)]
pub enum TensorsError {
    /// It cannot be written.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The file system said no.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes are no safetensors file.
    #[error("{} is not a readable safetensors file: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: safetensors::SafeTensorError,
    },
    /// A tensor that the network needs is absent or shaped otherwise.
    #[error("{}: tensor {name} {problem}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Writes tensors under their names, in the order of the names, without a second copy of them in memory; the
/// caller syncs the file.
pub(crate) fn write(path: &Path, tensors: &[NamedTensor]) -> Result<(), TensorsError> {
    let mut sorted: Vec<&NamedTensor> = tensors.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let start =
        tensor_file::start(sorted.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice())))
            .map_err(|source| TensorsError::Format { path: path.into(), source })?;
    files::create_with(&Disk, path, |file| {
        file.write_all(&start)?;
        let values = sorted.iter().flat_map(|tensor| &tensor.values);
        values.map(|value| value.to_le_bytes()).try_for_each(|bytes| file.write_all(&bytes))
    })?;
    Ok(())
}

/// A weights file mapped into memory.
pub(crate) struct TensorFile {
    path: PathBuf,
    map: Mmap,
}

impl TensorFile {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> Result<Self, TensorsError> {
        let io = |source| TensorsError::Io { path: path.into(), source };
        let file = File::open(path).map_err(io)?;
        // SAFETY: checkpoint files are never changed in place: they are written into a temporary folder
        // that is renamed when complete.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(Self { path: path.into(), map })
    }

    /// Reads the tensors of these names and shapes.
    pub(crate) fn read(&self, wanted: &[(String, Vec<usize>)]) -> Result<Vec<NamedTensor>, TensorsError> {
        let format = |source| TensorsError::Format { path: self.path.clone(), source };
        let tensors = SafeTensors::deserialize(&self.map).map_err(format)?;
        wanted
            .iter()
            .map(|(name, shape)| {
                let problem = |problem: String| TensorsError::Tensor {
                    path: self.path.clone(),
                    name: name.clone(),
                    problem,
                };
                let view = tensors.tensor(name).map_err(|_| problem("is missing".into()))?;
                if view.shape() != shape || view.dtype() != Dtype::F32 {
                    let found = format!("is {:?} {:?}, not F32 {shape:?}", view.dtype(), view.shape());
                    return Err(problem(found));
                }
                let values = view
                    .data()
                    .chunks_exact(4)
                    .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("chunks of four")))
                    .collect();
                Ok(NamedTensor { name: name.clone(), shape: shape.clone(), values })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_back_bit_for_bit_and_a_wrong_shape_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let values = vec![f32::MIN_POSITIVE, -0.0, 1.0 / 3.0, 4e30];
        let tensor = NamedTensor { name: "a.weight".into(), shape: vec![2, 2], values };
        write(&path, std::slice::from_ref(&tensor)).unwrap();
        let file = TensorFile::open(&path).unwrap();
        assert_eq!(file.read(&[("a.weight".into(), vec![2, 2])]).unwrap(), [tensor]);
        let error = file.read(&[("a.weight".into(), vec![4])]).unwrap_err();
        assert!(error.to_string().contains("tensor a.weight is F32 [2, 2], not F32 [4]"));
    }
}
