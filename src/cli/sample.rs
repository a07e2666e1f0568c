//! `ablate sample RUN`: draw images from a checkpoint and write them as one picture, and as numbers where asked.

use std::path::PathBuf;

use crate::config::{Sampler, TimestepSpacing, Variance};

/// Options of `ablate sample`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run folder, such as runs/quickstart/<variant>/seed-0.
    run: PathBuf,
    /// Number of images [default: 16, or as many as --initial-noise has].
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    n: Option<u32>,
    /// Algorithm [default: the run's sampling.sampler].
    #[arg(long, value_enum, value_name = "S")]
    sampler: Option<Sampler>,
    /// Steps: one network evaluation each, with "heun" two but for the last [default: the run's sampling.steps].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Noise of "ddim": 0 is deterministic, 1 as noisy as DDPM [default: the run's sampling.eta].
    #[arg(long, value_name = "E")]
    eta: Option<f64>,
    /// Noise of "ddpm" [default: the run's sampling.variance].
    #[arg(long, value_enum, value_name = "V")]
    variance: Option<Variance>,
    /// Which timesteps are visited [default: the run's sampling.timestep_spacing].
    #[arg(long, value_enum, value_name = "SPACING")]
    timestep_spacing: Option<TimestepSpacing>,
    /// Added to each timestep, with leading [default: the run's sampling.steps_offset].
    #[arg(long, value_name = "N")]
    steps_offset: Option<u32>,
    /// Clip the predicted image: true or false [default: the run's sampling.clip_sample].
    #[arg(long, value_name = "BOOL")]
    clip_sample: Option<bool>,
    /// How far from 0 it is clipped [default: the run's sampling.clip_sample_range].
    #[arg(long, value_name = "R")]
    clip_sample_range: Option<f64>,
    /// Whether the last step of "ddim" leads to the image itself [default: the run's sampling.set_alpha_to_one].
    #[arg(long, value_name = "BOOL")]
    set_alpha_to_one: Option<bool>,
    /// Seed of the noise; image i of a seed starts from the same noise in every run.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Start from this noise instead of the seed's: tensor `samples`, f32 [N, C, H, W], standard normal.
    #[arg(long, value_name = "FILE.safetensors")]
    initial_noise: Option<PathBuf>,
    /// Write the images as numbers too: tensor `samples`, f32 [N, C, H, W], about -1 to 1.
    #[arg(long, value_name = "FILE.safetensors")]
    save_tensor: Option<PathBuf>,
    /// Images per network evaluation [default: as many as fit into half of the free memory, at most 64].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch_size: Option<u32>,
    /// Weights: ema (the first average), one by its name such as ema-0.99, or raw.
    #[arg(long, value_name = "NAME", default_value = "ema")]
    weights: String,
    /// Checkpoint: last, best or step=N.
    #[arg(long, value_name = "WHICH", default_value = "last")]
    at: String,
    /// The PNG to write [default: RUN/samples/sample-<at>-<weights>-seed<seed>.png].
    #[arg(short, long, value_name = "FILE.png")]
    output: Option<PathBuf>,
    /// Say nothing but errors.
    #[arg(long)]
    quiet: bool,
}

#[cfg(not(feature = "torch"))]
pub(crate) fn exec(args: Args) -> Result<super::failure::ExitCode, super::failure::Failure> {
    Err(super::failure::without_torch(&format!("draw images: {args:?}")))
}

#[cfg(feature = "torch")]
mod progress;
#[cfg(feature = "torch")]
mod settings;
#[cfg(feature = "torch")]
mod with_torch;
#[cfg(feature = "torch")]
pub(crate) use with_torch::exec;
