//! The distinct shapes of a network's layers, from the list that parameters and operations are counted from.

use std::fmt;

use crate::config::Config;
use crate::sizing::{self, Kind, Layer};

/// What decides the time of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Images at a time.
    pub(super) images: usize,
    pub(super) kind: Kind,
    /// Channels in and out.
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Positions of the output: side by side of a square feature map, or 1 on the time embedding.
    pub(super) positions: usize,
    /// Rows and columns that the input has for each of the output: 2 where a convolution halves the resolution.
    pub(super) stride: usize,
    /// Whether silu follows a norm.
    pub(super) silu: bool,
    /// Whether its input has a gradient.
    pub(super) input_gradient: bool,
}

/// Each shape, with how often a step has it; micro-batches are passes of their own.
pub(super) fn shapes(config: &Config) -> Vec<(Shape, usize)> {
    let parts = config.training.gradient_accumulation;
    let images = config.training.batch_size / parts;
    let mut found: Vec<(Shape, usize)> = vec![];
    for layer in sizing::layers(&config.model, &config.data) {
        let shape = Shape::of(&layer, images);
        match found.iter_mut().find(|(known, _)| *known == shape) {
            Some((_, count)) => *count += parts,
            None => found.push((shape, parts)),
        }
    }
    found
}

impl Shape {
    fn of(layer: &Layer, images: usize) -> Self {
        let name = &layer.name;
        Self {
            images,
            kind: layer.kind,
            inputs: layer.inputs,
            outputs: layer.outputs,
            positions: layer.positions,
            stride: if name.contains(".downsamplers.") { 2 } else { 1 },
            silu: [".norm1", ".norm2", "conv_norm_out"].iter().any(|end| name.ends_with(end)),
            input_gradient: layer.input_gradient,
        }
    }

    /// Rows of a feature map that it writes.
    pub(super) fn side(&self) -> usize {
        self.positions.isqrt()
    }

    /// Operations of a forward and backward pass.
    pub(super) fn train_flops(&self) -> u64 {
        let Self { kind, inputs, outputs, positions, input_gradient, .. } = *self;
        let layer = Layer { name: String::new(), kind, inputs, outputs, positions, input_gradient };
        sizing::train_flops_of(&[layer]).saturating_mul(self.images as u64)
    }

    /// What kind of layer it is, for people.
    pub(super) fn kind(&self) -> String {
        match (self.kind, self.stride, self.silu) {
            (Kind::Conv { kernel }, 1, _) => format!("conv {kernel}x{kernel}"),
            (Kind::Conv { kernel }, stride, _) => format!("conv {kernel}x{kernel} stride {stride}"),
            (Kind::Linear, ..) => "linear".into(),
            (Kind::GroupNorm, _, false) => "group norm".into(),
            (Kind::GroupNorm, _, true) => "group norm + silu".into(),
            (Kind::Attention, ..) => "attention".into(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, inputs, outputs, positions, stride, .. } = *self;
        let side = self.side() * stride;
        match self.kind {
            Kind::Conv { .. } => write!(f, "[{images}, {inputs}, {side}, {side}] -> {outputs}"),
            Kind::GroupNorm => write!(f, "[{images}, {inputs}, {side}, {side}]"),
            Kind::Linear if positions == 1 => write!(f, "[{images}, {inputs}] -> {outputs}"),
            Kind::Linear => write!(f, "[{images}, {positions}, {inputs}] -> {outputs}"),
            Kind::Attention => write!(f, "[{images}, {positions}, {inputs}]"),
        }?;
        if self.input_gradient { Ok(()) } else { f.write_str(" of data") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;

    fn network() -> Config {
        let mut config = defaults();
        config.data.image_size = 16;
        config.model.base_channels = 8;
        config.model.channel_multipliers = vec![1, 2];
        config.model.num_res_blocks = 1;
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
            let layers = sizing::layers(&config.model, &config.data).len();
            assert_eq!(found.iter().map(|(_, count)| count).sum::<usize>(), layers * parts);
            assert!(found.len() < layers, "equal layers are measured once");
            let flops: u64 = found.iter().map(|(shape, count)| shape.train_flops() * *count as u64).sum();
            assert_eq!(flops, 6 * sizing::train_flops_per_image(&config.model, &config.data));
        }
    }

    #[test]
    fn shapes_are_told_by_their_input_and_what_becomes_of_its_channels() {
        let told: Vec<String> =
            shapes(&network()).iter().map(|(shape, _)| format!("{} {shape}", shape.kind())).collect();
        for wanted in [
            "conv 3x3 [6, 3, 16, 16] -> 8 of data",
            "conv 3x3 stride 2 [6, 8, 16, 16] -> 8",
            "conv 1x1 [6, 8, 8, 8] -> 16",
            "group norm + silu [6, 8, 16, 16]",
            "group norm [6, 16, 8, 8]",
            "linear [6, 64, 16] -> 16",
            "attention [6, 64, 16]",
        ] {
            assert!(told.iter().any(|told| told == wanted), "no {wanted} in {told:#?}");
        }
    }
}
