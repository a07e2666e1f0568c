//! Axes of `[sweep.grid]`: a key and the values it takes, one variant each.
//!
//! In: the grid's table, where `"model.dropout" = [0.0, 0.1]` and `[sweep.grid.model]` with `dropout = […]`
//! mean the same. Out: [`Axis`] in written order. The outer array is always the axis, so the values of a
//! list-typed key are lists.

use std::collections::HashSet;

use toml::{Table, Value};

use crate::config::{Problem, keys};

/// One swept key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// Dotted path of the key.
    pub(crate) key: String,
    /// At least one value, all different.
    pub(crate) values: Vec<Value>,
}

/// Longest value quoted in a message.
const QUOTED_LENGTH: usize = 60;

/// Reads the axes, and calls `report` with the dotted key in the file for everything that is wrong.
pub(crate) fn read(grid: &Table, report: &mut dyn FnMut(&str, Problem)) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::new();
    let mut seen = HashSet::new();
    for (key, value) in declared(grid) {
        let written = format!("sweep.grid.{key}");
        if !seen.insert(key.clone()) {
            let help = "the quoted dotted key and the nested table mean the same axis; keep one";
            report(&written, Problem::new(format!("{written} is given twice")).with_help(help));
            continue;
        }
        match (key_problem(&key).or_else(|| values_problem(&key, &written, value)), value) {
            (Some(problem), _) => report(&written, problem),
            (None, Value::Array(values)) => axes.push(Axis { key, values: values.clone() }),
            // Anything but an array is a problem of the values.
            (None, _) => {}
        }
    }
    check_rivals(&axes, report);
    axes
}

/// Every key and value below the grid, nested tables flattened to dotted keys, in written order.
pub(crate) fn declared(grid: &Table) -> impl Iterator<Item = (String, &Value)> {
    let mut found = Vec::new();
    flatten(grid, "", &mut found);
    found.into_iter()
}

fn flatten<'a>(table: &'a Table, prefix: &str, found: &mut Vec<(String, &'a Value)>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) if inner.is_empty() && keys::is_section(&path) => {}
            Value::Table(inner) if !inner.is_empty() && keys::find(&path).is_none() => {
                flatten(inner, &path, found)
            }
            _ => found.push((path, value)),
        }
    }
}

/// A value for a message, cut where it is long.
pub(crate) fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(QUOTED_LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Why a key cannot be an axis.
fn key_problem(key: &str) -> Option<Problem> {
    if key == "training.seed" {
        let problem = Problem::new("training.seed cannot be an axis: seeds are replicates of every variant");
        return Some(problem.with_help("write sweep.seeds = [0, 1, 2]"));
    }
    let problem = match keys::find(key) {
        Some(known) if known.hashed => return None,
        Some(_) => Problem::new(format!(
            "{key} cannot be an axis: it is no part of a variant's identity, so every value would be the same run"
        ))
        .with_help(format!("set {key} once, outside the sweep")),
        None if keys::is_later(key) => Problem::new(format!("sweep.grid: {key} comes with a later version")),
        None => Problem::new(format!("sweep.grid: unknown key {key}")).with_help(match keys::nearest(key) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => "an axis is a dotted key of the configuration, such as model.dropout".into(),
        }),
    };
    Some(problem)
}

/// Why a value is no list of different values; whether each fits the key is checked with its point.
fn values_problem(key: &str, written: &str, value: &Value) -> Option<Problem> {
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
    let mut seen = HashSet::new();
    let repeated = values.iter().find(|value| !seen.insert(canonical(value)))?;
    let problem = Problem::new(format!("{written} names {} twice", shortened(repeated)));
    Some(problem.with_help("two equal values would be the same variant; remove one"))
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

/// Each of these keys removes the other, so a product of the two has no meaning.
fn check_rivals(axes: &[Axis], report: &mut dyn FnMut(&str, Problem)) {
    for axis in axes {
        let Some(rival) = keys::rival(&axis.key) else { continue };
        // Told once, at the later of the two.
        let rival_first =
            axes.iter().take_while(|other| other.key != axis.key).any(|other| other.key == rival);
        if rival_first {
            let problem = Problem::new(format!(
                "{} and {rival} exclude each other, so they cannot both be axes",
                axis.key
            ))
            .with_help("sweep one of them");
            report(&format!("sweep.grid.{}", axis.key), problem);
        }
    }
}

/// Equal text for equal values: 1 and 1.0, 1e-4 and 0.0001.
fn canonical(value: &Value) -> String {
    match value {
        Value::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => (*float as i64).to_string(),
        Value::Array(values) => format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}
