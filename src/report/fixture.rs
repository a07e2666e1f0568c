//! Run trees and rows for the tests of this station.

use std::fs;

use serde_json::json;

use super::load::RunRow;
use super::pick::Point;
use super::provenance::Origin;
use super::row::{Row, Seed};
use super::series::Series;
use crate::config;
use crate::rundir::{EVAL_HEADER, ExperimentDir, METRICS_HEADER, Process, RunDir, State, Status};

/// A done run with these rows.
pub(super) fn run_with(seed: u64, csv: &str) -> RunRow {
    RunRow {
        seed,
        dir: RunDir::at("seed-0"),
        found: true,
        state: State::Done,
        step: 0,
        exact: true,
        first_average: None,
        origin: Origin::default(),
        series: Series::parse(csv.as_bytes()),
    }
}

/// A row whose seeds 0, 1, … have these values at step 100.
pub(super) fn row(variant: &str, values: &[f64]) -> Row {
    let seeds = values.iter().zip(0..).map(|(value, seed)| Seed {
        seed,
        point: Ok(Point { step: 100, value: *value, images: Some(64), spent: None }),
        state: State::Done,
        found: true,
        exact: true,
        shares: None,
    });
    Row::of(variant.to_owned(), variant.to_owned(), Vec::new(), seeds.collect())
}

/// An experiment in a temporary folder.
pub(super) struct Tree {
    folder: tempfile::TempDir,
    name: &'static str,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self::named("x")
    }

    pub(super) fn named(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(name)).unwrap();
        Self { folder, name }
    }

    pub(super) fn experiment(&self) -> ExperimentDir {
        ExperimentDir::at(self.folder.path().canonicalize().unwrap().join(self.name))
    }

    /// Writes a plan whose variants are named `name-id`, without overrides.
    pub(super) fn plan(&self, variants: &[(&str, &[u64])]) {
        let variants: Vec<_> = variants
            .iter()
            .map(|(name, seeds)| {
                let id = name.rsplit('-').next();
                json!({"name": name, "id": id, "overrides": {}, "seeds": seeds, "asked": true})
            })
            .collect();
        self.plan_json(&json!({"format": 1, "experiment": self.name, "variants": variants}));
    }

    pub(super) fn plan_json(&self, plan: &serde_json::Value) {
        fs::write(self.experiment().plan_path(), plan.to_string()).unwrap();
    }

    /// A run folder, created where it is not there.
    pub(super) fn run(&self, variant: &str, seed: u64) -> RunFiles {
        let dir = self.experiment().run(variant, seed);
        fs::create_dir_all(dir.path()).unwrap();
        RunFiles { dir }
    }
}

/// Writes the files of one run.
pub(super) struct RunFiles {
    pub(super) dir: RunDir,
}

impl RunFiles {
    /// `eval.csv` with its header and these rows.
    pub(super) fn eval(self, rows: &str) -> Self {
        fs::write(self.dir.eval_path(), format!("{}\n{rows}", EVAL_HEADER.join(","))).unwrap();
        self
    }

    /// `metrics.csv` with its header and these rows.
    pub(super) fn metrics(self, rows: &str) -> Self {
        fs::write(self.dir.metrics_path(), format!("{}\n{rows}", METRICS_HEADER.join(","))).unwrap();
        self
    }

    /// `config.toml`: a small configuration changed by `edit`.
    pub(super) fn config(self, edit: impl FnOnce(&mut config::Config)) -> Self {
        let mut config = config();
        edit(&mut config);
        fs::write(self.dir.config_path(), config::to_toml(&config).unwrap()).unwrap();
        self
    }

    pub(super) fn done(self, step: u64) -> Self {
        self.status(State::Done, step, |_| {})
    }

    /// `status.json`, owned by a process that no longer lives.
    pub(super) fn status(self, state: State, step: u64, edit: impl FnOnce(&mut Status)) -> Self {
        let mut status = Status::planned(step);
        status.state = state;
        status.step = step;
        status.owner = Process { pid: 0, ..Process::current() };
        edit(&mut status);
        status.write(&self.dir).unwrap();
        self
    }
}

/// A small valid configuration.
pub(super) fn config() -> config::Config {
    let mut config = config::defaults();
    config.data = config::Data { image_size: 16, in_channels: 1, validation_fraction: 0.1, ..config.data };
    config.model = config::Model {
        base_channels: 16,
        channel_multipliers: vec![1, 2],
        num_res_blocks: 1,
        attention_resolutions: vec![],
        attention_head_dim: Some(8),
        time_embed_dim: 64,
        norm_groups: 4,
        ..config.model
    };
    config.training = config::Training {
        steps: Some(200),
        batch_size: 8,
        learning_rate: 1e-3,
        warmup_steps: 0,
        weight_decay: 0.0,
        log_every: 10,
        ..config.training
    };
    config.ema.decay = config::Tracks::new(vec![0.9]).unwrap();
    config.checkpoint = config::Checkpoint { every: 100, keep: 1, pin: vec![] };
    config.evaluation = config::Evaluation { every: 100, images: 64, ..config.evaluation };
    config.sampling = config::Sampling { every: 0, num_samples: 4, steps: 10, ..config.sampling };
    config
}
