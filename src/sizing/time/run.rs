//! What a run consists of, and how long all of it takes.
//!
//! In: prices and a configuration. Out: seconds: the start, every step, every evaluation of every set of weights, every
//! grid of samples, every checkpoint.

use serde::{Deserialize, Serialize};

use super::Rates;
use super::work::NetworkWork;
use crate::config::{Config, Evaluation, Metric};

/// Most noise levels of the held-out curve: 33 between its ends, and one beyond each.
const LEVELS: u64 = 35;

/// What a run takes besides arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overheads {
    /// From the start of a process to its first step.
    pub start_seconds: f64,
    /// A byte of a checkpoint, copied, hashed and forced to the disk.
    pub save_seconds_per_byte: f64,
}

impl Rates {
    /// Seconds of a whole run; `None` where it counts in epochs, which only its images turn into steps.
    pub fn run_seconds(&self, config: &Config) -> Option<f64> {
        Some(self.run_seconds_of(&NetworkWork::of(config), config, config.training.steps?))
    }

    /// The same for a network that was counted before, and a run of so many steps.
    pub fn run_seconds_of(&self, network: &NetworkWork, config: &Config, steps: u64) -> f64 {
        let weights = 1 + config.ema.tracks().len() as u64;
        let evaluation = self.forward_of(network, questions(config)) * weights as f64;
        let (samples, passes) = (config.sampling.num_samples as u64, config.sampling.evaluations() as u64);
        let grid = self.forward_of(network, samples) * passes as f64;
        // Weights and their averages, and two moments.
        let save = self.overheads.save_seconds_per_byte * network.bytes() * (weights + 2) as f64;
        self.overheads.start_seconds
            + steps as f64 * self.step_of(network, config)
            + times(steps, config.evaluation.every) as f64 * evaluation
            + times(steps, config.sampling.every) as f64 * grid
            + saves(steps, config) as f64 * save
    }
}

/// Images that one evaluation of one set of weights puts through the network, each as often as it is asked for.
fn questions(config: &Config) -> u64 {
    let evaluation = &config.evaluation;
    let asked = |metric: Metric| evaluation.metrics.contains(&metric);
    let images = evaluation.images as u64;
    let levels = LEVELS.min(config.diffusion.timesteps as u64);
    let curve = if asked(Metric::DenoiseScore) || asked(Metric::DenoiseBits) {
        images.saturating_mul(levels).div_ceil(Evaluation::STRIDE as u64)
    } else {
        0
    };
    curve.saturating_add(if asked(Metric::Loss) { images } else { 0 })
}

/// How often something is due that comes every so many steps and after the last; 0: never.
fn times(steps: u64, every: u64) -> u64 {
    if every == 0 { 0 } else { steps.div_ceil(every) }
}

/// Checkpoints: as configured, pinned, after the last step, and after evaluations, most of which find better weights.
fn saves(steps: u64, config: &Config) -> u64 {
    let (every, looks) = (config.checkpoint.every, config.evaluation.every);
    let due = |step: u64| [every, looks].iter().any(|every| *every > 0 && step.is_multiple_of(*every));
    let before = steps.saturating_sub(1);
    let multiples = |every: u64| before.checked_div(every).unwrap_or(0);
    let both = if every > 0 && looks > 0 { multiples(least_common_multiple(every, looks)) } else { 0 };
    let pinned = config.checkpoint.pin.iter().filter(|step| **step < steps && !due(**step)).count() as u64;
    multiples(every) + multiples(looks) - both + pinned + u64::from(steps > 0)
}

fn least_common_multiple(a: u64, b: u64) -> u64 {
    let (mut larger, mut smaller) = (a, b);
    while smaller > 0 {
        (larger, smaller) = (smaller, larger % smaller);
    }
    (a / larger).saturating_mul(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;

    #[test]
    fn an_evaluation_asks_each_image_at_a_quarter_of_the_levels_and_once_for_the_loss() {
        let mut config = defaults();
        config.evaluation.images = 100;
        assert_eq!(questions(&config), 875 + 100);
        config.evaluation.metrics = vec![Metric::Loss];
        assert_eq!(questions(&config), 100);
        (config.evaluation.metrics, config.diffusion.timesteps) = (vec![Metric::DenoiseBits], 8);
        assert_eq!(questions(&config), 200);
    }

    #[test]
    fn what_is_due_every_few_steps_is_due_after_the_last_too() {
        assert_eq!(
            [(100, 0), (100, 10), (95, 10), (5, 10), (0, 10)].map(|(n, k)| times(n, k)),
            [0, 10, 10, 1, 0]
        );
    }

    #[test]
    fn checkpoints_that_fall_on_one_step_are_one() {
        let mut config = defaults();
        (config.checkpoint.every, config.evaluation.every) = (1000, 1000);
        assert_eq!(saves(10_000, &config), 10);
        (config.checkpoint.every, config.evaluation.every) = (400, 1000);
        // 24 and 9, of which 2000, 4000, 6000 and 8000 are both; then the last.
        assert_eq!(saves(10_000, &config), 24 + 9 - 4 + 1);
        config.checkpoint.pin = vec![7, 400, 10_000, 20_000];
        assert_eq!(saves(10_000, &config), 24 + 9 - 4 + 1 + 1);
        (config.checkpoint.every, config.evaluation.every, config.checkpoint.pin) = (0, 0, vec![]);
        assert_eq!([saves(10_000, &config), saves(0, &config)], [1, 0]);
    }
}
