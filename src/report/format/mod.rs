//! A [`Comparison`] as text: a table for people, Markdown, CSV for pandas, JSON for programs.
//!
//! In: the comparison, and effects and costs where they were asked for. Out: the whole text. Everything that came
//! from a file passes [`printable`], in JSON its own escapes.

mod cells;
mod csv;
mod grid;
mod json;
mod sections;

use std::fmt;

use serde_json::Value;

use super::compare::{Comparison, Row, Seed};
use super::effects::Effects;
use super::metric::Log;
use super::pareto::Pareto;
use super::point::At;
use super::query::Split;
use crate::guard::printable;
use cells::Naming;

/// What is printed together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// The rows.
    pub(crate) comparison: &'a Comparison,
    /// What each setting changes.
    pub(crate) effects: Option<&'a Effects>,
    /// Quality against cost.
    pub(crate) pareto: Option<&'a Pareto>,
}

impl<'a> From<&'a Comparison> for Shown<'a> {
    fn from(comparison: &'a Comparison) -> Self {
        Self { comparison, effects: None, pareto: None }
    }
}

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, fitted to the terminal.
    #[default]
    Table,
    /// A Markdown table.
    Md,
    /// One line per variant, readable by pandas with no options.
    Csv,
    /// One object, for programs.
    Json,
}

impl Format {
    /// Whether verdict and notes are part of the text; where not, they belong on the error stream.
    pub(crate) fn has_prose(self) -> bool {
        matches!(self, Format::Table | Format::Md)
    }
}

/// Prints what was compared; tables are fitted to `width` columns. Ends with a line break.
pub(crate) fn render<'a>(shown: impl Into<Shown<'a>>, format: Format, width: u16) -> String {
    let shown = shown.into();
    let comparison = shown.comparison;
    match format {
        Format::Table => {
            let mut text = format!("{}\n", caption(comparison));
            text.push_str(&cells::cells(comparison, Naming::Short).table(width));
            for section in sections::sections(&shown, Naming::Short) {
                text.push_str(&format!("\n{}\n{}", printable(&section.caption), section.grid.table(width)));
            }
            text + &prose(comparison)
        }
        Format::Md => {
            let mut text = format!("{}\n\n", grid::escape_markdown(&caption(comparison)));
            text.push_str(&cells::cells(comparison, Naming::Full).markdown());
            for section in sections::sections(&shown, Naming::Full) {
                let caption = grid::escape_markdown(&printable(&section.caption));
                text.push_str(&format!("\n{caption}\n\n{}", section.grid.markdown()));
            }
            let prose = grid::escape_markdown(prose(comparison).trim()).replace('\n', "\n\n");
            format!("{text}\n{prose}\n")
        }
        Format::Csv => csv::csv(&shown),
        Format::Json => json::json(&shown),
    }
}

/// The verdict and the notes, a line each, with a blank line before.
pub(crate) fn prose(comparison: &Comparison) -> String {
    let mut text = format!("\n{}\n", printable(&comparison.verdict.to_string()));
    for note in &comparison.notes {
        text.push_str("note: ");
        text.push_str(&printable(note));
        text.push('\n');
    }
    text
}

/// What the numbers are: metric, weights, direction, point of training.
pub(crate) fn caption(comparison: &Comparison) -> String {
    let metric = &comparison.metric;
    let source = match (metric.log, comparison.split) {
        (Log::Eval, Split::Val) => format!("held-out, {} weights", comparison.weights),
        (Log::Eval, split) => format!("{split} images, {} weights", comparison.weights),
        (Log::Metrics, _) => "training".to_owned(),
    };
    let mut name = printable(&metric.to_string());
    if metric.is_of_the_chain() {
        name.push_str(" of the chain");
    }
    if let Some(covered) = comparison.covered {
        name.push_str(&format!(
            " over log-SNR {:.2} to {:.2} ({:.1} % of its weight)",
            covered.high,
            covered.low,
            100.0 * covered.mass
        ));
    }
    let at = match (comparison.at, single_step(comparison)) {
        (At::Best, _) => "at each run's best step".to_owned(),
        (At::Last, None) => "at each run's last step".to_owned(),
        (At::Last, Some(step)) => format!("at the last step ({step})"),
        (At::Common, Some(step)) => format!("at the last common step ({step})"),
        (At::Common, None) => "at the last common step".to_owned(),
        (At::Step(step), _) => format!("at step {step}"),
        (At::Budget(budget), _) => format!("at the last row within {budget}"),
    };
    format!("{name} ({source}), {} is better, {at}", metric.goal.comparative())
}

/// The step of all values, where it is the same one.
fn single_step(comparison: &Comparison) -> Option<u64> {
    let mut steps = comparison.rows.iter().flat_map(Row::runs).filter_map(step);
    let first = steps.next()?;
    steps.all(|step| step == first).then_some(first)
}

fn step(seed: &Seed) -> Option<u64> {
    seed.point.as_ref().ok().map(|point| point.step)
}

/// A setting as pandas reads it: strings bare, lists as JSON, empty where the key is ignored.
pub(crate) fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => printable(text),
        Some(other) => other.to_string(),
    }
}

/// A number with five significant digits, or in scientific notation where that would take many zeros.
pub(crate) fn number(value: f64) -> String {
    fixed(value, decimals(value))
}

/// Decimal places that give five significant digits; `None`: scientific notation.
fn decimals(value: f64) -> Option<usize> {
    if value == 0.0 {
        return Some(0);
    }
    let magnitude = value.abs().log10().floor();
    (-4.0..9.0).contains(&magnitude).then(|| (4.0 - magnitude).max(0.0) as usize)
}

fn fixed(value: f64, places: Option<usize>) -> String {
    match places {
        Some(places) => format!("{value:.places$}"),
        None => format!("{value:.4e}"),
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Table => "table",
            Format::Md => "md",
            Format::Csv => "csv",
            Format::Json => "json",
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
