//! The switches of `[sweep]`, and the refusal of a plan that is too large or empty.
//!
//! In: the table, and the points' count. Out: seeds, `include_base`, `on_invalid`, `max_runs`, each checked.

use std::collections::HashSet;

use toml::{Table, Value};

use super::axis;
use super::place::Report;
use super::points::{Form, Sweep};
use crate::config::Problem;
use crate::sizing::thousands;

/// A plan of more runs than this is refused unless `sweep.max_runs` allows it.
const DEFAULT_MAX_RUNS: u64 = 1_000;
/// The highest `sweep.max_runs`: what a plan still fits into memory with.
const HIGHEST_MAX_RUNS: u64 = 1_000_000;

/// What becomes of a point that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnInvalid {
    /// Nothing is planned.
    Fail,
    /// The point is listed, and the others are planned.
    Skip,
}

/// `sweep.seeds`, or the base's seed alone.
pub(super) fn seeds(table: &Table, base_seed: u64, report: &mut Report<'_>) -> Vec<u64> {
    let Some(value) = table.get("seeds") else { return vec![base_seed] };
    let mut refuse = |message: String| {
        let help = "write distinct whole numbers from 0 on, as in seeds = [0, 1, 2]";
        report("sweep.seeds", Problem::new(message).with_help(help));
        Vec::new()
    };
    let Some(values) = value.as_array() else {
        return refuse(format!("sweep.seeds = {} is not a list", axis::shortened(value)));
    };
    if values.is_empty() {
        return refuse("sweep.seeds is empty".into());
    }
    let mut seen = HashSet::new();
    let mut seeds = Vec::with_capacity(values.len());
    for value in values {
        match value.as_integer().and_then(|seed| u64::try_from(seed).ok()) {
            None => return refuse(format!("sweep.seeds: {} is not a seed", axis::shortened(value))),
            Some(seed) if !seen.insert(seed) => return refuse(format!("sweep.seeds names {seed} twice")),
            Some(seed) => seeds.push(seed),
        }
    }
    seeds
}

/// `sweep.include_base`.
pub(super) fn include_base(table: &Table, report: &mut Report<'_>) -> bool {
    let Some(value) = table.get("include_base") else { return false };
    value.as_bool().unwrap_or_else(|| {
        let text = format!("sweep.include_base = {} is neither true nor false", axis::shortened(value));
        report("sweep.include_base", Problem::new(text));
        false
    })
}

/// `sweep.on_invalid`.
pub(super) fn on_invalid(table: &Table, report: &mut Report<'_>) -> OnInvalid {
    match table.get("on_invalid") {
        None => OnInvalid::Fail,
        Some(Value::String(word)) if word == "fail" => OnInvalid::Fail,
        Some(Value::String(word)) if word == "skip" => OnInvalid::Skip,
        Some(value) => {
            let text =
                format!("sweep.on_invalid = {} is not one of \"fail\", \"skip\"", axis::shortened(value));
            report("sweep.on_invalid", Problem::new(text));
            OnInvalid::Fail
        }
    }
}

/// `sweep.max_runs`.
pub(super) fn max_runs(table: &Table, report: &mut Report<'_>) -> u64 {
    let Some(value) = table.get("max_runs") else { return DEFAULT_MAX_RUNS };
    let limit = value.as_integer().and_then(|limit| u64::try_from(limit).ok());
    limit.filter(|limit| (1..=HIGHEST_MAX_RUNS).contains(limit)).unwrap_or_else(|| {
        let text = axis::shortened(value);
        let message = format!("sweep.max_runs = {text} is not a whole number from 1 to {HIGHEST_MAX_RUNS}");
        report("sweep.max_runs", Problem::new(message));
        DEFAULT_MAX_RUNS
    })
}

/// Refuses a sweep without points, and one with too many; they are counted, not built.
pub(super) fn check(sweep: &Sweep, max_runs: u64, max_runs_written: bool, report: &mut Report<'_>) {
    let points = sweep.point_count();
    if points == 0 {
        let problem = Problem::new("the sweep plans nothing: it has no axis, no variant and not the base");
        let help = "add a [sweep.grid], or include_base = true to replicate the base over the seeds";
        return report("sweep", problem.with_help(help));
    }
    let runs = points.saturating_mul(sweep.seeds.len() as u128);
    if runs <= u128::from(max_runs) {
        return;
    }
    let problem = Problem::new(format!(
        "the sweep plans {} runs ({} {} x {} {}{}), and sweep.max_runs is {max_runs}{}",
        count_text(runs),
        count_text(points),
        if points == 1 { "point" } else { "points" },
        sweep.seeds.len(),
        if sweep.seeds.len() == 1 { "seed" } else { "seeds" },
        if sweep.rules.is_empty() { "" } else { ", before exclusion" },
        if max_runs_written { "" } else { " by default" },
    ))
    .with_help(format!(
        "{}; drop values, or raise sweep.max_runs (at most {HIGHEST_MAX_RUNS})",
        sizes(&sweep.forms)
    ));
    let axes = sweep.forms.iter().find_map(|form| match form {
        Form::Product(axes) | Form::OneAtATime(axes) => axes.first(),
        Form::Base | Form::Variants(_) => None,
    });
    report(axes.map_or("sweep", |axis| &axis.table), problem);
}

/// `axis lengths are 3 x 2, one_at_a_time has 5 points, 2 named variants`.
fn sizes(forms: &[Form]) -> String {
    let size = |form: &Form| match form {
        Form::Product(axes) => {
            let lengths: Vec<String> = axes.iter().map(|axis| axis.rows.len().to_string()).collect();
            Some(format!("axis lengths are {}", lengths.join(" x "))).filter(|_| !axes.is_empty())
        }
        Form::OneAtATime(_) => Some(format!("one_at_a_time has {} points", form.count())),
        Form::Base => None,
        Form::Variants(variants) if variants.len() == 1 => Some("one named variant".into()),
        Form::Variants(variants) => Some(format!("{} named variants", variants.len())),
    };
    let sizes: Vec<String> = forms.iter().filter_map(size).collect();
    if sizes.is_empty() { "each seed is a run".into() } else { sizes.join(", ") }
}

/// A count in full with thousands apart, or its order of magnitude where that would be unreadable.
fn count_text(count: u128) -> String {
    match u64::try_from(count) {
        Ok(count) => thousands(count),
        Err(_) => "more than 10^19".into(),
    }
}
