//! The exponential moving average of the weights.

use super::parameters::Flat;
use crate::config::{Ema, EmaKind};

/// Decay of the update after `step` completed optimizer steps: min(decay, (1+step)/(10+step)) with warm-up.
pub(super) fn decay(ema: &Ema, step: u64) -> f64 {
    let decay = ema.tracks()[0];
    if ema.kind == EmaKind::Power {
        todo!()
    }
    if !ema.warmup {
        return decay;
    }
    decay.min((1 + step) as f64 / (10 + step) as f64)
}

/// Whether the average moves at this step.
pub(super) fn is_due(ema: &Ema, step: u64) -> bool {
    step.is_multiple_of(ema.every)
}

/// average ← β^every·average + (1 − β^every)·weights.
pub(super) fn update(average: &mut Flat, weights: &Flat, ema: &Ema, step: u64) {
    let beta = decay(ema, step).powf(ema.every as f64);
    for (average, weight) in average.iter_mut().zip(weights) {
        *average = average.clone() * beta + weight.clone() * (1.0 - beta);
    }
}

/// Name of the average in CSVs and on the command line.
pub fn label(ema: &Ema) -> String {
    format!("ema-{}", ema.tracks()[0])
}
