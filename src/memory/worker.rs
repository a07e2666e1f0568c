//! What a worker that trains on a CPU will hold at most, and how many such workers a machine has room for.
//!
//! In: configurations, and the room on the machine. Out: bytes; a number of workers. Tensors are counted: weights with
//! what belongs to them, and the feature maps that training keeps; or those of an evaluation, where it needs more.

use super::images::{bytes_per_image, images_at_a_time};
use super::need::plural;
use super::{FLOAT, Room, human};
use crate::config::Config;
use crate::sizing;

/// The program and libtorch before there is a tensor.
const PROGRAM: u64 = 130 << 20;
/// Feature maps beside those that are kept: gradients under way, and what convolutions rearrange. With it the estimate
/// is 0.92 to 1.04 of the peak of `ablate bench` on twelve networks of 4 to 63 million parameters.
const SHARE_UNDER_WAY: f64 = 0.3;
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
            plural(workers as u64),
            human(self.each),
            self.room.sentence()
        )
    }
}

/// Bytes that a worker on a CPU holds at most, by estimate.
pub fn peak_of_worker(config: &Config) -> u64 {
    let (training, data) = (&config.training, &config.data);
    let parameters = sizing::parameters(&config.model, data);
    // Weights, their gradient, two moments, and each average; the sum of the micro-batches beside that of one.
    let sum = u64::from(training.gradient_accumulation > 1);
    let copies = 4 + sum + config.ema.tracks().len() as u64;
    let state = parameters.saturating_mul(copies * FLOAT);
    let images = (training.batch_size / training.gradient_accumulation.max(1)) as u64;
    let width = if training.precision.is_16_bit() { FLOAT / 2 } else { FLOAT };
    let kept = sizing::kept_values_per_image(&config.model, data, training.recompute);
    let maps = kept.saturating_mul(images).saturating_mul(width);
    let training = (maps as f64 * (1.0 + SHARE_UNDER_WAY)) as u64;
    let looks = config.evaluation.every > 0 || config.sampling.every > 0;
    let at_a_time = if looks { images_at_a_time(config, None) as u64 } else { 0 };
    let looking = bytes_per_image(config).saturating_mul(at_a_time);
    PROGRAM.saturating_add(state).saturating_add(training.max(looking))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Precision, defaults};
    use crate::memory::Bound;

    /// 64, 128 and 256 channels at 32x32 with attention at 16 and 8: 16,056,451 parameters.
    fn network(batch_size: usize) -> Config {
        let mut config = defaults();
        config.data.image_size = 32;
        config.model.base_channels = 64;
        config.model.channel_multipliers = vec![1, 2, 4];
        config.model.attention_resolutions = vec![16, 8];
        config.training.batch_size = batch_size;
        config
    }

    #[test]
    fn the_estimate_is_near_the_peaks_that_were_measured() {
        // `ablate bench --step-only --threads 1`, mebibytes.
        for (batch_size, accumulation, measured) in [(16, 1, 785.0), (48, 1, 1552.0), (48, 4, 788.0)] {
            let mut config = network(batch_size);
            config.training.gradient_accumulation = accumulation;
            (config.evaluation.every, config.sampling.every) = (0, 0);
            let ratio = peak_of_worker(&config) as f64 / (measured * 1_048_576.0);
            assert!((0.92..1.08).contains(&ratio), "batch {batch_size} in {accumulation}: {ratio}");
        }
    }

    #[test]
    fn an_evaluation_may_hold_more_than_a_step_with_few_images() {
        let mut config = network(2);
        let with = peak_of_worker(&config);
        (config.evaluation.every, config.sampling.every) = (0, 0);
        assert!(peak_of_worker(&config) < with);
    }

    #[test]
    fn what_costs_memory_costs_it_in_the_estimate() {
        let plain = peak_of_worker(&network(64));
        let with = |change: &dyn Fn(&mut Config)| {
            let mut config = network(64);
            change(&mut config);
            peak_of_worker(&config)
        };
        assert!(with(&|config| config.training.batch_size = 128) > plain);
        assert!(with(&|config| config.training.gradient_accumulation = 4) < plain);
        assert!(with(&|config| config.training.recompute = true) < plain);
        assert!(with(&|config| config.training.precision = Precision::Bf16) < plain);
        assert_eq!(with(&|config| config.training.precision = Precision::Tf32), plain);
        assert!(with(&|config| config.model.base_channels = 128) > plain);
    }

    #[test]
    fn the_largest_of_the_workers_decides_how_many_fit() {
        let room = |total| Some(Room { free: None, total, bound: Bound::Machine });
        let (small, large) = (network(1), network(64));
        let each = peak_of_worker(&large);
        let fitting = Fitting::of([&small, &large], room(10 * each)).unwrap();
        assert_eq!((fitting.workers, fitting.each), (9, each), "a tenth is left to others");
        assert_eq!(Fitting::of([&large], room(1)).unwrap().workers, 1, "one is tried in any case");
        assert_eq!(Fitting::of([&large], None), None);
    }

    #[test]
    fn the_sentence_has_the_numbers_and_the_way_out() {
        let room = Room { free: None, total: 24 << 30, bound: Bound::Machine };
        assert_eq!(
            Fitting { workers: 3, each: 7 << 30, room }.sentence(),
            "3 workers at a time: one may need 7.00 GiB, and this machine has 24.00 GiB; runtime.jobs = N takes as many \
             as you say"
        );
    }
}
