//! What is asked of drawn images, and what is answered.

use std::path::PathBuf;

use crate::config::{Config, Sampling};
use crate::fidelity::{KernelDistance, NEIGHBOURS, SlicedDistance};
use crate::ops::PixelRange;

/// Images that precision and recall need of each set.
pub(crate) const LEAST_FOR_RECALL: usize = NEIGHBOURS + 1;

/// What is measured of drawn images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    pub(crate) fid: bool,
    pub(crate) kid: bool,
    pub(crate) precision: bool,
    pub(crate) recall: bool,
    pub(crate) swd: bool,
}

/// A file of a feature extractor and how it is asked.
#[derive(Debug, Clone)]
pub(crate) struct ExtractorFile {
    pub(crate) path: PathBuf,
    pub(crate) range: PixelRange,
    /// Images are resized to it.
    pub(crate) size: Option<usize>,
}

/// How images are drawn and what is measured of them.
pub(crate) struct DrawnRequest<'a> {
    pub(crate) config: &'a Config,
    pub(crate) settings: &'a Sampling,
    /// Images to draw, and real ones to take as far as there are so many.
    pub(crate) images: usize,
    pub(crate) seed: u64,
    /// Images per forward pass.
    pub(crate) batch: usize,
    pub(crate) wanted: Wanted,
    pub(crate) extractor: Option<&'a ExtractorFile>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct DrawnScores {
    pub(crate) fid: Option<f64>,
    pub(crate) kid: Option<KernelDistance>,
    pub(crate) precision: Option<f64>,
    pub(crate) recall: Option<f64>,
    pub(crate) swd: Option<SlicedDistance>,
}

/// What takes its time, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Real images whose features are there, of how many.
    RealFeatures(u64, u64),
    /// Network evaluations that are done, of how many.
    Drawing(u64, u64),
    /// Drawn images whose features are there, of how many.
    DrawnFeatures(u64, u64),
    /// Distances between the sets.
    Comparing,
}

/// Told about progress.
pub(crate) type Report<'r> = &'r mut dyn FnMut(Stage);

/// Where the features of the real images came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The data folder's cache.
    Cache,
    /// The extractor; they are in the cache now.
    Extracted,
    /// The extractor; why they are not kept, or what was wrong with those that were.
    Told(String),
}

impl DrawnScores {
    /// The first score that is no number.
    pub(super) fn not_finite(&self) -> Option<&'static str> {
        let scores = [
            ("fid", self.fid),
            ("kid", self.kid.map(|kid| kid.mean)),
            ("precision", self.precision),
            ("recall", self.recall),
            ("swd", self.swd.as_ref().map(|swd| swd.mean)),
        ];
        scores
            .into_iter()
            .find(|(_, score)| score.is_some_and(|score| !score.is_finite()))
            .map(|(name, _)| name)
    }
}
