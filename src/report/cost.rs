//! What a variant costs: parameters, training time, memory; and what a run had spent by a step.
//!
//! In: configurations and `timing.csv`. Out: plain numbers, `None` where nothing tells.

use std::fmt;
use std::str::FromStr;

use super::compare::Comparison;
use super::load::{Loaded, RunRow};
use super::row::Row;
use super::series::Series;
use crate::config::Config;
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

/// Whether the row's configuration or timing tells every cost of a comparison's rows with a value.
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

/// What a budget of training is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Images trained on, repetitions counted.
    Images,
    /// Floating-point operations of forward and backward passes.
    Flops,
    /// Seconds of training, evaluation and sampling left out.
    Seconds,
}

impl Unit {
    /// Every one.
    pub(crate) const ALL: [Unit; 3] = [Unit::Images, Unit::Flops, Unit::Seconds];
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Images => "images",
            Unit::Flops => "flops",
            Unit::Seconds => "seconds",
        })
    }
}

/// What a run had spent by each of its steps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meter {
    /// The same in every step.
    PerStep(f64),
    /// As its log has it.
    Logged(Curve),
}

impl Meter {
    /// The meter of one run; `None` where neither its configuration nor its logs tell.
    pub(crate) fn of(unit: Unit, config: Option<&Config>, run: &RunRow) -> Option<Self> {
        match (unit, config) {
            (Unit::Images, Some(config)) => Some(Meter::PerStep(config.training.batch_size as f64)),
            (Unit::Images, None) => {
                let metrics = Series::read(&run.dir.metrics_path()).ok()?;
                Curve::total(&metrics, "images").map(Meter::Logged)
            }
            (Unit::Flops, config) => {
                let config = config?;
                let per_image = sizing::train_flops_per_image(&config.model, &config.data);
                Some(Meter::PerStep(config.training.batch_size as f64 * per_image as f64))
            }
            (Unit::Seconds, _) => {
                let timing = Series::read(&run.dir.timing_path()).ok()?;
                Curve::clock(&timing).map(Meter::Logged)
            }
        }
    }

    /// Spent by a run that has done `step` steps.
    pub(crate) fn total(&self, step: u64) -> f64 {
        match self {
            Meter::PerStep(each) => each * step as f64,
            Meter::Logged(curve) => curve.points.last().map_or(0.0, |point| point.1),
        }
    }

    /// Spent by the end of `step`; `None` beyond what was logged.
    pub(crate) fn at(&self, step: u64) -> Option<f64> {
        match self {
            Meter::PerStep(each) => Some(each * step as f64),
            Meter::Logged(curve) => curve.at(step),
        }
    }
}

/// A total that rises with the step, known at some steps and linear in between.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    /// Step and total, rising; starts at 0, 0.
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// Seconds of training, from `timing.csv`, whose rows hold what passed since the row before.
    pub(crate) fn clock(timing: &Series) -> Option<Self> {
        let column = timing.column("seconds")?;
        let mut total = 0.0;
        Self::over(timing.rows.iter().filter_map(|row| {
            total += row.values[column]?;
            Some((row.step, total))
        }))
    }

    fn total(series: &Series, name: &str) -> Option<Self> {
        let column = series.column(name)?;
        Self::over(series.rows.iter().filter_map(|row| Some((row.step, row.values[column]?))))
    }

    fn over(rows: impl Iterator<Item = (u64, f64)>) -> Option<Self> {
        let mut points = vec![(0.0, 0.0)];
        points.extend(rows.map(|(step, total)| (step as f64, total)));
        (points.len() > 1).then_some(Self { points })
    }

    /// The total at a step; `None` beyond the last row.
    pub(crate) fn at(&self, step: u64) -> Option<f64> {
        let step = step as f64;
        let right = self.points.partition_point(|point| point.0 < step);
        let (x1, y1) = *self.points.get(right)?;
        if x1 == step || right == 0 {
            return Some(y1);
        }
        let (x0, y0) = self.points[right - 1];
        Some(y0 + (y1 - y0) * (step - x0) / (x1 - x0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: &str = "step,seconds,images_per_second,data_wait_seconds,peak_memory_bytes\n\
        10,2,40,0,100\n20,1,80,0,300\n40,4,40,0,200\n";

    #[test]
    fn seconds_add_up_and_are_linear_between_two_rows() {
        let curve = Curve::clock(&Series::parse(TIMING.as_bytes())).unwrap();
        let at = |step| curve.at(step);
        assert_eq!([at(0), at(5), at(10), at(20)], [Some(0.0), Some(1.0), Some(2.0), Some(3.0)]);
        assert_eq!([at(30), at(40), at(41)], [Some(5.0), Some(7.0), None]);
        assert_eq!(Curve::clock(&Series::parse(b"step,seconds\n")), None);
    }

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
