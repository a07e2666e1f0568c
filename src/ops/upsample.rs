//! Nearest up-sampling and the convolution that follows it.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::conv2d;
use super::device::in_own_format;
use super::own::OwnOps;

/// Repeats every pixel twice along both image axes, then convolves 3×3 with a padding of one zero.
///
/// In host memory and 32 bits the two are one convolution at the lower resolution.
///
/// # Shapes
/// - `x`: `[N, C, H, W]`; `weight`: `[O, C, 3, 3]`; `bias`: `[O]`; returns `[N, O, 2H, 2W]`
pub(crate) fn upsample_conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    if !in_own_format(&x) {
        return enlarged(x, weight, bias);
    }
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(<Dispatch as OwnOps>::upsample_conv(x, weight, bias))
}

fn enlarged(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let x: Tensor<6> = x.reshape([n, c, h, 1, w, 1]);
    conv2d(x.expand([n, c, h, 2, w, 2]).reshape([n, c, 2 * h, 2 * w]), weight, bias, 1, [1, 1])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_near, assert_same, random};
    use super::*;

    fn inputs(n: usize, [c, o]: [usize; 2], [h, w]: [usize; 2]) -> [Tensor<4>; 3] {
        [random([n, c, h, w], 1), random([o, c, 3, 3], 2), random([o, 1, 1, 1], 3)]
    }

    #[test]
    fn at_the_lower_resolution_it_is_what_enlarging_first_gives_forward_and_backward() {
        for (n, channels, size) in
            [(2, [3, 5], [4, 4]), (1, [1, 1], [1, 1]), (3, [4, 2], [3, 6]), (2, [16, 24], [7, 5])]
        {
            let o = channels[1];
            assert_same(
                inputs(n, channels, size),
                |[x, w, b]| upsample_conv2d(x, w, b.reshape([o])),
                |[x, w, b]| enlarged(x, w, b.reshape([o])),
            );
        }
    }

    #[test]
    fn sixteen_bits_stay_near_thirty_two() {
        for (channels, size) in [([8, 6], [5, 4]), ([64, 32], [8, 8])] {
            assert_near(inputs(2, channels, size), [true, false, false], |[x, w, b]| {
                upsample_conv2d(x, w, b.reshape([channels[1]]))
            });
        }
    }
}
