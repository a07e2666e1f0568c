//! 1×1 convolution, of one feature map or of two joined.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::conv2d;
use super::device::in_own_format;
use super::own::OwnOps;

/// A 1×1 convolution of the channels of `x` and then, where it is given, those of `skip`.
///
/// In host memory and 32 bits it is a matrix product an image, and nothing is joined.
///
/// # Shapes
/// - `x`: `[N, C, H, W]`; `skip`: `[N, D, H, W]`; `weight`: `[O, C + D, 1, 1]`; `bias`: `[O]`
/// - returns `[N, O, H, W]`
pub(crate) fn pointwise(
    x: Tensor<4>,
    skip: Option<Tensor<4>>,
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<4> {
    if !in_own_format(&x) {
        let x = match skip {
            Some(skip) => Tensor::cat(vec![x, skip], 1),
            None => x,
        };
        return conv2d(x, weight, bias, 1, [0, 0]);
    }
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(match skip {
        Some(skip) => <Dispatch as OwnOps>::pointwise_joined(x, skip.into_dispatch(), weight, bias),
        None => <Dispatch as OwnOps>::pointwise(x, weight, bias),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_near, assert_same, random};
    use super::*;

    #[test]
    fn matrix_products_equal_the_convolution_of_the_joined_maps_forward_and_backward() {
        for (n, c, d, o, [h, w]) in
            [(2, 3, 2, 4, [5, 3]), (1, 1, 1, 1, [1, 1]), (3, 16, 40, 24, [7, 7]), (2, 8, 4, 6, [16, 16])]
        {
            let inputs = [
                random([n, c, h, w], 1),
                random([n, d, h, w], 2),
                random([o, c + d, 1, 1], 3),
                random([o, 1, 1, 1], 4),
            ];
            assert_same(
                inputs,
                |[x, skip, w, b]| pointwise(x, Some(skip), w, b.reshape([o])),
                |[x, skip, w, b]| conv2d(Tensor::cat(vec![x, skip], 1), w, b.reshape([o]), 1, [0, 0]),
            );
            let alone = [random([n, c, h, w], 1), random([o, c, 1, 1], 2), random([o, 1, 1, 1], 3)];
            assert_same(
                alone,
                |[x, w, b]| pointwise(x, None, w, b.reshape([o])),
                |[x, w, b]| conv2d(x, w, b.reshape([o]), 1, [0, 0]),
            );
        }
    }

    #[test]
    fn sixteen_bits_stay_near_thirty_two() {
        let inputs = [
            random([2, 6, 5, 5], 1),
            random([2, 3, 5, 5], 2),
            random([4, 9, 1, 1], 3),
            random([4, 1, 1, 1], 4),
        ];
        assert_near(inputs, [true, true, false, false], |[x, skip, w, b]| {
            pointwise(x, Some(skip), w, b.reshape([4]))
        });
        let alone = [random([2, 32, 7, 5], 1), random([24, 32, 1, 1], 2), random([24, 1, 1, 1], 3)];
        assert_near(alone, [true, false, false], |[x, w, b]| pointwise(x, None, w, b.reshape([24])));
    }
}
