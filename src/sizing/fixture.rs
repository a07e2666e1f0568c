//! Networks for tests of this module and of what builds on it.

use crate::config::{Config, Data, Model, defaults};

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

/// 64, 128 and 256 channels at 32x32 with attention at 16 and 8: 16,056,451 parameters.
pub(crate) fn network(batch_size: usize) -> Config {
    let mut config = defaults();
    config.data.image_size = 32;
    config.model.base_channels = 64;
    config.model.channel_multipliers = vec![1, 2, 4];
    config.model.attention_resolutions = vec![16, 8];
    config.training.batch_size = batch_size;
    config
}
