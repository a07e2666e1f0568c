//! `ablate config`: resolved configurations, where their values come from, how two differ, and the presets.
//!
//! In: experiments, runs or names of presets. Out: TOML, JSON or a table on standard output; writes nothing.

mod diff;
mod presets;
mod why;

use clap::Subcommand;

use crate::cli::experiment_args::ExperimentArgs;
use crate::cli::failure::{ExitCode, Failure};
use crate::cli::output::print;
use crate::config::Experiment;

/// `ablate config`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the resolved configuration, without a sweep point; usable as an experiment itself.
    Show {
        #[command(flatten)]
        experiment: ExperimentArgs,
        /// Print JSON instead of TOML.
        #[arg(long)]
        json: bool,
    },
    /// Print the value each layer gave a key, lowest first; the one that counts is marked.
    Why {
        #[command(flatten)]
        experiment: ExperimentArgs,
        /// The dotted key, such as model.dropout.
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// List what two experiments, runs or variants differ in: keys with both values and where they were set, sweeps left
    /// aside; of runs also code, libraries, machine and execution. The exit code is 0 whatever differs.
    Diff(diff::Args),
    /// List the built-in presets, or print one.
    Presets(presets::Args),
}

/// Runs the command.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Show { experiment, json } => show(&experiment, json)?,
        Command::Why { experiment, key } => why::exec(&experiment, &key)?,
        Command::Diff(args) => diff::exec(&args)?,
        Command::Presets(args) => presets::exec(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(experiment: &ExperimentArgs, json: bool) -> Result<(), Failure> {
    let experiment = Experiment::load(&experiment.request())?;
    // What is printed must hold: a contradiction that a sweep would resolve is one here.
    experiment.resolve(&[])?;
    if json {
        let text = serde_json::to_string_pretty(experiment.base()).map_err(Failure::internal)?;
        return print(&format!("{text}\n"));
    }
    print(&experiment.annotated_toml())
}
