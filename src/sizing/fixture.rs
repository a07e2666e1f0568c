//! Networks for tests of this module.

use crate::config::{Data, Model, defaults};

/// Images of `size` pixels and `channels`.
pub(crate) fn data(size: usize, channels: usize) -> Data {
    Data { image_size: size, in_channels: channels, ..defaults().data }
}

/// Two residual blocks per level, middle attention, a time embedding four times as wide as the first level.
pub(crate) fn model(channels: &[usize], attention: &[usize]) -> Model {
    Model {
        base_channels: 1,
        channel_multipliers: channels.to_vec(),
        attention_resolutions: attention.to_vec(),
        time_embed_dim: 4 * channels[0],
        norm_groups: 32,
        ..defaults().model
    }
}

/// The network of Ho et al. 2020 for CIFAR-10.
pub(crate) fn ho_cifar10() -> Model {
    model(&[128, 256, 256, 256], &[16])
}
