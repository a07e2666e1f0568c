//! How far a run is, how fast it goes and how long it will take.
//!
//! In: a run and its status. Out: [`Progress`], which `status` and the page show alike.

use super::load::{RunRow, VariantRuns};
use crate::rundir::{State, Status};

/// Of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Progress {
    /// Optimizer steps of the whole run; 0 where nothing says it.
    pub(crate) total_steps: u64,
    /// While it runs.
    pub(crate) images_per_second: Option<f64>,
    /// While it runs, at that speed.
    pub(crate) seconds_left: Option<f64>,
}

impl Progress {
    /// From what the run says of itself, and its configuration where it has not said anything yet.
    pub(crate) fn of(variant: &VariantRuns, run: &RunRow, status: Option<&Status>) -> Self {
        let steps = variant.config.as_ref().and_then(|config| config.training.steps);
        let total_steps = status.map(|s| s.total_steps).filter(|&n| n > 0).or(steps).unwrap_or(0);
        let running = run.state == State::Running;
        let images_per_second = status.and_then(|s| s.images_per_second).filter(|_| running);
        let seconds_left = images_per_second.filter(|&speed| speed > 0.0).and_then(|speed| {
            let batch_size = variant.config.as_ref()?.training.batch_size as f64;
            Some(total_steps.saturating_sub(run.step) as f64 * batch_size / speed)
        });
        Self { total_steps, images_per_second, seconds_left }
    }
}
