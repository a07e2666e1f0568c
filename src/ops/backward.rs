//! Backward passes of the operations in `fused`, each by libtorch's own kernel.

use burn::backend::LibTorch;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::libtorch::TchTensor;

use super::native;
use super::native_own::{Own, own, own_format};

/// Registers gradients with the inputs they belong to; each has memory of its own, or a part that no other touches.
pub(super) fn register<const N: usize>(
    grads: &mut Gradients,
    nodes: [Option<NodeId>; N],
    computed: [Option<tch::Tensor>; N],
) {
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
) -> [Option<tch::Tensor>; 3] {
    if own_format(x) {
        let [stride, padding] = shape;
        let inputs = [grad, x, weight].map(Some);
        return own(Own::ConvBackward, inputs, &[stride, padding, i64::from(wanted[0])]);
    }
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
pub(super) struct AttentionBackward;

impl Backward<LibTorch, 3> for AttentionBackward {
    /// q, k and v, the output, and the log-sum-exp of the scores.
    type State = ([TchTensor; 3], TchTensor, TchTensor);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let ([q, k, v], out, logsumexp) = ops.state;
        let (dq, dk, dv) = tch::Tensor::internal_scaled_dot_product_flash_attention_for_cpu_backward(
            &grad.tensor,
            &q.tensor,
            &k.tensor,
            &v.tensor,
            &out.tensor,
            &logsumexp.tensor,
            0.0,
            false,
            None::<tch::Tensor>,
            None,
        );
        let nodes = ops.parents.map(|node| node.map(|node| node.id));
        register(grads, nodes, [Some(dq), Some(dk), Some(dv)]);
    }
}

#[derive(Debug)]
pub(super) struct RecordedAttentionBackward;

impl Backward<LibTorch, 3> for RecordedAttentionBackward {
    /// libtorch's record; then the inputs and the output, which it shares the memory of.
    type State = ([TchTensor; 4], [TchTensor; 3], TchTensor);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let (record, _inputs, _out) = ops.state;
        let computed = native::attention_backward(record.each_ref().map(|saved| &saved.tensor), &grad.tensor);
        register(grads, ops.parents.map(|node| node.map(|node| node.id)), computed);
    }
}
