//! Sums over the layer list: parameters, and floating-point operations per image.
//!
//! Operations are counted as PyTorch's `FlopCounterMode` counts them: two per multiply-accumulate of convolutions, linear
//! maps and attention products (which it leaves out for the fused kernel of the CPU), nothing else. Sums saturate instead
//! of wrapping, so an absurd network reads as enormous, never as small.

use super::layers::{Kind, Layer, layers};
use crate::config::{Data, Model};

/// Number of trainable parameters.
pub fn parameters(model: &Model, data: &Data) -> u64 {
    parameters_of(&layers(model, data))
}

/// Operations of one forward pass over one image.
pub fn forward_flops_per_image(model: &Model, data: &Data) -> u64 {
    sum(layers(model, data).iter().map(layer_forward_flops))
}

/// Operations of one forward and backward pass over one image, the optimizer left out.
///
/// A backward pass costs as much as the forward pass twice, once for the gradients of the weights and once for
/// those of the inputs; layers that read data have no input gradient.
pub fn train_flops_per_image(model: &Model, data: &Data) -> u64 {
    train_flops_of(&layers(model, data))
}

/// Number of trainable parameters of listed layers.
pub(crate) fn parameters_of(layers: &[Layer]) -> u64 {
    sum(layers.iter().map(layer_parameters))
}

/// As [`train_flops_per_image`], for listed layers.
pub(crate) fn train_flops_of(layers: &[Layer]) -> u64 {
    sum(layers.iter().map(layer_train_flops))
}

/// A count as people read it: `1,234,567`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn layer_parameters(layer: &Layer) -> u64 {
    match layer.kind {
        Kind::Conv { kernel } => {
            sum([product([layer.inputs, layer.outputs, kernel, kernel]), layer.outputs as u64])
        }
        Kind::Linear => sum([product([layer.inputs, layer.outputs]), layer.outputs as u64]),
        Kind::GroupNorm => product([2, layer.outputs]),
        Kind::Attention => 0,
    }
}

/// Operations of one layer's forward pass over one image.
pub(super) fn layer_forward_flops(layer: &Layer) -> u64 {
    match layer.kind {
        Kind::Conv { kernel } => product([2, layer.positions, layer.inputs, layer.outputs, kernel, kernel]),
        Kind::Linear => product([2, layer.positions, layer.inputs, layer.outputs]),
        Kind::GroupNorm => 0,
        // QKᵀ and the product with V, each positions² dot products over all heads together.
        Kind::Attention => product([2, 2, layer.positions, layer.positions, layer.outputs]),
    }
}

/// Operations of one layer's forward and backward pass over one image.
pub(super) fn layer_train_flops(layer: &Layer) -> u64 {
    layer_forward_flops(layer).saturating_mul(if layer.input_gradient { 3 } else { 2 })
}

fn product<const N: usize>(factors: [usize; N]) -> u64 {
    factors.into_iter().fold(1, |total: u64, factor| total.saturating_mul(factor as u64))
}

fn sum(terms: impl IntoIterator<Item = u64>) -> u64 {
    terms.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::fixture::{data, ho_cifar10, model};

    #[test]
    fn parameters_equal_those_of_networks_built_in_pytorch() {
        /// Image size, image channels, channels per level, attention resolutions, parameters.
        type Network = (usize, usize, &'static [usize], &'static [usize], u64);
        let networks: [Network; 8] = [
            (256, 3, &[128, 128, 256, 256, 512, 512], &[16], 113_673_219),
            (28, 1, &[32, 64, 128], &[], 3_607_873),
            (28, 1, &[32, 64, 128], &[14, 7], 4_023_233),
            (32, 3, &[64, 128, 256], &[16, 8], 16_056_451),
            (64, 3, &[64, 128, 256, 512], &[16, 8], 63_151_235),
            (128, 3, &[96, 192, 384, 768], &[32, 16], 142_029_507),
            (256, 3, &[128, 256, 384, 512], &[32], 85_256_579),
            (512, 3, &[160, 320, 320, 640], &[], 105_407_043),
        ];
        for (size, image_channels, channels, attention, expected) in networks {
            let counted = parameters(&model(channels, attention), &data(size, image_channels));
            assert_eq!(counted, expected, "{size} px, channels {channels:?}, attention {attention:?}");
        }
        assert_eq!(parameters(&ho_cifar10(), &data(32, 3)), 35_746_307);
    }

    #[test]
    fn training_operations_equal_published_figures() {
        // (image size, channels per level, attention resolutions, GFLOP of training on one image)
        let networks: [(usize, &[usize], &[usize], f64); 3] = [
            (32, &[64, 128, 256], &[16, 8], 13.9),
            (32, &[128, 256, 256, 256], &[16], 37.3),
            (64, &[64, 128, 256, 512], &[16, 8], 70.7),
        ];
        for (size, channels, attention, gflop) in networks {
            let counted = train_flops_per_image(&model(channels, attention), &data(size, 3)) as f64 / 1e9;
            assert_eq!((counted * 10.0).round() / 10.0, gflop, "{size} px, channels {channels:?}: {counted}");
        }
    }

    #[test]
    fn without_the_fused_attention_that_pytorch_omits_on_a_cpu_a_batch_of_16_takes_213_gflop() {
        let layers = layers(&model(&[64, 128, 256], &[16, 8]), &data(32, 3));
        let counted = sum(layers.iter().filter(|layer| layer.kind != Kind::Attention).map(layer_train_flops));
        assert_eq!((16.0 * counted as f64 / 1e9).round(), 213.0);
    }

    #[test]
    fn training_costs_three_forward_passes_less_the_input_gradients_of_the_data() {
        let (model, data) = (ho_cifar10(), data(32, 3));
        let conv_in = 2 * 32 * 32 * 3 * 128 * 9;
        let linear_1 = 2 * 128 * 512;
        assert_eq!(
            train_flops_per_image(&model, &data),
            3 * forward_flops_per_image(&model, &data) - conv_in - linear_1
        );
    }

    #[test]
    fn attention_operations_do_not_depend_on_the_number_of_heads() {
        let mut many = model(&[64, 128], &[16]);
        let one = forward_flops_per_image(&many, &data(32, 3));
        many.attention_head_dim = Some(8);
        assert_eq!(forward_flops_per_image(&many, &data(32, 3)), one);
    }

    #[test]
    fn an_absurd_network_saturates_instead_of_wrapping() {
        let mut absurd = model(&[64], &[]);
        absurd.base_channels = usize::MAX / 8;
        assert_eq!(parameters(&absurd, &data(32, 3)), u64::MAX);
    }
}
