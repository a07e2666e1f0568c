//! `ablate sample RUN`: draw images from a checkpoint and write them as one picture, and as numbers where asked.

use std::path::PathBuf;

use super::sampler_flags::SamplerFlags;

/// Options of `ablate sample`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run folder, such as runs/quickstart/<variant>/seed-0.
    run: PathBuf,
    /// Number of images [default: 16, or as many as --initial-noise has].
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    n: Option<u32>,
    #[command(flatten)]
    sampling: SamplerFlags,
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
mod with_torch;
#[cfg(feature = "torch")]
pub(crate) use with_torch::exec;
