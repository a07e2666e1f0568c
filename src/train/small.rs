//! The network that the tests of training train: two levels with attention on 8x8 pictures.

use crate::config::{Config, defaults};

pub(super) fn small() -> Config {
    let mut config = defaults();
    config.data.image_size = 8;
    config.model.base_channels = 8;
    config.model.channel_multipliers = vec![1, 2];
    config.model.num_res_blocks = 1;
    config.model.attention_resolutions = vec![4];
    config.model.norm_groups = 2;
    config.model.time_embed_dim = 32;
    config
}
