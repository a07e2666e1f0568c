//! What a worker that trains on a CPU will hold at most, and how many such workers a machine has room for.
//!
//! In: configurations, and the room on the machine. Out: bytes; a number of workers. Tensors are counted: weights with
//! what belongs to them, and the feature maps that training keeps; or those of an evaluation, where it needs more.

use super::images::{bytes_per_image, images_at_a_time};
use super::{Room, human};
use crate::config::Config;
use crate::sizing;

/// Bytes of a 32-bit float.
const FLOAT: u64 = 4;
/// The program and libtorch, with what both have at hand before the first step.
const PROGRAM: u64 = 320 << 20;
/// Feature maps beside those that are kept: gradients under way, and copies in the layout that convolutions work in.
const SHARE_UNDER_WAY: f64 = 0.25;
/// What other programs and the system are left of a machine.
const SHARE_TO_USE: f64 = 0.9;

/// How many workers fit, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fitting {
    /// Side by side; at least one.
    pub workers: usize,
    /// Bytes of the largest, by estimate.
    pub each: u64,
    /// What they share.
    pub room: Room,
}

impl Fitting {
    /// For workers of these configurations, any of which may run beside any other. `None` where the system does not
    /// tell what there is.
    pub fn of<'a>(configs: impl IntoIterator<Item = &'a Config>, room: Option<Room>) -> Option<Fitting> {
        let room = room?;
        let each = configs.into_iter().map(peak_of_worker).max().unwrap_or(PROGRAM);
        let workers = (room.total as f64 * SHARE_TO_USE / each as f64) as usize;
        Some(Fitting { workers: workers.max(1), each, room })
    }

    /// Why there are no more, and how to have more.
    pub fn sentence(&self) -> String {
        let workers = self.workers;
        format!(
            "{workers} worker{} at a time: one may need {}, and {}; runtime.jobs = N takes as many as you say",
            if workers == 1 { "" } else { "s" },
            human(self.each),
            self.room.sentence()
        )
    }
}

/// Bytes that a worker on a CPU holds at most, by estimate.
pub fn peak_of_worker(config: &Config) -> u64 {
    let (training, data) = (&config.training, &config.data);
    let parameters = sizing::parameters(&config.model, data);
    // Weights, their gradient, two moments, and each average.
    let copies = 4 + config.ema.tracks().len() as u64;
    let state = parameters.saturating_mul(copies * FLOAT);
    let images = (training.batch_size / training.gradient_accumulation.max(1)) as u64;
    let width = if training.precision.is_16_bit() { FLOAT / 2 } else { FLOAT };
    let kept = sizing::kept_values_per_image(&config.model, data, training.recompute);
    let maps = kept.saturating_mul(images).saturating_mul(width);
    let training = (maps as f64 * (1.0 + SHARE_UNDER_WAY)) as u64;
    let looking = bytes_per_image(config).saturating_mul(images_at_a_time(config, None) as u64);
    PROGRAM.saturating_add(state).saturating_add(training.max(looking))
}
