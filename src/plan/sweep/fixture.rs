//! Sweep tables for tests, read over the built-in defaults.

use std::sync::LazyLock;

use toml::{Table, Value};

use super::points::{Point, Sweep};
use super::table::{self, Context};
use crate::config::{Experiment, keys};
use crate::plan::fixture::written;

/// The built-in defaults, without a sweep.
pub(super) static BASE: LazyLock<Experiment> = LazyLock::new(|| written("").load(&[], &[]).unwrap());

/// Reads a `[sweep]`, or everything that is wrong with it.
pub(super) fn read(text: &str) -> Result<Sweep, Vec<String>> {
    read_with(text, &[], &[])
}

/// The same with pins and keys set with `-s`.
pub(super) fn read_with(text: &str, pins: &[(&str, Value)], set_keys: &[&str]) -> Result<Sweep, Vec<String>> {
    let table: Table = text.parse().unwrap();
    read_table(table.get("sweep").and_then(Value::as_table), pins, set_keys)
}

/// The same from a table.
pub(super) fn read_table(
    table: Option<&Table>,
    pins: &[(&str, Value)],
    set_keys: &[&str],
) -> Result<Sweep, Vec<String>> {
    let mut base = serde_json::to_value(BASE.base()).unwrap();
    for (key, value) in pins.iter().filter(|(key, _)| *key != "training.seed") {
        let (section, leaf) = key.split_once('.').unwrap();
        base[section][leaf] = BASE.normal_form(key, value).unwrap();
    }
    let pins: Vec<(String, Value)> =
        pins.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let set_keys: Vec<String> = set_keys.iter().map(|key| (*key).to_owned()).collect();
    let normal = |key: &str, value: &Value| BASE.normal_form(key, value);
    let context =
        Context { base: &base, pins: &pins, set_keys: &set_keys, locate: &|_| None, normal: &normal };
    table::read(table, &context).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// Its points: `model.dropout=0.1 data.limit=3`, the base an empty text.
pub(super) fn points(sweep: &Sweep) -> Vec<String> {
    let text = |point: Point| {
        let set = point.settings.iter().map(|(key, value)| format!("{key}={value}"));
        set.collect::<Vec<_>>().join(" ")
    };
    sweep.points().map(text).collect()
}

/// Everything that is wrong with a sweep.
#[track_caller]
pub(super) fn errors(text: &str) -> String {
    read(text).unwrap_err().join("\n")
}

/// A grid of axes with so many values each.
pub(super) fn grid(lengths: &[usize]) -> String {
    let keys = keys::KEYS.iter().filter(|key| {
        key.hashed && !key.kind.is_list() && keys::rival(key.path).is_none() && key.path != "training.seed"
    });
    let mut text = String::from("[sweep]\nmax_runs = 1000000\n[sweep.grid]\n");
    for (key, length) in keys.zip(lengths) {
        let values: Vec<String> = (0..*length).map(|value| value.to_string()).collect();
        text.push_str(&format!("\"{}\" = [{}]\n", key.path, values.join(", ")));
    }
    text
}
