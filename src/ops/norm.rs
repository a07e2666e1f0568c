//! Group normalisation, with the silu that follows it nearly everywhere.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::fused::Fused;

/// Normalises each group of channels of each image to mean 0 and variance 1, then scales and shifts each
/// channel (Wu & He 2018); the variance is the biased one, as in PyTorch. `silu` is applied last, where asked for.
///
/// The result has the number format of `x`; statistics, scale and shift are 32-bit floats in any case.
///
/// # Shapes
/// - `x`: `[N, C, H, W]`, C divisible by `groups`; `weight`, `bias`: `[C]`
pub(crate) fn group_norm(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    eps: f64,
    silu: bool,
) -> Tensor<4> {
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Fused>::group_norm(x, weight, bias, groups, eps, silu))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_near, assert_same, random};
    use super::*;

    /// The same in plain burn.
    fn plain(x: Tensor<4>, weight: Tensor<1>, bias: Tensor<1>, groups: usize, eps: f64) -> Tensor<4> {
        let [n, c, h, w] = x.dims();
        let grouped: Tensor<3> = x.reshape([n, groups, c / groups * h * w]);
        let centred = grouped.clone() - grouped.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        let normalised = centred / (variance + eps).sqrt();
        normalised.reshape([n, c, h, w]) * weight.reshape([1, c, 1, 1]) + bias.reshape([1, c, 1, 1])
    }

    #[test]
    fn the_fused_group_norm_equals_the_plain_one_forward_and_backward() {
        for (c, groups, size) in [(4, 2, 6), (6, 3, 5), (8, 8, 3), (12, 1, 4)] {
            for silu in [false, true] {
                let inputs =
                    [random([3, c, size, size], 1), random([c, 1, 1, 1], 2), random([c, 1, 1, 1], 3)];
                assert_same(
                    inputs,
                    |[x, w, b]| group_norm(x, w.reshape([c]), b.reshape([c]), groups, 1e-5, silu),
                    |[x, w, b]| {
                        let y = plain(x, w.reshape([c]), b.reshape([c]), groups, 1e-5);
                        if silu { burn::tensor::activation::silu(y) } else { y }
                    },
                );
            }
        }
    }

    #[test]
    fn sixteen_bits_stay_near_thirty_two_with_thirty_two_bit_scale_and_shift() {
        for (c, groups, size, offset) in
            [(4, 2, 6, 0.0), (64, 16, 8, 0.0), (12, 1, 5, 0.0), (32, 8, 16, 20.0)]
        {
            for silu in [false, true] {
                // A mean of 20 spreads leaves nothing of a variance that 8 bits of mantissa would hold.
                let inputs = [
                    random([3, c, size, size], 1) + offset,
                    random([c, 1, 1, 1], 2),
                    random([c, 1, 1, 1], 3),
                ];
                assert_near(inputs, [true, false, false], |[x, w, b]| {
                    group_norm(x, w.reshape([c]), b.reshape([c]), groups, 1e-5, silu)
                });
            }
        }
    }
}
