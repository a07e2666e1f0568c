//! Scaled dot-product attention, and the linear maps around it.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::device::{in_own_format, on_cpu};
use super::fused::Fused;
use super::linear;
use super::own::OwnOps;

/// Weight `[O, I]` and bias `[O]` of a linear map.
pub(crate) type Map = (Tensor<2>, Tensor<1>);

/// `x` + self-attention over the positions of `normed`: q, k and v are linear maps of it, `out` one of what they
/// come to, and channels are dealt to `heads` in turn.
///
/// # Shapes
/// - `x`, `normed`: `[N, C, H, W]`; each map `[C, C]` with `[C]`; returns `[N, C, H, W]`
pub(crate) fn self_attention(
    x: Tensor<4>,
    normed: Tensor<4>,
    [q, k, v]: [Map; 3],
    out: Map,
    heads: usize,
) -> Tensor<4> {
    if !in_own_format(&x) {
        return apart(x, normed, [q, k, v], out, heads);
    }
    let inner = Tensor::cat(vec![q.0, k.0, v.0], 0).into_dispatch();
    let inner_bias = Tensor::cat(vec![q.1, k.1, v.1], 0).into_dispatch();
    let (x, normed) = (x.into_dispatch(), normed.into_dispatch());
    let (outer, outer_bias) = (out.0.into_dispatch(), out.1.into_dispatch());
    let heads = heads as i64;
    Tensor::from_dispatch(<Dispatch as OwnOps>::self_attention(
        x, normed, inner, inner_bias, outer, outer_bias, heads,
    ))
}

/// The same from its parts.
fn apart(x: Tensor<4>, normed: Tensor<4>, inner: [Map; 3], out: Map, heads: usize) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let positions: Tensor<3> = normed.reshape([n, c, h * w]).swap_dims(1, 2);
    let [q, k, v] = inner.map(|(weight, bias)| {
        let mapped = linear(positions.clone(), weight, bias);
        let split: Tensor<4> = mapped.reshape([n, h * w, heads, c / heads]).swap_dims(1, 2);
        split
    });
    let joined: Tensor<3> = attention(q, k, v).swap_dims(1, 2).reshape([n, h * w, c]);
    linear(joined, out.0, out.1).swap_dims(1, 2).reshape([n, c, h, w]) + x
}

/// `softmax(QKᵀ/√d)·V` (Vaswani et al. 2017, Eq. 1), in the number format of its inputs; the softmax and its sums
/// in 32 bits.
///
/// # Shapes
/// - `q`, `k`, `v`: `[N, heads, positions, d]`; returns the same
pub(crate) fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    // Of the kernels that save what their backward pass needs, only the CPU's is one and the same function everywhere.
    let recorded = !on_cpu(&q.device());
    attention_by(q, k, v, recorded)
}

fn attention_by(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, recorded: bool) -> Tensor<4> {
    let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Fused>::attention(q, k, v, recorded))
}

#[cfg(test)]
mod tests {
    use burn::tensor::DType;
    use burn::tensor::activation::softmax;

    use super::super::testing::{assert_near, assert_near_of, assert_same, random};
    use super::*;

    fn materialised(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
        let width = q.dims()[3];
        let scores = (q * (width as f64).powf(-0.5)).matmul(k.transpose());
        // Under automatic differentiation burn takes a softmax apart, and would round each part.
        softmax(scores.cast(DType::F32), 3).cast(v.dtype()).matmul(v)
    }

    #[test]
    fn fused_attention_equals_the_materialised_one_forward_and_backward() {
        for (heads, positions, width) in [(1, 4, 8), (2, 49, 16), (3, 64, 5)] {
            let shape = [2, heads, positions, width];
            let inputs = [random(shape, 1), random(shape, 2), random(shape, 3)];
            // The CPU's kernel is for the CPU alone.
            for recorded in [!on_cpu(&inputs[0].device()), true] {
                let fused = |[q, k, v]: [Tensor<4>; 3]| attention_by(q, k, v, recorded);
                assert_same(inputs.clone(), fused, |[q, k, v]| materialised(q, k, v));
            }
        }
    }

    #[test]
    fn what_libtorch_recorded_is_not_written_to_by_what_comes_after() {
        let inputs = [random([2, 2, 9, 8], 1), random([2, 2, 9, 8], 2), random([2, 2, 9, 8], 3)];
        // Sums that burn makes in place where it may.
        let after = |attended: Tensor<4>, q: Tensor<4>| (attended * 2.0 + 1.0) * q + 3.0;
        assert_same(
            inputs,
            |[q, k, v]| after(attention_by(q.clone(), k, v, true), q),
            |[q, k, v]| after(materialised(q.clone(), k, v), q),
        );
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

    /// Feature maps, then weights and biases.
    fn inputs(n: usize, c: usize, [h, w]: [usize; 2]) -> [Tensor<4>; 9] {
        let map = |seed| random([n, c, h, w], seed);
        let matrix = |seed| random([c, c, 1, 1], seed) / (c as f64).sqrt();
        let bias = |seed| random([c, 1, 1, 1], seed);
        [map(1), map(2), matrix(3), bias(4), matrix(5), matrix(6), bias(7), matrix(8), bias(9)]
    }

    /// Either form of self-attention on such inputs.
    fn on_inputs(
        attend: fn(Tensor<4>, Tensor<4>, [Map; 3], Map, usize) -> Tensor<4>,
        heads: usize,
    ) -> impl Fn([Tensor<4>; 9]) -> Tensor<4> {
        move |[x, normed, qw, b, kw, vw, vb, ow, ob]| {
            let c = x.dims()[1];
            let map = |weight: Tensor<4>, bias: Tensor<4>| (weight.reshape([c, c]), bias.reshape([c]));
            // No result depends on the bias of k, so it shares that of q to have a gradient.
            attend(x, normed, [map(qw, b.clone()), map(kw, b), map(vw, vb)], map(ow, ob), heads)
        }
    }

    #[test]
    fn self_attention_in_one_piece_equals_its_parts_forward_and_backward() {
        for (n, heads, d, size) in
            [(2, 1, 8, [2, 3]), (1, 3, 16, [7, 7]), (3, 2, 5, [1, 2]), (2, 2, 64, [8, 8])]
        {
            assert_same(
                inputs(n, heads * d, size),
                on_inputs(self_attention, heads),
                on_inputs(apart, heads),
            );
        }
    }

    #[test]
    fn self_attention_in_sixteen_bits_stays_near_thirty_two() {
        let of_maps = [true, true, false, false, false, false, false, false, false];
        for (n, heads, d, size) in [(2, 1, 8, [2, 3]), (1, 3, 16, [7, 7]), (2, 2, 64, [8, 8])] {
            // Linear maps, attention, a linear map.
            assert_near_of(3, inputs(n, heads * d, size), of_maps, on_inputs(self_attention, heads));
        }
    }

    #[test]
    fn sixteen_bits_stay_near_thirty_two_fused_and_materialised() {
        for (heads, positions, width) in [(1, 4, 8), (2, 49, 16), (1, 256, 64)] {
            let shape = [2, heads, positions, width];
            let inputs = || [random(shape, 1), random(shape, 2), random(shape, 3)];
            assert_near(inputs(), [true; 3], |[q, k, v]| attention(q, k, v));
            assert_near(inputs(), [true; 3], |[q, k, v]| attention_by(q, k, v, true));
            assert_near(inputs(), [true; 3], |[q, k, v]| materialised(q, k, v));
        }
    }
}
