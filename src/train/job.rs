//! What one training is given and gives back.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::Error;
use super::evaluation::Evaluator;
use super::precision::CPU_LIMIT;
use super::trainer::Trainer;
use crate::config::Config;
use crate::data::{self, DataSet, Resident};
use crate::diffusion::Schedule;
use crate::ops;
use crate::rundir::format::{self, EXECUTION_FORMAT};
use crate::rundir::{Disk, Owner, RunDir, RunDirError, files};

const SIZE_LIMIT: u64 = 1 << 20;

/// How often the log says how far a decoding of all images is.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Choices that can change a bit of the result: made once per run and kept by every attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Version of the file; one that names none is of the first.
    #[serde(default = "format::first")]
    pub(super) format: u32,
    /// Threads inside one operation.
    pub threads: usize,
    /// Questions per forward pass of an evaluation.
    pub evaluation_batch: usize,
    /// Images per forward pass of a sampler.
    pub sampling_batch: usize,
    /// Whether a GPU is held to operations that give the same bits every time.
    #[serde(default)]
    pub deterministic: bool,
    /// Limit on the instructions of the CPU, where one was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onednn_max_cpu_isa: Option<String>,
}

impl Execution {
    /// The choices for a first attempt in this process.
    pub fn choose(config: &Config, threads: usize) -> Self {
        Self {
            format: EXECUTION_FORMAT,
            threads: threads.max(1),
            evaluation_batch: 64,
            sampling_batch: 64,
            deterministic: config.runtime.deterministic,
            onednn_max_cpu_isa: std::env::var(CPU_LIMIT).ok(),
        }
    }

    /// The recorded choices; `None` where there are none, or none that can be read.
    ///
    /// # Errors
    /// When the file is there and cannot be read from the disk, or is of a newer version.
    pub fn read(run: &RunDir) -> Result<Option<Self>, RunDirError> {
        let path = run.execution_path();
        let Some(text) = files::read_text(&Disk, &path, SIZE_LIMIT)? else { return Ok(None) };
        match format::parse(&path, &text, "execution", EXECUTION_FORMAT) {
            Ok(recorded) => Ok(Some(recorded)),
            Err(RunDirError::Malformed { .. }) => {
                tracing::warn!(path = %path.display(), "unreadable; choosing again");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Why a resumed run cannot promise the bytes of an uninterrupted one, here and now.
    pub fn inexact_on(&self, device: ops::DeviceName) -> Option<String> {
        self.inexact_under(device, std::env::var(CPU_LIMIT).ok())
    }

    /// The same for a process that is started with `limit` on the instructions of the CPU.
    pub fn inexact_under(&self, device: ops::DeviceName, limit: Option<String>) -> Option<String> {
        if device != ops::DeviceName::Cpu && !self.deterministic {
            return Some(
                "a GPU repeats bit for bit only with runtime.deterministic = true from the start".into(),
            );
        }
        let words = |limit: &Option<String>| limit.clone().unwrap_or_else(|| "unset".into());
        (limit != self.onednn_max_cpu_isa).then(|| {
            format!("{CPU_LIMIT} changed from {} to {}", words(&self.onednn_max_cpu_isa), words(&limit))
        })
    }
}

/// Everything one training needs.
pub struct Job<'a> {
    /// The run folder.
    pub run: &'a RunDir,
    /// Its resolved configuration.
    pub config: &'a Config,
    /// Whose checkpoints count.
    pub owner: Owner,
    /// How it is executed.
    pub execution: Execution,
    /// Number of this attempt, for rewound rows.
    pub attempt: u32,
    /// Raised when the step in progress should be the last.
    pub stop: &'a AtomicBool,
    /// Told about progress, about twice a second.
    pub report: &'a mut dyn FnMut(Progress) -> Result<(), Error>,
}

/// Where training stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Completed optimizer steps.
    pub step: u64,
    /// Mean loss since the last row of `metrics.csv`.
    pub loss: Option<f64>,
    /// Speed since the last report.
    pub images_per_second: Option<f64>,
}

/// How training ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done and checkpointed.
    Done,
    /// Asked to stop; the state after this step is checkpointed.
    Stopped {
        /// Completed steps.
        step: u64,
    },
}

/// Optimizer steps of a whole run over `images` training images.
pub(super) fn total_steps(config: &Config, images: usize) -> u64 {
    let training = &config.training;
    match (training.steps, training.epochs) {
        (Some(steps), _) => steps,
        (None, epochs) => (epochs.unwrap_or(0) * images as u64).div_ceil(training.batch_size as u64),
    }
}

/// What a run stands on: a device and the images, opened before the first step.
pub struct Prepared {
    pub(super) device: Device,
    /// The device that `auto` became.
    pub device_name: ops::DeviceName,
    pub(super) data: Arc<DataSet>,
}

impl Prepared {
    /// Opens device and data.
    ///
    /// # Errors
    /// When the machine lacks the device or a file of the data set.
    pub fn open(config: &Config) -> Result<Self, Error> {
        let (device_name, device) = super::open_device(config.runtime.device)?;
        let mut last = Instant::now();
        let mut report = |done: usize, of: usize| {
            if last.elapsed() > SAY_EVERY {
                last = Instant::now();
                tracing::info!(done, of, "decoding images");
            }
        };
        let data = data::open_as_found(&config.data, &config.runtime.data_dir, &mut report)?;
        let data = Arc::new(data);
        for note in &data.notes {
            tracing::warn!(note, "data");
        }
        Ok(Self { device, device_name, data })
    }

    /// The images.
    pub fn data(&self) -> &DataSet {
        &self.data
    }

    /// Hash of all images and their split.
    pub fn data_fingerprint(&self) -> &str {
        &self.data.fingerprint
    }

    /// Optimizer steps of the whole run.
    pub fn total_steps(&self, config: &Config) -> u64 {
        total_steps(config, self.data.train.len())
    }

    /// Trains until done or stopped, from the newest checkpoint that verifies.
    ///
    /// # Errors
    /// When the loss stops being finite, data cannot be read or a file cannot be written; what was checkpointed
    /// stays.
    pub fn train(&self, job: Job<'_>) -> Result<Outcome, Error> {
        ops::set_threads(job.execution.threads);
        ops::set_deterministic(self.device_name, job.execution.deterministic);
        let schedule = Schedule::new(&job.config.diffusion)?;
        let batch = job.execution.evaluation_batch;
        let held_out = Resident::new(self.data.val.clone(), job.config.evaluation.images)?;
        let evaluator = Evaluator::new(job.config, &schedule, &held_out, batch, &self.device);
        Trainer::open(job, self, &schedule, &evaluator)?.run()
    }
}
