//! `[diffusion]`: the noise schedule and the training target.

use serde::{Deserialize, Serialize};

/// `[diffusion]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diffusion {
    /// Length T of the chain.
    pub timesteps: usize,
    /// Shape of β over t.
    pub noise_schedule: NoiseSchedule,
    /// First β (all but `cosine`).
    pub beta_start: f64,
    /// Last β (all but `cosine`).
    pub beta_end: f64,
    /// Multiply both ends by 1000/T, so that chains of different length end at the same noise.
    pub rescale_betas: bool,
    /// Shift and scale √ᾱ so that the chain ends in noise alone (Lin et al. 2024).
    pub zero_terminal_snr: bool,
    /// What the network predicts.
    pub prediction_type: PredictionType,
    /// Distance between prediction and target.
    pub loss_type: LossType,
    /// Where `huber` turns from square to line.
    pub huber_delta: f64,
    /// Weight of an image's loss by its timestep.
    pub loss_weighting: LossWeighting,
    /// Signal-to-noise ratio above which `min_snr` stops weighting by it.
    pub min_snr_gamma: f64,
    /// How the timesteps of a batch are drawn.
    pub timestep_sampler: TimestepSampler,
}

/// `diffusion.noise_schedule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum NoiseSchedule {
    /// β evenly spaced (Ho et al. 2020).
    Linear,
    /// ᾱ a squared cosine (Nichol & Dhariwal 2021).
    Cosine,
    /// √β evenly spaced (Rombach et al. 2022); `sqrt` means the same.
    #[serde(alias = "sqrt")]
    #[value(alias = "sqrt")]
    ScaledLinear,
    /// β a logistic curve over −6…6, in diffusers' form.
    Sigmoid,
}

impl NoiseSchedule {
    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Cosine => "cosine",
            Self::ScaledLinear => "scaled_linear",
            Self::Sigmoid => "sigmoid",
        }
    }
}

/// `diffusion.prediction_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    /// The noise ε.
    Epsilon,
    /// v = √ᾱ·ε − √(1−ᾱ)·x0 (Salimans & Ho 2022).
    V,
    /// The clean image.
    X0,
}

/// `diffusion.loss_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossType {
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    L1,
    /// Square below `huber_delta`, line above it.
    Huber,
}

/// `diffusion.loss_weighting`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossWeighting {
    /// Every timestep alike.
    Uniform,
    /// By min(SNR, γ) (Hang et al. 2023).
    MinSnr,
}

/// `diffusion.timestep_sampler`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestepSampler {
    /// Each image on its own.
    Uniform,
    /// Image i of N in the i-th of N equal parts of the chain (Kingma et al. 2021, App. I).
    Stratified,
}
