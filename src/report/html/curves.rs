//! What rises and falls with the step: every column of the logs, one value a seed.
//!
//! In: the loaded logs. Out: [`VariantCurves`], thinned to a common number of rows so that all of them together stay
//! within a bound.

use std::collections::BTreeSet;

use serde::Serialize;

use super::document::key_of;
use super::levels::{Level, levels};
use super::packed::{BYTES_A_VALUE, Packed};
use super::thin;
use crate::guard::printable;
use crate::report::load::{Loaded, RunRow, VariantRuns};
use crate::report::metric::{Goal, Log, Metric};
use crate::report::pick;
use crate::report::point::Weights;

/// Columns that say where a row stands and are no curves.
const PLACES: [&str; 4] = ["step", "epoch", "images", "weights"];

/// One curve that can be chosen.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(super) struct CurveName {
    /// `train:loss`, `eval:denoise_score:ema`.
    id: String,
    /// For people.
    title: String,
    #[serde(skip)]
    column: String,
    #[serde(skip)]
    weights: Option<Weights>,
}

/// All curves of a variant.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct VariantCurves {
    /// The variant's key.
    pub(crate) variant: String,
    /// The seeds behind the values, in their order.
    seeds: Vec<u64>,
    /// Steps that several series share.
    steps: Vec<Packed>,
    series: Vec<CurveSeries>,
    /// The latest held-out denoising curve.
    levels: Vec<Level>,
}

#[derive(Debug, Clone, Serialize)]
struct CurveSeries {
    /// Of a [`CurveName`].
    id: String,
    /// Place in [`VariantCurves::steps`].
    steps: usize,
    /// One column a seed.
    values: Vec<Packed>,
    /// Rows in the logs; more than are here where the curve was thinned.
    rows: usize,
}

/// A series before it is thinned.
struct Whole {
    id: String,
    steps: Vec<f64>,
    columns: Vec<Vec<f64>>,
}

/// The names of all curves, held-out ones first.
pub(super) fn names(eval: &Loaded, training: &Loaded) -> Vec<CurveName> {
    let mut names = Vec::new();
    let tracks: BTreeSet<&str> =
        runs(eval).flat_map(|run| &run.series.rows).map(|row| row.weights.as_str()).collect();
    for column in columns(eval) {
        for (word, weights) in tracks_of(&tracks) {
            let title = format!("{} (held-out, {word})", printable(&column));
            let id = format!("eval:{column}:{word}");
            names.push(CurveName { id, title, column: column.clone(), weights: Some(weights) });
        }
    }
    for column in columns(training) {
        let title = format!("{} (training)", printable(&column));
        names.push(CurveName { id: format!("train:{column}"), title, column, weights: None });
    }
    names
}

/// The weights worth a curve: the first average and the plain ones.
pub(super) fn tracks_of(found: &BTreeSet<&str>) -> Vec<(&'static str, Weights)> {
    let mut tracks = Vec::new();
    if found.iter().any(|track| track.starts_with("ema-")) {
        tracks.push(("ema", Weights::FirstEma));
    }
    if found.contains("raw") {
        tracks.push(("raw", Weights::Named("raw".to_owned())));
    }
    tracks
}

/// Columns of the logs that hold measurements, as first seen.
pub(super) fn columns(loaded: &Loaded) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for column in runs(loaded).flat_map(|run| &run.series.columns) {
        if !PLACES.contains(&column.as_str()) && !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    columns
}

pub(super) fn runs(loaded: &Loaded) -> impl Iterator<Item = &RunRow> {
    loaded.variants.iter().flat_map(|variant| &variant.runs)
}

/// The curves of the variants that `order` names, as many as have room in `budget` bytes.
pub(super) fn curves(
    eval: &Loaded,
    training: &Loaded,
    order: &[usize],
    names: &[CurveName],
    budget: usize,
) -> Vec<VariantCurves> {
    // Fewer rows than this are no curve: rather leave out the last variants.
    const LEAST_ROWS: usize = 32;
    let mut chosen: Vec<(&VariantRuns, Vec<Whole>)> = Vec::new();
    let (mut sizes, mut least_bytes) = (Vec::new(), 0);
    for variant in order.iter().filter_map(|at| eval.variants.get(*at)) {
        let whole = whole(variant, training, names);
        let of_this: Vec<(usize, usize)> =
            whole.iter().map(|one| (one.steps.len(), (one.columns.len() + 1) * BYTES_A_VALUE)).collect();
        least_bytes += of_this.iter().map(|(rows, width)| rows.min(&LEAST_ROWS) * width).sum::<usize>();
        if least_bytes > budget && !chosen.is_empty() {
            break;
        }
        sizes.extend(of_this);
        chosen.push((variant, whole));
    }
    let limit = thin::limit_for(&sizes, budget);
    chosen.into_iter().map(|(variant, whole)| packed(variant, whole, limit)).collect()
}

fn packed(variant: &VariantRuns, whole: Vec<Whole>, limit: usize) -> VariantCurves {
    let mut steps: Vec<Packed> = Vec::new();
    let mut series = Vec::with_capacity(whole.len());
    for one in whole {
        let kept = thin::thin(&one.columns, limit);
        let of_kept = |column: &Vec<f64>| kept.iter().map(|row| column[*row]).collect::<Packed>();
        let of_this = of_kept(&one.steps);
        let place = steps.iter().position(|known| *known == of_this).unwrap_or_else(|| {
            steps.push(of_this);
            steps.len() - 1
        });
        series.push(CurveSeries {
            id: printable(&one.id),
            steps: place,
            values: one.columns.iter().map(of_kept).collect(),
            rows: one.steps.len(),
        });
    }
    VariantCurves {
        variant: key_of(&variant.label),
        seeds: variant.runs.iter().map(|run| run.seed).collect(),
        steps,
        series,
        levels: levels(variant),
    }
}

/// Every series of a variant with at least one value.
fn whole(variant: &VariantRuns, training: &Loaded, names: &[CurveName]) -> Vec<Whole> {
    let trained = training.variants.iter().find(|other| other.label == variant.label);
    let series = names.iter().map(|name| {
        let points = variant.runs.iter().map(|run| match &name.weights {
            Some(weights) => points(Some(run), name, Log::Eval, weights),
            None => {
                let run = trained.and_then(|trained| trained.runs.iter().find(|row| row.seed == run.seed));
                points(run, name, Log::Metrics, &Weights::FirstEma)
            }
        });
        aligned(&name.id, points.collect())
    });
    series.filter(|series| !series.steps.is_empty()).collect()
}

fn points(run: Option<&RunRow>, name: &CurveName, log: Log, weights: &Weights) -> Vec<pick::Point> {
    // A curve is drawn whichever direction is better.
    let metric = Metric { name: name.column.clone(), log, goal: Goal::Min };
    run.and_then(|run| pick::points(run, &metric, weights).ok()).unwrap_or_default()
}

/// The seeds' values side by side at every step that any of them has.
fn aligned(id: &str, seeds: Vec<Vec<pick::Point>>) -> Whole {
    let steps: BTreeSet<u64> = seeds.iter().flatten().map(|point| point.step).collect();
    let column = |points: &Vec<pick::Point>| {
        let mut points = points.iter().peekable();
        steps
            .iter()
            .map(|step| points.next_if(|point| point.step == *step).map_or(f64::NAN, |point| point.value))
            .collect()
    };
    Whole {
        id: id.to_owned(),
        columns: seeds.iter().map(column).collect(),
        steps: steps.iter().map(|step| *step as f64).collect(),
    }
}
