//! What layers cost, and which part of the network each belongs to.
//!
//! In: a [`Layer`]. Out: its [`Cost`], to be added up over any choice of layers, and its [`Part`]. Sums saturate, as
//! those over the whole list do.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::Serialize;

use super::count::{layer_forward_flops, layer_parameters, layer_train_flops};
use super::layers::{Kind, Layer};

/// What a layer is there for. Every layer belongs to one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Every convolution: those of residual blocks with their 1×1 shortcuts, those that halve and double the
    /// resolution, the first and the last.
    Convolution,
    /// Self-attention with all that comes and goes with it: its group norm, the maps to q, k and v, the two products,
    /// and the map of what they come to.
    Attention,
    /// The time embedding, and its map into each residual block.
    Embedding,
    /// The group norms of residual blocks, and the last.
    Norm,
}

impl Part {
    /// Every part, in the order of [`Level::parts`](super::Level::parts).
    pub const ALL: [Part; 4] = [Part::Convolution, Part::Attention, Part::Embedding, Part::Norm];

    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Part::Convolution => "convolution",
            Part::Attention => "attention",
            Part::Embedding => "embedding",
            Part::Norm => "norm",
        }
    }

    /// The part of a layer.
    pub(super) fn of(layer: &Layer) -> Part {
        match layer.kind {
            _ if layer.name.contains(".attentions.") => Part::Attention,
            Kind::Conv { .. } => Part::Convolution,
            // Outside of attention only the time embedding is mapped by a matrix.
            Kind::Linear | Kind::Attention => Part::Embedding,
            Kind::GroupNorm => Part::Norm,
        }
    }
}

/// What some layers cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Cost {
    /// Trainable parameters.
    pub parameters: u64,
    /// Floating-point operations of a forward pass over one image.
    pub forward_flops: u64,
    /// Floating-point operations of a forward and backward pass over one image.
    pub train_flops: u64,
    /// Bytes of one image that a forward pass leaves for the backward pass, without recomputation.
    pub kept_bytes: u64,
}

impl Cost {
    /// The cost of one layer that leaves so many bytes.
    pub(super) fn of(layer: &Layer, kept_bytes: u64) -> Cost {
        Cost {
            parameters: layer_parameters(layer),
            forward_flops: layer_forward_flops(layer),
            train_flops: layer_train_flops(layer),
            kept_bytes,
        }
    }
}

impl Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        Cost {
            parameters: self.parameters.saturating_add(other.parameters),
            forward_flops: self.forward_flops.saturating_add(other.forward_flops),
            train_flops: self.train_flops.saturating_add(other.train_flops),
            kept_bytes: self.kept_bytes.saturating_add(other.kept_bytes),
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        *self = *self + other;
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), Cost::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::fixture::{data, model};
    use crate::sizing::layers;

    #[test]
    fn a_part_holds_what_comes_and_goes_with_it() {
        let layers = layers(&model(&[64, 128], &[16]), &data(32, 3));
        let part = |name: &str| Part::of(layers.iter().find(|layer| layer.name == name).unwrap());
        let parts = [
            ("conv_in", Part::Convolution),
            ("down_blocks.1.resnets.0.conv_shortcut", Part::Convolution),
            ("down_blocks.0.downsamplers.0.conv", Part::Convolution),
            ("down_blocks.1.attentions.0", Part::Attention),
            ("down_blocks.1.attentions.0.group_norm", Part::Attention),
            ("down_blocks.1.attentions.0.to_out.0", Part::Attention),
            ("time_embedding.linear_2", Part::Embedding),
            ("mid_block.resnets.1.time_emb_proj", Part::Embedding),
            ("up_blocks.1.resnets.2.norm2", Part::Norm),
            ("conv_norm_out", Part::Norm),
        ];
        for (name, expected) in parts {
            assert_eq!(part(name), expected, "{name}");
        }
    }

    #[test]
    fn costs_add_up_field_by_field_and_saturate() {
        let one = Cost { parameters: 1, forward_flops: 2, train_flops: 3, kept_bytes: 4 };
        let most = Cost { parameters: u64::MAX, ..one };
        let mut sum: Cost = [one, one].into_iter().sum();
        assert_eq!(sum, Cost { parameters: 2, forward_flops: 4, train_flops: 6, kept_bytes: 8 });
        sum += most;
        assert_eq!(sum, Cost { parameters: u64::MAX, forward_flops: 6, train_flops: 9, kept_bytes: 12 });
    }
}
