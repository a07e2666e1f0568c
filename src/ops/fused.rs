//! Convolution, group norm with silu, and attention by libtorch's fused kernels, forward and backward.
//!
//! Each is an operation of its own in burn's automatic differentiation: the forward pass keeps what libtorch's
//! backward kernel asks for. The plain forms in `conv`, `norm` and `attention` define the results. All work in
//! the number format of `x`; a group norm's statistics, scale and shift are 32-bit floats.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, LibTorch, backend_extension};

use super::backward::{AttentionBackward, ConvBackward, NormBackward, NormState, norm_input};

/// Operations that libtorch has in one piece.
#[backend_extension(LibTorch, Autodiff)]
pub(super) trait Fused: Backend {
    /// Square 2-D convolution with symmetric padding.
    fn conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    /// Group norm, then silu where asked for.
    fn group_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Self>;

    /// `softmax(QKᵀ/√d)·V` without materialised scores.
    fn attention(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Fused for LibTorch {
    fn conv2d(x: TchTensor, weight: TchTensor, bias: TchTensor, stride: usize, padding: usize) -> TchTensor {
        conv_forward(&x, &weight, &bias, stride, padding)
    }

    fn group_norm(
        x: TchTensor,
        weight: TchTensor,
        bias: TchTensor,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> TchTensor {
        norm_forward(&x, &weight, &bias, groups, eps, silu).0
    }

    fn attention(q: TchTensor, k: TchTensor, v: TchTensor) -> TchTensor {
        TchTensor::new(tch::Tensor::scaled_dot_product_attention(
            &q.tensor,
            &k.tensor,
            &v.tensor,
            None::<tch::Tensor>,
            0.0,
            false,
            None,
            false,
        ))
    }
}

fn conv_forward(
    x: &TchTensor,
    weight: &TchTensor,
    bias: &TchTensor,
    stride: usize,
    padding: usize,
) -> TchTensor {
    let (stride, padding) = ([stride as i64; 2], [padding as i64; 2]);
    let bias = Some(&bias.tensor);
    TchTensor::new(x.tensor.conv2d(&weight.tensor, bias, stride, padding, [1, 1], 1))
}

fn norm_forward(
    x: &TchTensor,
    weight: &TchTensor,
    bias: &TchTensor,
    groups: usize,
    eps: f64,
    silu: bool,
) -> (TchTensor, NormState) {
    let kind = x.tensor.kind();
    let input = norm_input(&x.tensor);
    let (n, c, h, w) = input.size4().expect("feature maps have four axes");
    let (y, mean, rstd) =
        input.native_group_norm(Some(&weight.tensor), Some(&bias.tensor), n, c, h * w, groups as i64, eps);
    let (mean, rstd) = (TchTensor::new(mean), TchTensor::new(rstd));
    if silu {
        let activated = TchTensor::new(y.silu().to_kind(kind));
        (activated, NormState { normalised: Some(TchTensor::new(y.to_kind(kind))), mean, rstd })
    } else {
        (TchTensor::new(y.to_kind(kind)), NormState { normalised: None, mean, rstd })
    }
}

impl<C: CheckpointStrategy> Fused for Autodiff<LibTorch, C> {
    fn conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
        let out = conv_forward(&x, &weight, &bias, stride, padding);
        match ConvBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, weight, [stride as i64, padding as i64]), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn group_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
        let (out, state) = norm_forward(&x, &weight, &bias, groups, eps, silu);
        match NormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, weight, state, groups as i64), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    /// Only for tensors in host memory: the kernel that saves what its backward pass needs is the CPU's.
    fn attention(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [q.node(), k.node(), v.node()];
        let (q, k, v) = (q.into_primitive(), k.into_primitive(), v.into_primitive());
        let (out, logsumexp) = tch::Tensor::internal_scaled_dot_product_flash_attention_for_cpu(
            &q.tensor,
            &k.tensor,
            &v.tensor,
            0.0,
            false,
            None::<tch::Tensor>,
            None,
        );
        let out = TchTensor::new(out);
        match AttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish([q, k, v, out.clone(), TchTensor::new(logsumexp)], out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}
