//! Networks for tests of this module.

use crate::config::{Data, Dataset, Model};

/// Images of `size` pixels and `channels`.
pub(crate) fn data(size: usize, channels: usize) -> Data {
    Data {
        dataset: Dataset::Shapes,
        root: None,
        image_size: size,
        in_channels: channels,
        validation_fraction: 0.1,
        limit: None,
    }
}

/// Two residual blocks per level, middle attention, a time embedding four times as wide as the first level.
pub(crate) fn model(channels: &[usize], attention: &[usize]) -> Model {
    Model {
        base_channels: 1,
        channel_multipliers: channels.to_vec(),
        num_res_blocks: 2,
        attention_resolutions: attention.to_vec(),
        num_attention_heads: None,
        attention_head_dim: Some(64),
        dropout: 0.0,
        time_embed_dim: 4 * channels[0],
        norm_groups: 32,
        norm_eps: 1e-5,
        mid_attention: true,
        downsample_padding: 1,
        freq_shift: 0.0,
        flip_sin_to_cos: true,
    }
}

/// The network of Ho et al. 2020 for CIFAR-10.
pub(crate) fn ho_cifar10() -> Model {
    model(&[128, 256, 256, 256], &[16])
}
