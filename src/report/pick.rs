//! One number per run: the metric's value at the asked step, or the reason why there is none.
//!
//! In: a run's rows and a query. Out: [`Point`] or [`Gap`].

use std::collections::BTreeSet;

pub(crate) use super::gap::Gap;
use super::load::RunRow;
use super::meter::Meter;
use super::metric::{Goal, Metric};
use super::point::{At, Budget, Weights};
use super::series::{Series, SeriesRow};

/// A value and where it was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// The optimizer step of the row.
    pub(crate) step: u64,
    /// The metric.
    pub(crate) value: f64,
    /// Held-out images behind the value, where the log says so.
    pub(crate) images: Option<u64>,
    /// Under a budget: what the run had spent of it by this step.
    pub(crate) spent: Option<f64>,
}

/// The values of one run in rising step, or why there are none.
pub(crate) type Picked = Result<Vec<Point>, Gap>;

/// Every defined value of `metric` in a run, in rising step.
pub(crate) fn points(run: &RunRow, metric: &Metric, weights: &Weights) -> Picked {
    if !run.found {
        return Err(Gap::Missing);
    }
    points_of(&run.series, run.first_average.as_deref(), metric, weights)
}

/// As [`points`], of any log; `first_average` is the average that `ema` means.
pub(super) fn points_of(
    series: &Series,
    first_average: Option<&str>,
    metric: &Metric,
    weights: &Weights,
) -> Picked {
    let Some(column) = series.column(&metric.name).filter(|_| !series.rows.is_empty()) else {
        return Err(Gap::NoRows);
    };
    let images = series.column("images").filter(|_| series.column("weights").is_some());
    let mut points = Vec::new();
    for row in rows(series, first_average, weights)? {
        if let Some(value) = row.values[column] {
            let images = images.and_then(|at| row.values[at]).map(|images| images as u64);
            points.push(Point { step: row.step, value, images, spent: None });
        }
    }
    if points.is_empty() { Err(Gap::Undefined) } else { Ok(points) }
}

/// The steps that a log has rows of, with the images behind each.
pub(super) fn steps(
    series: &Series,
    first_average: Option<&str>,
    weights: &Weights,
) -> Result<Vec<(u64, Option<u64>)>, Gap> {
    let images = series.column("images");
    let rows = rows(series, first_average, weights)?;
    Ok(rows.map(|row| (row.step, images.and_then(|at| row.values[at]).map(|images| images as u64))).collect())
}

/// The rows of the asked weights: at least one.
fn rows<'a>(
    series: &'a Series,
    first_average: Option<&'a str>,
    weights: &'a Weights,
) -> Result<impl Iterator<Item = &'a SeriesRow>, Gap> {
    let told = series.column("weights").is_some();
    let track = if told { track(series, first_average, weights) } else { None };
    let wanted = move |row: &&SeriesRow| !told || Some(row.weights.as_str()) == track;
    if series.rows.is_empty() {
        return Err(Gap::NoRows);
    }
    if !series.rows.iter().any(|row| wanted(&row)) {
        return Err(Gap::OtherWeights(series.rows.iter().map(|row| row.weights.clone()).collect()));
    }
    Ok(series.rows.iter().filter(wanted))
}

/// The name under which the asked weights stand in a log.
pub(super) fn track<'a>(
    series: &'a Series,
    first_average: Option<&str>,
    weights: &'a Weights,
) -> Option<&'a str> {
    match weights {
        Weights::Named(name) => Some(name),
        Weights::FirstEma => {
            let named = || series.rows.iter().map(|row| row.weights.as_str());
            // Rows are sorted by label: which average comes first is for the configuration to say.
            let first = first_average.and_then(|first| named().find(|name| *name == first));
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
        At::Budget(_) => return Err(Gap::NoMeter),
    };
    match points.iter().find(|point| point.step == step) {
        Some(point) => Ok(*point),
        None => {
            let nearest = points.iter().map(|point| point.step).min_by_key(|found| found.abs_diff(step));
            Err(nearest.map_or(Gap::NoRows, |nearest| Gap::NoSuchStep { nearest }))
        }
    }
}

/// The last point that a budget reaches; `meter` counts what the run spends, `steps` are those it has done. A run
/// that ended before the budget was spent has no value: what it would have come to is not known.
pub(crate) fn within(
    points: &[Point],
    budget: Budget,
    meter: Option<&Meter>,
    steps: u64,
) -> Result<Point, Gap> {
    let meter = meter.ok_or(Gap::NoMeter)?;
    let steps = points.iter().map(|point| point.step).max().unwrap_or(0).max(steps);
    let total = meter.total(steps);
    if total < budget.amount {
        return Err(Gap::ShortOfBudget { unit: budget.unit, spent: total });
    }
    let spent = |point: &Point| Some(Point { spent: Some(meter.at(point.step)?), ..*point });
    let affordable = |point: &Point| point.spent.is_some_and(|spent| spent <= budget.amount);
    points.iter().filter_map(spent).rfind(affordable).ok_or_else(|| match points.first().and_then(spent) {
        Some(Point { spent: Some(first), .. }) => Gap::BeyondBudget { unit: budget.unit, first },
        _ => Gap::NoMeter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::run_with;
    use crate::report::meter::Unit;

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
            steps.iter().map(|step| Point { step: *step, value: 0.0, images: None, spent: None }).collect()
        };
        let (a, b, c) = (at(&[1, 2, 3]), at(&[1, 2]), at(&[5]));
        assert_eq!(common_step([a.as_slice(), b.as_slice()].into_iter()), Some(2));
        assert_eq!(common_step([a.as_slice(), c.as_slice()].into_iter()), None);
        assert_eq!(common_step(std::iter::empty::<&[Point]>()), None);
    }

    #[test]
    fn a_budget_reads_the_last_row_it_pays_for() {
        let points = points(&run_with(0, ROWS), &metric("denoise_score"), &Weights::FirstEma).unwrap();
        let meter = Meter::PerStep(8.0);
        let within = |amount| {
            let budget = Budget { unit: Unit::Images, amount };
            within(&points, budget, Some(&meter), 200).map(|point| (point.step, point.spent))
        };
        assert_eq!(within(1600.0), Ok((200, Some(1600.0))));
        assert_eq!(within(1599.0), Ok((100, Some(800.0))));
        assert_eq!(within(700.0), Err(Gap::BeyondBudget { unit: Unit::Images, first: 800.0 }));
        assert_eq!(within(1601.0), Err(Gap::ShortOfBudget { unit: Unit::Images, spent: 1600.0 }));
    }
}
