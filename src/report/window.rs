//! `--window common`: the denoising metrics over the noise levels that every row's schedule covers.
//!
//! In: each run's `levels.csv`. Out: the metric at every step of every run, taken over the intersection of what
//! the schedules cover, or a refusal where too little of the weight is left.

use std::collections::BTreeSet;

use serde::Serialize;

use super::error::CompareError;
use super::levels::{Curve, Levels};
use super::load::Loaded;
use super::metric::Metric;
use super::pick::{Gap, Picked, Point};
use super::point::Weights;
use super::source::Source;
use super::verdict::list;
use crate::diffusion::curve::{self, WINDOW};

/// Least share of the score's weight that a window must hold.
const LEAST_MASS: f64 = 0.9;

/// The part of the log-SNR axis that every row covers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Covered {
    /// Least log-SNR.
    pub(crate) low: f64,
    /// Greatest log-SNR.
    pub(crate) high: f64,
    /// Share of the weight p(σ) of `denoise_score` that lies in between, of that over −6 to 6.
    pub(crate) mass: f64,
}

/// One run's curves with the images behind them.
struct Measured {
    curves: Vec<(u64, Curve)>,
    images: Vec<(u64, Option<u64>)>,
}

/// What one run gave, and what is wrong with its file.
type Outcome = (Result<Measured, Gap>, Option<String>);

/// The metric over the common window, per variant and run.
pub(super) fn points(
    loaded: &Loaded,
    sources: &[Vec<Option<Source<'_>>>],
    metric: &Metric,
    weights: &Weights,
    notes: &mut Vec<String>,
) -> Result<(Vec<Vec<Picked>>, Option<Covered>), CompareError> {
    use rayon::prelude::*;
    let measured: Vec<Vec<Outcome>> = sources
        .par_iter()
        .map(|runs| runs.iter().map(|source| measure(source.as_ref(), weights)).collect())
        .collect();
    notes.extend(measured.iter().flatten().filter_map(|(_, damage)| damage.clone()));
    let Some(covered) = intersection(loaded, &measured, metric)? else {
        let gaps = measured
            .into_iter()
            .map(|runs| runs.into_iter().map(|(run, _)| Err(run.err().unwrap_or(Gap::NoRows))).collect());
        return Ok((gaps.collect(), None));
    };
    let picked = measured.into_iter().map(|runs| {
        runs.into_iter().map(|(run, _)| run.and_then(|run| run.points(metric, covered))).collect()
    });
    Ok((picked.collect(), Some(covered)))
}

fn measure(source: Option<&Source<'_>>, weights: &Weights) -> Outcome {
    let Some(source) = source else { return (Err(Gap::Missing), None) };
    let images = match source.images(weights) {
        Ok(images) => images,
        Err(gap) => return (Err(gap), None),
    };
    let path = &source.levels;
    let levels = match Levels::read(path) {
        Ok(levels) => levels,
        Err(error) => {
            return (Err(Gap::NoLevels), Some(format!("cannot read {}: {error}", path.display())));
        }
    };
    let damage = (levels.bad_rows > 0)
        .then(|| format!("left out {} damaged rows of {}", levels.bad_rows, path.display()));
    let curves: Vec<_> = match source.track(weights) {
        Some(track) => levels.of(track).map(|(step, curve)| (step, curve.clone())).collect(),
        None => Vec::new(),
    };
    let measured = if curves.is_empty() { Err(Gap::NoLevels) } else { Ok(Measured { curves, images }) };
    (measured, damage)
}

impl Measured {
    /// Least and greatest log-SNR at which every step was measured.
    fn reach(&self) -> (f64, f64) {
        self.curves.iter().fold((f64::NEG_INFINITY, f64::INFINITY), |(low, high), (_, curve)| {
            let (first, last) = (curve.first(), curve.last());
            (low.max(first.map_or(low, |point| point.0)), high.min(last.map_or(high, |point| point.0)))
        })
    }

    fn points(self, metric: &Metric, covered: Covered) -> Result<Vec<Point>, Gap> {
        let points = self.curves.iter().filter_map(|(step, curve)| {
            let scores = curve::scores_within(curve, (covered.low, covered.high));
            let value = match metric.name.as_str() {
                "denoise_bits" => scores.denoise_bits?,
                _ => scores.denoise_score?,
            };
            let images = self.images.iter().find(|(known, _)| known == step).and_then(|(_, images)| *images);
            Some(Point { step: *step, value, images, spent: None })
        });
        let points: Vec<Point> = points.collect();
        if points.is_empty() { Err(Gap::Undefined) } else { Ok(points) }
    }
}

/// What all runs that were measured cover; `None` where none was.
fn intersection(
    loaded: &Loaded,
    measured: &[Vec<Outcome>],
    metric: &Metric,
) -> Result<Option<Covered>, CompareError> {
    let (mut low, mut high) = ((WINDOW.0, None), (WINDOW.1, None));
    let mut any = false;
    for (variant, runs) in loaded.variants.iter().zip(measured) {
        for run in runs.iter().filter_map(|(run, _)| run.as_ref().ok()) {
            any = true;
            let reach = run.reach();
            if reach.0 > low.0 {
                low = (reach.0, Some(&variant.label));
            }
            if reach.1 < high.0 {
                high = (reach.1, Some(&variant.label));
            }
        }
    }
    if !any {
        return Ok(None);
    }
    let mass = curve::mass_within((low.0, high.0));
    if mass < LEAST_MASS {
        let limits = [low.1, high.1].into_iter().flatten().cloned().collect::<BTreeSet<_>>();
        let limits: Vec<String> = limits.into_iter().collect();
        return Err(CompareError::SettingsDiffer {
            metric: metric.to_string(),
            reason: format!(
                "the schedules have log-SNR {:.2} to {:.2} in common, which holds {:.0} % of the weight, and at \
                 least {:.0} % is needed; it is {} that reaches no farther",
                high.0,
                low.0,
                100.0 * mass,
                100.0 * LEAST_MASS,
                list(&limits),
            ),
        });
    }
    Ok(Some(Covered { low: low.0, high: high.0, mass }))
}
