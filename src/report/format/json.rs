//! The comparison as JSON: `{metric, goal, at, rows: [{variant, id, overrides, n, mean, std, ci95, seeds}]}`, and a
//! key more for everything else that was asked for.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Comparison, Row, Seed, Shown};
use crate::guard::escape_json;
use crate::report::difference::Difference;
use crate::report::effects::Effects;
use crate::report::pareto::ParetoPoint;
use crate::report::query::Split;
use crate::report::row::Choice;
use crate::report::window::Covered;
use crate::rundir::State;

#[derive(Serialize)]
struct Document<'a> {
    metric: String,
    goal: &'static str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Covered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    best_over: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_by: Option<&'a [String]>,
    rows: Vec<RowObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<BaselineObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effects: Option<&'a Effects>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pareto: Option<ParetoObject<'a>>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<ChoiceObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Runs>,
    seeds: Vec<SeedObject>,
}

/// What `--best-over` chose.
#[derive(Serialize)]
struct ChoiceObject<'a> {
    value: &'a Option<Value>,
    /// Of the split that the choice was made on.
    val_mean: Option<f64>,
    among: usize,
}

/// The runs of a group.
#[derive(Serialize)]
struct Runs {
    all: usize,
    with_value: usize,
    failed: usize,
    missing: usize,
}

#[derive(Serialize)]
struct SeedObject {
    seed: u64,
    value: Option<f64>,
    step: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spent: Option<f64>,
    state: State,
}

/// Differences from one row, in the order of the rows.
#[derive(Serialize)]
struct BaselineObject<'a> {
    variant: &'a str,
    id: &'a str,
    differences: Vec<DifferenceObject<'a>>,
}

#[derive(Serialize)]
struct DifferenceObject<'a> {
    variant: &'a str,
    id: &'a str,
    difference: Option<Difference>,
}

#[derive(Serialize)]
struct ParetoObject<'a> {
    metric: String,
    cost: String,
    points: &'a [ParetoPoint],
    left_out: &'a [String],
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
pub(super) fn json(shown: &Shown<'_>) -> String {
    let comparison = shown.comparison;
    let document = Document {
        metric: comparison.metric.to_string(),
        goal: comparison.metric.goal.name(),
        at: comparison.at.to_string(),
        split: (comparison.split != Split::Val).then(|| comparison.split.to_string()),
        window: comparison.covered,
        best_over: comparison.best_over.as_deref(),
        group_by: comparison.ungrouped.is_some().then_some(&comparison.keys),
        rows: comparison.rows.iter().map(|row| row_object(comparison, row)).collect(),
        baseline: baseline(comparison),
        effects: shown.effects,
        pareto: shown.pareto.map(|pareto| ParetoObject {
            metric: pareto.metric.to_string(),
            cost: pareto.cost.to_string(),
            points: &pareto.points,
            left_out: &pareto.left_out,
        }),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("plain fields with string keys serialise");
    text.push('\n');
    escape_json(&text)
}

fn row_object<'a>(comparison: &'a Comparison, row: &'a Row) -> RowObject<'a> {
    let count = |test: &dyn Fn(&Seed) -> bool| row.runs().iter().filter(|seed| test(seed)).count();
    RowObject {
        variant: &row.variant,
        id: &row.id,
        overrides: Overrides { keys: &comparison.keys, values: &row.overrides },
        n: row.summary.map_or(0, |summary| summary.n),
        mean: row.summary.map(|summary| summary.mean),
        std: row.summary.and_then(|summary| summary.std),
        ci95: row.summary.and_then(|summary| summary.ci95),
        best: row.choice.as_ref().map(|Choice { value, mean, among }| ChoiceObject {
            value,
            val_mean: *mean,
            among: *among,
        }),
        runs: (!row.runs.is_empty()).then(|| Runs {
            all: row.runs.len(),
            with_value: count(&|seed| seed.point.is_ok()),
            failed: count(&|seed| seed.found && seed.state.is_failure()),
            missing: count(&|seed| !seed.found),
        }),
        seeds: row.seeds.iter().map(seed_object).collect(),
    }
}

fn baseline(comparison: &Comparison) -> Option<BaselineObject<'_>> {
    let baseline = comparison.baseline.as_ref()?;
    let differences = comparison.rows.iter().zip(&baseline.differences).map(|(row, difference)| {
        DifferenceObject { variant: &row.variant, id: &row.id, difference: *difference }
    });
    Some(BaselineObject { variant: &baseline.variant, id: &baseline.id, differences: differences.collect() })
}

fn seed_object(seed: &Seed) -> SeedObject {
    let point = seed.point.as_ref().ok();
    SeedObject {
        seed: seed.seed,
        value: point.map(|point| point.value),
        step: point.map(|point| point.step),
        spent: point.and_then(|point| point.spent),
        state: seed.state,
    }
}
