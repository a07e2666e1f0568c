//! A [`Comparison`] as text: a table for people, Markdown, CSV for pandas, JSON for programs.
//!
//! In: the comparison. Out: the whole text. Everything that came from a file passes
//! [`printable`], in JSON its own escapes.

mod cells;
mod csv;
mod json;
mod table;

use std::fmt;

use serde_json::Value;

use super::compare::{Comparison, Row, Seed};
use super::metric::Log;
use super::point::At;
use crate::guard::printable;

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

/// Prints `comparison`; tables are fitted to `width` columns. Ends with a line break.
pub(crate) fn render(comparison: &Comparison, format: Format, width: u16) -> String {
    match format {
        Format::Table => {
            format!("{}\n{}{}", caption(comparison), table::table(comparison, width), prose(comparison))
        }
        Format::Md => {
            let caption = table::escape_markdown(&caption(comparison));
            let prose = table::escape_markdown(prose(comparison).trim()).replace('\n', "\n\n");
            format!("{caption}\n\n{}\n{prose}\n", table::markdown(comparison))
        }
        Format::Csv => csv::csv(comparison),
        Format::Json => json::json(comparison),
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
    let source = match metric.log {
        Log::Eval => format!("held-out, {} weights", comparison.weights),
        Log::Metrics => "training".to_owned(),
    };
    let at = match (comparison.at, single_step(comparison)) {
        (At::Best, _) => "at each run's best step".to_owned(),
        (At::Last, None) => "at each run's last step".to_owned(),
        (At::Last, Some(step)) => format!("at the last step ({step})"),
        (At::Common, Some(step)) => format!("at the last common step ({step})"),
        (At::Common, None) => "at the last common step".to_owned(),
        (At::Step(step), _) => format!("at step {step}"),
        (At::Budget(budget), _) => format!("at the last row within {budget}"),
    };
    format!("{} ({source}), {} is better, {at}", printable(&metric.to_string()), metric.goal.comparative())
}

/// The step of all values, where it is the same one.
fn single_step(comparison: &Comparison) -> Option<u64> {
    let mut steps = comparison.rows.iter().flat_map(|row| &row.seeds).filter_map(step);
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
