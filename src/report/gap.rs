//! Why a run has no value.

use std::collections::BTreeSet;
use std::fmt;

use super::format::number;
use super::meter::Unit;
use super::query::Split;

/// Why a run has no value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Gap {
    /// It failed or diverged, so its last rows do not describe a trained network.
    Failed,
    /// Planned, but nothing is there yet.
    Missing,
    /// The log has no row yet.
    NoRows,
    /// The log has rows, but not of these weights; holds those it has.
    OtherWeights(BTreeSet<String>),
    /// The rows are there and the column is empty in each.
    Undefined,
    /// No row of the asked step; holds the nearest step there is.
    NoSuchStep { nearest: u64 },
    /// No step that all runs have reached.
    NoCommonStep,
    /// It ended before the budget was spent.
    ShortOfBudget { unit: Unit, spent: f64 },
    /// Its first row came after the budget was spent.
    BeyondBudget { unit: Unit, first: f64 },
    /// Neither its configuration nor its logs tell what it spent.
    NoMeter,
    /// It was never evaluated on this split, or not as the others were.
    NotEvaluated { split: Split },
    /// The denoising curve is not there.
    NoLevels,
    /// There is no value on `val` that its best step could be chosen by.
    NoChoice,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gap::Failed => f.write_str("failed or diverged"),
            Gap::Missing => f.write_str("not started yet"),
            Gap::NoRows => f.write_str("no row has been written yet"),
            Gap::OtherWeights(found) => {
                let found: Vec<&str> = found.iter().map(String::as_str).collect();
                write!(f, "no row of these weights; there are {} (see --weights)", found.join(", "))
            }
            Gap::Undefined => f.write_str("the column is empty in every row"),
            Gap::NoSuchStep { nearest } => write!(f, "no row at that step; the nearest is step {nearest}"),
            Gap::NoCommonStep => f.write_str("no step has a row in every run; try --at last"),
            Gap::ShortOfBudget { unit, spent } => {
                write!(f, "it never got there: it ended at {} {unit}", number(*spent))
            }
            Gap::BeyondBudget { unit, first } => {
                write!(f, "its first row comes later, at {} {unit}", number(*first))
            }
            Gap::NoMeter => f.write_str("neither config.toml nor its logs tell what it had spent by then"),
            Gap::NotEvaluated { split } => {
                write!(f, "not evaluated on {split}; `ablate eval RUN --split {split}` does so")
            }
            Gap::NoLevels => f.write_str("its denoising curve (levels.csv) is not there"),
            Gap::NoChoice => f.write_str("no value on val to choose its best step by"),
        }
    }
}
