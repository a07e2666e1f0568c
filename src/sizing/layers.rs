//! The U-Net written once as a flat list of layers, in forward order.
//!
//! In: `model`, and from `data` the image's size and channels. Out: one [`Layer`] for each convolution,
//! linear map, group norm and attention product of diffusers' `UNet2DModel`, with the tensor names that its
//! weight files use. Parameters and operations are sums over this list, and the network that trains must own
//! exactly these tensors.

use crate::config::{Data, Model};

/// What a layer computes; sizes are in [`Layer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A square convolution with bias; the stride shows in [`Layer::positions`].
    Conv {
        /// Width and height of the kernel.
        kernel: usize,
    },
    /// A linear map with bias.
    Linear,
    /// Group normalisation with a scale and a shift per channel.
    GroupNorm,
    /// softmax(QKᵀ/√d)V over all positions; it has no tensors of its own.
    Attention,
}

/// One layer of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Prefix of its tensors' names, such as `down_blocks.0.resnets.1.conv2`.
    pub name: String,
    /// What it computes.
    pub kind: Kind,
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// How many positions of one image it writes: H·W of its output, 1 where it acts on the time embedding.
    pub positions: usize,
    /// Whether training needs the gradient of its input: false where the input is data.
    pub input_gradient: bool,
}

/// A named parameter tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Full name, such as `conv_in.weight`.
    pub name: String,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
}

impl Layer {
    /// Its parameter tensors: weight, then bias; none for the attention product.
    pub fn tensors(&self) -> Vec<Tensor> {
        let weight = match self.kind {
            Kind::Conv { kernel } => vec![self.outputs, self.inputs, kernel, kernel],
            Kind::Linear => vec![self.outputs, self.inputs],
            Kind::GroupNorm => vec![self.outputs],
            Kind::Attention => return Vec::new(),
        };
        let tensor = |part: &str, shape| Tensor { name: format!("{}.{part}", self.name), shape };
        vec![tensor("weight", weight), tensor("bias", vec![self.outputs])]
    }
}

/// Every layer of the network in forward order.
///
/// `model.channel_multipliers` must not be empty, and the lowest level must have at least one pixel; a checked
/// configuration guarantees both.
pub fn layers(model: &Model, data: &Data) -> Vec<Layer> {
    let mut builder = Builder { model, layers: Vec::with_capacity(160), positions: 0 };
    builder.network(data);
    builder.layers
}

struct Builder<'a> {
    model: &'a Model,
    layers: Vec<Layer>,
    /// H·W at the point the builder has reached.
    positions: usize,
}

impl Builder<'_> {
    fn network(&mut self, data: &Data) {
        let channels = self.model.channels();
        let resolutions = self.model.resolutions(data.image_size);
        let (first, lowest) = (channels[0], channels[channels.len() - 1]);
        self.positions = data.image_size * data.image_size;
        self.conv("conv_in".into(), 3, data.in_channels, first).input_gradient = false;
        self.time_linear("time_embedding.linear_1".into(), first).input_gradient = false;
        self.time_linear("time_embedding.linear_2".into(), self.model.time_embed_dim);
        for level in 0..channels.len() {
            self.down_block(level, &channels, &resolutions);
        }
        self.resnet("mid_block.resnets.0".into(), lowest, lowest);
        if self.model.mid_attention {
            self.attention("mid_block.attentions.0".into(), lowest);
        }
        self.resnet("mid_block.resnets.1".into(), lowest, lowest);
        for level in (0..channels.len()).rev() {
            self.up_block(level, &channels, &resolutions);
        }
        self.push("conv_norm_out".into(), Kind::GroupNorm, first, first);
        self.conv("conv_out".into(), 3, first, data.in_channels);
    }

    fn down_block(&mut self, level: usize, channels: &[usize], resolutions: &[usize]) {
        let prefix = format!("down_blocks.{level}");
        let width = channels[level];
        for block in 0..self.model.num_res_blocks {
            let input = if block > 0 { width } else { channels[level.saturating_sub(1)] };
            self.resnet(format!("{prefix}.resnets.{block}"), input, width);
            self.attention_at(resolutions[level], format!("{prefix}.attentions.{block}"), width);
        }
        if level + 1 < channels.len() {
            self.positions = resolutions[level + 1] * resolutions[level + 1];
            self.conv(format!("{prefix}.downsamplers.0.conv"), 3, width, width);
        }
    }

    /// The block that mirrors `level`; blocks are numbered from the lowest resolution up.
    fn up_block(&mut self, level: usize, channels: &[usize], resolutions: &[usize]) {
        let last_level = channels.len() - 1;
        let prefix = format!("up_blocks.{}", last_level - level);
        let width = channels[level];
        let below = channels[(level + 1).min(last_level)];
        // The skips of a level, last pushed first: its residual blocks, then what entered the level.
        let entered = channels[level.saturating_sub(1)];
        for block in 0..=self.model.num_res_blocks {
            let hidden = if block == 0 { below } else { width };
            let skip = if block == self.model.num_res_blocks { entered } else { width };
            self.resnet(format!("{prefix}.resnets.{block}"), hidden + skip, width);
            self.attention_at(resolutions[level], format!("{prefix}.attentions.{block}"), width);
        }
        if level > 0 {
            self.positions = resolutions[level - 1] * resolutions[level - 1];
            self.conv(format!("{prefix}.upsamplers.0.conv"), 3, width, width);
        }
    }

    fn resnet(&mut self, prefix: String, input: usize, output: usize) {
        self.push(format!("{prefix}.norm1"), Kind::GroupNorm, input, input);
        self.conv(format!("{prefix}.conv1"), 3, input, output);
        self.time_linear(format!("{prefix}.time_emb_proj"), self.model.time_embed_dim).outputs = output;
        self.push(format!("{prefix}.norm2"), Kind::GroupNorm, output, output);
        self.conv(format!("{prefix}.conv2"), 3, output, output);
        if input != output {
            self.conv(format!("{prefix}.conv_shortcut"), 1, input, output);
        }
    }

    fn attention_at(&mut self, resolution: usize, prefix: String, width: usize) {
        if self.model.attention_resolutions.contains(&resolution) {
            self.attention(prefix, width);
        }
    }

    fn attention(&mut self, prefix: String, width: usize) {
        self.push(format!("{prefix}.group_norm"), Kind::GroupNorm, width, width);
        for part in ["to_q", "to_k", "to_v"] {
            self.push(format!("{prefix}.{part}"), Kind::Linear, width, width);
        }
        self.push(prefix.clone(), Kind::Attention, width, width);
        self.push(format!("{prefix}.to_out.0"), Kind::Linear, width, width);
    }

    fn conv(&mut self, name: String, kernel: usize, inputs: usize, outputs: usize) -> &mut Layer {
        self.push(name, Kind::Conv { kernel }, inputs, outputs)
    }

    /// A linear map of the time embedding, one vector per image, as wide as the embedding unless changed.
    fn time_linear(&mut self, name: String, inputs: usize) -> &mut Layer {
        let layer = self.push(name, Kind::Linear, inputs, self.model.time_embed_dim);
        layer.positions = 1;
        layer
    }

    fn push(&mut self, name: String, kind: Kind, inputs: usize, outputs: usize) -> &mut Layer {
        let positions = self.positions;
        let index = self.layers.len();
        self.layers.push(Layer { name, kind, inputs, outputs, positions, input_gradient: true });
        &mut self.layers[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::fixture::{data, ho_cifar10};

    #[test]
    fn tensors_of_the_cifar10_network_equal_the_published_list() {
        let mut ours: Vec<String> = layers(&ho_cifar10(), &data(32, 3))
            .iter()
            .flat_map(Layer::tensors)
            .map(|tensor| format!("{} {:?}", tensor.name, tensor.shape))
            .collect();
        ours.sort();
        let published: Vec<&str> =
            include_str!("../../tests/data/ddpm_cifar10_tensors.txt").lines().collect();
        assert_eq!(published.len(), 328);
        assert_eq!(ours, published);
    }

    #[test]
    fn a_single_level_has_neither_down_nor_upsampler() {
        let mut model = ho_cifar10();
        model.channel_multipliers = vec![1];
        let names: Vec<String> = layers(&model, &data(32, 3)).into_iter().map(|layer| layer.name).collect();
        assert!(!names.iter().any(|name| name.contains("samplers")));
        assert!(names.contains(&"up_blocks.0.resnets.2.conv_shortcut".into()));
    }

    #[test]
    fn middle_attention_can_be_left_out() {
        let mut model = ho_cifar10();
        model.mid_attention = false;
        assert!(!layers(&model, &data(32, 3)).iter().any(|layer| layer.name.starts_with("mid_block.att")));
    }
}
