//! One run to be trained, whether a plan or a run tree named it.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::launch::Job;
use crate::plan::PlannedRun;
use crate::rundir::{RunDir, Status};
use crate::sizing;

/// Steps of a run that counts in epochs, where only the order of magnitude matters.
const IMAGES_PER_EPOCH: f64 = 50_000.0;

/// A run and its configuration.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Entry {
    pub(in crate::cli) run: RunDir,
    pub(in crate::cli) label: String,
    pub(in crate::cli) config: Config,
    /// Whether `config` comes from a plan and goes into the folder; one that a run tree named has it there.
    pub(in crate::cli) write_config: bool,
    /// Variables its worker needs to be started with.
    pub(in crate::cli) environment: Vec<(String, String)>,
}

impl Entry {
    /// A run of a plan. Paths become absolute: a worker may be started elsewhere, today or by `resume`.
    pub(in crate::cli) fn planned(planned: &PlannedRun<'_>) -> Entry {
        let mut config = planned.config();
        make_paths_absolute(&mut config);
        let run = planned.run_dir();
        Entry { label: run.label(), run, config, write_config: true, environment: vec![] }
    }

    /// A run that has its `config.toml`.
    pub(in crate::cli) fn found(run: RunDir, config: Config) -> Entry {
        Entry { label: run.label(), run, config, write_config: false, environment: vec![] }
    }

    /// What the launcher needs.
    pub(in crate::cli) fn job(&self) -> Job {
        let status = Status::read(&self.run).ok().flatten();
        let known = status.map(|status| status.total_steps).filter(|&steps| steps > 0);
        let total_steps = known.or(self.config.training.steps).unwrap_or(0);
        Job {
            run: self.run.clone(),
            label: self.label.clone(),
            total_steps,
            cost: self.cost(),
            environment: self.environment.clone(),
        }
    }

    /// Operations of the whole run: a measure of time that is the same for all runs of an experiment.
    fn cost(&self) -> f64 {
        let Config { model, data, training, .. } = &self.config;
        let images = match (training.steps, training.epochs) {
            (Some(steps), _) => steps as f64 * training.batch_size as f64,
            (None, epochs) => epochs.unwrap_or(1) as f64 * data.limit.map_or(IMAGES_PER_EPOCH, |n| n as f64),
        };
        images * sizing::train_flops_per_image(model, data) as f64
    }

    /// Bytes its checkpoints may take: weights, averages and two moments in 32 bits, for as many
    /// checkpoints as are kept, the best, and the one being written.
    pub(super) fn disk_bytes(&self) -> u64 {
        let parameters = sizing::parameters(&self.config.model, &self.config.data);
        let bytes = 4 * (3 + self.config.ema.tracks().len() as u64);
        parameters.saturating_mul(bytes).saturating_mul(self.config.checkpoint.keep as u64 + 2)
    }
}

/// As a run's `config.toml` has its paths.
pub(in crate::cli) fn make_paths_absolute(config: &mut Config) {
    config.data.root = config.data.root.as_deref().map(absolute);
    config.runtime.runs_dir = absolute(&config.runtime.runs_dir);
    config.runtime.data_dir = absolute(&config.runtime.data_dir);
}

fn absolute(path: &Path) -> PathBuf {
    // Fails only for an empty path or without a current folder; either is reported when it is used.
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
