//! How many images a network may look at together without gradients: as many as half of the free memory holds.
//!
//! In: a configuration, and the room on the machine. Out: a number of images. Bytes are counted from the list of
//! layers: the values that a forward pass keeps for its way up, and those of its widest layer several times, for its
//! input, its output and what the library makes of them. For the network of the defaults that is 7.6 MB an image, where
//! 3 to 6 were measured.

use super::{FLOAT, Room};
use crate::config::Config;
use crate::sizing::{Layer, is_skip, layers};

/// More together are not faster.
const MOST: u64 = 64;
/// Copies of the widest layer's input and output that are alive at a time: both, joined or normalised, and once more
/// in the layout that a convolution works in.
const COPIES: u64 = 4;
/// What is taken to be free where nobody tells, as on a GPU.
const UNTOLD: u64 = 4 << 30;

/// Images a forward pass, from 1 to 64.
#[must_use]
pub fn images_at_a_time(config: &Config, room: Option<Room>) -> usize {
    let free = room.and_then(|room| room.free).unwrap_or(UNTOLD);
    (free / 2 / bytes_per_image(config).max(1)).clamp(1, MOST) as usize
}

/// Bytes that a forward pass holds for each image.
pub(super) fn bytes_per_image(config: &Config) -> u64 {
    let layers = layers(&config.model, &config.data);
    let outputs = |layer: &Layer| (layer.outputs as u64).saturating_mul(layer.positions as u64);
    let kept: u64 = layers.iter().filter(|layer| is_skip(&layer.name)).map(outputs).sum();
    let values =
        |layer: &Layer| ((layer.inputs + layer.outputs) as u64).saturating_mul(layer.positions as u64);
    let widest = layers.iter().map(values).max().unwrap_or(0);
    kept.saturating_add(widest.saturating_mul(COPIES)).saturating_mul(FLOAT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;
    use crate::memory::Bound;

    fn room(free: u64) -> Option<Room> {
        Some(Room { free: Some(free), total: 1 << 40, bound: Bound::Machine })
    }

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
        let images = |free| images_at_a_time(&config, room(free));
        assert_eq!([0, 2 * each, 10 * each, 1 << 40].map(images), [1, 1, 5, 64]);
        assert_eq!(images_at_a_time(&config, None), images(UNTOLD));
    }
}
