//! The typed configuration: what every other station reads.
//!
//! In: a fully merged value tree (see `layers`). Out: one [`Config`], each field present and checked.
//! Field names equal the TOML keys; defaults live in `default.toml` alone, so nothing here carries one.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

/// `[data]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Which data set.
    pub dataset: Dataset,
    /// Folder of the data set's files; absent: `<runtime.data_dir>/<dataset>`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub root: Option<PathBuf>,
    /// Width and height in pixels.
    pub image_size: usize,
    /// 1 (grey) or 3 (RGB).
    pub in_channels: usize,
    /// Share of the training images held out as `val`.
    pub validation_fraction: f64,
    /// Train on this many images at most.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<usize>,
}

/// `data.dataset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dataset {
    /// Built in: procedural drawings of everyday objects.
    Shapes,
    /// The MNIST handwritten digits, from IDX files.
    Mnist,
}

impl Dataset {
    /// The name as written in a configuration file.
    pub fn name(self) -> &'static str {
        match self {
            Dataset::Shapes => "shapes",
            Dataset::Mnist => "mnist",
        }
    }
}

/// `[model]`: the structure of diffusers' `UNet2DModel`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Channels that a multiplier of 1 means.
    pub base_channels: usize,
    /// One per level; each level after the first halves the resolution.
    pub channel_multipliers: Vec<usize>,
    /// Residual blocks per level on the way down; one more on the way up.
    pub num_res_blocks: usize,
    /// Resolutions (pixels) that get self-attention; a set, kept sorted descending.
    pub attention_resolutions: Vec<usize>,
    /// Heads per attention block; excludes `attention_head_dim`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub num_attention_heads: Option<usize>,
    /// Width of one head, capped at the level's width; excludes `num_attention_heads`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attention_head_dim: Option<usize>,
    /// Dropout probability inside residual blocks.
    pub dropout: f64,
    /// Width of the time embedding.
    pub time_embed_dim: usize,
    /// Groups of every group norm.
    pub norm_groups: usize,
    /// Epsilon of every group norm.
    pub norm_eps: f64,
    /// Whether the middle block has attention.
    pub mid_attention: bool,
    /// 1: symmetric padding; 0: one zero row right and bottom (the original DDPM).
    pub downsample_padding: usize,
    /// Subtracted from half the embedding width in the frequency exponent.
    pub freq_shift: f64,
    /// Order of the sinusoidal embedding: `[cos, sin]` when true.
    pub flip_sin_to_cos: bool,
}

impl Model {
    /// Channels per level, highest resolution first.
    pub fn channels(&self) -> Vec<usize> {
        self.channel_multipliers.iter().map(|m| m * self.base_channels).collect()
    }

    /// Resolutions per level in pixels, highest first.
    pub fn resolutions(&self, image_size: usize) -> Vec<usize> {
        (0..self.channel_multipliers.len()).map(|level| image_size >> level).collect()
    }

    /// Width of one attention head in a block of `channels`.
    pub fn head_dim(&self, channels: usize) -> usize {
        match (self.num_attention_heads, self.attention_head_dim) {
            (Some(heads), _) => channels / heads,
            (None, Some(width)) => width.min(channels),
            (None, None) => channels,
        }
    }
}

/// `[diffusion]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diffusion {
    /// Length T of the chain.
    pub timesteps: usize,
    /// Shape of β over t.
    pub noise_schedule: NoiseSchedule,
    /// First β (`linear`).
    pub beta_start: f64,
    /// Last β (`linear`).
    pub beta_end: f64,
    /// Multiply both ends by 1000/T, so that chains of different length end at the same noise.
    pub rescale_betas: bool,
    /// What the network predicts.
    pub prediction_type: PredictionType,
    /// Distance between prediction and target.
    pub loss_type: LossType,
}

/// `diffusion.noise_schedule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseSchedule {
    /// β evenly spaced (Ho et al. 2020).
    Linear,
    /// ᾱ a squared cosine (Nichol & Dhariwal 2021).
    Cosine,
}

/// `diffusion.prediction_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    /// The noise ε.
    Epsilon,
    /// v = √ᾱ·ε − √(1−ᾱ)·x0 (Salimans & Ho 2022).
    V,
}

/// `diffusion.loss_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossType {
    /// Mean squared error.
    Mse,
}

/// `[training]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Keys every random draw of the run.
    pub seed: u64,
    /// Optimizer steps; excludes `epochs`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub steps: Option<u64>,
    /// Passes over the training images; excludes `steps`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epochs: Option<u64>,
    /// Images per optimizer step.
    pub batch_size: usize,
    /// Micro-batches per optimizer step; divides `batch_size`.
    pub gradient_accumulation: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Learning rate after warm-up.
    pub lr_schedule: LrSchedule,
    /// Update rule.
    pub optimizer: Optimizer,
    /// Decay of the optimizer's first and second moments.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest global gradient norm; 0 turns clipping off.
    pub grad_clip: f64,
    /// Number format of the network.
    pub precision: Precision,
    /// Steps between rows of `metrics.csv`.
    pub log_every: u64,
}

/// `training.lr_schedule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrSchedule {
    /// Stays at the peak.
    Constant,
}

/// `training.optimizer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    Adamw,
}

/// `training.precision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floats throughout.
    F32,
}

/// `[ema]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ema {
    /// How the average forgets.
    pub kind: EmaKind,
    /// Decay β per step.
    pub decay: f64,
    /// β = min(decay, (1+step)/(10+step)).
    pub warmup: bool,
    /// Update every this many steps, with β^every.
    pub every: u64,
}

/// `ema.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmaKind {
    /// A constant decay.
    Decay,
}

/// `[checkpoint]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Steps between checkpoints; 0: only at the end.
    pub every: u64,
    /// How many of the latest to keep, besides the best and the last.
    pub keep: usize,
}

/// `[evaluation]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Steps between evaluations; 0: never.
    pub every: u64,
    /// Held-out images per evaluation.
    pub images: usize,
}

/// `[sampling]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Steps between sample grids; 0: never.
    pub every: u64,
    /// Images per grid.
    pub num_samples: usize,
    /// Algorithm.
    pub sampler: Sampler,
    /// Network evaluations per image.
    pub steps: usize,
    /// 0: deterministic; 1: as much noise as DDPM.
    pub eta: f64,
    /// Which timesteps are visited.
    pub timestep_spacing: TimestepSpacing,
    /// Added to each timestep (`leading`).
    pub steps_offset: usize,
    /// Clip the predicted x0 to [-1, 1].
    pub clip_sample: bool,
}

/// `sampling.sampler`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// Song et al. 2021.
    Ddim,
}

/// `sampling.timestep_spacing`, with diffusers' rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestepSpacing {
    /// Multiples of T div n, from 0.
    Leading,
    /// Even from 0 to T−1.
    Linspace,
    /// Multiples of T/n, from T−1 down.
    Trailing,
}

/// `[runtime]`: left out of a variant's identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Where tensors live.
    pub device: Device,
    /// Workers at a time; 0: chosen from cores and threads.
    pub jobs: usize,
    /// Threads per worker; 0: chosen from cores and jobs.
    pub threads: usize,
    /// Root of the run tree.
    pub runs_dir: PathBuf,
    /// Root of data sets and their cache.
    pub data_dir: PathBuf,
}

/// `runtime.device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The first CUDA device if there is one, else MPS, else the CPU.
    Auto,
    /// Host memory.
    Cpu,
    /// An NVIDIA GPU by index.
    Cuda(usize),
    /// Apple's GPU.
    Mps,
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Device::Auto),
            "cpu" => Ok(Device::Cpu),
            "mps" => Ok(Device::Mps),
            "cuda" => Ok(Device::Cuda(0)),
            _ => {
                text.strip_prefix("cuda:").and_then(|index| index.parse().ok()).map(Device::Cuda).ok_or_else(
                    || format!("\"{text}\" is not a device; use \"auto\", \"cpu\", \"cuda:0\" or \"mps\""),
                )
            }
        }
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        device.to_string()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
            Device::Mps => f.write_str("mps"),
        }
    }
}

/// `[launcher]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launcher {
    /// Which engine starts workers.
    pub kind: LauncherKind,
}

/// `launcher.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LauncherKind {
    /// Processes on this machine.
    Local,
}
