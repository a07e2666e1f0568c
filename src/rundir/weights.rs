//! Files of weights: what a checkpoint calls them, and where a path to somebody's weights leads.
//!
//! In: a run's or a checkpoint's folder, an exported folder, or a safetensors file. Out: a [`WeightsFile`], its
//! absolute path, its hash, and the names and shapes of its tensors; the tensors themselves are not read.

use std::io;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use thiserror::Error;

use super::manifest::MANIFEST_NAME;
use super::{Disk, RunDir, RunDirError, checkpoint, tensor_file};
use crate::guard;

/// Stem of a checkpoint's file of the weights themselves.
pub const RAW: &str = "model";
/// Stem of a checkpoint's file of the first average.
const FIRST_AVERAGE: &str = "ema";

/// Stem of a checkpoint's file of the optimizer.
pub const OPTIMIZER: &str = "optimizer";
/// What the names of the optimizer's tensors begin with: the two moments of each parameter.
pub const MOMENTS: [&str; 2] = ["first.", "second."];

/// Where an export of diffusers keeps the network.
const EXPORTED: [&str; 2] =
    ["unet/diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors"];

/// Stem of a checkpoint's file of an average, by its place among the averages and its label. The first has a name
/// that does not depend on its setting.
pub fn average(place: usize, label: &str) -> String {
    if place == 0 { FIRST_AVERAGE.to_owned() } else { label.to_owned() }
}

/// Names and shapes of the optimizer's tensors, from those of the network.
pub fn moments(network: &[(String, Vec<usize>)]) -> Vec<(String, Vec<usize>)> {
    let of = |(name, shape): &(String, Vec<usize>), moment| (format!("{moment}{name}"), shape.clone());
    MOMENTS.iter().flat_map(|moment| network.iter().map(move |tensor| of(tensor, moment))).collect()
}

/// Weights that cannot be started from.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// Nothing is there.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The path as given, absolute.
        path: PathBuf,
    },
    /// A folder of another kind.
    #[error("{} holds no weights", path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// A run that has not got so far.
    #[error("{} has no checkpoint that verifies", path.display())]
    NoCheckpoint {
        /// The run's folder.
        path: PathBuf,
    },
    /// A checkpoint is damaged or unreadable.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The file system said no.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The bytes are no safetensors file.
    #[error("{} is not a readable safetensors file: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// PyTorch's own format: reading it means running what it says.
    #[error("{} is a pickle, which can run code when it is read", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// The weights of another network.
    #[error("{} does not fit the network: tensor {name} {problem}", path.display())]
    Misfit {
        /// The file.
        path: PathBuf,
        /// The first tensor that differs.
        name: String,
        /// How.
        problem: String,
    },
    /// Other weights than those that were meant.
    #[error("{} has the BLAKE3 hash {found}, not {expected}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its hash.
        found: String,
        /// The hash written down.
        expected: String,
    },
}

impl WeightsError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            WeightsError::Missing { .. } | WeightsError::NoWeights { .. } => {
                "name a run's folder (runs/<experiment>/<variant>/seed-<n>), one of its checkpoints, an exported \
                 folder with diffusion_pytorch_model.safetensors, or a .safetensors file"
            }
            WeightsError::NoCheckpoint { .. } => "train that run first; ablate status shows how far it is",
            WeightsError::RunDir(_) | WeightsError::Io { .. } => {
                "mend it, or name another checkpoint or a .safetensors file"
            }
            WeightsError::Format { .. } => "copy or export the file again",
            WeightsError::Pickle { .. } => {
                "convert it where you trust it, in Python: safetensors.torch.save_file(torch.load(FILE, \
                 weights_only=True), \"weights.safetensors\"), and name that file"
            }
            WeightsError::Misfit { .. } => {
                "the keys of [model], data.image_size and data.in_channels must be those the weights were trained \
                 with, and the numbers 32-bit floats; `ablate import` takes 16 bits and early names of tensors"
            }
            WeightsError::Changed { .. } => {
                "restore the file that was meant; or run the experiment again, without \
                 training.initial_weights_blake3, to start from this one as another variant"
            }
        }
    }
}

/// A file of weights that was found and hashed.
#[derive(Debug)]
pub struct WeightsFile {
    /// Absolute path.
    pub path: PathBuf,
    /// BLAKE3 of the whole file, in hexadecimal.
    pub blake3: String,
    header: Metadata,
}

impl WeightsFile {
    /// Follows a path to its file: of a run its newest checkpoint, of a checkpoint its first average, or the
    /// weights themselves where that is all there is.
    ///
    /// # Errors
    /// Nothing is there, it is damaged, or it is no file of weights.
    pub fn find(path: &Path) -> Result<WeightsFile, WeightsError> {
        // Fails only for an empty path or without a current folder.
        let path = std::path::absolute(path)
            .map_err(|source| WeightsError::Io { path: path.to_path_buf(), source })?;
        let (path, known) = follow(path)?;
        let header = tensor_file::open(&path)?.header;
        let blake3 = known.map_or_else(|| hash(&path), Ok)?;
        Ok(WeightsFile { path, blake3, header })
    }

    /// Holds the file to a hash that was written down.
    ///
    /// # Errors
    /// The file has another.
    pub fn check_hash(&self, expected: &str) -> Result<(), WeightsError> {
        if self.blake3 == expected {
            return Ok(());
        }
        let (found, expected) = (self.blake3.clone(), expected.to_owned());
        Err(WeightsError::Changed { path: self.path.clone(), found, expected })
    }

    /// Holds names and shapes to those of a network, both ways.
    ///
    /// # Errors
    /// Names the first tensor that is missing, shaped otherwise, of another number format, or not the network's.
    pub fn check_tensors(
        &self,
        network: impl IntoIterator<Item = (String, Vec<usize>)>,
    ) -> Result<(), WeightsError> {
        let misfit = |name: &str, problem: String| {
            let (path, name) = (self.path.clone(), guard::printable(name));
            Err(WeightsError::Misfit { path, name, problem })
        };
        let mut others = self.header.tensors();
        for (name, shape) in network {
            let Some(found) = others.remove(&name) else {
                return misfit(&name, format!("is not in it; the network needs {shape:?}"));
            };
            if found.shape != shape {
                return misfit(&name, format!("is {:?}, the network's is {shape:?}", found.shape));
            }
            if found.dtype != Dtype::F32 {
                return misfit(&name, format!("is {:?}, not F32", found.dtype));
            }
        }
        match others.keys().min() {
            Some(name) => misfit(name, "is no part of the network".to_owned()),
            None => Ok(()),
        }
    }
}

/// The file a path leads to, with its hash where a verified manifest knows it.
fn follow(path: PathBuf) -> Result<(PathBuf, Option<String>), WeightsError> {
    let found = std::fs::metadata(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => WeightsError::Missing { path: path.clone() },
        _ => WeightsError::Io { path: path.clone(), source },
    })?;
    if found.is_file() {
        return Ok((path, None));
    }
    if path.join(MANIFEST_NAME).is_file() {
        // A name of the user's own making may lead to the checkpoint.
        let path = path.canonicalize().map_err(|source| WeightsError::Io { path: path.clone(), source })?;
        return weights_of(checkpoint::verify(&Disk, &path, None)?);
    }
    let run = RunDir::at(&path);
    if run.checkpoints_path().is_dir() || run.config_path().is_file() {
        let newest = checkpoint::latest_verified(&Disk, &run, None)?.checkpoint;
        return weights_of(newest.ok_or(WeightsError::NoCheckpoint { path })?);
    }
    let exported = EXPORTED.map(|name| path.join(name)).into_iter().find(|file| file.is_file());
    exported.map(|file| (file, None)).ok_or(WeightsError::NoWeights { path })
}

fn weights_of(checkpoint: checkpoint::Checkpoint) -> Result<(PathBuf, Option<String>), WeightsError> {
    let files = [FIRST_AVERAGE, RAW].map(|stem| format!("{stem}.safetensors"));
    let found = files.iter().find_map(|name| checkpoint.manifest.files.get_key_value(name));
    match found {
        Some((name, entry)) => Ok((checkpoint.path.join(name), Some(entry.blake3.clone()))),
        None => Err(WeightsError::NoWeights { path: checkpoint.path }),
    }
}

/// Holds a file's header to its length and its tensors to those of a network; the numbers are not read.
pub(crate) fn check_file(path: &Path, network: &[(String, Vec<usize>)]) -> Result<(), WeightsError> {
    let file = WeightsFile {
        path: path.to_path_buf(),
        blake3: String::new(),
        header: tensor_file::open(path)?.header,
    };
    file.check_tensors(network.iter().cloned())
}

fn hash(path: &Path) -> Result<String, WeightsError> {
    let io = |source| WeightsError::Io { path: path.to_path_buf(), source };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(guard::open_linked(path).map_err(io)?).map_err(io)?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
#[path = "weights_tests.rs"]
mod tests;
