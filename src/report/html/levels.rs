//! The held-out denoising curve of a variant: `levels.csv` at the last step it has.
//!
//! In: the runs. Out: per seed and weights the error at each noise level; nothing where there is no such file, or
//! none that can be read.

use serde::Serialize;

use super::packed::Packed;
use crate::report::levels::Levels;
use crate::report::load::{RunRow, VariantRuns};

/// One curve.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Level {
    seed: u64,
    step: u64,
    /// `ema` for the run's first average, or `raw`.
    weights: &'static str,
    log_snr: Packed,
    eps_mse: Packed,
}

/// The curves of every seed, of the first average and of the plain weights.
pub(super) fn levels(variant: &VariantRuns) -> Vec<Level> {
    variant.runs.iter().filter(|run| run.found).flat_map(of_run).collect()
}

fn of_run(run: &RunRow) -> Vec<Level> {
    let Ok(levels) = Levels::read(&run.dir.levels_path()) else { return Vec::new() };
    let tracks = [("ema", run.first_average.as_deref()), ("raw", Some("raw"))];
    let curve = |(weights, track): (&'static str, Option<&str>)| {
        let (step, curve) = levels.of(track?).max_by_key(|(step, _)| *step)?;
        let (log_snr, eps_mse): (Vec<f64>, Vec<f64>) = curve.iter().copied().unzip();
        Some(Level { seed: run.seed, step, weights, log_snr: Packed(log_snr), eps_mse: Packed(eps_mse) })
    };
    tracks.into_iter().filter_map(curve).collect()
}
