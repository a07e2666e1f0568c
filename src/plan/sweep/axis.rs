//! Axes: keys and the values they take, one variant each.
//!
//! In: a table of axes, where `"model.dropout" = [0.0, 0.1]` and `[sweep.grid.model]` with `dropout = […]`
//! mean the same. Out: [`Axis`] in written order. The outer array is always the axis, so the values of a
//! list-typed key are lists.

use std::collections::HashSet;

use toml::{Table, Value};

use super::place::{Place, Report};
use super::points::Settings;
use crate::config::{Problem, keys};

/// Keys that advance together; most axes have one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// The table it was written in: `sweep.grid`, `sweep.zip[1]`.
    pub(crate) table: String,
    /// Dotted paths, all different.
    pub(crate) keys: Vec<String>,
    /// At least one, all different; each has a value for every key.
    pub(crate) rows: Vec<Vec<Value>>,
}

impl Axis {
    /// What one row sets.
    pub(crate) fn settings(&self, row: usize) -> impl Iterator<Item = (String, Value)> + '_ {
        self.keys.iter().cloned().zip(self.rows[row].iter().cloned())
    }
}

/// Longest value quoted in a message.
const QUOTED_LENGTH: usize = 60;

/// Reads a table of single-key axes: a grid, or one_at_a_time.
pub(super) fn read(table: &Table, place: &Place, report: &mut Report<'_>) -> Vec<Axis> {
    let mut axes = Vec::new();
    for (key, values) in lists(table, place, report) {
        let mut seen = HashSet::new();
        match values.iter().find(|value| !seen.insert(canonical(value))) {
            Some(repeated) => {
                let text = format!("{} names {} twice", place.words_of(&key), shortened(repeated));
                let help = "two equal values would be the same variant; remove one";
                report(&place.below(&key), Problem::new(text).with_help(help));
            }
            None => axes.push(Axis {
                table: place.path.clone(),
                keys: vec![key],
                rows: values.iter().map(|value| vec![value.clone()]).collect(),
            }),
        }
    }
    axes
}

/// The keys of a table with their lists of values; what is none is reported.
pub(super) fn lists<'a>(
    table: &'a Table,
    place: &Place,
    report: &mut Report<'_>,
) -> Vec<(String, &'a [Value])> {
    let mut lists = Vec::new();
    for (key, value) in settings(table, place, report) {
        match (list_problem(&key, &place.words_of(&key), value), value) {
            (Some(problem), _) => report(&place.below(&key), problem),
            (None, Value::Array(values)) => lists.push((key, values.as_slice())),
            // Anything but an array is a problem of the list.
            (None, _) => {}
        }
    }
    lists
}

/// The keys of a table with what they are set to, each once and each one that a sweep may set; what is none
/// is reported.
pub(super) fn settings<'a>(
    table: &'a Table,
    place: &Place,
    report: &mut Report<'_>,
) -> Vec<(String, &'a Value)> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (key, value) in declared(table) {
        if !seen.insert(key.clone()) {
            let help = "the quoted dotted key and the nested table mean the same; keep one";
            let problem = Problem::new(format!("{} is given twice", place.words_of(&key))).with_help(help);
            report(&place.below(&key), problem);
        } else if let Some(problem) = key_problem(&key, &place.words) {
            report(&place.below(&key), problem);
        } else {
            found.push((key, value));
        }
    }
    found
}

/// Every key and value below a table, nested tables flattened to dotted keys, in written order.
pub(super) fn declared(table: &Table) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    flatten(table, "", &mut found);
    found
}

fn flatten<'a>(table: &'a Table, prefix: &str, found: &mut Vec<(String, &'a Value)>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) if inner.is_empty() && keys::is_section(&path) => {}
            Value::Table(inner) if !inner.is_empty() && keys::find(&path).is_none() => {
                flatten(inner, &path, found);
            }
            _ => found.push((path, value)),
        }
    }
}

/// The values of [`Axis::settings`] as a sole point's.
pub(super) fn owned(settings: Vec<(String, &Value)>) -> Settings {
    settings.into_iter().map(|(key, value)| (key, value.clone())).collect()
}

/// A value for a message, cut where it is long.
pub(super) fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(QUOTED_LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Why a key cannot be swept.
fn key_problem(key: &str, words: &str) -> Option<Problem> {
    if key == "training.seed" {
        let problem = Problem::new("training.seed cannot be an axis: seeds are replicates of every variant");
        return Some(problem.with_help("write sweep.seeds = [0, 1, 2]"));
    }
    match keys::find(key) {
        Some(known) if known.hashed => None,
        Some(_) => Some(
            Problem::new(format!(
                "{key} cannot be an axis: it is no part of a variant's identity, so every value would be the \
                 same run"
            ))
            .with_help(format!("set {key} once, outside the sweep")),
        ),
        None => Some(unknown_problem(key, words)),
    }
}

/// What to say of a key that this version does not have.
pub(super) fn unknown_problem(key: &str, words: &str) -> Problem {
    if keys::is_later(key) {
        return Problem::new(format!("{words}: {key} comes with a later version"));
    }
    Problem::new(format!("{words}: unknown key {key}")).with_help(match keys::nearest(key) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => "write a dotted key of the configuration, such as model.dropout".into(),
    })
}

/// Why a value is no list of values; whether each fits the key is checked with its point.
fn list_problem(key: &str, written: &str, value: &Value) -> Option<Problem> {
    let is_list = keys::find(key).is_some_and(|known| known.kind.is_list());
    let Value::Array(values) = value else {
        let meant = shortened(&Value::Array(vec![value.clone()]));
        let problem = Problem::new(format!("{written} is not a list of values; an axis is always a list"));
        return Some(problem.with_help(format!("did you mean {meant}?")));
    };
    if values.is_empty() {
        let help = match is_list {
            true => "an axis whose one value is the empty list is [[]]",
            false => "name its values, or remove it",
        };
        return Some(Problem::new(format!("{written} has no values")).with_help(help));
    }
    if is_list && !values.iter().all(Value::is_array) {
        let meant = shortened(&as_lists(values));
        return Some(Problem::new(format!("{written}: axis elements must be lists; did you mean {meant}?")));
    }
    None
}

/// What was probably meant by an axis of bare elements: one list, or lists where some are written already.
fn as_lists(values: &[Value]) -> Value {
    let listed = |value: &Value| match value {
        Value::Array(_) => value.clone(),
        bare => Value::Array(vec![bare.clone()]),
    };
    match values.iter().any(Value::is_array) {
        true => Value::Array(values.iter().map(listed).collect()),
        false => Value::Array(vec![Value::Array(values.to_vec())]),
    }
}

/// Equal text for equal values: 1 and 1.0, 1e-4 and 0.0001.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => (*float as i64).to_string(),
        Value::Array(values) => format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}
