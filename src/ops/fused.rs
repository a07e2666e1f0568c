//! Convolution and attention by libtorch's fused kernels, forward and backward, and copies to a GPU.
//!
//! Each is an operation of its own in burn's automatic differentiation: the forward pass keeps what libtorch's
//! backward kernel asks for. The plain forms in `conv` and `attention` define the results. All work in the number
//! format of `x`.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, LibTorch, backend_extension};

use super::backward::{AttentionBackward, ConvBackward, RecordedAttentionBackward};
use super::native;
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

    /// `softmax(QKᵀ/√d)·V` without materialised scores. Its gradient is that of the CPU's kernel, or `recorded` by
    /// libtorch, which chooses a kernel for any device.
    fn attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        recorded: bool,
    ) -> FloatTensor<Self>;

    /// A copy of a tensor of host memory on an NVIDIA GPU, nobody waiting for it; no gradient passes.
    fn upload(values: FloatTensor<Self>, index: usize) -> FloatTensor<Self>;
}

impl Fused for LibTorch {
    fn conv2d(x: TchTensor, weight: TchTensor, bias: TchTensor, stride: usize, padding: usize) -> TchTensor {
        conv_forward(&x, &weight, &bias, stride, padding)
    }

    fn attention(q: TchTensor, k: TchTensor, v: TchTensor, _: bool) -> TchTensor {
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

    fn upload(values: TchTensor, index: usize) -> TchTensor {
        TchTensor::new(native::upload(&values.tensor, index))
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

    fn attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        recorded: bool,
    ) -> FloatTensor<Self> {
        let nodes = [q.node(), k.node(), v.node()];
        let inputs = [q, k, v].map(FloatTensor::<Self>::into_primitive);
        if recorded {
            let (out, record) = attention_recorded(&inputs);
            return match RecordedAttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
                // The record shares the memory of all four, which burn may write to where it counts no other handle.
                OpsKind::Tracked(prep) => prep.finish((record, inputs, out.clone()), out),
                OpsKind::UnTracked(prep) => prep.finish(out),
            };
        }
        let (out, logsumexp) = attention_on_cpu(&inputs);
        match AttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((inputs, out.clone(), logsumexp), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn upload(values: FloatTensor<Self>, index: usize) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(LibTorch::upload(values.into_primitive(), index))
    }
}

/// What is attended, and the record its gradient comes from.
fn attention_recorded([q, k, v]: &[TchTensor; 3]) -> (TchTensor, [TchTensor; 4]) {
    let record = native::attention([&q.tensor, &k.tensor, &v.tensor]);
    (TchTensor::new(record[0].detach()), record.map(TchTensor::new))
}

/// What is attended, and the log-sum-exp of the scores.
fn attention_on_cpu([q, k, v]: &[TchTensor; 3]) -> (TchTensor, TchTensor) {
    let (out, logsumexp) = tch::Tensor::internal_scaled_dot_product_flash_attention_for_cpu(
        &q.tensor,
        &k.tensor,
        &v.tensor,
        0.0,
        false,
        None::<tch::Tensor>,
        None,
    );
    (TchTensor::new(out), TchTensor::new(logsumexp))
}
