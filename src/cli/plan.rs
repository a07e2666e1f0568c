//! `ablate plan`: the variants of an experiment, what each costs and how far it has come.
//!
//! In: an experiment and its settings. Out: a table or JSON on standard output, remarks on standard error;
//! writes nothing.

use serde::Serialize;

use crate::cli::experiment_args::ExperimentArgs;
use crate::cli::failure::{ExitCode, Failure};
use crate::cli::output::{print, warn};
use crate::cli::plan_network_json::NetworkRow;
use crate::cli::plan_table;
use crate::config::Experiment;
use crate::plan::{Plan, Progress, variant_state};
use crate::rundir::{Overrides, State};

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
}

/// Runs the command.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let experiment = Experiment::load(&args.experiment.request())?;
    let plan = Plan::build(&experiment)?;
    let progress = Progress::of(&plan);
    let text = match (args.json, args.verbose) {
        (true, verbose) => json(&plan, &progress, verbose).map_err(Failure::internal)?,
        (_, true) => plan_table::verbose(&plan, &progress),
        _ => plan_table::table(&plan, &progress),
    };
    print(&format!("{text}\n"))?;
    for warning in plan.warnings.iter().chain(&progress.damage) {
        warn(warning);
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Document<'a> {
    experiment: &'a str,
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
    /// Not known before it was measured on this machine.
    train_memory_bytes: Option<u64>,
    state: State,
    #[serde(flatten)]
    network: Option<NetworkRow>,
}

fn json(plan: &Plan, progress: &Progress, verbose: bool) -> serde_json::Result<String> {
    let experiment = plan.experiment_dir();
    let rows = plan.variants.iter().zip(&progress.states).map(|(variant, states)| Row {
        name: &variant.name,
        id: &variant.id,
        dir: experiment.variant_path(&variant.name).to_string_lossy().into_owned(),
        seeds: &variant.seeds,
        overrides: Overrides(variant.overrides.clone()),
        parameters: variant.parameters,
        train_flops_per_image: variant.train_flops_per_image,
        train_memory_bytes: None,
        state: variant_state(states),
        network: verbose.then(|| NetworkRow::of(variant)),
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
        variants: rows.collect(),
        excluded: excluded.collect(),
        invalid: invalid.collect(),
    })
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
