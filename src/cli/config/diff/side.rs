//! One of the two that are compared: an experiment file, a run, or a variant's first run.

use std::fs;
use std::path::Path;

use super::origin;
use crate::cli::experiment_args::environment;
use crate::cli::failure::Failure;
use crate::cli::output::warn;
use crate::config::keys::Key;
use crate::config::{self, Config, Experiment, Request};
use crate::guard::printable;
use crate::rundir::RunDir;
use crate::rundir::provenance::{Attempt, Provenance};

/// What is known of one side.
pub(super) struct Side {
    /// As the user named it.
    pub(super) shown: String,
    pub(super) config: Config,
    /// The file's layers, where it is one.
    experiment: Option<Experiment>,
    pub(super) run: Option<Run>,
}

/// A run with what it was trained with.
pub(super) struct Run {
    pub(super) dir: RunDir,
    /// Oldest first.
    pub(super) attempts: Vec<Attempt>,
    origins: origin::Request,
}

impl Side {
    pub(super) fn at(path: &Path) -> Result<Side, Failure> {
        let shown = path.display().to_string();
        if !path.is_dir() {
            let request =
                Request { experiment: path.to_owned(), environment: environment(), ..Request::default() };
            let experiment = Experiment::load(&request)?;
            let config = experiment.base().clone();
            return Ok(Side { shown, config, experiment: Some(experiment), run: None });
        }
        let Some((dir, shown)) = run_at(path, shown.clone()) else {
            return Err(Failure::user(format!(
                "{} is not a run folder: it has no config.toml",
                printable(&shown)
            ))
            .with_help(
                "name an experiment file, or a run or variant: runs/<experiment>/<variant>[/seed-<n>]",
            ));
        };
        let config = config::read_run_config(&dir.config_path()).map_err(Failure::user)?;
        let attempts = Provenance::read(&dir).map(|provenance| provenance.attempts);
        let attempts = attempts.unwrap_or_else(|error| {
            warn(&error);
            Vec::new()
        });
        let origins = origin::Request::of(&dir);
        Ok(Side { shown, config, experiment: None, run: Some(Run { dir, attempts, origins }) })
    }

    /// Where a value was set, if that is known.
    pub(super) fn origin(&self, key: &Key, value: &toml::Value) -> Option<String> {
        match (&self.experiment, &self.run) {
            (Some(experiment), _) => experiment.origin(key.path),
            (None, run) => run.as_ref()?.origins.origin(key, value),
        }
    }
}

/// The run in a folder, or the variant's run of the least seed.
fn run_at(path: &Path, shown: String) -> Option<(RunDir, String)> {
    let run = RunDir::at(path);
    if run.config_path().is_file() {
        return Some((run, shown));
    }
    let entries = fs::read_dir(path).ok()?.filter_map(Result::ok);
    let runs = entries.map(|entry| RunDir::at(entry.path())).filter(|run| run.config_path().is_file());
    let (seed, run) = runs.filter_map(|run| Some((run.seed()?, run))).min_by_key(|(seed, _)| *seed)?;
    Some((run, format!("{shown} (seed {seed})")))
}
