//! What is compared: the metric, in which log, and which direction is better.
//!
//! In: the words of the command line. Out: a [`Metric`].

use std::fmt;
use std::str::FromStr;

use crate::rundir::METRICS_HEADER;

/// The ranking that means the same for every prediction type, weighting and schedule.
pub(crate) const DEFAULT_METRIC: &str = "denoise_score:min";

/// Columns whose direction is known; any other needs `:min` or `:max`.
const LOWER_IS_BETTER: [&str; 13] = [
    "denoise_score",
    "denoise_bits",
    "loss",
    "loss_q1",
    "loss_q2",
    "loss_q3",
    "loss_q4",
    "bits_per_dim",
    "prior_bits",
    "decoder_bits",
    "fid",
    "kid",
    "swd",
];
const HIGHER_IS_BETTER: [&str; 2] = ["precision", "recall"];

/// What `ablate eval` alone measures, of images that it draws.
const OF_DRAWN_IMAGES: [&str; 5] = ["fid", "kid", "swd", "precision", "recall"];

/// The variational bound of the chain as it is trained, and two of its parts: what `ablate eval` alone measures.
const OF_THE_CHAIN: [&str; 3] = ["bits_per_dim", "prior_bits", "decoder_bits"];

/// Columns that describe a row and measure nothing.
const NOT_METRICS: [&str; 8] =
    ["step", "epoch", "images", "weights", "timesteps", "real", "drawn", "kid_std"];

/// Whether less or more of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The least is best.
    Min,
    /// The greatest is best.
    Max,
}

impl Goal {
    /// Orders two values, the better one first.
    pub(crate) fn order(self, left: f64, right: f64) -> std::cmp::Ordering {
        match self {
            Goal::Min => left.total_cmp(&right),
            Goal::Max => right.total_cmp(&left),
        }
    }

    /// The word of the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Goal::Min => "min",
            Goal::Max => "max",
        }
    }

    /// "lower" or "higher".
    pub(crate) fn comparative(self) -> &'static str {
        match self {
            Goal::Min => "lower",
            Goal::Max => "higher",
        }
    }
}

/// Which of a run's files holds the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// `eval.csv`: measured on held-out images.
    Eval,
    /// `metrics.csv`: measured on training batches.
    Metrics,
}

impl Log {
    /// The file's name.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Log::Eval => "eval.csv",
            Log::Metrics => "metrics.csv",
        }
    }
}

/// One column of one log, with its direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metric {
    /// The column.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) log: Log,
    /// Which direction is better.
    pub(crate) goal: Goal,
}

impl Metric {
    /// Whether the values belong to the chain, whose length and variance move them, and not to the network alone.
    pub(crate) fn is_of_the_chain(&self) -> bool {
        OF_THE_CHAIN.contains(&self.name.as_str())
    }

    /// Whether the values are of images that were drawn, so that sampler and extractor belong to them.
    pub(crate) fn is_of_drawn_images(&self) -> bool {
        OF_DRAWN_IMAGES.contains(&self.name.as_str())
    }

    /// Whether only `ablate eval` has it.
    pub(crate) fn is_measured_later(&self) -> bool {
        self.is_of_the_chain() || self.is_of_drawn_images()
    }

    /// Whether the values are raw losses, whose meaning depends on target, distance and schedule.
    pub(crate) fn is_raw_loss(&self) -> bool {
        self.name == "loss" || self.name.starts_with("loss_q")
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `loss` is in both logs; the training one goes by the bare name.
        if self.log == Log::Eval && self.name == "loss" {
            f.write_str("eval.")?;
        }
        f.write_str(&self.name)
    }
}

/// Why a word names no metric.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum MetricError {
    /// `NAME:word` with another word than min or max.
    #[error("\"{word}\" is not a direction; write {name}:min or {name}:max")]
    Direction { name: String, word: String },
    /// No direction, and none is known for this name.
    #[error("whether a low or a high {name} is better is not known; write {name}:min or {name}:max")]
    DirectionNeeded { name: String },
    /// A column that measures nothing.
    #[error("\"{name}\" is not a metric; try {DEFAULT_METRIC} or loss:min")]
    NotAMetric { name: String },
}

impl FromStr for Metric {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        let (path, direction) = match text.split_once(':') {
            Some((path, direction)) => (path, Some(direction)),
            None => (text, None),
        };
        let (log, name) = match path.split_once('.') {
            Some(("eval", name)) => (Log::Eval, name),
            Some(("metrics", name)) => (Log::Metrics, name),
            _ if METRICS_HEADER.contains(&path) => (Log::Metrics, path),
            _ => (Log::Eval, path),
        };
        if name.is_empty() || NOT_METRICS.contains(&name) {
            return Err(MetricError::NotAMetric { name: path.to_owned() });
        }
        let goal = match direction {
            Some("min") => Goal::Min,
            Some("max") => Goal::Max,
            Some(word) => {
                return Err(MetricError::Direction { name: path.to_owned(), word: word.to_owned() });
            }
            None if LOWER_IS_BETTER.contains(&name) => Goal::Min,
            None if HIGHER_IS_BETTER.contains(&name) => Goal::Max,
            None => return Err(MetricError::DirectionNeeded { name: path.to_owned() }),
        };
        Ok(Self { name: name.to_owned(), log, goal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(text: &str) -> Result<Metric, MetricError> {
        text.parse()
    }

    #[test]
    fn a_bare_loss_is_the_training_loss_and_a_prefix_chooses_the_file() {
        assert_eq!(metric("loss").unwrap().log, Log::Metrics);
        assert_eq!(metric("eval.loss").unwrap().log, Log::Eval);
        assert_eq!(metric("eval.loss").unwrap().to_string(), "eval.loss");
        assert_eq!(metric("metrics.loss:max").unwrap().goal, Goal::Max);
        let default = metric(DEFAULT_METRIC).unwrap();
        assert_eq!((default.log, default.goal), (Log::Eval, Goal::Min));
    }

    #[test]
    fn an_unknown_direction_or_none_is_an_error_that_says_what_to_write() {
        assert_eq!(
            metric("ssim").unwrap_err().to_string(),
            "whether a low or a high ssim is better is not known; write ssim:min or ssim:max"
        );
        assert_eq!(
            metric("loss:down").unwrap_err().to_string(),
            "\"down\" is not a direction; write loss:min or loss:max"
        );
        assert_eq!(metric("grad_norm:max").unwrap().log, Log::Metrics);
    }

    #[test]
    fn distances_of_drawn_images_are_better_low_and_shares_are_better_high() {
        for name in ["fid", "kid", "swd"] {
            assert_eq!((metric(name).unwrap().goal, metric(name).unwrap().log), (Goal::Min, Log::Eval));
        }
        for name in ["precision", "recall"] {
            assert_eq!(metric(name).unwrap().goal, Goal::Max);
        }
        assert!(
            metric("recall").unwrap().is_measured_later()
                && !metric("eval.loss").unwrap().is_measured_later()
        );
        assert!(matches!(metric("kid_std"), Err(MetricError::NotAMetric { .. })));
    }

    #[test]
    fn a_column_that_measures_nothing_is_refused() {
        assert!(matches!(metric("step:min"), Err(MetricError::NotAMetric { .. })));
        assert!(matches!(metric("eval.images:max"), Err(MetricError::NotAMetric { .. })));
        assert!(matches!(metric(":min"), Err(MetricError::NotAMetric { .. })));
    }
}
