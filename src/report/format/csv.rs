//! The comparison as CSV: one line per row, empty = not defined, shortest round-trip numbers.
//!
//! One file is one table: with effects it is a line per contrast.

use serde_json::Value;

use super::{Comparison, Row, Seed, Shown, plain, printable};
use crate::report::cost::Cost;
use crate::report::difference::Difference;
use crate::report::effects::Effects;
use crate::report::pareto::{Pareto, ParetoPoint};
use crate::report::stats::SIGNIFICANCE;
use crate::rundir::State;
use crate::rundir::csv_log::float;

/// The whole file.
pub(super) fn csv(shown: &Shown<'_>) -> String {
    match shown.effects {
        Some(effects) => written(effect_records(shown.comparison, effects)),
        None => written(records(shown)),
    }
}

fn written(records: Vec<Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail, and every record has the header's length.
    for record in records {
        writer.write_record(record).expect("records of one length are written to memory");
    }
    let bytes = writer.into_inner().expect("a vector is flushed without I/O");
    String::from_utf8(bytes).expect("only text was written")
}

fn records(shown: &Shown<'_>) -> Vec<Vec<String>> {
    let comparison = shown.comparison;
    let mut header = vec!["variant".to_owned(), "id".to_owned()];
    header.extend(comparison.keys.iter().map(|key| printable(key)));
    let columns = ["metric", "goal", "at", "mean", "std", "ci95_low", "ci95_high", "n"];
    header.extend(columns.map(str::to_owned));
    header.extend(["seeds", "done", "failed", "missing"].map(str::to_owned));
    if comparison.baseline.is_some() {
        header.extend(DIFFERENCE.map(|name| format!("difference_{name}")));
    }
    if let Some(pareto) = shown.pareto {
        header.extend([cost_column(pareto), "frontier".to_owned(), "dominated_by".to_owned()]);
    }
    let mut records = vec![header];
    for (at, row) in comparison.rows.iter().enumerate() {
        let mut record = record(comparison, row);
        if let Some(baseline) = &comparison.baseline {
            record.extend(difference(baseline.differences[at]));
        }
        if let Some(pareto) = shown.pareto {
            let point = pareto.points.iter().find(|point| point.variant == row.variant);
            record.extend(cost(point));
        }
        records.push(record);
    }
    records
}

fn record(comparison: &Comparison, row: &Row) -> Vec<String> {
    let mut record = vec![printable(&row.variant), printable(&row.id)];
    record.extend(row.overrides.iter().map(|value| plain(value.as_ref())));
    record.push(printable(&comparison.metric.to_string()));
    record.push(comparison.metric.goal.name().to_owned());
    record.push(comparison.at.to_string());
    let ci95 = row.summary.and_then(|summary| summary.ci95);
    record.push(number(row.summary.map(|summary| summary.mean)));
    record.push(number(row.summary.and_then(|summary| summary.std)));
    record.push(number(ci95.map(|(low, _)| low)));
    record.push(number(ci95.map(|(_, high)| high)));
    record.push(row.summary.map_or(0, |summary| summary.n).to_string());
    record.push(row.seeds.len().to_string());
    let count =
        |test: &dyn Fn(&Seed) -> bool| row.runs().iter().filter(|seed| test(seed)).count().to_string();
    record.push(count(&|seed| seed.found && seed.state == State::Done));
    record.push(count(&|seed| seed.found && seed.state.is_failure()));
    record.push(count(&|seed| !seed.found));
    record
}

/// The columns of a difference.
const DIFFERENCE: [&str; 9] =
    ["mean", "std", "ci95_low", "ci95_high", "p", "p_holm", "told_apart", "seeds", "image_se"];

fn difference(difference: Option<Difference>) -> [String; 9] {
    let of = |field: &dyn Fn(Difference) -> Option<f64>| number(difference.and_then(field));
    let told = difference.and_then(|difference| difference.p_holm).map(|p| p < SIGNIFICANCE);
    [
        of(&|difference| Some(difference.mean)),
        of(&|difference| difference.std),
        of(&|difference| difference.ci95.map(|(low, _)| low)),
        of(&|difference| difference.ci95.map(|(_, high)| high)),
        of(&|difference| difference.p),
        of(&|difference| difference.p_holm),
        told.map_or(String::new(), |told| told.to_string()),
        difference.map_or(0, |difference| difference.seeds).to_string(),
        of(&|difference| difference.image_se),
    ]
}

fn cost_column(pareto: &Pareto) -> String {
    match pareto.cost {
        Cost::Memory => "memory_bytes".to_owned(),
        cost => cost.to_string(),
    }
}

fn cost(point: Option<&ParetoPoint>) -> [String; 3] {
    match point {
        None => [String::new(), String::new(), String::new()],
        Some(point) => {
            [float(point.cost), point.frontier.to_string(), printable(&point.dominated_by.join(" "))]
        }
    }
}

fn effect_records(comparison: &Comparison, effects: &Effects) -> Vec<Vec<String>> {
    let mut header: Vec<String> =
        ["metric", "goal", "setting", "value", "reference"].map(str::to_owned).into();
    header.extend(DIFFERENCE.map(str::to_owned));
    header.extend(["cells", "missing"].map(str::to_owned));
    let mut records = vec![header];
    for axis in &effects.axes {
        for contrast in &axis.contrasts {
            let joined = |values: &[Option<Value>]| {
                values.iter().map(|value| plain(value.as_ref())).collect::<Vec<_>>().join("; ")
            };
            let mut record = vec![
                printable(&comparison.metric.to_string()),
                comparison.metric.goal.name().to_owned(),
                printable(&axis.keys.join("; ")),
                joined(&contrast.value),
                joined(&axis.reference),
            ];
            record.extend(difference(contrast.difference));
            record.extend([contrast.cells.to_string(), contrast.missing.to_string()]);
            records.push(record);
        }
    }
    records
}

fn number(value: Option<f64>) -> String {
    value.map(float).unwrap_or_default()
}
