//! What a variant costs: parameters, training time, memory.
//!
//! In: configurations and `timing.csv`. Out: plain numbers, `None` where nothing tells.

use std::fmt;
use std::str::FromStr;

use super::compare::Comparison;
use super::load::Loaded;
use super::meter::Curve;
use super::row::Row;
use super::series::Series;
use crate::sizing;

/// What a result is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Trainable parameters.
    Parameters,
    /// Seconds of training up to the compared step, evaluation and sampling left out.
    Seconds,
    /// Greatest memory in use up to the compared step, in bytes.
    Memory,
}

impl Cost {
    /// Every one, in the order of the help.
    pub(crate) const ALL: [Cost; 3] = [Cost::Parameters, Cost::Seconds, Cost::Memory];
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cost::Parameters => "parameters",
            Cost::Seconds => "seconds",
            Cost::Memory => "memory",
        })
    }
}

/// A word that is no cost.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{word}\" is not a cost; use parameters, seconds or memory")]
pub(crate) struct CostError {
    word: String,
}

impl FromStr for Cost {
    type Err = CostError;

    fn from_str(word: &str) -> Result<Self, CostError> {
        let found = Cost::ALL.into_iter().find(|cost| cost.to_string() == word);
        found.ok_or_else(|| CostError { word: word.to_owned() })
    }
}

/// The cost of one row of [`Comparison::cells`]: of time and memory the mean over the seeds with a value.
pub(crate) fn cost(loaded: &Loaded, row: &Row, cost: Cost) -> Option<f64> {
    let variant = &loaded.variants[*row.members.first()?];
    if cost == Cost::Parameters {
        let config = variant.config.as_ref()?;
        return Some(sizing::parameters(&config.model, &config.data) as f64);
    }
    let spent: Vec<f64> = variant
        .runs
        .iter()
        .filter_map(|run| {
            let seed = row.seeds.iter().find(|seed| seed.seed == run.seed)?;
            let step = seed.point.as_ref().ok()?.step;
            let timing = Series::read(&run.dir.timing_path()).ok()?;
            match cost {
                Cost::Seconds => Curve::clock(&timing)?.at(step),
                _ => peak_memory(&timing, step),
            }
        })
        .collect();
    (!spent.is_empty()).then(|| spent.iter().sum::<f64>() / spent.len() as f64)
}

/// As [`cost`], of every row of [`Comparison::cells`].
pub(crate) fn costs(loaded: &Loaded, comparison: &Comparison, kind: Cost) -> Vec<Option<f64>> {
    use rayon::prelude::*;
    comparison.cells().par_iter().map(|row| cost(loaded, row, kind)).collect()
}

/// The greatest memory in use in the rows up to a step.
fn peak_memory(timing: &Series, step: u64) -> Option<f64> {
    let column = timing.column("peak_memory_bytes")?;
    let rows = timing.rows.iter().take_while(|row| row.step <= step);
    rows.filter_map(|row| row.values[column]).max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: &str = "step,seconds,images_per_second,data_wait_seconds,peak_memory_bytes\n\
        10,2,40,0,100\n20,1,80,0,300\n40,4,40,0,200\n";

    #[test]
    fn memory_is_the_greatest_up_to_the_step() {
        let timing = Series::parse(TIMING.as_bytes());
        assert_eq!(peak_memory(&timing, 10), Some(100.0));
        assert_eq!(peak_memory(&timing, 40), Some(300.0));
        assert_eq!(peak_memory(&timing, 5), None);
    }

    #[test]
    fn costs_go_by_their_names() {
        for cost in Cost::ALL {
            assert_eq!(cost.to_string().parse(), Ok(cost));
        }
        let error = "flops".parse::<Cost>().unwrap_err().to_string();
        assert_eq!(error, "\"flops\" is not a cost; use parameters, seconds or memory");
    }
}
