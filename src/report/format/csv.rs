//! The comparison as CSV: one line per variant, empty = not defined, shortest round-trip numbers.

use super::{Comparison, Row, Seed, plain, printable};
use crate::rundir::State;
use crate::rundir::csv_log::float;

/// The whole file; the column of means bears the metric's name.
pub(super) fn csv(comparison: &Comparison) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["variant".to_owned(), "id".to_owned()];
    header.extend(comparison.keys.iter().map(|key| printable(key)));
    let columns = ["metric", "goal", "at", "mean", "std", "ci95_low", "ci95_high", "n"];
    header.extend(columns.map(str::to_owned));
    header.extend(["seeds", "done", "failed", "missing"].map(str::to_owned));
    // Writing to memory cannot fail, and every record has the header's length.
    let mut write = |record: &[String]| {
        writer.write_record(record).expect("records of one length are written to memory");
    };
    write(&header);
    for row in &comparison.rows {
        write(&record(comparison, row));
    }
    let bytes = writer.into_inner().expect("a vector is flushed without I/O");
    String::from_utf8(bytes).expect("only text was written")
}

fn record(comparison: &Comparison, row: &Row) -> Vec<String> {
    let mut record = vec![printable(&row.variant), printable(&row.id)];
    record.extend(row.overrides.iter().map(|value| plain(value.as_ref())));
    record.push(printable(&comparison.metric.to_string()));
    record.push(comparison.metric.goal.name().to_owned());
    record.push(comparison.at.to_string());
    let number = |value: Option<f64>| value.map(float).unwrap_or_default();
    let ci95 = row.summary.and_then(|summary| summary.ci95);
    record.push(number(row.summary.map(|summary| summary.mean)));
    record.push(number(row.summary.and_then(|summary| summary.std)));
    record.push(number(ci95.map(|(low, _)| low)));
    record.push(number(ci95.map(|(_, high)| high)));
    record.push(row.summary.map_or(0, |summary| summary.n).to_string());
    record.push(row.seeds.len().to_string());
    let count = |test: &dyn Fn(&Seed) -> bool| row.seeds.iter().filter(|seed| test(seed)).count().to_string();
    record.push(count(&|seed| seed.found && seed.state == State::Done));
    record.push(count(&|seed| seed.found && seed.state.is_failure()));
    record.push(count(&|seed| !seed.found));
    record
}
