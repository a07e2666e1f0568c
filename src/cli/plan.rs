//! `ablate plan`: the variants of an experiment, what each costs and how far it has come.
//!
//! In: an experiment and its settings. Out: a table or JSON on standard output, remarks on standard error, among them a
//! warning for each variant that does not fit the device it would train on; writes nothing.

pub(super) mod fit;
pub(super) mod hours;
pub(super) mod left_out;
mod network;
mod network_json;
mod network_table;
mod table;

use serde::Serialize;

use fit::Fit;
use hours::Hours;
use network_json::NetworkRow;

use crate::cli::experiment_args::ExperimentArgs;
use crate::cli::failure::{ExitCode, Failure};
use crate::cli::output::{print, warn};
use crate::cli::training_device::{TrainingDevice, gigabytes};
use crate::config::Experiment;
use crate::plan::{Plan, Progress, variant_state};
use crate::rundir::{Overrides, State};
use crate::sizing::StepMemory;

/// `ablate plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    experiment: ExperimentArgs,

    /// Print JSON, for programs; with --verbose also each variant's network, level by level.
    #[arg(long)]
    json: bool,

    /// Print every variant in full: folder, schedule, cost, seeds, states, and what each level of its network costs.
    #[arg(long)]
    verbose: bool,

    /// Plan for a GPU of so many gigabytes instead of this machine's device (with runtime.device = "cpu": for a
    /// machine of so many).
    #[arg(long, value_name = "GB", value_parser = gigabytes, allow_negative_numbers = true)]
    memory: Option<u64>,

    /// Exit with 2 where a variant does not fit the device's memory.
    #[arg(long)]
    strict: bool,
}

/// Everything that is shown of a plan.
pub(super) struct Shown<'a> {
    pub(super) plan: &'a Plan,
    pub(super) progress: &'a Progress,
    pub(super) fit: Fit<'a>,
    pub(super) hours: Hours,
}

/// Runs the command.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let experiment = Experiment::load(&args.experiment.request())?;
    let plan = Plan::build(&experiment)?;
    let progress = Progress::of(&plan);
    let runtime = &experiment.base().runtime;
    let fit = match args.memory {
        Some(bytes) => Fit::of(&plan, TrainingDevice::of_size(runtime, plan.runs().count(), bytes)),
        None => Fit::here(&plan, runtime),
    };
    let hours = match args.memory {
        Some(_) => Hours::elsewhere(&plan),
        None => Hours::of(&plan, &progress, runtime),
    };
    let shown = Shown { plan: &plan, progress: &progress, fit, hours };
    let text = match (args.json, args.verbose) {
        (true, verbose) => json(&shown, verbose).map_err(Failure::internal)?,
        (_, true) => table::verbose(&shown),
        _ => table::table(&shown),
    };
    print(&format!("{text}\n"))?;
    for warning in plan.warnings.iter().chain(&progress.damage).chain(&shown.fit.warnings()) {
        warn(warning);
    }
    if args.strict {
        shown.fit.strict()?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Document<'a> {
    experiment: &'a str,
    /// Until all that is left is done, in the slots of this machine; null where it was not measured.
    hours: Option<f64>,
    variants: Vec<Row<'a>>,
    excluded: Vec<ExcludedRow<'a>>,
    invalid: Vec<InvalidRow<'a>>,
}

#[derive(Serialize)]
struct ExcludedRow<'a> {
    point: &'a str,
    overrides: Overrides,
    /// Conditions of the rule that leaves it out.
    rule: &'a str,
    /// The rule's own words, if it has any.
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct InvalidRow<'a> {
    point: &'a str,
    overrides: Overrides,
    reasons: &'a [String],
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    id: &'a str,
    dir: String,
    seeds: &'a [u64],
    overrides: Overrides,
    parameters: u64,
    train_flops_per_image: u64,
    /// The most that a run holds, by estimate.
    train_memory_bytes: u64,
    /// Whether the device has as much; null where nobody tells what it has.
    fits: Option<bool>,
    /// What a step of training holds, part by part.
    step_memory: StepMemory,
    /// Of one run beside the others; null where this machine was not measured.
    hours: Option<f64>,
    state: State,
    #[serde(flatten)]
    network: Option<NetworkRow>,
}

fn json(shown: &Shown, verbose: bool) -> serde_json::Result<String> {
    let Shown { plan, progress, fit, hours } = shown;
    let experiment = plan.experiment_dir();
    let rows = plan.variants.iter().zip(&progress.states).enumerate().map(|(place, (variant, states))| Row {
        name: &variant.name,
        id: &variant.id,
        dir: experiment.variant_path(&variant.name).to_string_lossy().into_owned(),
        seeds: &variant.seeds,
        overrides: Overrides(variant.overrides.clone()),
        parameters: variant.parameters,
        train_flops_per_image: variant.train_flops_per_image,
        train_memory_bytes: fit.peak(place),
        fits: fit.fits(place),
        step_memory: fit.step(place),
        hours: hours.runs[place],
        state: variant_state(states),
        network: verbose.then(|| NetworkRow::of(variant, fit.place())),
    });
    let excluded = plan.excluded.iter().map(|excluded| ExcludedRow {
        point: &excluded.point,
        overrides: Overrides(excluded.overrides.clone()),
        rule: &excluded.rule,
        reason: excluded.reason.as_deref(),
    });
    let invalid = plan.invalid.iter().map(|invalid| InvalidRow {
        point: &invalid.point,
        overrides: Overrides(invalid.overrides.clone()),
        reasons: &invalid.reasons,
    });
    serde_json::to_string_pretty(&Document {
        experiment: &plan.experiment,
        hours: hours.all,
        variants: rows.collect(),
        excluded: excluded.collect(),
        invalid: invalid.collect(),
    })
}

#[cfg(test)]
mod tests;
