//! Evaluates, records the rows in the run's folder and prints them.

use indicatif::HumanCount;

use super::answer::Answer;
use super::drawn::Asked;
use super::{Args, Measure, noised};
use crate::cli::chosen::{Weights, checkpoint_at, run_at, weights_named};
use crate::cli::failure::{ExitCode, Failure, exit};
use crate::cli::output::{note, print};
use crate::config::{self, Config, Metric};
use crate::data::{self, DataSet};
use crate::guard::printable;
use crate::report::query::Split;
use crate::rundir::{Checkpoint, RunDir, provenance::Provenance};
use crate::sizing;
use crate::train::{self, Execution, Prepared};

/// What is evaluated, on what.
pub(super) struct Subject<'a> {
    pub(super) run: &'a RunDir,
    pub(super) config: &'a Config,
    pub(super) chosen: &'a Checkpoint,
    pub(super) weights: &'a [Weights],
    pub(super) prepared: &'a Prepared,
    pub(super) execution: &'a Execution,
    pub(super) split_name: Split,
    pub(super) split: &'a data::Split,
}

impl Subject<'_> {
    /// Says how often the network is about to be asked, `each` times for each set of weights, and what that costs.
    pub(super) fn say_cost(&self, what: &str, each: u64, of: &str) {
        let sets = self.weights.len() as u64;
        let flops = sizing::forward_flops_per_image(&self.config.model, &self.config.data) as f64;
        note(format_args!(
            "{what} asks the network {} times ({of}{}): {:.3} TFLOP",
            HumanCount(each * sets),
            self.of_sets(),
            flops * (each * sets) as f64 / 1e12
        ));
    }

    /// A factor in words, where there is more than one set.
    pub(super) fn of_sets(&self) -> String {
        let sets = self.weights.len();
        if sets > 1 { format!(" x {sets} sets of weights") } else { String::new() }
    }
}

pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let run = run_at(&args.run)?;
    let config = config::read_run_config(&run.config_path()).map_err(Failure::user)?;
    let weights = weights(&args, &config)?;
    let drawn = Asked::of(&args, &config)?;
    let chosen = checkpoint_at(&run, &args.at)?;
    let config = asking(&args, config);
    let prepared = Prepared::open(&config).map_err(failure)?;
    check_data(&run, prepared.data_fingerprint())?;
    let on = Subject {
        run: &run,
        config: &config,
        chosen: &chosen,
        weights: &weights,
        prepared: &prepared,
        execution: &execution(&run, &config)?,
        split_name: args.split,
        split: split(&args, prepared.data())?,
    };
    say_fewer(&args, on.split.len());
    let chain = args.metrics.contains(&Measure::BitsPerDim);
    // First, since there is more that may be wrong with it: an extractor, too few images.
    let drawn = drawn.map(|asked| asked.evaluate(&on)).transpose()?;
    let noised = (chain || !config.evaluation.metrics.is_empty()).then(|| noised::evaluate(&on, chain));
    let noised = noised.transpose()?;
    let answer = Answer { noised, drawn };
    print(&if args.json { answer.json(&on) } else { answer.text(&on) })?;
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
        _ => None,
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

pub(super) fn failure(error: train::Error) -> Failure {
    let code = match &error {
        train::Error::Data(_) | train::Error::Extractor(_) => exit::USER,
        error if error.is_storage() => exit::STORAGE,
        error if error.diverged_at().is_some() => exit::SOME_FAILED,
        _ => exit::INTERNAL,
    };
    Failure::new(error, code)
}
