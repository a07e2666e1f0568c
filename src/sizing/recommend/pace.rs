//! How fast a device is: by measurement, or by what somebody knows of it.
//!
//! In: a configuration. Out: seconds. Measured speeds are those of [`Rates`]; a [`Sustained`] one is a number of operations a
//! second, for a device that is not here.

use super::ask::Pace;
use crate::config::Config;
use crate::sizing::{Rates, train_flops_per_image};

/// Operations of a training step that computes its feature maps twice, over those of one that keeps them: four passes
/// where there were three.
pub(super) const RECOMPUTED: f64 = 4.0 / 3.0;
/// Share of a run's time that evaluations, samples and checkpoints are taken to need.
const SHARE_OF_LOOKS: f64 = 0.05;

/// A device that carries out so many operations of a training step a second, all in all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sustained {
    /// Operations a second.
    pub flops_per_second: f64,
}

impl Pace for Rates {
    fn step_seconds(&self, config: &Config) -> f64 {
        Rates::step_seconds(self, config)
    }

    fn run_seconds(&self, config: &Config) -> f64 {
        // A recommendation counts in steps, never in epochs.
        Rates::run_seconds(self, config).unwrap_or(f64::INFINITY)
    }
}

impl Pace for Sustained {
    fn step_seconds(&self, config: &Config) -> f64 {
        let image = train_flops_per_image(&config.model, &config.data) as f64;
        let again = if config.training.recompute { RECOMPUTED } else { 1.0 };
        image * again * config.training.batch_size as f64 / self.flops_per_second
    }

    fn run_seconds(&self, config: &Config) -> f64 {
        let steps = config.training.steps.map_or(f64::INFINITY, |steps| steps as f64);
        steps * self.step_seconds(config) / (1.0 - SHARE_OF_LOOKS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;

    #[test]
    fn a_sustained_speed_divides_the_work() {
        let mut config = defaults();
        (config.training.batch_size, config.training.steps) = (10, Some(95));
        let image = train_flops_per_image(&config.model, &config.data) as f64;
        let pace = Sustained { flops_per_second: image };
        assert_eq!(pace.step_seconds(&config), 10.0);
        assert!((pace.run_seconds(&config) - 1000.0).abs() < 1e-9);
        config.training.recompute = true;
        assert!((pace.step_seconds(&config) - 40.0 / 3.0).abs() < 1e-9);
    }
}
