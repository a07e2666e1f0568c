//! Evaluates, records the rows in the run's folder and prints them.

use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::measured::Measured;
use super::{Args, Measure};
use crate::cli::chosen::{Weights, checkpoint_at, run_at, weights_named};
use crate::cli::failure::{ExitCode, Failure, exit};
use crate::cli::output::{note, print};
use crate::cli::run::storage;
use crate::config::{self, Config, Metric};
use crate::data::{self, DataSet};
use crate::guard::printable;
use crate::report::query::Split;
use crate::rundir::{Checkpoint, EvalSettings, RunDir, evals, provenance::Provenance};
use crate::sizing;
use crate::train::{self, Execution, HeldOut, Prepared};

pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let run = run_at(&args.run)?;
    let config = config::read_run_config(&run.config_path()).map_err(Failure::user)?;
    let weights = weights(&args, &config)?;
    let chosen = checkpoint_at(&run, &args.at)?;
    let config = asking(&args, config);
    let prepared = Prepared::open(&config).map_err(failure)?;
    let data = prepared.data_fingerprint();
    check_data(&run, data)?;
    let split = split(&args, prepared.data())?;
    let held_out = HeldOut::open(&config, &execution(&run, &config)?, &prepared, split).map_err(failure)?;
    let settings = EvalSettings::in_full(&args.split.to_string(), held_out.images(), data);
    say_fewer(&args, held_out.images());
    let chain = args.metrics.contains(&Measure::BitsPerDim);
    let bar = chain.then(|| cost(&config, held_out.images(), weights.len()));
    let mut measured = Vec::new();
    for (done, weights) in weights.into_iter().enumerate() {
        measured.push(measure(&held_out, &chosen, weights, bar.as_ref().map(|bar| (bar, done as u64)))?);
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let rows: Vec<_> = measured.iter().map(Measured::rows).collect();
    let path = evals::record(&run, &settings, &rows).map_err(storage)?;
    if args.json {
        print(&Measured::json(&measured, &settings, &path))?;
    } else {
        let heading = format!(
            "{} at step {}, {} images of {}",
            run.label(),
            chosen.step,
            settings.images,
            settings.split
        );
        print(&format!("{heading}\n{}", Measured::table(&measured)))?;
        print(&format!("written: {}\n", printable(&path.display().to_string())))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Each once, in the order they were named.
fn weights(args: &Args, config: &Config) -> Result<Vec<Weights>, Failure> {
    let mut named: Vec<Weights> = Vec::new();
    for asked in &args.weights {
        let weights = weights_named(asked, config)?;
        if named.iter().all(|other| other.label != weights.label) {
            named.push(weights);
        }
    }
    Ok(named)
}

/// The run's configuration with what is asked in place of what training measures.
fn asking(args: &Args, mut config: Config) -> Config {
    let metric = |measure: &Measure| match measure {
        Measure::DenoiseScore => Some(Metric::DenoiseScore),
        Measure::DenoiseBits => Some(Metric::DenoiseBits),
        Measure::Loss => Some(Metric::Loss),
        Measure::BitsPerDim => None,
    };
    config.evaluation.metrics = args.metrics.iter().filter_map(metric).collect();
    config.evaluation.images = args.images as usize;
    config
}

/// Other images than the run's would give numbers that belong to no run.
fn check_data(run: &RunDir, found: &str) -> Result<(), Failure> {
    let provenance = Provenance::read(run).map_err(Failure::internal)?;
    match provenance.other_data(found) {
        None => Ok(()),
        Some(recorded) => Err(Failure::user(format!(
            "the data of {} changed: fingerprint {found}, the run was trained with {}",
            run.label(),
            printable(recorded)
        ))
        .with_help("restore the data, or name where it is with the run's [data] root")),
    }
}

fn split<'d>(args: &Args, data: &'d DataSet) -> Result<&'d data::Split, Failure> {
    let split = match args.split {
        Split::Test => &data.test,
        Split::Val => &data.val,
        Split::Train => &data.train,
    };
    if split.is_empty() {
        return Err(Failure::user(format!("the data set has no {} images", args.split))
            .with_help("use --split val: images held out of the training files"));
    }
    Ok(split)
}

/// As the run was executed; a run that never recorded it is evaluated with one choice for all.
fn execution(run: &RunDir, config: &Config) -> Result<Execution, Failure> {
    let recorded = Execution::read(run).map_err(Failure::internal)?;
    Ok(recorded.unwrap_or_else(|| Execution::choose(config, config.runtime.threads)))
}

fn say_fewer(args: &Args, images: usize) {
    if images < args.images as usize {
        note(format_args!("{} has {images} images, fewer than {}: all are used", args.split, args.images));
    }
}

/// Says what the chain's bound costs, and shows how far it is.
fn cost(config: &Config, images: usize, weights: usize) -> ProgressBar {
    let evaluations = (config.diffusion.timesteps * images * weights) as u64;
    let flops = sizing::forward_flops_per_image(&config.model, &config.data) as f64 * evaluations as f64;
    note(format_args!(
        "bits_per_dim asks the network {} times ({} timesteps x {images} images{}): {:.3} TFLOP",
        HumanCount(evaluations),
        config.diffusion.timesteps,
        if weights > 1 { format!(" x {weights} sets of weights") } else { String::new() },
        flops / 1e12
    ));
    // A constant; if it did not parse, indicatif's own style would do.
    let style = ProgressStyle::with_template("bits_per_dim {bar:30} {percent}% {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(evaluations).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn measure(
    held_out: &HeldOut<'_>,
    chosen: &Checkpoint,
    weights: Weights,
    bar: Option<(&ProgressBar, u64)>,
) -> Result<Measured, Failure> {
    let mut report = bar.map(|(bar, before)| {
        let each = bar.length().unwrap_or(0);
        move |done: u64| bar.set_position((before * done + done).min(each))
    });
    let chain = report.as_mut().map(|report| report as &mut dyn FnMut(u64));
    let found = held_out.evaluate((&chosen.path, chosen.step), &weights.file, chain).map_err(failure)?;
    Ok(Measured { step: chosen.step, weights: weights.label, found })
}

fn failure(error: train::Error) -> Failure {
    let code = match &error {
        train::Error::Data(_) => exit::USER,
        error if error.is_storage() => exit::STORAGE,
        error if error.diverged_at().is_some() => exit::SOME_FAILED,
        _ => exit::INTERNAL,
    };
    Failure::new(error, code)
}
