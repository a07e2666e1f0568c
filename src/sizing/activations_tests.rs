//! Tests of the feature maps that training keeps.

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

/// Of the whole network, by hand.
fn by_hand() -> u64 {
    let down = block(8, 8, 64) + 8 * 16 + block(8, 16, 16) + attention(16, 16);
    let middle = 2 * block(16, 16, 16);
    let up = block(32, 16, 16)
        + block(24, 16, 16)
        + 2 * attention(16, 16)
        + 16 * 64
        + block(24, 8, 64)
        + block(16, 8, 64);
    let ends = 8 * 64 + 8 * 64 + 3 * 64;
    let time = 2 * 32;
    down + middle + up + ends + time
}

#[test]
fn every_input_of_an_operation_is_kept_once() {
    assert_eq!(kept_values_per_image(&small(), &data(8, 3), false), by_hand() + 4 * 3 * 64);
}

#[test]
fn recomputation_keeps_what_levels_hand_over_and_one_level() {
    let data = data(8, 3);
    // conv_in, a block, the down-sampler, a block, each with its gradient; the middle; the up-sampled; the last level;
    // the prediction and what it is made of; the time embedding.
    let handed = 2 * ((8 + 8) * 64 + (8 + 16) * 16) + 16 * 16 + 16 * 64 + 8 * 64 + 8 * 64 + 3 * 64 + 2 * 32;
    let widest = block(32, 16, 16) + block(24, 16, 16) + 2 * attention(16, 16) + 16 * 64;
    assert_eq!(kept_values_per_image(&small(), &data, true), 4 * 3 * 64 + handed + widest);
}

/// What libtorch's forms keep beyond: what is normalised before silu, a second copy of each skip, enlarged maps.
fn beyond() -> u64 {
    let norms = |inputs: u64, outputs: u64, positions: u64| (inputs + outputs) * positions;
    let down = norms(8, 8, 64) + norms(8, 16, 16);
    let middle = 2 * norms(16, 16, 16);
    let up = norms(32, 16, 16) + norms(24, 16, 16) + norms(24, 8, 64) + norms(16, 8, 64);
    let skips = (16 + 8) * 16 + (8 + 8) * 64;
    down + middle + up + 8 * 64 + skips + 16 * 64 / 4 * 3
}

#[test]
fn libtorchs_forms_keep_what_is_normalised_joined_and_enlarged() {
    let sixteen = Form::Plain { width: 2 };
    assert_eq!(
        kept_bytes(&small(), &layers(&small(), &data(8, 3)), false, sixteen),
        2 * (by_hand() + beyond())
    );
}

#[test]
fn dropout_keeps_which_values_it_left() {
    let (model, data) = (small(), data(8, 3));
    let dropping = Model { dropout: 0.1, ..model.clone() };
    let kept = |model| kept_values_per_image(model, &data, false);
    let norms = (8 + 2 * 8) * 64 + (16 + 2 * 16 + 2 * 16) * 16;
    assert_eq!(kept(&dropping) - kept(&model), norms);
}

#[test]
fn an_absurd_network_is_enormous() {
    let model = Model { base_channels: usize::MAX / 4, ..small() };
    assert_eq!(kept_bytes(&model, &layers(&model, &data(1 << 20, 3)), false, Form::Own), u64::MAX);
}
