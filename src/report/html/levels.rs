//! The held-out denoising curve of a variant: `levels.csv` at the last step it has.
//!
//! In: the runs. Out: per seed and weights the error at each noise level; nothing where there is no such file, or
//! none that can be read.

use csv::ReaderBuilder;
use serde::{Deserialize, Serialize};

use super::packed::Packed;
use crate::guard::{self, printable};
use crate::report::load::{RunRow, VariantRuns};

/// A file of more bytes is none of ours: a level takes about 100.
const SIZE_LIMIT: u64 = 64 << 20;

/// One curve.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Level {
    seed: u64,
    step: u64,
    /// `ema` for the run's first average, else as in the file.
    weights: String,
    log_snr: Packed,
    eps_mse: Packed,
    /// Standard error over images.
    se: Packed,
}

/// A row, as far as it is drawn.
#[derive(Debug, Deserialize)]
struct Row {
    step: u64,
    weights: String,
    log_snr: f64,
    eps_mse: f64,
    se: Option<f64>,
}

/// The curves of every seed, of the first average and of the plain weights.
pub(super) fn levels(variant: &VariantRuns) -> Vec<Level> {
    variant.runs.iter().filter(|run| run.found).flat_map(of_run).collect()
}

fn of_run(run: &RunRow) -> Vec<Level> {
    let rows = rows(run);
    let Some(step) = rows.iter().map(|row| row.step).max() else { return Vec::new() };
    let last: Vec<&Row> = rows.iter().filter(|row| row.step == step).collect();
    let first_ema = run
        .first_average
        .as_deref()
        .or_else(|| last.iter().map(|row| row.weights.as_str()).find(|weights| weights.starts_with("ema-")));
    let tracks = [("ema", first_ema), ("raw", Some("raw"))];
    let curve = |(word, track): (&str, Option<&str>)| {
        let chosen: Vec<&&Row> = last.iter().filter(|row| Some(row.weights.as_str()) == track).collect();
        let column = |value: fn(&Row) -> f64| chosen.iter().map(|row| value(row)).collect::<Packed>();
        (!chosen.is_empty()).then(|| Level {
            seed: run.seed,
            step,
            weights: printable(word),
            log_snr: column(|row| row.log_snr),
            eps_mse: column(|row| row.eps_mse),
            se: column(|row| row.se.unwrap_or(f64::NAN)),
        })
    };
    tracks.into_iter().filter_map(curve).collect()
}

/// Whole rows that can be read; the others are for `check` to report.
fn rows(run: &RunRow) -> Vec<Row> {
    let Ok(file) = guard::open(&run.dir.levels_path()) else { return Vec::new() };
    let Ok(Some(bytes)) = guard::read_at_most(&file, SIZE_LIMIT) else { return Vec::new() };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut reader = ReaderBuilder::new().flexible(true).quoting(false).from_reader(&bytes[..whole]);
    let finite = |row: &Row| row.log_snr.is_finite() && row.eps_mse.is_finite();
    reader.deserialize().filter_map(Result::ok).filter(finite).collect()
}
