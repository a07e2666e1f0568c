//! The least a run needs: what every step has in memory whatever the library does.
//!
//! In: a configuration. Out: bytes of weights, gradients, the optimizer's two moments and each average, all in
//! 32 bits, and of the images and noise of a batch. Activations, which depend on the library, are not in it.

use super::{FLOAT, human};
use crate::config::Config;
use crate::sizing::{self, thousands};

/// A lower bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Trainable parameters.
    pub parameters: u64,
    /// Images on the device at a time.
    pub images: u64,
    /// Bytes of both.
    pub bytes: u64,
}

impl Need {
    /// Counts; a device of its own only has the micro-batch in the making.
    pub fn at_least(config: &Config, on_accelerator: bool) -> Need {
        let training = &config.training;
        let parameters = sizing::parameters(&config.model, &config.data);
        let copies = 4 + config.ema.tracks().len() as u64;
        let parts = if on_accelerator { training.gradient_accumulation.max(1) } else { 1 };
        let images = (training.batch_size / parts) as u64;
        let side = config.data.image_size as u64;
        // Each image has its noise beside it.
        let values = [2, images, config.data.in_channels as u64, side, side]
            .into_iter()
            .fold(1, |product: u64, factor| product.saturating_mul(factor));
        let floats = parameters.saturating_mul(copies).saturating_add(values);
        Need { parameters, images, bytes: floats.saturating_mul(FLOAT) }
    }

    pub(super) fn sentence(&self, config: &Config) -> String {
        let averages = config.ema.tracks().len();
        format!(
            "at least {} for {} parameters (with gradients, optimizer and {averages} average{}) and {} image{} at a \
             time, activations not counted",
            human(self.bytes),
            thousands(self.parameters),
            plural(averages as u64),
            thousands(self.images),
            plural(self.images)
        )
    }
}

pub(super) fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;

    #[test]
    fn the_least_is_counted_from_exact_numbers() {
        let mut config = defaults().clone();
        config.training.batch_size = 96;
        config.training.gradient_accumulation = 3;
        let values =
            (2 * 96 * config.data.in_channels * config.data.image_size * config.data.image_size) as u64;
        let whole = Need::at_least(&config, false);
        let copies = 4 + config.ema.tracks().len() as u64;
        assert_eq!(whole.bytes, 4 * (copies * whole.parameters + values));
        let micro = Need::at_least(&config, true);
        assert_eq!((micro.images, whole.bytes - micro.bytes), (32, 4 * values * 2 / 3));
    }

    #[test]
    fn a_need_reads_like_a_sentence() {
        let config = defaults().clone();
        let need = Need { parameters: 35_746_307, images: 1, bytes: 3 << 29 };
        assert_eq!(
            need.sentence(&config),
            "at least 1.50 GiB for 35,746,307 parameters (with gradients, optimizer and 1 average) and 1 image at a \
             time, activations not counted"
        );
        assert_eq!([0, 999, 1000, 1_000_000].map(thousands), ["0", "999", "1,000", "1,000,000"]);
    }
}
