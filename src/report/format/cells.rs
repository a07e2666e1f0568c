//! The main table: one line per row of a comparison.
//!
//! In: a comparison. Out: a [`Grid`], which table and Markdown share.

use std::collections::{BTreeMap, BTreeSet};

use super::grid::{Column, Grid};
use super::{Comparison, Row, Seed, decimals, fixed, number, single_step, step};
use crate::report::point::At;
use crate::report::varying::{compact, titles};
use crate::rundir::State;

/// What the first column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// The variant's whole name.
    Full,
    /// Its id alone, where no two experiments share one: the keys beside it say what it is.
    Short,
}

/// The names of rows as one format shows them.
pub(super) struct Names {
    by_id: bool,
    /// The title of their column.
    pub(super) title: &'static str,
}

impl Names {
    /// Decides for a whole comparison, so that every section names a row alike.
    pub(super) fn of(comparison: &Comparison, naming: Naming) -> Self {
        let ids: BTreeSet<&str> = comparison.cells().iter().map(|row| row.id.as_str()).collect();
        let distinct = ids.len() == comparison.cells().len() && !ids.contains("");
        let by_id = naming == Naming::Short && comparison.ungrouped.is_none() && distinct;
        let title = match (by_id, comparison.ungrouped.is_some()) {
            (true, _) => "id",
            (false, true) => "group",
            (false, false) => "variant",
        };
        Self { by_id, title }
    }

    /// The name of one row.
    pub(super) fn name<'a>(&self, variant: &'a str, id: &'a str) -> &'a str {
        if self.by_id { id } else { variant }
    }
}

/// Header and body.
pub(super) fn cells(comparison: &Comparison, naming: Naming) -> Grid {
    let with_steps = comparison.at == At::Best || single_step(comparison).is_none();
    let with_steps = with_steps && comparison.rows.iter().any(|row| row.summary.is_some());
    let names = Names::of(comparison, naming);
    // What a group is called is what its keys are.
    let named = comparison.ungrouped.is_none();
    let mut columns = Vec::new();
    if named {
        columns.push((names.title.to_owned(), Column::Name));
    }
    let chosen = |key: &String| comparison.best_over.as_ref() == Some(key);
    columns.extend(
        titles(&comparison.keys)
            .into_iter()
            .zip(&comparison.keys)
            .map(|(title, key)| (if chosen(key) { format!("best {title}") } else { title }, Column::Setting)),
    );
    columns.push((comparison.metric.to_string(), Column::Number));
    columns.push(("95% interval".to_owned(), Column::Number));
    if with_steps {
        columns.push(("step".to_owned(), Column::Words));
    }
    columns.push(("seeds".to_owned(), Column::Words));
    let mut grid = Grid::new(columns);
    for row in &comparison.rows {
        let mut cells = Vec::new();
        if named {
            cells.push(names.name(&row.variant, &row.id).to_owned());
        }
        cells.extend(comparison.keys.iter().zip(&row.overrides).map(|(key, value)| {
            let value = compact(value.as_ref());
            match row.choice.as_ref().filter(|_| chosen(key)) {
                Some(choice) => format!("{value} of {}", choice.among),
                None => value,
            }
        }));
        cells.push(value_cell(row));
        cells.push(interval_cell(row));
        if with_steps {
            cells.push(step_cell(row));
        }
        cells.push(seeds_cell(row));
        grid.push(cells);
    }
    grid
}

/// `0.08123 ± 0.00130 (3)`; one seed has no spread and says so.
fn value_cell(row: &Row) -> String {
    match row.summary {
        None => "-".to_owned(),
        Some(summary) => spread(summary.mean, summary.std, summary.n),
    }
}

/// A mean with its spread over seeds, if there is more than one.
pub(super) fn spread(mean: f64, std: Option<f64>, n: usize) -> String {
    match std {
        Some(std) => format!("{} ± {} ({n})", number(mean), fixed(std, decimals(mean))),
        None => format!("{} (1 seed)", number(mean)),
    }
}

fn interval_cell(row: &Row) -> String {
    let mean = row.summary.map_or(0.0, |summary| summary.mean);
    interval(mean, row.summary.and_then(|summary| summary.ci95))
}

/// An interval with as many decimals as its middle.
pub(super) fn interval(mean: f64, ci95: Option<(f64, f64)>) -> String {
    match ci95 {
        Some((low, high)) => {
            let places = decimals(mean);
            format!("{} to {}", fixed(low, places), fixed(high, places))
        }
        None => "-".to_owned(),
    }
}

fn step_cell(row: &Row) -> String {
    let steps = row.runs().iter().filter_map(step);
    match (steps.clone().min(), steps.max()) {
        (Some(low), Some(high)) if low == high => low.to_string(),
        (Some(low), Some(high)) => format!("{low}-{high}"),
        _ => "-".to_owned(),
    }
}

/// `3`, or `2 of 3; 1 failed`: every run that is not done or gave no value is named. Of a group `3 (12 runs)`.
fn seeds_cell(row: &Row) -> String {
    let valued = row.seeds.iter().filter(|seed| seed.point.is_ok()).count();
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in row.runs() {
        if let Some(word) = remark(seed) {
            *others.entry(word).or_default() += 1;
        }
    }
    let mut text = if valued == row.seeds.len() {
        valued.to_string()
    } else {
        format!("{valued} of {}", row.seeds.len())
    };
    if !row.runs.is_empty() {
        text.push_str(&format!(" ({} runs)", row.runs.len()));
    }
    for (at, (word, count)) in others.into_iter().enumerate() {
        text.push_str(if at == 0 { "; " } else { ", " });
        text.push_str(&format!("{count} {word}"));
    }
    text
}

/// What is to be said about a run that is not simply done with a value.
fn remark(seed: &Seed) -> Option<&'static str> {
    match (seed.found, seed.state) {
        (false, _) => Some("missing"),
        (true, State::Done) if seed.point.is_err() => Some("without value"),
        (true, State::Done) if !seed.exact => Some("inexact"),
        (true, State::Done) => None,
        (true, state) => Some(state.name()),
    }
}
