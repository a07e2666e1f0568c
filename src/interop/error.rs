//! What can go wrong in an exchange.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::config::Problems;
use crate::rundir::{RunDirError, WeightsError};

/// An export or import that cannot be made.
#[derive(Debug, Error)]
pub enum InteropError {
    /// Settings that the other side does not have.
    #[error("{0}")]
    Refused(Problems),
    /// The file system said no.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is not what its name says.
    #[error("{} cannot be used: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The folder is of another kind.
    #[error("{} is no folder of diffusers: {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// PyTorch's own format: reading it means running what it says.
    #[error("{} is a pickle, which can run code when it is read", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// Something has the name that is to be written.
    #[error("{} {reason}", path.display())]
    Taken {
        /// What was to be written.
        path: PathBuf,
        /// What is there.
        reason: &'static str,
    },
    /// A file of weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A run's folder, or the disk.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
}

impl From<Problems> for InteropError {
    fn from(problems: Problems) -> Self {
        InteropError::Refused(problems)
    }
}

impl InteropError {
    /// What to do about it, where that is not said already.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            InteropError::Refused(_) | InteropError::Io { .. } | InteropError::Malformed { .. } => None,
            InteropError::Folder { .. } => Some(
                "name a folder that a pipeline's save_pretrained wrote: unet/config.json, \
                 unet/diffusion_pytorch_model.safetensors and scheduler/scheduler_config.json, or the old layout with \
                 config.json and scheduler_config.json beside the weights",
            ),
            InteropError::Pickle { .. } => Some(
                "convert it where you trust it, in Python: pipeline = DDPMPipeline.from_pretrained(FOLDER); \
                 pipeline.save_pretrained(NEW_FOLDER, safe_serialization=True), and import the new folder",
            ),
            InteropError::Taken { .. } => Some("name one that does not exist"),
            InteropError::Weights(error) => Some(error.help()),
            InteropError::RunDir(_) => None,
        }
    }

    /// Whether the disk is to blame.
    pub fn is_storage(&self) -> bool {
        match self {
            InteropError::RunDir(error) | InteropError::Weights(WeightsError::RunDir(error)) => {
                error.is_storage()
            }
            _ => false,
        }
    }

    /// Whether the user named the wrong thing, and not the machine or this program.
    pub fn is_input(&self) -> bool {
        !matches!(self, InteropError::RunDir(_))
    }
}
