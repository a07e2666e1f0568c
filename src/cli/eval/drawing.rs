//! The options of `ablate eval` that are about drawing images and looking at them.

use std::path::PathBuf;

use crate::cli::sampler_flags::SamplerFlags;

/// How images are drawn and what their features are.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Drawn images")]
pub(super) struct DrawingArgs {
    /// Feature extractor of fid, kid, precision and recall: a TorchScript file whose forward takes [N, 3, H, W] (grey is
    /// repeated) and gives [N, D]; where forward has an argument return_features, it is set. The Inception network
    /// that FID is published with is inception-2015-12-05.pt.
    #[arg(long, value_name = "FILE.pt")]
    pub(super) extractor: Option<PathBuf>,
    /// What the extractor wants pixels as: bytes 0 to 255, floats 0 to 1, or floats -1 to 1 [default: uint8].
    #[arg(long, value_enum, value_name = "RANGE")]
    pub(super) extractor_input: Option<Range>,
    /// Side that images are resized to before, for an extractor that does not resize by itself.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(8..=2048))]
    pub(super) extractor_size: Option<u32>,
    #[command(flatten)]
    pub(super) sampler: SamplerFlags,
    /// Seed of the noise; image i of a seed starts from the same noise in every run [default: 0].
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
}

/// Range of the pixels that an extractor is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Range {
    /// 8-bit integers.
    Uint8,
    /// 0 to 1.
    Unit,
    /// -1 to 1.
    Signed,
}
