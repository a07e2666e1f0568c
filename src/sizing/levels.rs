//! The network as a person draws it: what goes in, the levels on the way down, the middle, the levels on the way up,
//! what comes out; each with its size and its cost by part.
//!
//! In: a configuration, and where it trains. Out: one [`Level`] for each; every layer is in one of them, so that they add
//! up to the network.

use serde::Serialize;

use super::activations::{FLOAT, is_skip, kept, kept_bytes_by_layer};
use super::cost::{Cost, Part};
use super::layers::{Kind, Layer, layers};
use super::memory::{Place, form};
use crate::config::{Config, Model};

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
    /// Bytes of one image that wait here for the way up: its part of the skip connections. They are in what is kept.
    pub skip_bytes: u64,
    /// Bytes that a fused kernel keeps of one image's attention scores: for each head and row the logarithm of the sum.
    pub fused_score_bytes: u64,
    /// Bytes that would be kept of them were they materialised: for each head a matrix of positions by positions after
    /// its softmax. Making one takes as much again, which the backward pass does once more.
    pub materialised_score_bytes: u64,
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
        self.heads.map(|heads| self.channels / heads.max(1))
    }

    fn new(name: &str, config: &Config) -> Level {
        let Config { model, data, .. } = config;
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
            skip_bytes: 0,
            fused_score_bytes: 0,
            materialised_score_bytes: 0,
            parts: Default::default(),
        }
    }

    fn add(&mut self, layer: &Layer, kept_bytes: u64, model: &Model, width: u64) {
        self.blocks += usize::from(layer.name.ends_with(".conv1"));
        if layer.kind == Kind::Attention {
            let heads = self.channels / model.head_dim(self.channels).max(1);
            let rows = (heads as u64).saturating_mul(layer.positions as u64);
            let scores = rows.saturating_mul(layer.positions as u64);
            self.attentions += 1;
            self.heads = Some(heads);
            self.fused_score_bytes = self.fused_score_bytes.saturating_add(rows.saturating_mul(FLOAT));
            self.materialised_score_bytes =
                self.materialised_score_bytes.saturating_add(scores.saturating_mul(width));
        }
        if is_skip(&layer.name) {
            self.skip_bytes = self.skip_bytes.saturating_add(kept(layer).saturating_mul(width));
        }
        self.parts[Part::of(layer) as usize] += Cost::of(layer, kept_bytes);
    }
}

/// The network from its input to its output, with what its training keeps in memory of that kind.
///
/// What holds for [`layers`] holds here: `model.channel_multipliers` must not be empty, and the lowest level must have at
/// least one pixel.
pub fn levels(config: &Config, place: Place) -> Vec<Level> {
    let model = &config.model;
    let (layers, form) = (layers(model, &config.data), form(&config.training, place));
    let kept = kept_bytes_by_layer(model, &layers, form);
    let mut found: Vec<Level> = Vec::with_capacity(2 * model.channel_multipliers.len() + 4);
    for (layer, kept) in layers.iter().zip(kept) {
        let name = stretch(&layer.name);
        if found.last().is_none_or(|last| last.name != name) {
            found.push(Level::new(name, config));
        }
        if let Some(level) = found.last_mut() {
            level.add(layer, kept, model, form.width());
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
