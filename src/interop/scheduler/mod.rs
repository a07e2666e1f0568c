//! `[diffusion]` and `[sampling]` as the configuration of a diffusers scheduler, both ways.

mod betas;
mod class;
mod export;
mod import;

use crate::config::{NoiseSchedule, PredictionType, TimestepSpacing, Variance};

pub(super) use export::{CLASS, export};
pub(super) use import::import;

/// diffusers' name of each noise schedule.
const SCHEDULES: [(&str, NoiseSchedule); 4] = [
    ("linear", NoiseSchedule::Linear),
    ("scaled_linear", NoiseSchedule::ScaledLinear),
    ("squaredcos_cap_v2", NoiseSchedule::Cosine),
    ("sigmoid", NoiseSchedule::Sigmoid),
];

/// diffusers' name of each target.
const PREDICTIONS: [(&str, PredictionType); 3] = [
    ("epsilon", PredictionType::Epsilon),
    ("sample", PredictionType::X0),
    ("v_prediction", PredictionType::V),
];

/// The same words.
const SPACINGS: [(&str, TimestepSpacing); 3] = [
    ("leading", TimestepSpacing::Leading),
    ("linspace", TimestepSpacing::Linspace),
    ("trailing", TimestepSpacing::Trailing),
];

/// The same words; the variant with `_log` is the root of the same number.
const VARIANCES: [(&str, Variance); 3] = [
    ("fixed_small", Variance::FixedSmall),
    ("fixed_small_log", Variance::FixedSmall),
    ("fixed_large", Variance::FixedLarge),
];

/// The first word with this meaning.
fn word<X: PartialEq>(words: &[(&'static str, X)], meaning: &X) -> &'static str {
    let found = words.iter().find(|(_, found)| found == meaning);
    found.map_or("", |(word, _)| word)
}

#[cfg(test)]
#[path = "../scheduler_tests.rs"]
mod tests;
