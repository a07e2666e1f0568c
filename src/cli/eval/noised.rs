//! `ablate eval` of noised images: the denoising curve, the loss, the bound of the chain.

use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::measured::Measured;
use super::with_torch::{Subject, failure};
use crate::cli::chosen::Weights;
use crate::cli::failure::Failure;
use crate::cli::run::storage;
use crate::rundir::{EvalSettings, evals};
use crate::train::HeldOut;

/// What was found, and the file that has it.
pub(super) struct Noised {
    pub(super) settings: EvalSettings,
    pub(super) path: PathBuf,
    pub(super) all: Vec<Measured>,
}

/// Measures each set of weights and records the rows; `chain` asks for the bound as well.
pub(super) fn evaluate(on: &Subject<'_>, chain: bool) -> Result<Noised, Failure> {
    let held_out = HeldOut::open(on.config, on.execution, on.prepared, on.split).map_err(failure)?;
    let data = on.prepared.data_fingerprint();
    let settings = EvalSettings::in_full(&on.split_name.to_string(), held_out.images(), data);
    let bar = chain.then(|| cost(on, held_out.images()));
    let mut all = Vec::new();
    for (done, weights) in on.weights.iter().enumerate() {
        all.push(measure(&held_out, on, weights, bar.as_ref().map(|bar| (bar, done as u64)))?);
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let rows: Vec<_> = all.iter().map(Measured::rows).collect();
    let path = evals::record(on.run, &settings, &rows).map_err(storage)?;
    Ok(Noised { settings, path, all })
}

/// Says what the chain's bound costs, and shows how far it is.
fn cost(on: &Subject<'_>, images: usize) -> ProgressBar {
    let timesteps = on.config.diffusion.timesteps;
    let each = (timesteps * images) as u64;
    on.say_cost("bits_per_dim", each, &format!("{timesteps} timesteps x {images} images"));
    // A constant; if it did not parse, indicatif's own style would do.
    let style = ProgressStyle::with_template("bits_per_dim {bar:30} {percent}% {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(each * on.weights.len() as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn measure(
    held_out: &HeldOut<'_>,
    on: &Subject<'_>,
    weights: &Weights,
    bar: Option<(&ProgressBar, u64)>,
) -> Result<Measured, Failure> {
    let mut report = bar.map(|(bar, before)| {
        let each = bar.length().unwrap_or(0);
        move |done: u64| bar.set_position((before * done + done).min(each))
    });
    let chain = report.as_mut().map(|report| report as &mut dyn FnMut(u64));
    let found =
        held_out.evaluate((&on.chosen.path, on.chosen.step), &weights.file, chain).map_err(failure)?;
    Ok(Measured { step: on.chosen.step, weights: weights.label.clone(), found })
}
