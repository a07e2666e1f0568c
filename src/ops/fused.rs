//! Convolution and attention by libtorch's fused kernels, forward and backward.
//!
//! Each is an operation of its own in burn's automatic differentiation: the forward pass keeps what libtorch's
//! backward kernel asks for. The plain forms in `conv` and `attention` define the results. All work in the number
//! format of `x`.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, LibTorch, backend_extension};

use super::backward::{AttentionBackward, ConvBackward};
use super::native_own::{Own, own, own_format};

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

    /// `softmax(QKᵀ/√d)·V` without materialised scores.
    fn attention(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Fused for LibTorch {
    fn conv2d(x: TchTensor, weight: TchTensor, bias: TchTensor, stride: usize, padding: usize) -> TchTensor {
        conv_forward(&x, &weight, &bias, stride, padding)
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
    let (stride, padding) = (stride as i64, padding as i64);
    if own_format(&x.tensor) {
        let inputs = [x, weight, bias].map(|input| Some(&input.tensor));
        let [y] = own(Own::Conv, inputs, &[stride, padding]);
        return TchTensor::new(y.expect("without a complaint the result is made"));
    }
    let bias = Some(&bias.tensor);
    TchTensor::new(x.tensor.conv2d(&weight.tensor, bias, [stride; 2], [padding; 2], [1, 1], 1))
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
