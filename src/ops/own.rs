//! Operations of our own in host memory, in 32-bit floats: up-sampling with the convolution after it, 1×1 convolution
//! of joined maps, self-attention with its linear maps.
//!
//! Each is an operation of burn's automatic differentiation whose two passes are in `upsample.cpp` and `matrix.cpp`;
//! `own_backward` calls the second.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, LibTorch, backend_extension};
use tch::Tensor;

use super::native_own::{Own, own};
use super::own_backward::{PointwiseBackward, SelfAttentionBackward, UpsampleConvBackward};

/// Operations for feature maps in host memory, in 32-bit floats.
#[backend_extension(LibTorch, Autodiff)]
pub(super) trait OwnOps: Backend {
    /// Nearest ×2, then a 3×3 convolution with padding 1.
    fn upsample_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// A 1×1 convolution.
    fn pointwise(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// A 1×1 convolution of the channels of two maps.
    fn pointwise_joined(
        x: FloatTensor<Self>,
        skip: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// `x` + attention over the positions of `normed`; `inner` makes q, k and v, one below the other, `outer` is last.
    fn self_attention(
        x: FloatTensor<Self>,
        normed: FloatTensor<Self>,
        inner: FloatTensor<Self>,
        inner_bias: FloatTensor<Self>,
        outer: FloatTensor<Self>,
        outer_bias: FloatTensor<Self>,
        heads: i64,
    ) -> FloatTensor<Self>;
}

impl OwnOps for LibTorch {
    fn upsample_conv(x: TchTensor, weight: TchTensor, bias: TchTensor) -> TchTensor {
        upsampled(&x, &weight, &bias)
    }

    fn pointwise(x: TchTensor, weight: TchTensor, bias: TchTensor) -> TchTensor {
        pointed(&x, None, &weight, &bias)
    }

    fn pointwise_joined(x: TchTensor, skip: TchTensor, weight: TchTensor, bias: TchTensor) -> TchTensor {
        pointed(&x, Some(&skip), &weight, &bias)
    }

    fn self_attention(
        x: TchTensor,
        normed: TchTensor,
        inner: TchTensor,
        inner_bias: TchTensor,
        outer: TchTensor,
        outer_bias: TchTensor,
        heads: i64,
    ) -> TchTensor {
        let [y, ..] = attended([&x, &normed, &inner, &inner_bias, &outer, &outer_bias], heads);
        y
    }
}

impl<C: CheckpointStrategy> OwnOps for Autodiff<LibTorch, C> {
    fn upsample_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let out = upsampled(&x, &weight, &bias.into_primitive());
        match UpsampleConvBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish([x, weight], out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn pointwise(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let out = pointed(&x, None, &weight, &bias.into_primitive());
        match PointwiseBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, None, weight), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn pointwise_joined(
        x: FloatTensor<Self>,
        skip: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node(), skip.node()];
        let (x, skip) = (x.into_primitive(), skip.into_primitive());
        let weight = weight.into_primitive();
        let out = pointed(&x, Some(&skip), &weight, &bias.into_primitive());
        match PointwiseBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, Some(skip), weight), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn self_attention(
        x: FloatTensor<Self>,
        normed: FloatTensor<Self>,
        inner: FloatTensor<Self>,
        inner_bias: FloatTensor<Self>,
        outer: FloatTensor<Self>,
        outer_bias: FloatTensor<Self>,
        heads: i64,
    ) -> FloatTensor<Self> {
        let inputs = [x, normed, inner, inner_bias, outer, outer_bias];
        let nodes = inputs.each_ref().map(|input| input.node());
        let inputs = inputs.map(|input| input.into_primitive());
        let [y, qkv, mixed, logsumexp] = attended(inputs.each_ref(), heads);
        let [_, normed, inner, _, outer, _] = inputs;
        match SelfAttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(([normed, inner, outer, qkv, mixed, logsumexp], heads), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

fn upsampled(x: &TchTensor, weight: &TchTensor, bias: &TchTensor) -> TchTensor {
    let [y] = own(Own::UpsampleConv, [&x.tensor, &weight.tensor, &bias.tensor].map(Some), &[]);
    made(y)
}

fn pointed(x: &TchTensor, skip: Option<&TchTensor>, weight: &TchTensor, bias: &TchTensor) -> TchTensor {
    let skip = skip.map(|skip| &skip.tensor);
    let inputs = [Some(&x.tensor), skip, Some(&weight.tensor), Some(&bias.tensor)];
    let [y] = own(Own::Pointwise, inputs, &[]);
    made(y)
}

/// The result, then q, k and v, the mixed values and the log-sum-exp of their scores.
fn attended(inputs: [&TchTensor; 6], heads: i64) -> [TchTensor; 4] {
    own(Own::SelfAttention, inputs.map(|input| Some(&input.tensor)), &[heads]).map(made)
}

fn made(tensor: Option<Tensor>) -> TchTensor {
    TchTensor::new(tensor.expect("without a complaint every result is made"))
}
