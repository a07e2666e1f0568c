//! `ablate data`: which data sets there are, fetching them, and checking them as a run would.

mod check;
mod fetch;
mod list;
mod progress;

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::experiment_args::environment;
use crate::cli::failure::{ExitCode, Failure};
use crate::config::{Config, Data, Dataset, Experiment};
use crate::data::fetch::Entry;

/// `ablate data`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the data sets this version knows, and whether they are here.
    List(list::Args),
    /// Download what is missing of data sets, verify it, and unpack it; the same command again goes on.
    Fetch(fetch::Args),
    /// Open a data set as a run would: counts, fingerprint, time of decoding.
    Check(check::Args),
}

/// Runs the command.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::List(args) => list::exec(&args),
        Command::Fetch(args) => fetch::exec(args),
        Command::Check(args) => check::exec(&args),
    }
}

/// Where data sets are, for commands without an experiment.
#[derive(Debug, Clone, clap::Args)]
struct DataDir {
    /// The folder of all data sets, instead of runtime.data_dir
    #[arg(long = "data-dir", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataDir {
    /// The defaults and the environment, with the folder asked for.
    fn settings(&self) -> Result<Config, Failure> {
        let mut config = Experiment::settings(environment())?;
        if let Some(folder) = &self.data_dir {
            config.runtime.data_dir.clone_from(folder);
        }
        Ok(config)
    }
}

/// `[data]` for a data set as it is published; `None` where only the user can say.
fn native(entry: &Entry, defaults: &Data) -> Option<Data> {
    let dataset = toml::Value::String(entry.name.clone()).try_into::<Dataset>().ok()?;
    (dataset != Dataset::Folder).then(|| Data {
        dataset,
        image_size: entry.image_size.unwrap_or(defaults.image_size),
        in_channels: entry.channels.unwrap_or(defaults.in_channels),
        ..defaults.clone()
    })
}

/// An error and its causes in one text.
fn with_causes(error: &crate::data::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
