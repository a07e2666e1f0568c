//! Which file a query's numbers are in, and the numbers of every run.
//!
//! In: [`Loaded`] runs and a [`Query`]. Out: [`Sourced`]: the metric at every step of every run, and the same on
//! the split that choices are made on where that is another.

use std::borrow::Cow;
use std::path::PathBuf;

use super::error::CompareError;
use super::evals::Evaluations;
use super::images::Shares;
use super::load::{Loaded, RunRow};
use super::metric::Log;
use super::pick::{self, Gap, Picked};
use super::point::Weights;
use super::query::{Query, Split, Window};
use super::series::Series;
use super::trust;
use super::window::{self, Covered};

/// The numbers of a query.
#[derive(Debug)]
pub(super) struct Sourced {
    /// Per variant and run, the metric at every step.
    pub(super) points: Vec<Vec<Picked>>,
    /// The same on `val`, where the query asks for another split: what a choice may be made by.
    pub(super) selection: Option<Vec<Vec<Picked>>>,
    /// What `--window common` came to.
    pub(super) covered: Option<Covered>,
    /// Per variant and run, where the images behind its values are.
    pub(super) shares: Vec<Vec<Option<Shares>>>,
    /// What could not be read, one sentence each.
    pub(super) notes: Vec<String>,
}

/// The rows of one run that a query looks at.
pub(super) struct Source<'a> {
    series: Cow<'a, Series>,
    first_average: Option<&'a str>,
    /// Where the denoising curve of these rows is.
    pub(super) levels: PathBuf,
    /// Where what each image has in them is.
    images: PathBuf,
}

impl Source<'_> {
    /// The name under which the asked weights stand.
    pub(super) fn track<'a>(&'a self, weights: &'a Weights) -> Option<&'a str> {
        pick::track(&self.series, self.first_average, weights)
    }

    /// The rows of these weights: step, and images where the log says so.
    pub(super) fn images(&self, weights: &Weights) -> Result<Vec<(u64, Option<u64>)>, Gap> {
        pick::steps(&self.series, self.first_average, weights)
    }
}

/// Finds the numbers of a query.
pub(super) fn sourced(loaded: &Loaded, query: &Query) -> Result<Sourced, CompareError> {
    check(query)?;
    let Found { points, covered, shares, mut notes } = points(loaded, query, query.split)?;
    let mut selection = None;
    let chooses = query.best_over.is_some() || query.at == Some(super::point::At::Best);
    if query.split != Split::Val && chooses {
        let found = self::points(loaded, query, Split::Val)?;
        selection = Some(found.points);
        notes.extend(found.notes);
    }
    Ok(Sourced { points, selection, covered, shares, notes })
}

/// Refuses combinations without a meaning.
fn check(query: &Query) -> Result<(), CompareError> {
    let unanswerable =
        |reason: String, help: &str| Err(CompareError::Unanswerable { reason, help: help.to_owned() });
    if query.metric.log == Log::Metrics && query.split != Split::Val {
        let reason = format!("--split does not apply to {}, which is measured in training", query.metric);
        return unanswerable(reason, "held-out metrics are denoise_score, denoise_bits and eval.loss");
    }
    let denoises = ["denoise_score", "denoise_bits"].contains(&query.metric.name.as_str());
    if query.window == Window::Common && !denoises {
        let reason = format!("--window common does not apply to {}, which has no noise levels", query.metric);
        return unanswerable(reason, "it is for denoise_score and denoise_bits");
    }
    Ok(())
}

/// The numbers on one split; fields as those of [`Sourced`].
struct Found {
    points: Vec<Vec<Picked>>,
    covered: Option<Covered>,
    shares: Vec<Vec<Option<Shares>>>,
    notes: Vec<String>,
}

fn points(loaded: &Loaded, query: &Query, split: Split) -> Result<Found, CompareError> {
    let metric = &query.metric;
    let runs = || loaded.variants.iter().flat_map(|variant| &variant.runs);
    let in_log = split == Split::Val && runs().any(|run| run.series.column(&metric.name).is_some());
    if in_log || metric.log == Log::Metrics {
        return from_logs(loaded, query);
    }
    let evaluations = Evaluations::read(loaded, split);
    // Over part of the noise levels a score may be there where the whole one is not.
    let column = if query.window == Window::Common { "images" } else { metric.name.as_str() };
    if !evaluations.have(column) {
        if split == Split::Val && !metric.is_of_the_chain() {
            trust::check_column(&runs().collect::<Vec<_>>(), metric)?;
            return from_logs(loaded, query);
        }
        return Err(CompareError::Unanswerable {
            reason: format!("no run has {metric} on {split}"),
            help: format!("measure it: ablate eval RUN --split {split} --metrics {}", metric.name),
        });
    }
    let notes = evaluations.notes.clone();
    let alike = evaluations.alike(loaded, &metric.to_string(), column)?;
    let sources: Vec<Vec<Option<Source<'_>>>> = loaded
        .variants
        .iter()
        .zip(alike)
        .map(|(variant, evaluations)| {
            let sources = variant.runs.iter().zip(evaluations).map(|(run, evaluation)| {
                evaluation.map(|evaluation| Source {
                    series: Cow::Owned(evaluation.series),
                    first_average: run.first_average.as_deref(),
                    levels: evaluation.levels,
                    images: evaluation.images,
                })
            });
            sources.collect()
        })
        .collect();
    let found = picked(loaded, query, &sources, notes)?;
    let told = loaded.variants.iter().zip(found.points).map(|(variant, points)| {
        let run = |(run, picked): (&RunRow, Picked)| match picked {
            Err(Gap::Missing) if run.found => Err(Gap::NotEvaluated { split }),
            picked => picked,
        };
        variant.runs.iter().zip(points).map(run).collect()
    });
    Ok(Found { points: told.collect(), ..found })
}

/// From `eval.csv` and `levels.csv`, or `metrics.csv`.
fn from_logs(loaded: &Loaded, query: &Query) -> Result<Found, CompareError> {
    let sources: Vec<Vec<Option<Source<'_>>>> = loaded
        .variants
        .iter()
        .map(|variant| variant.runs.iter().map(|run| run.found.then(|| logged(run))).collect())
        .collect();
    picked(loaded, query, &sources, Vec::new())
}

fn logged(run: &RunRow) -> Source<'_> {
    Source {
        series: Cow::Borrowed(&run.series),
        first_average: run.first_average.as_deref(),
        levels: run.dir.levels_path(),
        images: run.dir.images_path(),
    }
}

fn picked(
    loaded: &Loaded,
    query: &Query,
    sources: &[Vec<Option<Source<'_>>>],
    mut notes: Vec<String>,
) -> Result<Found, CompareError> {
    let Query { metric, weights, .. } = query;
    if query.window == Window::Common {
        let (points, covered) = window::points(loaded, sources, metric, weights, &mut notes)?;
        // What images have in the whole window says nothing of a part of it.
        let shares = loaded.variants.iter().map(|variant| vec![None; variant.runs.len()]).collect();
        return Ok(Found { points, covered, shares, notes });
    }
    let point = |source: &Option<Source<'_>>| match source {
        Some(source) => pick::points_of(&source.series, source.first_average, metric, weights),
        None => Err(Gap::Missing),
    };
    let share = |source: &Option<Source<'_>>| {
        let source = source.as_ref().filter(|_| metric.log == Log::Eval)?;
        let weights = source.track(weights)?.to_owned();
        Some(Shares { path: source.images.clone(), weights, column: metric.name.clone() })
    };
    Ok(Found {
        points: sources.iter().map(|runs| runs.iter().map(point).collect()).collect(),
        shares: sources.iter().map(|runs| runs.iter().map(share).collect()).collect(),
        covered: None,
        notes,
    })
}
