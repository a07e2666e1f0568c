//! The rows of a run's CSVs, from what training and evaluation measured.

use std::time::Duration;

use super::evaluation::{Evaluation, Level, Share};
use super::tally::Means;
use crate::rundir::{Cell, EventLog, Journal, RunDirError};

/// The journal of a run, and how its rows are made.
pub(super) struct Recorder<'a> {
    /// Where the rows go, and what makes them and a checkpoint one.
    pub(super) journal: Journal<'a>,
    /// The same for TensorBoard, which follows the rows and is no part of the transaction.
    pub(super) events: EventLog<'a>,
}

/// A row of `metrics.csv`.
pub(super) struct MetricsRow {
    pub(super) step: u64,
    pub(super) epoch: f64,
    pub(super) images: u64,
    pub(super) means: Means,
    pub(super) grad_norm: Option<f64>,
    pub(super) learning_rate: f64,
    pub(super) ema_decay: f64,
}

/// Where the time between two rows went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timing {
    pub(super) training: Duration,
    pub(super) data_wait: Duration,
    pub(super) images: u64,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(journal: Journal<'a>, events: EventLog<'a>) -> Self {
        Self { journal, events }
    }

    /// One row each of `metrics.csv` and `timing.csv`.
    pub(super) fn progress(&mut self, row: &MetricsRow, timing: Timing) -> Result<(), RunDirError> {
        let [q1, q2, q3, q4] = row.means.quarters.map(Cell::from);
        self.journal.metrics.append(&[
            row.step.into(),
            row.epoch.into(),
            row.images.into(),
            row.means.loss.into(),
            q1,
            q2,
            q3,
            q4,
            row.grad_norm.into(),
            row.learning_rate.into(),
            row.ema_decay.into(),
        ])?;
        let seconds = timing.training.as_secs_f64();
        self.journal.timing.append(&[
            row.step.into(),
            seconds.into(),
            (timing.images as f64 / seconds).into(),
            timing.data_wait.as_secs_f64().into(),
            peak_memory_bytes().into(),
        ])
    }

    /// Rows of `eval.csv`, `levels.csv` and `images.csv` for one step: the averages, then the raw weights.
    pub(super) fn evaluations(
        &mut self,
        step: u64,
        evaluations: &[(String, Evaluation)],
    ) -> Result<(), RunDirError> {
        for (weights, evaluation) in evaluations {
            let rows: Vec<_> =
                evaluation.levels.iter().map(|level| level_cells(step, weights, level)).collect();
            self.journal.levels.append_all(rows.iter().map(|row| row.as_slice()))?;
            let rows: Vec<_> =
                evaluation.images.iter().map(|image| image_cells(step, weights, image)).collect();
            self.journal.images.append_all(rows.iter().map(|row| row.as_slice()))?;
            self.journal.eval.append(&eval_cells(step, weights, evaluation))?;
        }
        Ok(())
    }
}

/// A row of `eval.csv`.
pub(crate) fn eval_cells<'a>(step: u64, weights: &'a str, evaluation: &Evaluation) -> [Cell<'a>; 6] {
    [
        step.into(),
        weights.into(),
        evaluation.loss.into(),
        evaluation.scores.denoise_score.into(),
        evaluation.scores.denoise_bits.into(),
        (evaluation.images.len() as u64).into(),
    ]
}

/// A row of `levels.csv`.
pub(crate) fn level_cells<'a>(step: u64, weights: &'a str, level: &Level) -> [Cell<'a>; 9] {
    [
        step.into(),
        weights.into(),
        // The outermost nodes are numbered −1 and 33.
        Cell::Float(level.node.k as f64),
        (level.node.t as u64).into(),
        level.node.log_snr.into(),
        level.eps_mse.into(),
        level.x0_mse.into(),
        (level.n as u64).into(),
        level.se.into(),
    ]
}

/// A row of `images.csv`.
pub(crate) fn image_cells<'a>(step: u64, weights: &'a str, image: &Share) -> [Cell<'a>; 7] {
    [
        step.into(),
        weights.into(),
        Cell::Id(image.id),
        (image.part as u64).into(),
        image.loss.into(),
        image.scores.denoise_score.into(),
        image.scores.denoise_bits.into(),
    ]
}

/// Largest resident memory of this process so far, where the system tells.
pub(super) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
