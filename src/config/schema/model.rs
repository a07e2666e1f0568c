//! `[model]`: the network's structure.

use serde::{Deserialize, Serialize};

/// `[model]`: the structure of diffusers' `UNet2DModel`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Channels that a multiplier of 1 means.
    pub base_channels: usize,
    /// One per level; each level after the first halves the resolution.
    pub channel_multipliers: Vec<usize>,
    /// Residual blocks per level on the way down; one more on the way up.
    pub num_res_blocks: usize,
    /// Resolutions (pixels) that get self-attention; a set, kept sorted descending.
    pub attention_resolutions: Vec<usize>,
    /// Heads per attention block; excludes `attention_head_dim`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub num_attention_heads: Option<usize>,
    /// Width of one head, capped at the level's width; excludes `num_attention_heads`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attention_head_dim: Option<usize>,
    /// Dropout probability inside residual blocks.
    pub dropout: f64,
    /// Width of the time embedding.
    pub time_embed_dim: usize,
    /// Groups of every group norm.
    pub norm_groups: usize,
    /// Epsilon of every group norm.
    pub norm_eps: f64,
    /// Whether the middle block has attention.
    pub mid_attention: bool,
    /// Distribution of the first weights.
    pub init: ModelInit,
    /// 1: symmetric padding; 0: one zero row right and bottom (the original DDPM).
    pub downsample_padding: usize,
    /// Subtracted from half the embedding width in the frequency exponent.
    pub freq_shift: f64,
    /// Order of the sinusoidal embedding: `[cos, sin]` when true.
    pub flip_sin_to_cos: bool,
}

impl Model {
    /// Channels per level, highest resolution first.
    pub fn channels(&self) -> Vec<usize> {
        self.channel_multipliers.iter().map(|m| m * self.base_channels).collect()
    }

    /// Resolutions per level in pixels, highest first.
    pub fn resolutions(&self, image_size: usize) -> Vec<usize> {
        (0..self.channel_multipliers.len()).map(|level| image_size >> level).collect()
    }

    /// Width of one attention head in a block of `channels`.
    pub fn head_dim(&self, channels: usize) -> usize {
        match (self.num_attention_heads, self.attention_head_dim) {
            (Some(heads), _) => channels / heads,
            (None, Some(width)) => width.min(channels),
            (None, None) => channels,
        }
    }
}

/// `model.init`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelInit {
    /// PyTorch's defaults: kaiming-uniform with a = √5, biases alike.
    Torch,
    /// Ho et al. 2020: fan-average uniform, biases zero; what ends a residual branch starts at zero.
    Ddpm,
}
