//! `ablate eval RUN`: measure a checkpoint again, on any split and as many images as wanted.

use std::path::PathBuf;

use crate::report::query::Split;

/// Options of `ablate eval`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run folder, such as runs/quickstart/<variant>/seed-0.
    run: PathBuf,
    /// What to measure. bits_per_dim is the bound of the whole chain: every timestep of every image, so it takes
    /// long, and it ranks no networks, since the chain's variance moves it.
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "denoise_score,denoise_bits,loss"
    )]
    metrics: Vec<Measure>,
    /// On which images: test is reported, val chose the best checkpoint, train was trained on.
    #[arg(long, value_enum, value_name = "SPLIT", default_value = "test")]
    split: Split,
    /// The first so many images of the split, in an order that every run shares; all where there are fewer.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(2..))]
    images: u32,
    /// Weights: ema (the first average), one by its name such as ema-0.99, or raw; repeat or list for several.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "ema")]
    weights: Vec<String>,
    /// Checkpoint: last, best or step=N.
    #[arg(long, value_name = "WHICH", default_value = "last")]
    at: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Measure {
    /// The denoising curve under EDM's weighting: the default ranking.
    DenoiseScore,
    /// The denoising curve as bits per dimension.
    DenoiseBits,
    /// The training objective.
    Loss,
    /// Bits per dimension of the chain.
    BitsPerDim,
}

#[cfg(not(feature = "torch"))]
pub(crate) fn exec(args: Args) -> Result<super::failure::ExitCode, super::failure::Failure> {
    Err(super::failure::without_torch(&format!("evaluate: {args:?}")))
}

#[cfg(feature = "torch")]
mod measured;
#[cfg(feature = "torch")]
mod with_torch;
#[cfg(feature = "torch")]
pub(crate) use with_torch::exec;
