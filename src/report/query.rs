//! What the user asked to be compared.
//!
//! In: the words of the command line, parsed. Out: [`Query`], plain values without defaults to look up.

use std::fmt;

use super::metric::Metric;
use super::point::{At, Weights};

/// What the user asked for.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// The metric.
    pub(crate) metric: Metric,
    /// `None`: the last row where every run has ended, else the greatest common step.
    pub(crate) at: Option<At>,
    /// Which weights, for held-out metrics.
    pub(crate) weights: Weights,
    /// Which images held-out metrics were measured on.
    pub(crate) split: Split,
    /// Which noise levels the denoising metrics are summed over.
    pub(crate) window: Window,
    /// The key whose best value stands for each variant.
    pub(crate) best_over: Option<String>,
    /// Variants that agree in these keys are one row.
    pub(crate) group_by: Vec<String>,
    /// The row that every other is held against: a name, an id, or how one of them begins.
    pub(crate) baseline: Option<String>,
}

impl Query {
    /// A metric over everything, nothing else asked for.
    pub(crate) fn of(metric: Metric) -> Self {
        Self {
            metric,
            at: None,
            weights: Weights::default(),
            split: Split::default(),
            window: Window::default(),
            best_over: None,
            group_by: Vec::new(),
            baseline: None,
        }
    }
}

/// Images that held-out metrics are measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Split {
    /// Cut from the training files; chooses the best step, and is measured while training.
    #[default]
    Val,
    /// The data set's own test images: for the last word, after every choice was made.
    Test,
    /// Images that were trained on.
    Train,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Val => "val",
            Split::Test => "test",
            Split::Train => "train",
        })
    }
}

/// Log-SNR that `denoise_score` and `denoise_bits` are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Window {
    /// The whole window of −6 to 6, as `eval.csv` has it.
    #[default]
    Full,
    /// What every row's schedule covers, from `levels.csv`.
    Common,
}
