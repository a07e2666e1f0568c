//! Feature maps that training keeps, counted from the list of layers.
//!
//! The backward pass needs what each operation's own looks at: norms, convolutions and attention keep their inputs, so
//! that each output that another layer reads is kept once; a shortcut's goes into a sum that nobody looks back at.

use std::collections::BTreeMap;

use super::layers::{Layer, layers};
use crate::config::{Data, Model};

/// Values of one image that are alive when the backward pass begins, `recompute` as in `training.recompute`.
pub fn kept_values_per_image(model: &Model, data: &Data, recompute: bool) -> u64 {
    let layers = layers(model, data);
    // The image, its noise, their mixture and what is to be predicted.
    let pixels = (data.in_channels as u64).saturating_mul(square(data.image_size));
    let given = pixels.saturating_mul(4);
    let kept =
        if recompute { handed(&layers).saturating_add(widest_level(&layers)) } else { sum(layers.iter()) };
    given.saturating_add(kept)
}

/// What levels hand to each other: everything the way up reads, and the output of each level there.
fn handed(layers: &[Layer]) -> u64 {
    let mut last: BTreeMap<&str, &Layer> = BTreeMap::new();
    for layer in layers {
        last.insert(level(&layer.name), layer);
    }
    let ends = last.into_values().filter(|layer| !layer.name.starts_with("down_blocks."));
    let skips = layers.iter().filter(|layer| is_skip(&layer.name));
    sum(ends).saturating_add(sum(skips))
}

/// All that is kept of the level that keeps most.
fn widest_level(layers: &[Layer]) -> u64 {
    let mut levels: BTreeMap<&str, u64> = BTreeMap::new();
    for layer in layers {
        let values = levels.entry(level(&layer.name)).or_default();
        *values = values.saturating_add(kept(layer));
    }
    levels.into_values().max().unwrap_or(0)
}

/// Whether a layer's output, or one of the same size after it, waits for the way up.
pub(crate) fn is_skip(name: &str) -> bool {
    name == "conv_in"
        || name.starts_with("down_blocks.")
            && (name.ends_with(".conv2") || name.ends_with(".downsamplers.0.conv"))
}

/// The first two words of a name: `down_blocks.0` of `down_blocks.0.resnets.1.conv2`.
fn level(name: &str) -> &str {
    name.match_indices('.').nth(1).map_or(name, |(end, _)| &name[..end])
}

fn kept(layer: &Layer) -> u64 {
    if layer.name.ends_with(".conv_shortcut") {
        return 0;
    }
    (layer.outputs as u64).saturating_mul(layer.positions as u64)
}

fn sum<'a>(layers: impl Iterator<Item = &'a Layer>) -> u64 {
    layers.map(kept).fold(0, u64::saturating_add)
}

fn square(side: usize) -> u64 {
    (side as u64).saturating_mul(side as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::fixture::{data, model};

    /// One block a level on the way down, two on the way up; 8 and 16 channels at 8x8 and 4x4, attention at 4.
    fn small() -> Model {
        Model { num_res_blocks: 1, mid_attention: false, norm_groups: 4, ..model(&[8, 16], &[4]) }
    }

    /// Norm, convolution, norm and the block's sum.
    fn block(inputs: u64, outputs: u64, positions: u64) -> u64 {
        (inputs + 3 * outputs) * positions + outputs
    }

    /// Norm, q, k, v, what they come to, and the sum.
    fn attention(channels: u64, positions: u64) -> u64 {
        6 * channels * positions
    }

    #[test]
    fn every_input_of_an_operation_is_kept_once() {
        let down = block(8, 8, 64) + 8 * 16 + block(8, 16, 16) + attention(16, 16);
        let middle = 2 * block(16, 16, 16);
        let up = block(32, 16, 16)
            + block(24, 16, 16)
            + 2 * attention(16, 16)
            + 16 * 64
            + block(24, 8, 64)
            + block(16, 8, 64);
        let ends = 8 * 64 + 8 * 64 + 3 * 64;
        let given = 4 * 3 * 64;
        let time = 2 * 32;
        let all = down + middle + up + ends + given + time;
        assert_eq!(kept_values_per_image(&small(), &data(8, 3), false), all);
    }

    #[test]
    fn recomputation_keeps_what_levels_hand_over_and_one_level() {
        let data = data(8, 3);
        // conv_in, a block, the down-sampler, a block; the middle; the up-sampled; the last level; the prediction and
        // what it is made of; the time embedding.
        let handed = (8 + 8) * 64 + (8 + 16) * 16 + 16 * 16 + 16 * 64 + 8 * 64 + 8 * 64 + 3 * 64 + 2 * 32;
        let widest = block(32, 16, 16) + block(24, 16, 16) + 2 * attention(16, 16) + 16 * 64;
        assert_eq!(kept_values_per_image(&small(), &data, true), 4 * 3 * 64 + handed + widest);
    }

    #[test]
    fn an_absurd_network_is_enormous() {
        let model = Model { base_channels: usize::MAX / 4, ..small() };
        assert_eq!(kept_values_per_image(&model, &data(1 << 20, 3), false), u64::MAX);
    }
}
