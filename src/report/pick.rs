//! One number per run: the metric's value at the asked step, or the reason why there is none.
//!
//! In: a run's rows and a query. Out: [`Point`] or [`Gap`].

use std::collections::BTreeSet;
use std::fmt;

use super::load::RunRow;
use super::metric::{Goal, Metric};
use super::point::{At, Weights};

/// A value and where it was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// The optimizer step of the row.
    pub(crate) step: u64,
    /// The metric.
    pub(crate) value: f64,
    /// Held-out images behind the value, where the log says so.
    pub(crate) images: Option<u64>,
}

/// Why a run has no value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
        }
    }
}

/// Every defined value of `metric` in a run, in rising step.
pub(crate) fn points(run: &RunRow, metric: &Metric, weights: &Weights) -> Result<Vec<Point>, Gap> {
    if !run.found {
        return Err(Gap::Missing);
    }
    let Some(column) = run.series.column(&metric.name).filter(|_| !run.series.rows.is_empty()) else {
        return Err(Gap::NoRows);
    };
    let track = run.series.column("weights").map(|_| track(run, weights));
    let images = run.series.column("images").filter(|_| track.is_some());
    let rows = run.series.rows.iter().filter(|row| match &track {
        Some(Some(track)) => row.weights == *track,
        Some(None) => false,
        None => true,
    });
    let mut any_row = false;
    let mut points = Vec::new();
    for row in rows {
        any_row = true;
        if let Some(value) = row.values[column] {
            let images = images.and_then(|at| row.values[at]).map(|images| images as u64);
            points.push(Point { step: row.step, value, images });
        }
    }
    match (any_row, points.is_empty()) {
        (false, _) => Err(Gap::OtherWeights(run.series.rows.iter().map(|row| row.weights.clone()).collect())),
        (true, true) => Err(Gap::Undefined),
        (true, false) => Ok(points),
    }
}

/// The name under which the asked weights stand in this run's log.
fn track<'a>(run: &'a RunRow, weights: &'a Weights) -> Option<&'a str> {
    match weights {
        Weights::Named(name) => Some(name),
        Weights::FirstEma => {
            let named = || run.series.rows.iter().map(|row| row.weights.as_str());
            // Rows are sorted by label: which average comes first is for the configuration to say.
            let first = run.first_average.as_deref().and_then(|first| named().find(|name| *name == first));
            first.or_else(|| named().find(|name| name.starts_with("ema-")))
        }
    }
}

/// The greatest step at which all of `runs` have a value.
pub(crate) fn common_step<'a>(runs: impl Iterator<Item = &'a [Point]>) -> Option<u64> {
    runs.map(|points| points.iter().map(|point| point.step).collect::<BTreeSet<u64>>())
        .reduce(|left, right| left.intersection(&right).copied().collect())?
        .pop_last()
}

/// The point of one run that a resolved `at` asks for; `common` is the step that `At::Common` stands for.
pub(crate) fn choose(points: &[Point], at: At, common: Option<u64>, goal: Goal) -> Result<Point, Gap> {
    let step = match at {
        // `min_by` keeps the first of equals: the earliest of equally good steps.
        At::Best => {
            return points
                .iter()
                .min_by(|left, right| goal.order(left.value, right.value))
                .copied()
                .ok_or(Gap::NoRows);
        }
        At::Last => return points.last().copied().ok_or(Gap::NoRows),
        At::Common => common.ok_or(Gap::NoCommonStep)?,
        At::Step(step) => step,
    };
    match points.iter().find(|point| point.step == step) {
        Some(point) => Ok(*point),
        None => {
            let nearest = points.iter().map(|point| point.step).min_by_key(|found| found.abs_diff(step));
            Err(nearest.map_or(Gap::NoRows, |nearest| Gap::NoSuchStep { nearest }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::run_with;

    fn metric(text: &str) -> Metric {
        text.parse().unwrap()
    }

    const ROWS: &str = "step,weights,loss,denoise_score,images\n\
        100,ema-0.9,1,0.5,64\n100,ema-0.99,1,0.6,64\n100,raw,1,0.7,64\n\
        200,ema-0.9,1,0.3,64\n200,ema-0.99,1,0.8,64\n200,raw,1,,64\n";

    #[test]
    fn ema_names_the_first_average_and_others_are_asked_by_name() {
        let run = run_with(0, ROWS);
        let of = |weights: &str| -> Vec<f64> {
            points(&run, &metric("denoise_score"), &weights.parse().unwrap())
                .unwrap()
                .iter()
                .map(|point| point.value)
                .collect()
        };
        assert_eq!(of("ema"), [0.5, 0.3]);
        assert_eq!(of("ema-0.99"), [0.6, 0.8]);
        assert_eq!(of("raw"), [0.7]);
    }

    #[test]
    fn the_first_average_is_the_configurations_first_wherever_its_rows_stand() {
        let value = |first: Option<&str>| {
            let run = RunRow { first_average: first.map(str::to_owned), ..run_with(0, ROWS) };
            points(&run, &metric("denoise_score"), &Weights::FirstEma).unwrap()[0].value
        };
        assert_eq!((value(Some("ema-0.99")), value(Some("ema-0.9"))), (0.6, 0.5));
        assert_eq!((value(None), value(Some("ema-0.5"))), (0.5, 0.5), "the first there is");
    }

    #[test]
    fn a_run_without_a_value_says_why() {
        let run = run_with(0, ROWS);
        let gap = points(&run, &metric("denoise_score"), &"ema-0.5".parse().unwrap()).unwrap_err();
        assert!(gap.to_string().contains("there are ema-0.9, ema-0.99, raw"), "{gap}");
        let empty = run_with(0, "step,weights,denoise_score,images\n1,raw,,4\n");
        assert_eq!(points(&empty, &metric("denoise_score"), &"raw".parse().unwrap()), Err(Gap::Undefined));
        assert_eq!(points(&run_with(0, ""), &metric("denoise_score"), &Weights::FirstEma), Err(Gap::NoRows));
    }

    #[test]
    fn best_last_and_one_step_choose_their_row() {
        let points = points(&run_with(0, ROWS), &metric("denoise_score"), &"ema-0.99".parse().unwrap());
        let points = points.unwrap();
        let step = |at, goal| choose(&points, at, None, goal).map(|point| point.step);
        assert_eq!(step(At::Best, Goal::Min), Ok(100));
        assert_eq!(step(At::Best, Goal::Max), Ok(200));
        assert_eq!(step(At::Last, Goal::Min), Ok(200));
        assert_eq!(step(At::Step(100), Goal::Min), Ok(100));
        assert_eq!(step(At::Step(170), Goal::Min), Err(Gap::NoSuchStep { nearest: 200 }));
        assert_eq!(step(At::Common, Goal::Min), Err(Gap::NoCommonStep));
    }

    #[test]
    fn the_common_step_is_the_greatest_that_all_share() {
        let at = |steps: &[u64]| -> Vec<Point> {
            steps.iter().map(|step| Point { step: *step, value: 0.0, images: None }).collect()
        };
        let (a, b, c) = (at(&[1, 2, 3]), at(&[1, 2]), at(&[5]));
        assert_eq!(common_step([a.as_slice(), b.as_slice()].into_iter()), Some(2));
        assert_eq!(common_step([a.as_slice(), c.as_slice()].into_iter()), None);
        assert_eq!(common_step(std::iter::empty::<&[Point]>()), None);
    }
}
