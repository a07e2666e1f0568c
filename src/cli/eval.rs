//! `ablate eval RUN`: measure a checkpoint again, on any split and as many images as wanted; what it predicts of noised
//! images, and the images that it draws.

use std::path::PathBuf;

use crate::report::query::Split;

mod drawing;

/// Options of `ablate eval`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run folder, such as runs/quickstart/<variant>/seed-0.
    run: PathBuf,
    /// What to measure. Of noised images: denoise_score, denoise_bits, loss, and bits_per_dim, which is the bound of the
    /// whole chain: every timestep of every image, so it takes long, and it ranks no networks, since the chain's
    /// variance moves it. Of drawn images, which is what the sampler costs: fid, kid, precision and recall with
    /// --extractor, and swd without.
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
    /// The first so many images of the split, in an order that every run shares; all where there are fewer. As many are
    /// drawn.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(2..))]
    images: u32,
    /// Weights: ema (the first average), one by its name such as ema-0.99, or raw; repeat or list for several.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "ema")]
    weights: Vec<String>,
    /// Checkpoint: last, best or step=N.
    #[arg(long, value_name = "WHICH", default_value = "last")]
    at: String,
    #[command(flatten)]
    drawing: drawing::DrawingArgs,
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
    /// Fréchet distance between the features of drawn and real images (with Inception's: FID).
    Fid,
    /// Squared maximum mean discrepancy of those features, mean and deviation over subsets (KID).
    Kid,
    /// Share of drawn images whose features lie among those of real ones.
    Precision,
    /// Share of real images whose features lie among those of drawn ones.
    Recall,
    /// Sliced Wasserstein distance of 7x7 patches, in thousandths; needs no extractor.
    Swd,
}

#[cfg(not(feature = "torch"))]
pub(crate) fn exec(args: Args) -> Result<super::failure::ExitCode, super::failure::Failure> {
    Err(super::failure::without_torch(&format!("evaluate: {args:?}")))
}

#[cfg(feature = "torch")]
mod answer;
#[cfg(feature = "torch")]
mod bar;
#[cfg(feature = "torch")]
mod drawn;
#[cfg(feature = "torch")]
mod found;
#[cfg(feature = "torch")]
mod measured;
#[cfg(feature = "torch")]
mod noised;
#[cfg(feature = "torch")]
mod with_torch;
#[cfg(feature = "torch")]
pub(crate) use with_torch::exec;
