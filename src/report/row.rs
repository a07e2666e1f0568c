//! One line of a comparison: a variant, or a group of them, with one number per seed.
//!
//! In: points picked from runs. Out: [`Row`] and [`Seed`], plain values that every format prints.

use serde_json::Value;

use super::images::Shares;
use super::pick::{Gap, Point};
use super::stats::Summary;
use crate::rundir::State;

/// One variant, or all variants of a group.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Folder name; `experiment/folder` where several experiments are compared; of a group its settings.
    pub(crate) variant: String,
    /// Identity; empty for a group.
    pub(crate) id: String,
    /// Values of [`super::compare::Comparison::keys`], same order; `None` where the configuration ignores
    /// the key.
    pub(crate) overrides: Vec<Option<Value>>,
    /// Every planned or found seed, rising.
    pub(crate) seeds: Vec<Seed>,
    /// Over the seeds with a value; `None` without any.
    pub(crate) summary: Option<Summary>,
    /// Places in [`super::load::Loaded::variants`] of the variants behind the row.
    pub(crate) members: Vec<usize>,
    /// Of a group: its runs, which `seeds` hold the means of. Empty for a single variant.
    pub(crate) runs: Vec<Seed>,
    /// What `--best-over` chose for this row.
    pub(crate) choice: Option<Choice>,
}

impl Row {
    /// A row over these seeds, its summary worked out.
    pub(crate) fn of(variant: String, id: String, overrides: Vec<Option<Value>>, seeds: Vec<Seed>) -> Self {
        let values: Vec<f64> = seeds.iter().filter_map(Seed::value).collect();
        Self {
            variant,
            id,
            overrides,
            summary: Summary::of(&values),
            seeds,
            members: Vec::new(),
            runs: Vec::new(),
            choice: None,
        }
    }

    /// Every run behind the row.
    pub(crate) fn runs(&self) -> &[Seed] {
        if self.runs.is_empty() { &self.seeds } else { &self.runs }
    }
}

/// Which of several values `--best-over` took, and on what grounds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    /// The value; `None` where the configuration ignores the key.
    pub(crate) value: Option<Value>,
    /// Its mean on the split that it was chosen on; `None` where no value had one.
    pub(crate) mean: Option<f64>,
    /// How many values there were.
    pub(crate) among: usize,
}

/// One run of a variant, or one seed of a group.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    /// Its number.
    pub(crate) seed: u64,
    /// The metric, or why there is none.
    pub(crate) point: Result<Point, Gap>,
    /// Where the run stands; of a group the state that keeps it from being done.
    pub(crate) state: State,
    /// Whether the run has a folder.
    pub(crate) found: bool,
    /// Whether no resume under other conditions may have changed its numbers.
    pub(crate) exact: bool,
    /// Where the images behind the value are; `None` for a group, and for what is no mean over held-out images.
    pub(crate) shares: Option<Shares>,
}

impl Seed {
    /// The value, where there is one.
    pub(crate) fn value(&self) -> Option<f64> {
        self.point.as_ref().ok().map(|point| point.value)
    }
}
