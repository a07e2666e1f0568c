//! `[[sweep.zip]]`: keys that advance together, one joint axis.
//!
//! In: one of the tables. Out: an [`Axis`] with a row for each place of its lists, which are of equal length.

use std::collections::HashMap;

use toml::{Table, Value};

use super::axis::{self, Axis};
use super::place::{Place, Report};
use crate::config::Problem;

/// Reads one table.
pub(super) fn read(table: &Table, place: &Place, report: &mut Report<'_>) -> Option<Axis> {
    let lists = axis::lists(table, place, report);
    let Some((_, first)) = lists.first() else {
        if axis::declared(table).is_empty() {
            let problem = Problem::new(format!("{} has no keys", place.words));
            report(&place.path, problem.with_help("write keys with lists of equal length below it"));
        }
        return None;
    };
    let length = first.len();
    if lists.iter().any(|(_, values)| values.len() != length) {
        let lengths: Vec<String> =
            lists.iter().map(|(key, values)| format!("{key} has {}", counted(values.len()))).collect();
        let text = format!("{}: its lists differ in length: {}", place.words, lengths.join(", "));
        let help = "the lists advance together: give every key the same number of values";
        report(&place.path, Problem::new(text).with_help(help));
        return None;
    }
    let rows: Vec<Vec<Value>> =
        (0..length).map(|row| lists.iter().map(|(_, values)| values[row].clone()).collect()).collect();
    if let Some((first, second)) = repeated(&rows) {
        let text = format!("{}: its values {} and {} are the same", place.words, first + 1, second + 1);
        let help = "two equal points would be the same variant; remove one";
        report(&place.path, Problem::new(text).with_help(help));
        return None;
    }
    let keys = lists.into_iter().map(|(key, _)| key).collect();
    Some(Axis { table: place.path.clone(), keys, rows })
}

fn counted(values: usize) -> String {
    if values == 1 { "1 value".into() } else { format!("{values} values") }
}

/// The first two equal rows.
fn repeated(rows: &[Vec<Value>]) -> Option<(usize, usize)> {
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(rows.len());
    rows.iter().enumerate().find_map(|(place, row)| {
        let text = axis::canonical(&Value::Array(row.clone()));
        seen.insert(text, place).map(|first| (first, place))
    })
}
