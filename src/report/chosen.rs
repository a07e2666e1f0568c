//! One point per run: where in training each is read.
//!
//! In: the metric at every step of every run, and the asked point of training. Out: one [`Point`] a run, or why
//! there is none.

use super::load::{Loaded, RunRow, VariantRuns};
use super::meter::Meter;
use super::pick::{self, Gap, Picked, Point};
use super::point::{At, Budget};
use super::query::Query;
use super::source::Sourced;
use crate::rundir::State;

/// The points of all variants and runs.
pub(super) type Chosen = Vec<Vec<Result<Point, Gap>>>;

/// `last` compares finished networks; while any run may still move, only a common step is fair.
pub(super) fn default_at(loaded: &Loaded) -> At {
    let mut runs = loaded.variants.iter().flat_map(|variant| &variant.runs);
    let ended = |run: &RunRow| !run.found || run.state == State::Done || run.state.is_failure();
    if runs.all(ended) { At::Last } else { At::Common }
}

/// Reads every run at `at`.
pub(super) fn chosen(loaded: &Loaded, query: &Query, at: At, sourced: &Sourced) -> Chosen {
    match (at, &sourced.selection) {
        (At::Best, Some(selection)) => best_elsewhere(loaded, query, selection, &sourced.points),
        _ => read(loaded, query, at, &sourced.points),
    }
}

/// The points that a choice between variants is made by, where they are not those that are shown.
pub(super) fn selection(loaded: &Loaded, query: &Query, at: At, sourced: &Sourced) -> Option<Chosen> {
    sourced.selection.as_ref().map(|selection| read(loaded, query, at, selection))
}

fn read(loaded: &Loaded, query: &Query, at: At, points: &[Vec<Picked>]) -> Chosen {
    use rayon::prelude::*;
    let common = if at == At::Common { common(loaded, points) } else { None };
    let one = |variant: &VariantRuns, run: &RunRow, picked: &Picked| match at {
        _ if excluded(run, at) => Err(Gap::Failed),
        At::Budget(budget) => within(variant, run, picked, budget),
        _ => pick::choose(picked.as_ref().map_err(Clone::clone)?, at, common, query.metric.goal),
    };
    let variants: Vec<(&VariantRuns, &Vec<Picked>)> = loaded.variants.iter().zip(points).collect();
    variants
        .into_par_iter()
        .map(|(variant, points)| {
            variant.runs.iter().zip(points).map(|(run, picked)| one(variant, run, picked)).collect()
        })
        .collect()
}

/// A failed or diverged run counts at a step that was asked for and reached; elsewhere its last rows would
/// stand for a network that was never finished.
fn excluded(run: &RunRow, at: At) -> bool {
    run.state.is_failure() && !matches!(at, At::Step(_) | At::Budget(_))
}

/// The greatest step at which every run that did not fail has a value.
fn common(loaded: &Loaded, points: &[Vec<Picked>]) -> Option<u64> {
    let runs = loaded.variants.iter().flat_map(|variant| &variant.runs).zip(points.iter().flatten());
    let healthy = runs.filter(|(run, _)| !run.state.is_failure());
    pick::common_step(healthy.filter_map(|(_, picked)| picked.as_deref().ok()))
}

fn within(variant: &VariantRuns, run: &RunRow, picked: &Picked, budget: Budget) -> Result<Point, Gap> {
    let points = picked.as_ref().map_err(Clone::clone)?;
    let meter = Meter::of(budget.unit, variant.config.as_deref(), run);
    pick::within(points, budget, meter.as_ref(), run.step)
}

/// At the step that is best on `val`, the value on the asked split.
fn best_elsewhere(
    loaded: &Loaded,
    query: &Query,
    selection: &[Vec<Picked>],
    points: &[Vec<Picked>],
) -> Chosen {
    let goal = query.metric.goal;
    let one = |run: &RunRow, chooser: &Picked, picked: &Picked| {
        if excluded(run, At::Best) {
            return Err(Gap::Failed);
        }
        let points = picked.as_ref().map_err(Clone::clone)?;
        let chooser = chooser.as_ref().map_err(|_| Gap::NoChoice)?;
        let step = pick::choose(chooser, At::Best, None, goal)?.step;
        pick::choose(points, At::Step(step), None, goal)
    };
    let variants = loaded.variants.iter().zip(selection.iter().zip(points));
    variants
        .map(|(variant, (selection, points))| {
            let runs = variant.runs.iter().zip(selection.iter().zip(points));
            runs.map(|(run, (chooser, picked))| one(run, chooser, picked)).collect()
        })
        .collect()
}
