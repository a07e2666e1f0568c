//! The words that name an experiment and its settings, shared by every command that takes one.
//!
//! In: `EXPERIMENT [-f FILE] [-s K=V] [--pin K=V]` and the environment. Out: a [`Request`].

use std::path::PathBuf;

use crate::cli::failure::Failure;
use crate::config::{Problems, Request};

/// An experiment and the settings laid over it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ExperimentArgs {
    /// The experiment file, TOML or JSON.
    #[arg(value_name = "EXPERIMENT")]
    experiment: PathBuf,
    #[command(flatten)]
    layers: Layers,
}

/// The settings laid over an experiment.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Layers {
    /// Lay another file over the experiment's; may be repeated.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Set a key, above everything else: -s training.batch_size=32; may be repeated.
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,

    /// Hold a swept key at one value, collapsing its axis; may be repeated.
    #[arg(long = "pin", value_name = "KEY=VALUE")]
    pub(crate) pin: Vec<String>,
}

impl ExperimentArgs {
    /// The request, with the environment's settings.
    pub(crate) fn request(&self) -> Request {
        self.layers.request(self.experiment.clone())
    }
}

impl Layers {
    /// The request for an experiment, with the environment's settings.
    pub(crate) fn request(&self, experiment: PathBuf) -> Request {
        Request {
            experiment,
            files: self.files.clone(),
            set: self.set.clone(),
            pin: self.pin.clone(),
            environment: environment(),
        }
    }
}

/// The environment's settings.
pub(crate) fn environment() -> Vec<(String, String)> {
    // A value that is not UTF-8 keeps its replacement characters, which the configuration refuses.
    let variables = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with("ABLATE_"));
    let mut variables: Vec<(String, String)> = variables.collect();
    variables.sort();
    variables
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Failure::user(problems)
    }
}
