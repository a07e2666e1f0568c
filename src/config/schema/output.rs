//! `[checkpoint]`, `[evaluation]` and `[sampling]`: what a run leaves behind, and when.

use serde::{Deserialize, Serialize};

/// `[checkpoint]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Steps between checkpoints; 0: only at the end.
    pub every: u64,
    /// How many of the latest to keep, besides the best and the last.
    pub keep: usize,
    /// Steps that are checkpointed, and kept whatever `keep` says.
    pub pin: Vec<u64>,
}

/// `[evaluation]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Steps between evaluations; 0: never.
    pub every: u64,
    /// Held-out images per evaluation.
    pub images: usize,
    /// What is measured; an empty column of `eval.csv` was not asked for.
    pub metrics: Vec<Metric>,
}

/// `evaluation.metrics`, by the name of its column in `eval.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The training objective on held-out images.
    Loss,
    /// The held-out denoising curve under EDM's weighting.
    DenoiseScore,
    /// The held-out denoising curve as bits per dimension.
    DenoiseBits,
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
    /// Variance of DDPM's reverse step.
    pub variance: Variance,
}

/// `sampling.sampler`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Sampler {
    /// Song et al. 2021.
    Ddim,
    /// Ho et al. 2020: ancestral sampling.
    Ddpm,
    /// DPM-Solver++ 2M (Lu et al. 2022).
    DpmSolverPp,
}

impl Sampler {
    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ddim => "ddim",
            Self::Ddpm => "ddpm",
            Self::DpmSolverPp => "dpm_solver_pp",
        }
    }
}

/// `sampling.variance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Variance {
    /// The posterior's: β̃_t.
    FixedSmall,
    /// The forward step's: β_t.
    FixedLarge,
}

/// `sampling.timestep_spacing`, with diffusers' rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum TimestepSpacing {
    /// Multiples of T div n, from 0.
    Leading,
    /// Even from 0 to T−1.
    Linspace,
    /// Multiples of T/n, from T−1 down.
    Trailing,
}
