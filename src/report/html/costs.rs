//! What a variant costs: parameters, seconds of training, memory.
//!
//! In: its configuration and `timing.csv`. Out: [`Costs`], the means over its seeds.

use serde::Serialize;

use crate::report::load::{RunRow, VariantRuns};
use crate::report::series::Series;
use crate::sizing;

/// Each is absent where nothing says it.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Costs {
    /// Trainable numbers.
    parameters: Option<u64>,
    /// Training time, evaluation and sampling left out; mean over seeds.
    seconds: Option<f64>,
    /// The greatest amount of memory in use; mean over seeds.
    memory_bytes: Option<f64>,
}

/// The costs of a variant.
pub(super) fn costs(variant: &VariantRuns) -> Costs {
    let parameters = variant.config.as_ref().map(|config| sizing::parameters(&config.model, &config.data));
    let timings: Vec<Series> = variant.runs.iter().filter(|run| run.found).filter_map(timing).collect();
    let seconds = timings.iter().filter_map(|series| column(series, "seconds"));
    let seconds = mean(seconds.map(|column| column.into_iter().sum()));
    let memory = timings.iter().filter_map(|series| column(series, "peak_memory_bytes"));
    let memory_bytes = mean(memory.filter_map(|column| column.into_iter().reduce(f64::max)));
    Costs { parameters, seconds, memory_bytes }
}

fn timing(run: &RunRow) -> Option<Series> {
    Series::read(&run.dir.timing_path()).ok().filter(|series| !series.rows.is_empty())
}

fn column(series: &Series, name: &str) -> Option<Vec<f64>> {
    let at = series.column(name)?;
    Some(series.rows.iter().filter_map(|row| row.values[at]).collect())
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
