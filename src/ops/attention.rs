//! Scaled dot-product attention.

use burn::backend::Dispatch;
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Tensor};

use super::device::on_cpu;
use super::fused::Fused;

/// `softmax(QKᵀ/√d)·V` (Vaswani et al. 2017, Eq. 1), in the number format of its inputs; the softmax and its sums
/// in 32 bits.
///
/// Training on a GPU materialises the scores: libtorch's kernel that saves what its backward pass needs is used on
/// the CPU alone.
///
/// # Shapes
/// - `q`, `k`, `v`: `[N, heads, positions, d]`; returns the same
pub(crate) fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let device = q.device();
    if device.is_autodiff() && !on_cpu(&device) {
        return materialised(q, k, v);
    }
    let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Fused>::attention(q, k, v))
}

fn materialised(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let width = q.dims()[3];
    let scores = (q * (width as f64).powf(-0.5)).matmul(k.transpose());
    // Under automatic differentiation burn takes a softmax apart, and would round each part.
    softmax(scores.cast(DType::F32), 3).cast(v.dtype()).matmul(v)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_near, assert_same, random};
    use super::*;

    #[test]
    fn fused_attention_equals_the_materialised_one_forward_and_backward() {
        for (heads, positions, width) in [(1, 4, 8), (2, 49, 16), (3, 64, 5)] {
            let shape = [2, heads, positions, width];
            let inputs = [random(shape, 1), random(shape, 2), random(shape, 3)];
            assert_same(inputs, |[q, k, v]| attention(q, k, v), |[q, k, v]| materialised(q, k, v));
        }
    }

    #[test]
    fn heads_cut_out_of_joined_channels_work_as_they_do_in_the_network() {
        let split = |x: Tensor<4>| x.reshape([2, 9, 2, 4]).swap_dims(1, 2);
        let shape = [2, 1, 9, 8];
        let inputs = [random(shape, 4), random(shape, 5), random(shape, 6)];
        let join = |x: Tensor<4>| x.swap_dims(1, 2).reshape([2, 1, 9, 8]);
        assert_same(
            inputs,
            |[q, k, v]| join(attention(split(q), split(k), split(v))),
            |[q, k, v]| join(materialised(split(q), split(k), split(v))),
        );
    }

    #[test]
    fn sixteen_bits_stay_near_thirty_two_fused_and_materialised() {
        for (heads, positions, width) in [(1, 4, 8), (2, 49, 16), (1, 256, 64)] {
            let shape = [2, heads, positions, width];
            let inputs = || [random(shape, 1), random(shape, 2), random(shape, 3)];
            assert_near(inputs(), [true; 3], |[q, k, v]| attention(q, k, v));
            assert_near(inputs(), [true; 3], |[q, k, v]| materialised(q, k, v));
        }
    }
}
