//! Where a backward pass begins that another one went before: gradients that are given, not computed.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, LibTorch, backend_extension};
use burn::tensor::Tensor;

/// `total` as it is. A backward pass from it, and from whatever is made of it, gives `x` the gradient beside it.
///
/// Given in a chain, gradients are there in the order of the chain, last link first, before any that the pass computes,
/// as long as the first link is the `x` that most operations led to: each link is one operation further from the
/// inputs than all of those.
pub(crate) fn seed<const D: usize>(total: Tensor<1>, x: Tensor<D>, gradient: Tensor<D>) -> Tensor<1> {
    let (total, x, gradient) = (total.into_dispatch(), x.into_dispatch(), gradient.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Seed>::seed(total, x, gradient))
}

/// The operation that [`seed`] is.
#[backend_extension(LibTorch, Autodiff)]
trait Seed: Backend {
    fn seed(total: FloatTensor<Self>, x: FloatTensor<Self>, gradient: FloatTensor<Self>)
    -> FloatTensor<Self>;
}

impl Seed for LibTorch {
    fn seed(total: TchTensor, _: TchTensor, _: TchTensor) -> TchTensor {
        total
    }
}

impl<C: CheckpointStrategy> Seed for Autodiff<LibTorch, C> {
    fn seed(
        total: FloatTensor<Self>,
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [total.node(), x.node()];
        let (total, gradient) = (total.into_primitive(), gradient.into_primitive());
        match SeedBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(gradient, total),
            OpsKind::UnTracked(prep) => prep.finish(total),
        }
    }
}

#[derive(Debug)]
struct SeedBackward;

impl Backward<LibTorch, 2> for SeedBackward {
    type State = TchTensor;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let [total, x] = ops.parents;
        if let Some(total) = total {
            grads.register::<LibTorch>(total.id, grad);
        }
        if let Some(x) = x {
            grads.register::<LibTorch>(x.id, ops.state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::random;
    use super::*;

    #[test]
    fn given_gradients_flow_on_and_join_what_the_pass_computes() {
        let [x, a, b] = [1, 2, 3].map(|seed| random([2, 3, 4, 4], seed));
        let leaf = x.clone().autodiff().require_grad();
        let doubled = leaf.clone() * 2.0;
        let total = Tensor::zeros([1], &x.device());
        let total = seed(seed(total, doubled, a.clone()), leaf.clone(), b.clone());
        let gradients = total.backward();
        let found = leaf.grad(&gradients).unwrap();
        let difference = (found - (a * 2.0 + b)).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-6, "{difference}");
    }
}
