//! The cells that table and Markdown share.
//!
//! In: a comparison. Out: header and body, ready to be aligned, with nothing a terminal would obey.

use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Row, Seed, decimals, fixed, number, printable, single_step, step};
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

/// Header and body.
pub(super) fn cells(comparison: &Comparison, naming: Naming) -> (Vec<String>, Vec<Vec<String>>) {
    let with_steps = comparison.at == At::Best || single_step(comparison).is_none();
    let with_steps = with_steps && comparison.rows.iter().any(|row| row.summary.is_some());
    let ids: BTreeSet<&str> = comparison.rows.iter().map(|row| row.id.as_str()).collect();
    let by_id = naming == Naming::Short && ids.len() == comparison.rows.len();
    let mut header = vec![if by_id { "id" } else { "variant" }.to_owned()];
    header.extend(titles(&comparison.keys));
    header.push(comparison.metric.to_string());
    header.push("95% interval".to_owned());
    if with_steps {
        header.push("step".to_owned());
    }
    header.push("seeds".to_owned());
    let header = header.iter().map(|title| printable(title)).collect();
    let body = comparison.rows.iter().map(|row| {
        let mut cells = vec![if by_id { row.id.clone() } else { row.variant.clone() }];
        cells.extend(row.overrides.iter().map(|value| compact(value.as_ref())));
        cells.push(value_cell(row));
        cells.push(interval_cell(row));
        if with_steps {
            cells.push(step_cell(row));
        }
        cells.push(seeds_cell(row));
        cells.iter().map(|cell| printable(cell)).collect()
    });
    (header, body.collect())
}

/// `0.08123 ± 0.00130 (3)`; one seed has no spread and says so.
fn value_cell(row: &Row) -> String {
    match row.summary {
        None => "-".to_owned(),
        Some(summary) => match summary.std {
            Some(std) => {
                let places = decimals(summary.mean);
                format!("{} ± {} ({})", number(summary.mean), fixed(std, places), summary.n)
            }
            None => format!("{} (1 seed)", number(summary.mean)),
        },
    }
}

fn interval_cell(row: &Row) -> String {
    match row.summary.and_then(|summary| summary.ci95) {
        Some((low, high)) => {
            let places = row.summary.and_then(|summary| decimals(summary.mean));
            format!("{} to {}", fixed(low, places), fixed(high, places))
        }
        None => "-".to_owned(),
    }
}

fn step_cell(row: &Row) -> String {
    let steps = row.seeds.iter().filter_map(step);
    match (steps.clone().min(), steps.max()) {
        (Some(low), Some(high)) if low == high => low.to_string(),
        (Some(low), Some(high)) => format!("{low}-{high}"),
        _ => "-".to_owned(),
    }
}

/// `3`, or `2 of 3; 1 failed`: every run that is not done or gave no value is named.
fn seeds_cell(row: &Row) -> String {
    let valued = row.seeds.iter().filter(|seed| seed.point.is_ok()).count();
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in &row.seeds {
        if let Some(word) = remark(seed) {
            *others.entry(word).or_default() += 1;
        }
    }
    let mut text = if valued == row.seeds.len() {
        valued.to_string()
    } else {
        format!("{valued} of {}", row.seeds.len())
    };
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
