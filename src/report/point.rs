//! Where in a run a metric is read: at which step, and of which weights.
//!
//! In: the words of the command line. Out: [`At`] and [`Weights`].

use std::fmt;
use std::str::FromStr;

use super::meter::Unit;
use crate::rundir::csv_log::float;

/// Why a word is neither.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum PointError {
    /// Another word than those of `--at`.
    #[error(
        "\"{word}\" is not a point of training; use best, last, common, step=N, images=N, flops=N or seconds=N"
    )]
    At { word: String },
    /// Another word than the weights a run evaluates.
    #[error("\"{word}\" names no weights; use raw, ema or ema-DECAY, such as ema-0.999")]
    Weights { word: String },
}

/// At which step of each run the metric is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum At {
    /// Each run's own best row, chosen on the split it was measured on.
    Best,
    /// Each run's last row.
    Last,
    /// The greatest step that every run has reached.
    Common,
    /// One step.
    Step(u64),
    /// The last row at which a run had spent no more than this.
    Budget(Budget),
}

/// How much training may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Budget {
    /// What is counted.
    pub(crate) unit: Unit,
    /// How many, above 0.
    pub(crate) amount: f64,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.unit, float(self.amount))
    }
}

impl FromStr for At {
    type Err = PointError;

    fn from_str(text: &str) -> Result<Self, PointError> {
        match text {
            "best" => Ok(At::Best),
            "last" => Ok(At::Last),
            "common" => Ok(At::Common),
            _ => number(text).ok_or_else(|| PointError::At { word: text.to_owned() }),
        }
    }
}

/// `step=400`, `images=64000`, `flops=1e15`, `seconds=3600`.
fn number(text: &str) -> Option<At> {
    let (unit, amount) = text.split_once('=')?;
    if unit == "step" {
        return amount.parse().ok().map(At::Step);
    }
    let unit = Unit::ALL.into_iter().find(|known| known.to_string() == unit)?;
    let amount: f64 = amount.replace('_', "").parse().ok()?;
    (amount.is_finite() && amount > 0.0).then_some(At::Budget(Budget { unit, amount }))
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Best => f.write_str("best"),
            At::Last => f.write_str("last"),
            At::Common => f.write_str("common"),
            At::Step(step) => write!(f, "step={step}"),
            At::Budget(budget) => budget.fmt(f),
        }
    }
}

/// Which weights of a run were evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Weights {
    /// The first moving average of the run.
    #[default]
    FirstEma,
    /// `raw`, or one average by its full name.
    Named(String),
}

impl FromStr for Weights {
    type Err = PointError;

    fn from_str(text: &str) -> Result<Self, PointError> {
        match text {
            "ema" => Ok(Weights::FirstEma),
            _ if text == "raw" || text.strip_prefix("ema-").is_some_and(|track| !track.is_empty()) => {
                Ok(Weights::Named(text.to_owned()))
            }
            _ => Err(PointError::Weights { word: text.to_owned() }),
        }
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Weights::FirstEma => f.write_str("ema"),
            Weights::Named(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_training_and_weights_parse_to_what_they_print() {
        for word in ["best", "last", "common", "step=400", "images=64000", "flops=2.5e18", "seconds=0.5"] {
            assert_eq!(word.parse::<At>().unwrap().to_string(), word);
        }
        for word in ["raw", "ema", "ema-0.999"] {
            assert_eq!(word.parse::<Weights>().unwrap().to_string(), word);
        }
        for wrong in ["step=", "first", "images=0", "flops=inf", "seconds=-1", "hours=2", "images"] {
            assert!(wrong.parse::<At>().is_err(), "{wrong}");
        }
        assert!("ema-".parse::<Weights>().is_err() && "rwa".parse::<Weights>().is_err());
    }
}
