//! Variants ranked by one metric, with spread over seeds and what may be concluded from it.
//!
//! In: [`Loaded`] runs and a [`Query`]. Out: a [`Comparison`], best row first, that any format can print.

use super::baseline::{self, Baseline};
use super::best;
use super::chosen::{self, Chosen};
pub(crate) use super::error::CompareError;
use super::group;
use super::images::Shares;
use super::keys;
use super::load::{Loaded, VariantRuns};
use super::metric::Metric;
use super::notes;
use super::pick::{Gap, Point};
use super::point::{At, Weights};
pub(crate) use super::query::Query;
use super::query::Split;
pub(crate) use super::row::{Row, Seed};
use super::source;
use super::stats::Summary;
use super::trust;
use super::varying::columns;
use super::verdict::Verdict;
use super::window::Covered;

/// The answer.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// The metric.
    pub(crate) metric: Metric,
    /// Which weights, for held-out metrics.
    pub(crate) weights: Weights,
    /// Which images, for held-out metrics.
    pub(crate) split: Split,
    /// What `--window common` came to.
    pub(crate) covered: Option<Covered>,
    /// The point of training, never left open.
    pub(crate) at: At,
    /// Keys that vary, in column order; where rows are groups, those they are grouped by.
    pub(crate) keys: Vec<String>,
    /// One row per variant or group, best first; rows without any value last.
    pub(crate) rows: Vec<Row>,
    /// The key whose best value stands for each variant.
    pub(crate) best_over: Option<String>,
    /// Where rows are groups: the variants in them. See [`Comparison::cells`].
    pub(crate) ungrouped: Option<Ungrouped>,
    /// Every row against one.
    pub(crate) baseline: Option<Baseline>,
    /// Why the values of different rows mean different things, where they do.
    pub(crate) incomparable: Option<String>,
    /// Who won, or why nobody did.
    pub(crate) verdict: Verdict,
    /// What a reader has to know besides; one sentence each.
    pub(crate) notes: Vec<String>,
}

/// The variants that groups are made of.
#[derive(Debug)]
pub(crate) struct Ungrouped {
    /// Keys that vary between them, in column order.
    keys: Vec<String>,
    /// One per variant, in declared order.
    rows: Vec<Row>,
}

impl Comparison {
    /// One row per variant, whether or not the comparison shows groups of them.
    pub(crate) fn cells(&self) -> &[Row] {
        self.ungrouped.as_ref().map_or(&self.rows, |ungrouped| &ungrouped.rows)
    }

    /// The keys that the overrides of [`Comparison::cells`] belong to.
    pub(crate) fn cell_keys(&self) -> &[String] {
        self.ungrouped.as_ref().map_or(&self.keys, |ungrouped| &ungrouped.keys)
    }
}

/// Ranks what was loaded.
pub(crate) fn compare(loaded: &Loaded, query: &Query) -> Result<Comparison, CompareError> {
    let sourced = source::sourced(loaded, query)?;
    let at = query.at.unwrap_or_else(|| chosen::default_at(loaded));
    let mut keys = columns(loaded);
    let mut rows = rows(loaded, &keys, chosen::chosen(loaded, query, at, &sourced), &sourced.shares);
    trust::check_settings(loaded, &rows, &query.metric)?;
    let incomparable = trust::incomparable_losses(loaded, &query.metric);
    refuse_conclusions(query, incomparable.as_deref())?;
    let mut notes = notes::notes(loaded, &rows, query);
    let best_over = match &query.best_over {
        None => None,
        Some(typed) => {
            let key = keys::find("--best-over", typed, keys.iter().map(String::as_str))?.to_owned();
            let over = keys.iter().position(|known| *known == key).expect("the key was found among these");
            let selection = chosen::selection(loaded, query, at, &sourced).map(|chosen| summaries(&chosen));
            let (best, more) = best::best(rows, selection.as_deref(), &keys, over, &query.metric);
            rows = best;
            notes.extend(more);
            Some(key)
        }
    };
    let mut ungrouped = None;
    if !query.group_by.is_empty() {
        let by = positions(&query.group_by, &keys)?;
        let (groups, more) = group::group(&rows, &keys, &by);
        notes.extend(more);
        let names = by.iter().map(|column| keys[*column].clone()).collect();
        let keys = std::mem::replace(&mut keys, names);
        ungrouped = Some(Ungrouped { keys, rows: std::mem::replace(&mut rows, groups) });
    }
    rank(&mut rows, query);
    let baseline = query.baseline.as_ref().map(|name| baseline::baseline(&rows, name)).transpose()?;
    notes.extend(sourced.notes);
    notes.extend(loaded.notes.iter().cloned());
    let verdict = match &incomparable {
        Some(reason) => Verdict::Unknown { reason: reason.clone() },
        None => Verdict::of(&rows, query.metric.goal),
    };
    Ok(Comparison {
        metric: query.metric.clone(),
        weights: query.weights.clone(),
        split: query.split,
        covered: sourced.covered,
        at,
        keys,
        rows,
        best_over,
        ungrouped,
        baseline,
        incomparable,
        verdict,
        notes,
    })
}

/// One row per variant, in declared order.
fn rows(loaded: &Loaded, keys: &[String], chosen: Chosen, shares: &[Vec<Option<Shares>>]) -> Vec<Row> {
    let variants = loaded.variants.iter().zip(chosen.into_iter().zip(shares)).enumerate();
    variants.map(|(place, (variant, values))| row(variant, place, keys, values)).collect()
}

/// Numbers that mean different things may be looked at side by side, but nothing follows from their differences.
fn refuse_conclusions(query: &Query, incomparable: Option<&str>) -> Result<(), CompareError> {
    let concluding = [
        ("--best-over", query.best_over.is_some()),
        ("--group-by", !query.group_by.is_empty()),
        ("--baseline", query.baseline.is_some()),
    ];
    match (incomparable, concluding.into_iter().find(|(_, asked)| *asked)) {
        (Some(reason), Some((option, _))) => Err(CompareError::SettingsDiffer {
            metric: query.metric.to_string(),
            reason: format!("{option} would put unlike numbers together: {reason}"),
        }),
        _ => Ok(()),
    }
}

/// The columns of the keys that rows are grouped by, each once.
fn positions(typed: &[String], keys: &[String]) -> Result<Vec<usize>, CompareError> {
    let mut by = Vec::new();
    for typed in typed {
        let key = keys::find("--group-by", typed, keys.iter().map(String::as_str))?;
        by.extend(keys.iter().position(|known| known == key).filter(|at| !by.contains(at)));
    }
    Ok(by)
}

fn summaries(chosen: &Chosen) -> Vec<Option<Summary>> {
    let value = |point: &Result<Point, Gap>| point.as_ref().ok().map(|point| point.value);
    chosen.iter().map(|points| Summary::of(&points.iter().filter_map(value).collect::<Vec<_>>())).collect()
}

fn row(
    variant: &VariantRuns,
    place: usize,
    keys: &[String],
    (points, shares): (Vec<Result<Point, Gap>>, &Vec<Option<Shares>>),
) -> Row {
    let seeds = variant.runs.iter().zip(points.into_iter().zip(shares)).map(|(run, (point, shares))| Seed {
        seed: run.seed,
        point,
        state: run.state,
        found: run.found,
        exact: run.exact,
        shares: shares.clone(),
    });
    let overrides = keys.iter().map(|key| variant.value(key).cloned()).collect();
    let seeds = seeds.collect();
    Row { members: vec![place], ..Row::of(variant.label.clone(), variant.id.clone(), overrides, seeds) }
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
