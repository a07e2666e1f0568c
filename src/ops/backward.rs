//! Backward passes of the operations in `fused`, each by libtorch's own kernel.

use burn::backend::LibTorch;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::libtorch::TchTensor;

use super::native;

/// Registers the gradients that libtorch computed with the inputs they belong to.
fn register(grads: &mut Gradients, nodes: [Option<NodeId>; 3], computed: native::Gradients) {
    for (node, gradient) in nodes.into_iter().zip(computed) {
        if let (Some(node), Some(gradient)) = (node, gradient) {
            grads.register::<LibTorch>(node, TchTensor::new(gradient));
        }
    }
}

#[derive(Debug)]
pub(super) struct ConvBackward;

impl Backward<LibTorch, 3> for ConvBackward {
    type State = (TchTensor, TchTensor, [i64; 2]);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let (x, weight, shape) = ops.state;
        let nodes = ops.parents.map(|node| node.map(|node| node.id));
        let wanted = nodes.map(|node| node.is_some());
        let computed = conv_backward(&grad.tensor, &x.tensor, &weight.tensor, shape, wanted);
        register(grads, nodes, computed);
    }
}

/// On CPUs libtorch has no fast kernel for the gradient of a weight in f16: oneDNN falls back on its reference loops, a
/// thousand times slower (1.7 s against 1 ms for 64 channels at 16×16). There it is computed in f32, then rounded.
fn conv_backward(
    grad: &tch::Tensor,
    x: &tch::Tensor,
    weight: &tch::Tensor,
    shape: [i64; 2],
    wanted: [bool; 3],
) -> native::Gradients {
    if x.kind() != tch::Kind::Half || x.device() != tch::Device::Cpu {
        return native::conv2d_backward(grad, x, weight, shape, wanted);
    }
    let [dx, ..] = native::conv2d_backward(grad, x, weight, shape, [wanted[0], false, false]);
    let wide = [grad, x, weight].map(|tensor| tensor.to_kind(tch::Kind::Float));
    let [grad, x, weight] = &wide;
    let [_, dweight, dbias] = native::conv2d_backward(grad, x, weight, shape, [false, wanted[1], wanted[2]]);
    let narrow = |gradient: Option<tch::Tensor>| gradient.map(|gradient| gradient.to_kind(tch::Kind::Half));
    [dx, narrow(dweight), narrow(dbias)]
}

#[derive(Debug)]
pub(super) struct NormBackward;

impl Backward<LibTorch, 3> for NormBackward {
    type State = (TchTensor, TchTensor, NormState, i64);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let (x, weight, state, groups) = ops.state;
        let (kind, input) = (x.tensor.kind(), norm_input(&x.tensor));
        let grad = grad.tensor.to_kind(input.kind());
        let grad = match &state.normalised {
            Some(y) => y.tensor.to_kind(input.kind()).silu_backward(&grad),
            None => grad,
        };
        let nodes = ops.parents.map(|node| node.map(|node| node.id));
        let wanted = nodes.map(|node| node.is_some());
        let moments = [&state.mean.tensor, &state.rstd.tensor];
        let [dx, dweight, dbias] =
            native::group_norm_backward(&grad, &input, moments, &weight.tensor, groups, wanted);
        register(grads, nodes, [dx.map(|dx| dx.to_kind(kind)), dweight, dbias]);
    }
}

#[derive(Debug)]
pub(super) struct AttentionBackward;

impl Backward<LibTorch, 3> for AttentionBackward {
    /// q, k, v, the output and the log-sum-exp of the scores.
    type State = [TchTensor; 5];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let [q, k, v, out, logsumexp] = ops.state.map(|saved| saved.tensor);
        let (dq, dk, dv) = tch::Tensor::internal_scaled_dot_product_flash_attention_for_cpu_backward(
            &grad.tensor,
            &q,
            &k,
            &v,
            &out,
            &logsumexp,
            0.0,
            false,
            None::<tch::Tensor>,
            None,
        );
        let nodes = ops.parents.map(|node| node.map(|node| node.id));
        register(grads, nodes, [Some(dq), Some(dk), Some(dv)]);
    }
}

/// What the backward pass of a group norm needs beside its input.
#[derive(Debug, Clone)]
pub(super) struct NormState {
    /// Before silu; absent where there is no silu.
    pub(super) normalised: Option<TchTensor>,
    pub(super) mean: TchTensor,
    pub(super) rstd: TchTensor,
}

/// The input as libtorch's group norm takes it beside 32-bit weights: its CPU kernel reads 16-bit inputs and
/// keeps statistics in 32 bits; the others would want weights, and keep statistics, in the input's format.
pub(super) fn norm_input(x: &tch::Tensor) -> tch::Tensor {
    match x.device() {
        tch::Device::Cpu => x.contiguous(),
        _ => x.to_kind(tch::Kind::Float).contiguous(),
    }
}
