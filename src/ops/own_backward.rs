//! Backward passes of the operations in `own`.

use burn::backend::LibTorch;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::libtorch::TchTensor;
use tch::Tensor;

use super::backward::register;
use super::native_own::{Own, own};

#[derive(Debug)]
pub(super) struct UpsampleConvBackward;

impl Backward<LibTorch, 3> for UpsampleConvBackward {
    /// x and weight.
    type State = [TchTensor; 2];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let [x, weight] = ops.state;
        let inputs = [&grad.tensor, &x.tensor, &weight.tensor].map(Some);
        let computed: [_; 3] = own(Own::UpsampleConvBackward, inputs, &[]);
        register(grads, ops.parents.map(|node| node.map(|node| node.id)), computed);
    }
}

#[derive(Debug)]
pub(super) struct PointwiseBackward;

/// x, skip and weight.
pub(super) type PointwiseState = (TchTensor, Option<TchTensor>, TchTensor);

/// Gradients of x, weight, bias and skip.
fn pointwise_gradients(grad: &TchTensor, (x, skip, weight): &PointwiseState) -> [Option<Tensor>; 4] {
    let skip = skip.as_ref().map(|skip| &skip.tensor);
    let inputs = [Some(&grad.tensor), Some(&x.tensor), skip, Some(&weight.tensor)];
    own(Own::PointwiseBackward, inputs, &[])
}

impl Backward<LibTorch, 3> for PointwiseBackward {
    type State = PointwiseState;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let [dx, dweight, dbias, _] = pointwise_gradients(&grad, &ops.state);
        register(grads, ops.parents.map(|node| node.map(|node| node.id)), [dx, dweight, dbias]);
    }
}

impl Backward<LibTorch, 4> for PointwiseBackward {
    type State = PointwiseState;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let computed = pointwise_gradients(&grad, &ops.state);
        register(grads, ops.parents.map(|node| node.map(|node| node.id)), computed);
    }
}

#[derive(Debug)]
pub(super) struct SelfAttentionBackward;

impl Backward<LibTorch, 6> for SelfAttentionBackward {
    /// The normed input, weights of the inner and the outer map, q with k and v, mixed values, log-sum-exp; heads.
    type State = ([TchTensor; 6], i64);

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let ([normed, inner, outer, qkv, mixed, logsumexp], heads) = &ops.state;
        let inputs = [&grad, normed, inner, outer, qkv, mixed, logsumexp].map(|input| Some(&input.tensor));
        let computed: [_; 5] = own(Own::SelfAttentionBackward, inputs, &[*heads]);
        let [x, rest @ ..] = ops.parents.map(|node| node.map(|node| node.id));
        register(grads, rest, computed);
        // The residual connection hands the gradient on as it is.
        if let Some(x) = x {
            grads.register::<LibTorch>(x, grad);
        }
    }
}
