//! Training: one visible loop, and what it keeps.
//!
//! In: a run folder, its configuration and its data. Out: rows, checkpoints and sample grids in that folder.
//! `job` is what it is asked; `trainer` is the loop; `step` one optimizer step; `state` what a checkpoint saves; `recorder` the CSVs;
//! `precision` asks whether a machine can compute in 16 bits; `bench` measures a step, whose parts `clock` tells apart.

pub mod bench;
mod clock;
mod ema;
mod evaluation;
mod job;
mod loss_scale;
mod optimizer;
mod parameters;
pub mod precision;
mod recorder;
mod sampling;
#[cfg(test)]
mod small;
mod state;
mod step;
mod tally;
mod tensors;
mod trainer;

use std::path::PathBuf;

use burn::tensor::Device;
use thiserror::Error;

use crate::{config, ops};

pub(crate) use evaluation::{
    DrawnRequest, DrawnScores, Evaluated, ExtractorFile, Gallery, HeldOut, LEAST_FOR_RECALL, Origin, Stage,
    Wanted,
};
pub use evaluation::{Evaluation, Level};
pub use job::{Execution, Job, Outcome, Prepared, Progress};
pub(crate) use recorder::{eval_cells, image_cells, level_cells};
pub(crate) use sampling::{MOST_IMAGES, Outputs, SampleRequest, image_shape, read_samples, sample_to};
pub use tensors::TensorsError;

/// What a device of a configuration is on this machine.
///
/// # Errors
/// The machine or its libtorch does not have it.
pub fn device_name(wanted: config::Device) -> Result<ops::DeviceName, ops::DeviceError> {
    open_device(wanted).map(|(name, _)| name)
}

/// Opens `runtime.device`; says what `auto` became.
fn open_device(wanted: config::Device) -> Result<(ops::DeviceName, Device), ops::DeviceError> {
    ops::open(match wanted {
        config::Device::Auto => ops::DeviceName::Auto,
        config::Device::Cpu => ops::DeviceName::Cpu,
        config::Device::Cuda(index) => ops::DeviceName::Cuda(index),
        config::Device::Mps => ops::DeviceName::Mps,
    })
}

/// Version of the libtorch this program was built against.
pub fn libtorch_version() -> &'static str {
    ops::libtorch_version()
}

/// Why training stopped short.
#[derive(Debug, Error)]
pub enum Error {
    /// The run folder.
    #[error(transparent)]
    RunDir(#[from] crate::rundir::RunDirError),
    /// The data set.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    /// The device.
    #[error(transparent)]
    Device(#[from] crate::ops::DeviceError),
    /// The noise schedule.
    #[error(transparent)]
    Schedule(#[from] crate::diffusion::ScheduleError),
    /// A weights file.
    #[error(transparent)]
    Tensors(#[from] TensorsError),
    /// A file of a checkpoint.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The small numbers of a checkpoint.
    #[error("{} is not readable: {source}", path.display())]
    Progress {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Weights to start from.
    #[error("{source}; {}", source.help())]
    FirstWeights {
        /// Why they cannot be.
        #[from]
        source: crate::rundir::WeightsError,
    },
    /// Something stopped being a number.
    #[error(
        "{what} is not finite at step {step}; first bad tensor: {}",
        tensor.as_deref().unwrap_or("none, each is still finite")
    )]
    Diverged {
        /// The step it happened at.
        step: u64,
        /// What was looked at: the loss, the gradient norm, a tensor, an evaluation.
        what: String,
        /// The first weight or gradient that is not finite, by published name.
        tensor: Option<String>,
    },
    /// The gradient stopped fitting into 16-bit floats.
    #[error(
        "the gradient is not finite at step {step} although the loss scale has come down to 1: it no longer fits \
         into 16-bit floats; a lower training.learning_rate, training.grad_clip, or training.precision = \"bf16\" \
         or \"f32\" may help"
    )]
    LossScale {
        /// The step it happened at.
        step: u64,
    },
    /// A feature extractor.
    #[error(transparent)]
    Extractor(#[from] crate::ops::ExtractorError),
    /// The algebra of a comparison of images.
    #[error(transparent)]
    Linalg(#[from] crate::ops::LinalgError),
    /// A sample grid.
    #[error("cannot write {}: {source}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
}

impl Error {
    /// The step at which training left the numbers that can be computed with, if that is what happened.
    pub fn diverged_at(&self) -> Option<u64> {
        match self {
            Error::Diverged { step, .. } | Error::LossScale { step } => Some(*step),
            _ => None,
        }
    }

    /// Whether storage failed, so that the same command may go on once it is mended.
    pub fn is_storage(&self) -> bool {
        match self {
            Error::RunDir(error) | Error::Tensors(TensorsError::RunDir(error)) => error.is_storage(),
            Error::Io { .. } | Error::Tensors(TensorsError::Io { .. }) => true,
            Error::Image { source, .. } => matches!(source, image::ImageError::IoError(_)),
            _ => false,
        }
    }
}
