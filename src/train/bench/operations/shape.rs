//! The distinct shapes of a network's operations, from the list that parameters and operations are counted from.
//!
//! In: a configuration. Out: [`Shape`]s as the network runs them: an up-sampling with its convolution is one operation,
//! and so are a self-attention with the linear maps around it and a norm with what it takes in.

use std::fmt;

use crate::config::Config;
use crate::sizing::{self, Kind, Layer};

/// What an operation computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A convolution; `stride` 2 halves the resolution.
    Conv { kernel: usize, stride: usize },
    /// Nearest ×2, then a 3×3 convolution.
    UpsampledConv,
    /// A 1×1 convolution of a block's input, whose last `skip` channels come from the way down.
    Pointwise { skip: usize },
    /// A linear map of the time embedding.
    Linear,
    /// A group norm alone.
    Norm,
    /// A group norm, then silu, of a block's input, whose last `skip` channels come from the way down.
    NormSilu { skip: usize },
    /// The same of a feature map with the time embedding added.
    NormSiluOfSum,
    /// q, k and v, the attention product, the linear map after it, and the residual sum.
    SelfAttention,
}

/// What decides the time of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) unit: Unit,
    /// Images at a time.
    pub(super) images: usize,
    /// Channels in and out.
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Positions of the output: side by side of a square feature map, or 1 on the time embedding.
    pub(super) positions: usize,
    /// Whether its input has a gradient.
    pub(super) input_gradient: bool,
    /// Floating-point operations of a forward and backward pass over all images.
    pub(super) flops: u64,
}

/// Each shape, with how often a step has it; micro-batches are passes of their own.
pub(super) fn shapes(config: &Config) -> Vec<(Shape, usize)> {
    let parts = config.training.gradient_accumulation;
    let images = config.training.batch_size / parts;
    let layers = sizing::layers(&config.model, &config.data);
    let mut found: Vec<(Shape, usize)> = vec![];
    for layer in &layers {
        let Some(unit) = unit(layer, config) else { continue };
        let counted: Vec<Layer> = match unit {
            Unit::SelfAttention => {
                layers.iter().filter(|part| is_of_attention(part, layer)).cloned().collect()
            }
            _ => vec![layer.clone()],
        };
        let &Layer { inputs, outputs, positions, input_gradient, .. } = layer;
        let flops = sizing::train_flops_of(&counted).saturating_mul(images as u64);
        let shape = Shape { unit, images, inputs, outputs, positions, input_gradient, flops };
        match found.iter_mut().find(|(known, _)| *known == shape) {
            Some((_, count)) => *count += parts,
            None => found.push((shape, parts)),
        }
    }
    found
}

/// The operation of a layer; none where it is a part of another's.
fn unit(layer: &Layer, config: &Config) -> Option<Unit> {
    let name = layer.name.as_str();
    Some(match layer.kind {
        Kind::Conv { .. } if name.contains(".upsamplers.") => Unit::UpsampledConv,
        Kind::Conv { kernel: 1 } => Unit::Pointwise { skip: skip_channels(name, config) },
        Kind::Conv { kernel } => {
            Unit::Conv { kernel, stride: if name.contains(".downsamplers.") { 2 } else { 1 } }
        }
        Kind::Linear if name.contains(".attentions.") => return None,
        Kind::Linear => Unit::Linear,
        Kind::GroupNorm if name.ends_with(".group_norm") => Unit::Norm,
        Kind::GroupNorm if name.ends_with(".norm2") => Unit::NormSiluOfSum,
        Kind::GroupNorm => Unit::NormSilu { skip: skip_channels(name, config) },
        Kind::Attention => Unit::SelfAttention,
    })
}

/// Whether a layer is the attention product `of`, or one of the linear maps around it.
fn is_of_attention(layer: &Layer, of: &Layer) -> bool {
    let rest = layer.name.strip_prefix(of.name.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(".to_"))
}

/// Channels that a residual block on the way up takes from the way down: those of its level, or for the last one of a
/// level those that entered it. None elsewhere.
fn skip_channels(name: &str, config: &Config) -> usize {
    let Some(rest) = name.strip_prefix("up_blocks.") else { return 0 };
    let numbers: Vec<usize> = rest.split('.').filter_map(|part| part.parse().ok()).collect();
    let &[up, block, ..] = &numbers[..] else { return 0 };
    let channels = config.model.channels();
    let level = channels.len() - 1 - up;
    let from = if block == config.model.num_res_blocks { level.saturating_sub(1) } else { level };
    channels[from]
}

impl Shape {
    /// Rows of a feature map that it writes.
    pub(super) fn side(&self) -> usize {
        self.positions.isqrt()
    }

    /// Rows of the feature map that it reads.
    pub(super) fn input_side(&self) -> usize {
        match self.unit {
            Unit::Conv { stride, .. } => self.side() * stride,
            Unit::UpsampledConv => self.side() / 2,
            _ => self.side(),
        }
    }

    /// What kind of operation it is, for people.
    pub(super) fn kind(&self) -> String {
        match self.unit {
            Unit::Conv { kernel, stride: 1 } => format!("conv {kernel}x{kernel}"),
            Unit::Conv { kernel, stride } => format!("conv {kernel}x{kernel} stride {stride}"),
            Unit::UpsampledConv => "upsample, conv 3x3".into(),
            Unit::Pointwise { .. } => "conv 1x1".into(),
            Unit::Linear => "linear".into(),
            Unit::Norm => "group norm".into(),
            Unit::NormSilu { .. } => "group norm, silu".into(),
            Unit::NormSiluOfSum => "+ time, group norm, silu".into(),
            Unit::SelfAttention => "self-attention".into(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unit, images, inputs, outputs, input_gradient, .. } = *self;
        let side = self.input_side();
        let input = match unit {
            Unit::Linear => format!("[{images}, {inputs}]"),
            Unit::Pointwise { skip } | Unit::NormSilu { skip } if skip > 0 => {
                format!("[{images}, {}+{skip}, {side}, {side}]", inputs - skip)
            }
            _ => format!("[{images}, {inputs}, {side}, {side}]"),
        };
        f.write_str(&input)?;
        if matches!(unit, Unit::Conv { .. } | Unit::UpsampledConv | Unit::Pointwise { .. } | Unit::Linear) {
            write!(f, " -> {outputs}")?;
        }
        if input_gradient { Ok(()) } else { f.write_str(" of data") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::small::small;

    fn network() -> Config {
        let mut config = small();
        config.data.image_size = 16;
        config.model.attention_resolutions = vec![8];
        config.training.batch_size = 6;
        config
    }

    #[test]
    fn every_layer_of_the_network_is_in_one_shape_and_their_operations_are_the_steps() {
        for parts in [1, 3] {
            let mut config = network();
            config.training.gradient_accumulation = parts;
            let found = shapes(&config);
            let layers = sizing::layers(&config.model, &config.data);
            let attentions = layers.iter().filter(|layer| layer.kind == Kind::Attention).count();
            // The four linear maps of an attention are in one operation with it.
            let expected = layers.len() - 4 * attentions;
            assert_eq!(found.iter().map(|(_, count)| count).sum::<usize>(), expected * parts);
            assert!(found.len() < expected, "equal layers are measured once");
            let flops: u64 = found.iter().map(|(shape, count)| shape.flops * *count as u64).sum();
            assert_eq!(flops, 6 * sizing::train_flops_per_image(&config.model, &config.data));
        }
    }

    #[test]
    fn an_attention_over_a_single_position_keeps_its_linear_maps() {
        let mut config = network();
        config.data.image_size = 2;
        config.model.attention_resolutions = vec![1];
        let flops: u64 = shapes(&config).iter().map(|(shape, count)| shape.flops * *count as u64).sum();
        assert_eq!(flops, 6 * sizing::train_flops_per_image(&config.model, &config.data));
    }

    #[test]
    fn shapes_are_told_by_their_input_and_what_becomes_of_its_channels() {
        let told: Vec<String> =
            shapes(&network()).iter().map(|(shape, _)| format!("{} {shape}", shape.kind())).collect();
        for wanted in [
            "conv 3x3 [6, 3, 16, 16] -> 8 of data",
            "conv 3x3 stride 2 [6, 8, 16, 16] -> 8",
            "upsample, conv 3x3 [6, 16, 8, 8] -> 16",
            "conv 1x1 [6, 8, 8, 8] -> 16",
            "conv 1x1 [6, 16+8, 8, 8] -> 16",
            "linear [6, 32] -> 16",
            "group norm, silu [6, 8, 16, 16]",
            "group norm, silu [6, 16+16, 8, 8]",
            "group norm, silu [6, 16+8, 16, 16]",
            "group norm, silu [6, 8+8, 16, 16]",
            "+ time, group norm, silu [6, 8, 16, 16]",
            "group norm [6, 16, 8, 8]",
            "self-attention [6, 16, 8, 8]",
        ] {
            assert!(told.iter().any(|told| told == wanted), "no {wanted} in {told:#?}");
        }
    }
}
