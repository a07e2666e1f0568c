//! The typed configuration: what every other station reads.
//!
//! In: a fully merged value tree (see `layers`). Out: one [`Config`], each field present and checked.
//! Field names equal the TOML keys; defaults live in `default.toml` alone, so nothing here carries one.

mod data;
mod diffusion;
mod model;
mod output;
mod runtime;
mod training;

use serde::{Deserialize, Serialize};

pub use data::{Data, Dataset};
pub use diffusion::{Diffusion, LossType, LossWeighting, NoiseSchedule, PredictionType, TimestepSampler};
pub use model::{Model, ModelInit};
pub use output::{Checkpoint, Evaluation, Metric, Sampler, Sampling, TimestepSpacing, Variance};
pub use runtime::{Device, Launcher, LauncherKind, Runtime};
pub use training::{Ema, EmaKind, LrSchedule, Optimizer, Precision, Tracks, Training};

/// One resolved configuration: everything a worker needs to know about a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the experiment; the folder under `runtime.runs_dir`.
    pub name: String,
    /// Free text, shown in reports.
    pub description: String,
    /// Which images, at which size.
    pub data: Data,
    /// The U-Net.
    pub model: Model,
    /// Noise schedule and training target.
    pub diffusion: Diffusion,
    /// Optimisation.
    pub training: Training,
    /// Exponential moving average of the weights.
    pub ema: Ema,
    /// When checkpoints are written and which are kept.
    pub checkpoint: Checkpoint,
    /// Held-out evaluation during training.
    pub evaluation: Evaluation,
    /// Sample grids during training.
    pub sampling: Sampling,
    /// Where and how fast; nothing here changes what is trained.
    pub runtime: Runtime,
    /// Who starts the workers.
    pub launcher: Launcher,
}
