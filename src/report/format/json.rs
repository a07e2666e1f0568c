//! The comparison as JSON: `{metric, goal, at, rows: [{variant, id, overrides, n, mean, std, ci95, seeds}]}`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Comparison, Seed};
use crate::guard::escape_json;
use crate::rundir::State;

#[derive(Serialize)]
struct Document<'a> {
    metric: String,
    goal: &'static str,
    at: String,
    rows: Vec<RowObject<'a>>,
}

#[derive(Serialize)]
struct RowObject<'a> {
    variant: &'a str,
    id: &'a str,
    overrides: Overrides<'a>,
    n: usize,
    mean: Option<f64>,
    std: Option<f64>,
    /// Low and high.
    ci95: Option<(f64, f64)>,
    seeds: Vec<SeedObject>,
}

#[derive(Serialize)]
struct SeedObject {
    seed: u64,
    value: Option<f64>,
    step: Option<u64>,
    state: State,
}

/// Varying keys in column order; a key that the configuration ignores is left out.
struct Overrides<'a> {
    keys: &'a [String],
    values: &'a [Option<Value>],
}

impl Serialize for Overrides<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.keys.iter().zip(self.values) {
            if let Some(value) = value {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

/// The whole document, indented.
pub(super) fn json(comparison: &Comparison) -> String {
    let rows = comparison.rows.iter().map(|row| RowObject {
        variant: &row.variant,
        id: &row.id,
        overrides: Overrides { keys: &comparison.keys, values: &row.overrides },
        n: row.summary.map_or(0, |summary| summary.n),
        mean: row.summary.map(|summary| summary.mean),
        std: row.summary.and_then(|summary| summary.std),
        ci95: row.summary.and_then(|summary| summary.ci95),
        seeds: row.seeds.iter().map(seed_object).collect(),
    });
    let document = Document {
        metric: comparison.metric.to_string(),
        goal: comparison.metric.goal.name(),
        at: comparison.at.to_string(),
        rows: rows.collect(),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("plain fields with string keys serialise");
    text.push('\n');
    escape_json(&text)
}

fn seed_object(seed: &Seed) -> SeedObject {
    let point = seed.point.as_ref().ok();
    SeedObject {
        seed: seed.seed,
        value: point.map(|point| point.value),
        step: point.map(|point| point.step),
        state: seed.state,
    }
}
