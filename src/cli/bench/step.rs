//! One step of training, measured in a process that is set up as a worker is.
//!
//! In: a target and the flags. Out: [`Measured`], what `train::bench` found with what was measured and where.

use std::os::unix::process::CommandExt;
use std::process::Command;

use serde::Serialize;

use super::target::Target;
use super::{Args, FORMAT, Machine};
use crate::cli::failure::{Failure, exit};
use crate::cli::output::note;
use crate::config::{Config, Precision};
use crate::launch::Slots;
use crate::train::bench::{self, Inputs, Report, Request};
use crate::train::{self, libtorch_version, precision};

/// What is printed.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    format: u32,
    pub(super) machine: Machine,
    pub(super) libtorch: &'static str,
    pub(super) configuration: Configuration,
    #[serde(flatten)]
    pub(super) report: Report,
}

/// What of the configuration decides the time.
#[derive(Debug, Serialize)]
pub(super) struct Configuration {
    pub(super) name: String,
    pub(super) variant: Option<String>,
    pub(super) image_size: usize,
    pub(super) image_channels: usize,
    pub(super) channels: Vec<usize>,
    pub(super) attention_resolutions: Vec<usize>,
    pub(super) batch_size: usize,
    pub(super) gradient_accumulation: usize,
    pub(super) precision: Precision,
}

/// Measures a target; this process may first become another that has what libtorch reads when it is loaded.
pub(super) fn measure(args: &Args, target: Target) -> Result<Measured, Failure> {
    let config = &target.config;
    let chosen = match args.threads.unwrap_or(config.runtime.threads) {
        0 => Slots::alone(&config.runtime).threads,
        threads => threads,
    };
    start_as_a_worker(config, chosen)?;
    target.notes.iter().for_each(note);
    let machine = Machine::here();
    let request = Request {
        threads: chosen,
        warmup: args.warmup as usize,
        steps: args.steps as usize,
        inputs: if args.data { Inputs::Data } else { Inputs::Preloaded },
        parts: !args.step_only,
    };
    let report = bench::measure(config, &request).map_err(failure)?;
    Ok(Measured {
        format: FORMAT,
        machine,
        libtorch: libtorch_version(),
        configuration: Configuration::of(target),
        report,
    })
}

/// Why nothing was measured, with its exit code.
pub(super) fn failure(error: train::Error) -> Failure {
    let code = match &error {
        train::Error::Data(_) | train::Error::Device(_) => exit::USER,
        error if error.is_storage() => exit::STORAGE,
        error if error.diverged_at().is_some() => exit::SOME_FAILED,
        _ => exit::INTERNAL,
    };
    Failure::new(error, code)
}

/// Becomes the same command with the variables that a worker is started with, unless they are set already: thread pools
/// and oneDNN read them when libtorch is loaded.
fn start_as_a_worker(config: &Config, threads: usize) -> Result<(), Failure> {
    let mut needed = precision::environment(config, None)
        .map_err(|refusal| Failure::user(&refusal).with_help(refusal.help()))?;
    needed.extend(["OMP_NUM_THREADS", "MKL_NUM_THREADS"].map(|name| (name, threads.to_string())));
    if needed.iter().all(|(name, value)| std::env::var(name).is_ok_and(|set| set == *value)) {
        return Ok(());
    }
    let failed = |error: std::io::Error| Failure::internal(format!("cannot start the measurement: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    Err(failed(Command::new(program).args(std::env::args_os().skip(1)).envs(needed).exec()))
}

impl Configuration {
    fn of(target: Target) -> Self {
        let Target { name, variant, config, .. } = target;
        Self {
            name,
            variant,
            image_size: config.data.image_size,
            image_channels: config.data.in_channels,
            channels: config.model.channels(),
            attention_resolutions: config.model.attention_resolutions,
            batch_size: config.training.batch_size,
            gradient_accumulation: config.training.gradient_accumulation,
            precision: config.training.precision,
        }
    }
}
