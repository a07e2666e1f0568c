//! Variants ranked by one metric, with spread over seeds and what may be concluded from it.
//!
//! In: [`Loaded`] runs and a [`Query`]. Out: a [`Comparison`], best row first, that any format can print.

use serde_json::Value;

use super::load::{Loaded, RunRow, VariantRuns};
use super::metric::Metric;
use super::pick::{self, Gap, Point};
use super::point::{At, Weights};
use super::stats::Summary;
use super::trust;
use super::varying::{Settings, varying_keys};
use super::verdict::Verdict;
use crate::rundir::State;

/// What the user asked for.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// The metric.
    pub(crate) metric: Metric,
    /// `None`: the last row where every run has ended, else the greatest common step.
    pub(crate) at: Option<At>,
    /// Which weights, for metrics of `eval.csv`.
    pub(crate) weights: Weights,
}

/// The answer.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// The metric.
    pub(crate) metric: Metric,
    /// Which weights, for metrics of `eval.csv`.
    pub(crate) weights: Weights,
    /// The point of training, never left open.
    pub(crate) at: At,
    /// Keys that vary, in column order.
    pub(crate) keys: Vec<String>,
    /// One row per variant, best first; rows without any value last.
    pub(crate) rows: Vec<Row>,
    /// Who won, or why nobody did.
    pub(crate) verdict: Verdict,
    /// What a reader has to know besides; one sentence each.
    pub(crate) notes: Vec<String>,
}

/// One variant.
#[derive(Debug)]
pub(crate) struct Row {
    /// Folder name; `experiment/folder` where several experiments are compared.
    pub(crate) variant: String,
    /// Identity.
    pub(crate) id: String,
    /// Values of [`Comparison::keys`], same order; `None` where the configuration ignores the key.
    pub(crate) overrides: Vec<Option<Value>>,
    /// Every planned or found seed, rising.
    pub(crate) seeds: Vec<Seed>,
    /// Over the seeds with a value; `None` without any.
    pub(crate) summary: Option<Summary>,
}

/// One run of a variant.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    /// Its number.
    pub(crate) seed: u64,
    /// The metric, or why there is none.
    pub(crate) point: Result<Point, Gap>,
    /// Where the run stands.
    pub(crate) state: State,
    /// Whether the run has a folder.
    pub(crate) found: bool,
    /// Whether a resume under other conditions may have changed its numbers.
    pub(crate) exact: bool,
}

impl Seed {
    /// The value, where there is one.
    pub(crate) fn value(&self) -> Option<f64> {
        self.point.as_ref().ok().map(|point| point.value)
    }
}

/// Why runs cannot be put side by side.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(crate) enum CompareError {
    /// Nothing to compare.
    #[error("no runs found in {places}")]
    NoRuns { places: String },
    /// A column that no log has.
    #[error("no {file} has a column \"{name}\"; there are: {known}")]
    UnknownMetric { name: String, file: &'static str, known: String, nearest: Option<String> },
    /// Values measured under different settings.
    #[error("{metric} is not comparable here: {reason}")]
    SettingsDiffer { metric: String, reason: String },
}

/// Ranks what was loaded.
pub(crate) fn compare(loaded: &Loaded, query: &Query) -> Result<Comparison, CompareError> {
    let runs: Vec<&RunRow> = loaded.variants.iter().flat_map(|variant| &variant.runs).collect();
    trust::check_column(&runs, &query.metric)?;
    let points: Vec<Vec<Result<Vec<Point>, Gap>>> = loaded
        .variants
        .iter()
        .map(|variant| {
            variant.runs.iter().map(|run| pick::points(run, &query.metric, &query.weights)).collect()
        })
        .collect();
    let at = query.at.unwrap_or_else(|| default_at(&runs));
    let common = match at {
        At::Common => pick::common_step(loaded.variants.iter().zip(&points).flat_map(|(variant, points)| {
            variant
                .runs
                .iter()
                .zip(points)
                .filter(|(run, _)| !run.state.is_failure())
                .filter_map(|(_, points)| points.as_deref().ok())
        })),
        _ => None,
    };
    let keys = keys(loaded);
    let mut rows: Vec<Row> = loaded
        .variants
        .iter()
        .zip(points)
        .map(|(variant, points)| {
            let seeds = variant.runs.iter().zip(points).map(|(run, points)| Seed {
                seed: run.seed,
                point: choose(run, points, at, common, query),
                state: run.state,
                found: run.found,
                exact: run.exact,
            });
            row(variant, &keys, seeds.collect())
        })
        .collect();
    trust::check_settings(loaded, &rows, &query.metric)?;
    rank(&mut rows, query);
    let mut notes = trust::notes(loaded, &rows, query);
    notes.extend(loaded.notes.iter().cloned());
    let verdict = match trust::incomparable_losses(loaded, &query.metric) {
        Some(reason) => Verdict::Unknown { reason },
        None => Verdict::of(&rows, query.metric.goal),
    };
    Ok(Comparison {
        metric: query.metric.clone(),
        weights: query.weights.clone(),
        at,
        keys,
        rows,
        verdict,
        notes,
    })
}

/// `last` compares finished networks; while any run may still move, only a common step is fair.
fn default_at(runs: &[&RunRow]) -> At {
    let ended = |run: &&RunRow| !run.found || run.state == State::Done || run.state.is_failure();
    if runs.iter().all(ended) { At::Last } else { At::Common }
}

/// A failed or diverged run counts at a step that was asked for and reached; elsewhere its last rows would
/// stand for a network that was never finished.
fn choose(
    run: &RunRow,
    points: Result<Vec<Point>, Gap>,
    at: At,
    common: Option<u64>,
    query: &Query,
) -> Result<Point, Gap> {
    if run.state.is_failure() && !matches!(at, At::Step(_)) {
        return Err(Gap::Failed);
    }
    pick::choose(&points?, at, common, query.metric.goal)
}

/// The keys worth a column.
pub(super) fn keys(loaded: &Loaded) -> Vec<String> {
    let known: Vec<&Settings> =
        loaded.variants.iter().filter_map(|variant| variant.settings.as_ref()).collect();
    let mut declared: Vec<String> = Vec::new();
    for key in loaded.variants.iter().flat_map(|variant| &variant.overrides).map(|(key, _)| key) {
        let differs = loaded.variants.windows(2).any(|pair| pair[0].value(key) != pair[1].value(key));
        if differs && !declared.contains(key) {
            declared.push(key.clone());
        }
    }
    varying_keys(&known, &declared)
}

fn row(variant: &VariantRuns, keys: &[String], seeds: Vec<Seed>) -> Row {
    let values: Vec<f64> = seeds.iter().filter_map(Seed::value).collect();
    Row {
        variant: variant.label.clone(),
        id: variant.id.clone(),
        overrides: keys.iter().map(|key| variant.value(key).cloned()).collect(),
        summary: Summary::of(&values),
        seeds,
    }
}

/// Best mean first, rows without a value last; equal means by name.
fn rank(rows: &mut [Row], query: &Query) {
    rows.sort_by(|left, right| {
        let by_mean = match (left.summary, right.summary) {
            (Some(left), Some(right)) => query.metric.goal.order(left.mean, right.mean),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => std::cmp::Ordering::Equal,
        };
        by_mean.then_with(|| left.variant.cmp(&right.variant))
    });
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
