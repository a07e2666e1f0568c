//! What a forward pass without gradients holds, and how many images may go through one together.
//!
//! In: a configuration. Out: bytes, numbers of images. Bytes are counted from the list of layers: the values that a
//! forward pass keeps for its way up, and those of its widest layer several times, for its input, its output and what
//! the library makes of them. For the network of the defaults that is 7.6 MB an image, where 3 to 6 were measured.

use super::activations::{FLOAT, is_skip, kept};
use super::layers::{Layer, layers};
use crate::config::Config;

/// More together are not faster.
const MOST: u64 = 64;
/// Copies of the widest layer's input and output that are alive at a time: both, joined or normalised, and once more
/// in the layout that a convolution works in.
const COPIES: u64 = 4;
/// What is taken to be free where nobody tells, as on a GPU.
const UNTOLD: u64 = 4 << 30;

/// Images a forward pass, from 1 to 64: as many as half of the free bytes hold.
pub(crate) fn images_in(config: &Config, free: Option<u64>) -> usize {
    at_a_time(bytes_per_image(config), free)
}

fn at_a_time(each: u64, free: Option<u64>) -> usize {
    (free.unwrap_or(UNTOLD) / 2 / each.max(1)).clamp(1, MOST) as usize
}

/// Bytes that a forward pass holds for each image, in 32 bits whatever `training.precision` says.
fn bytes_per_image(config: &Config) -> u64 {
    of_an_image(&layers(&config.model, &config.data))
}

fn of_an_image(layers: &[Layer]) -> u64 {
    let skips = layers.iter().filter(|layer| is_skip(&layer.name));
    let waiting = skips.map(kept).fold(0, u64::saturating_add);
    waiting.saturating_add(widest(layers).saturating_mul(COPIES)).saturating_mul(FLOAT)
}

/// Bytes that the looks of a run hold beside its weights: the most images that an evaluation or a grid of samples asks
/// at a time.
pub(super) fn bytes(config: &Config, layers: &[Layer]) -> u64 {
    let each = of_an_image(layers);
    let at_a_time = at_a_time(each, None);
    let evaluated = if config.evaluation.every > 0 { at_a_time } else { 0 };
    let drawn = if config.sampling.every > 0 { at_a_time.min(config.sampling.num_samples) } else { 0 };
    each.saturating_mul(evaluated.max(drawn) as u64)
}

/// Values of the input and the output of the layer that has most.
pub(super) fn widest(layers: &[Layer]) -> u64 {
    let values = |layer: &Layer| {
        (layer.inputs as u64).saturating_add(layer.outputs as u64).saturating_mul(layer.positions as u64)
    };
    layers.iter().map(values).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;

    #[test]
    fn the_bytes_of_an_image_are_its_skips_and_its_widest_layer() {
        let mut config = defaults();
        config.data.image_size = 32;
        config.model.base_channels = 64;
        config.model.channel_multipliers = vec![1, 2];
        config.model.num_res_blocks = 1;
        // conv_in and a block at 32x32, the down-sampler and a block at 16x16.
        let kept = 2 * 64 * 1024 + 64 * 256 + 128 * 256;
        // The first norm at 32x32 on the way up: 128 channels joined with 64.
        let widest = 2 * (128 + 64) * 1024;
        assert_eq!(bytes_per_image(&config), 4 * (kept + 4 * widest));
    }

    #[test]
    fn more_room_is_more_images_up_to_a_limit() {
        let config = defaults();
        let each = bytes_per_image(&config);
        let images = |free| images_in(&config, Some(free));
        assert_eq!([0, 2 * each, 10 * each, 1 << 40].map(images), [1, 1, 5, 64]);
        assert_eq!(images_in(&config, None), images(UNTOLD));
    }

    #[test]
    fn what_nobody_asks_for_is_not_held() {
        let mut config = defaults();
        let (layers, each) = (layers(&config.model, &config.data), bytes_per_image(&config));
        config.sampling.num_samples = 5;
        assert_eq!(bytes(&config, &layers), images_in(&config, None) as u64 * each);
        config.evaluation.every = 0;
        assert_eq!(bytes(&config, &layers), 5 * each);
        config.sampling.every = 0;
        assert_eq!(bytes(&config, &layers), 0);
    }
}
