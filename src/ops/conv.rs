//! Convolution and linear maps, with PyTorch's weight layouts.
//!
//! Each works in the number format of `x` and brings weight and bias to it; their gradients come back in the
//! weights' own format.

use burn::backend::Dispatch;
use burn::tensor::Tensor;
use burn::tensor::module;

use super::fused::Fused;

/// 2-D cross-correlation.
///
/// # Shapes
/// - `x`: `[N, C, H, W]`; `weight`: `[O, C, k, k]`; `bias`: `[O]`
/// - `padding`: rows and columns of zeros before and after, `[before, after]`
pub(crate) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    stride: usize,
    padding: [usize; 2],
) -> Tensor<4> {
    let [before, after] = padding;
    let (x, inner) = match before == after {
        true => (x, before),
        false => (x.pad((before, after, before, after), 0.0), 0),
    };
    let (weight, bias) = (weight.cast(x.dtype()), bias.cast(x.dtype()));
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Fused>::conv2d(x, weight, bias, stride, inner))
}

/// `x·Wᵀ + b` over the last axis.
///
/// # Shapes
/// - `x`: `[…, I]`; `weight`: `[O, I]`, as PyTorch stores it; `bias`: `[O]`
pub(crate) fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    let (weight, bias) = (weight.cast(x.dtype()), bias.cast(x.dtype()));
    module::linear(x, weight.transpose(), Some(bias))
}

#[cfg(test)]
mod tests {
    use burn::tensor::ops::ConvOptions;

    use super::super::testing::{assert_near, assert_same, random};
    use super::*;

    #[test]
    fn the_fused_convolution_equals_burns_forward_and_backward() {
        for (channels, out, size, kernel, stride, padding) in [
            (3, 5, 8, 3, 1, 1),
            (4, 4, 9, 3, 2, 1),
            (6, 2, 5, 1, 1, 0),
            (2, 7, 7, 3, 2, 0),
            (64, 48, 2, 3, 1, 1),
        ] {
            let inputs = [
                random([2, channels, size, size], 1),
                random([out, channels, kernel, kernel], 2),
                random([out, 1, 1, 1], 3),
            ];
            assert_same(
                inputs,
                |[x, w, b]| conv2d(x, w, b.reshape([out]), stride, [padding, padding]),
                |[x, w, b]| {
                    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
                    module::conv2d(x, w, Some(b.reshape([out])), options)
                },
            );
        }
    }

    #[test]
    fn sixteen_bits_stay_near_thirty_two_and_give_the_weights_their_gradients_in_thirty_two() {
        for (channels, out, size, kernel, stride, padding) in [
            (3, 5, 8, 3, 1, [1, 1]),
            (64, 32, 16, 3, 1, [1, 1]),
            (7, 9, 9, 3, 2, [0, 1]),
            (48, 16, 5, 1, 1, [0, 0]),
        ] {
            let inputs = [
                random([2, channels, size, size], 1),
                random([out, channels, kernel, kernel], 2),
                random([out, 1, 1, 1], 3),
            ];
            assert_near(inputs, [true, false, false], |[x, w, b]| {
                conv2d(x, w, b.reshape([out]), stride, padding)
            });
        }
    }

    #[test]
    fn a_linear_map_is_a_product_and_a_sum_and_in_sixteen_bits_stays_near_thirty_two() {
        for (rows, inputs, outputs) in [(3, 5, 7), (96, 64, 128), (1, 33, 2)] {
            let tensors = || {
                [
                    random([2, 1, rows, inputs], 1),
                    random([outputs, inputs, 1, 1], 2),
                    random([outputs, 1, 1, 1], 3),
                ]
            };
            let mapped =
                |[x, w, b]: [Tensor<4>; 3]| linear(x, w.reshape([outputs, inputs]), b.reshape([outputs]));
            assert_same(tensors(), mapped, |[x, w, b]| {
                let matrix: Tensor<4> = w.reshape([1, 1, outputs, inputs]);
                x.matmul(matrix.transpose()) + b.reshape([1, 1, 1, outputs])
            });
            assert_near(tensors(), [true, false, false], mapped);
        }
    }
}
