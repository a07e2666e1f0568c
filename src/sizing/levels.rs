//! The network as a person draws it: what goes in, the levels on the way down, the middle, the levels on the way up,
//! what comes out; each with its size and its cost by part.
//!
//! In: `model`, and from `data` the image's size and channels. Out: one [`Level`] for each; every layer is in one of
//! them, so that they add up to the network.

use serde::Serialize;

use super::activations::{FLOAT, bytes_of_scores, is_skip};
use super::cost::{Cost, Part};
use super::layers::{Kind, Layer, layers};
use crate::config::{Data, Model};

/// A stretch of the network at one resolution.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Level {
    /// What its tensors' names begin with: `time_embedding`, `conv_in`, `down_blocks.0`, `mid_block`, `up_blocks.0`
    /// (the lowest resolution) or `conv_out`, which has the norm before it too.
    pub name: String,
    /// Place in `model.channel_multipliers`, the middle being at the last one; none for the ends and for the time
    /// embedding.
    pub multiplier: Option<usize>,
    /// Width and height of its feature maps in pixels; 1 for the time embedding, which is a vector.
    pub resolution: usize,
    /// Channels that it hands on.
    pub channels: usize,
    /// Residual blocks.
    pub blocks: usize,
    /// Attention blocks.
    pub attentions: usize,
    /// Heads of each attention block; none without attention.
    pub heads: Option<usize>,
    /// Values of one image that wait here for the way up: its part of the skip connections. They are in what is kept.
    pub skip_values: u64,
    /// What each part of it costs, in the order of [`Part::ALL`].
    #[serde(skip)]
    pub parts: [Cost; Part::ALL.len()],
}

impl Level {
    /// What a part of it costs.
    pub fn part(&self, part: Part) -> Cost {
        self.parts[part as usize]
    }

    /// What all of it costs.
    pub fn cost(&self) -> Cost {
        self.parts.into_iter().sum()
    }

    /// Channels of one attention head; none without attention.
    pub fn head_dim(&self) -> Option<usize> {
        self.heads.map(|heads| self.channels / heads)
    }

    /// Attention scores of one image, each once: for each block and head a matrix of positions by positions.
    pub fn score_values(&self) -> u64 {
        let positions = (self.resolution as u64).saturating_mul(self.resolution as u64);
        self.score_rows().saturating_mul(positions)
    }

    /// Rows of those matrices, one for each block, head and position.
    pub fn score_rows(&self) -> u64 {
        let matrices = (self.attentions as u64).saturating_mul(self.heads.unwrap_or(0) as u64);
        let positions = (self.resolution as u64).saturating_mul(self.resolution as u64);
        matrices.saturating_mul(positions)
    }

    /// Bytes that the fused kernel of the CPU keeps in place of one image's scores: the logarithm of each row's sum.
    pub fn fused_score_bytes(&self) -> u64 {
        self.score_rows().saturating_mul(FLOAT)
    }

    /// Bytes that attention keeps of one image's scores where it is materialised, as where a GPU trains: three matrices
    /// a block and head, two of them in 32 bits, `width` being the bytes of a value of a feature map.
    pub fn materialised_score_bytes(&self, width: u64) -> u64 {
        bytes_of_scores(self.score_values(), width)
    }

    fn new(name: &str, model: &Model, data: &Data) -> Level {
        let channels = model.channels();
        let resolutions = model.resolutions(data.image_size);
        let lowest = channels.len() - 1;
        let number = |prefix: &str| name.strip_prefix(prefix).and_then(|number| number.parse::<usize>().ok());
        let multiplier = match name {
            "mid_block" => Some(lowest),
            _ => number("down_blocks.").or(number("up_blocks.").map(|number| lowest.saturating_sub(number))),
        };
        let (resolution, channels) = match (name, multiplier) {
            (_, Some(place)) => (resolutions[place], channels[place]),
            ("time_embedding", _) => (1, model.time_embed_dim),
            ("conv_out", _) => (data.image_size, data.in_channels),
            _ => (data.image_size, channels[0]),
        };
        Level {
            name: name.to_owned(),
            multiplier,
            resolution,
            channels,
            blocks: 0,
            attentions: 0,
            heads: None,
            skip_values: 0,
            parts: Default::default(),
        }
    }

    fn add(&mut self, layer: &Layer, model: &Model) {
        self.blocks += usize::from(layer.name.ends_with(".conv1"));
        if layer.kind == Kind::Attention {
            self.attentions += 1;
            self.heads = Some(self.channels / model.head_dim(self.channels).max(1));
        }
        if is_skip(&layer.name) {
            let values = (layer.outputs as u64).saturating_mul(layer.positions as u64);
            self.skip_values = self.skip_values.saturating_add(values);
        }
        self.parts[Part::of(layer) as usize] += Cost::of(layer, model);
    }
}

/// The network from its input to its output.
///
/// What holds for [`layers`] holds here: `model.channel_multipliers` must not be empty, and the lowest level must have at
/// least one pixel.
pub fn levels(model: &Model, data: &Data) -> Vec<Level> {
    let mut found: Vec<Level> = Vec::with_capacity(2 * model.channel_multipliers.len() + 4);
    for layer in layers(model, data) {
        let name = stretch(&layer.name);
        if found.last().is_none_or(|last| last.name != name) {
            found.push(Level::new(name, model, data));
        }
        if let Some(level) = found.last_mut() {
            level.add(&layer, model);
        }
    }
    found
}

/// The level that a layer belongs to: the first word of its name, on the ways down and up the first two.
fn stretch(name: &str) -> &str {
    let words = if name.starts_with("down_blocks.") || name.starts_with("up_blocks.") { 2 } else { 1 };
    match name {
        "conv_norm_out" => "conv_out",
        _ => name.match_indices('.').nth(words - 1).map_or(name, |(end, _)| &name[..end]),
    }
}

#[cfg(test)]
#[path = "levels_tests.rs"]
mod tests;
