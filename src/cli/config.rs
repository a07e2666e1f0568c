//! `ablate config`: the resolved configuration of an experiment, and where each value comes from.
//!
//! In: an experiment and its settings. Out: TOML, JSON or a table on standard output; writes nothing.

use std::process::ExitCode;

use clap::Subcommand;
use comfy_table::{ContentArrangement, Table, presets};

use crate::cli::experiment_args::ExperimentArgs;
use crate::cli::failure::Failure;
use crate::cli::output::print;
use crate::config::{Experiment, LayerValue};

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
}

/// Runs the command.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Show { experiment, json } => {
            let experiment = Experiment::load(&experiment.request())?;
            // What is printed must hold: a contradiction that a sweep would resolve is one here.
            experiment.resolve(&[])?;
            match json {
                true => {
                    let text = serde_json::to_string_pretty(experiment.base()).map_err(Failure::internal)?;
                    print(&format!("{text}\n"))?;
                }
                false => print(&experiment.annotated_toml())?,
            }
        }
        Command::Why { experiment, key } => {
            let experiment = Experiment::load(&experiment.request())?;
            print(&format!("{}\n", table(&key, &experiment.why(&key)?)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(key: &str, values: &[LayerValue]) -> String {
    if values.is_empty() {
        return format!("{key} is not set by any layer, and has no default");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["", "value", "layer", "written in", ""]);
    for value in values {
        table.add_row([
            if value.wins { "->" } else { "" }.to_owned(),
            printable(&value.value),
            printable(&value.layer),
            value.location.as_ref().map(|place| printable(&place.to_string())).unwrap_or_default(),
            value.note.clone().unwrap_or_default(),
        ]);
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    format!("{key}\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// File names and values are the user's: a terminal must not obey what they contain.
fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}
