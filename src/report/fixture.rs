//! Run trees and rows for the tests of this station.

use std::fs;

use serde_json::json;

use super::compare::{Row, Seed};
use super::load::RunRow;
use super::pick::Point;
use super::provenance::Origin;
use super::series::Series;
use super::stats::Summary;
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
        origin: Origin::default(),
        series: Series::parse(csv.as_bytes()),
    }
}

/// A row whose seeds 0, 1, … have these values at step 100.
pub(super) fn row(variant: &str, values: &[f64]) -> Row {
    let seeds = values.iter().zip(0..).map(|(value, seed)| Seed {
        seed,
        point: Ok(Point { step: 100, value: *value, images: Some(64) }),
        state: State::Done,
        found: true,
        exact: true,
    });
    Row {
        variant: variant.to_owned(),
        id: variant.to_owned(),
        overrides: Vec::new(),
        seeds: seeds.collect(),
        summary: Summary::of(values),
    }
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
    let text = r#"
        name = "x"
        description = ""
        [data]
        dataset = "shapes"
        image_size = 16
        in_channels = 1
        validation_fraction = 0.1
        [model]
        base_channels = 16
        channel_multipliers = [1, 2]
        num_res_blocks = 1
        attention_resolutions = []
        attention_head_dim = 8
        dropout = 0.0
        time_embed_dim = 64
        norm_groups = 4
        norm_eps = 1e-5
        mid_attention = true
        downsample_padding = 1
        freq_shift = 0.0
        flip_sin_to_cos = true
        [diffusion]
        timesteps = 1000
        noise_schedule = "linear"
        beta_start = 1e-4
        beta_end = 0.02
        rescale_betas = false
        prediction_type = "epsilon"
        loss_type = "mse"
        [training]
        seed = 0
        steps = 200
        batch_size = 8
        gradient_accumulation = 1
        learning_rate = 1e-3
        warmup_steps = 0
        lr_schedule = "constant"
        optimizer = "adamw"
        betas = [0.9, 0.999]
        eps = 1e-8
        weight_decay = 0.0
        grad_clip = 1.0
        precision = "f32"
        log_every = 10
        [ema]
        kind = "decay"
        decay = 0.9
        warmup = true
        every = 1
        [checkpoint]
        every = 100
        keep = 1
        [evaluation]
        every = 100
        images = 64
        [sampling]
        every = 0
        num_samples = 4
        sampler = "ddim"
        steps = 10
        eta = 0.0
        timestep_spacing = "leading"
        steps_offset = 0
        clip_sample = true
        [runtime]
        device = "cpu"
        jobs = 1
        threads = 1
        runs_dir = "runs"
        data_dir = "data"
        [launcher]
        kind = "local"
    "#;
    toml::from_str(text).unwrap()
}
