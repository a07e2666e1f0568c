//! `[training]` and `[ema]`: how the weights move, and what average of them is kept.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
    /// Whether the backward pass computes feature maps again instead of keeping them.
    pub recompute: bool,
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
    /// Start from these weights: a run's folder, an exported folder, or a safetensors file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub initial_weights: Option<PathBuf>,
    /// BLAKE3 of the weights file that `initial_weights` leads to, in hexadecimal; worked out by the plan.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub initial_weights_blake3: Option<String>,
    /// Steps between rows of `metrics.csv`.
    pub log_every: u64,
}

/// `training.lr_schedule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrSchedule {
    /// Stays at the peak.
    Constant,
    /// Half a cosine from the peak to 0 at the last step.
    Cosine,
    /// A line from the peak to 0 at the last step.
    Linear,
}

/// `training.optimizer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    Adamw,
    /// Adam (Kingma & Ba 2015); weight decay joins the gradient.
    Adam,
}

/// `training.precision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floats throughout.
    F32,
    /// 32-bit floats whose products an NVIDIA GPU rounds to the 10 bits of TF32 while it trains.
    Tf32,
    /// 16-bit brain floats in the network; master weights, statistics and loss stay 32-bit.
    Bf16,
    /// 16-bit floats in the network, with loss scaling; master weights, statistics and loss stay 32-bit.
    F16,
}

impl Precision {
    /// Whether feature maps take two bytes a number.
    pub fn is_16_bit(self) -> bool {
        matches!(self, Precision::Bf16 | Precision::F16)
    }

    /// As it is written in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
            Precision::F16 => "f16",
        }
    }
}

/// `[ema]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ema {
    /// How the average forgets.
    pub kind: EmaKind,
    /// Decay β per step (`decay`), one a track.
    pub decay: Tracks,
    /// Width of the average relative to the length of training (`power`), one a track.
    pub sigma_rel: Tracks,
    /// β = min(decay, (1+step)/(10+step)) (`decay`).
    pub warmup: bool,
    /// Update every this many steps, with β^every.
    pub every: u64,
}

impl Ema {
    /// The setting of each average: decays, or relative widths, as the kind says.
    pub fn tracks(&self) -> &[f64] {
        match self.kind {
            EmaKind::Decay => self.decay.all(),
            EmaKind::Power => self.sigma_rel.all(),
        }
    }

    /// The name of each average in logs and on the command line: `ema-0.999`; the first is also plain `ema`.
    pub fn labels(&self) -> Vec<String> {
        self.tracks().iter().map(|setting| format!("ema-{setting}")).collect()
    }
}

/// `ema.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmaKind {
    /// A constant decay.
    Decay,
    /// β_n = (1 − 1/n)^(γ+1): the average's width grows with training (Karras et al. 2024).
    Power,
}

/// Settings of one or several averages kept side by side; the first is the one that ranks, samples and selects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "OneOrMany", into = "OneOrMany")]
pub struct Tracks(Vec<f64>);

impl Tracks {
    /// A list of settings; `None` if it is empty.
    pub fn new(settings: Vec<f64>) -> Option<Self> {
        (!settings.is_empty()).then_some(Self(settings))
    }

    /// Every setting, at least one.
    pub fn all(&self) -> &[f64] {
        &self.0
    }
}

/// A number, or a list of them: one way to write each, so that `[x]` and `x` are the same.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(f64),
    Many(Vec<f64>),
}

impl From<OneOrMany> for Tracks {
    fn from(written: OneOrMany) -> Self {
        match written {
            OneOrMany::One(setting) => Self(vec![setting]),
            OneOrMany::Many(settings) => Self(settings),
        }
    }
}

impl From<Tracks> for OneOrMany {
    fn from(Tracks(settings): Tracks) -> Self {
        match settings[..] {
            [one] => Self::One(one),
            _ => Self::Many(settings),
        }
    }
}
