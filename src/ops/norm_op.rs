//! Group norm with silu as an operation of burn's automatic differentiation.
//!
//! In host memory and 32 bits it is one pass of our own each way (`norm.cpp`), which keeps nothing but its inputs and
//! two numbers a group. Elsewhere libtorch's kernels do it, with what they ask for.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, LibTorch, backend_extension};
use tch::Tensor;

use super::backward::register;
use super::native_own::{self, own_format};
use super::norm_libtorch::{self, Together};

/// What a group norm does beside its tensors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm {
    pub(super) groups: i64,
    pub(super) eps: f64,
    /// Whether silu follows.
    pub(super) silu: bool,
}

/// Group norms of a feature map.
#[backend_extension(LibTorch, Autodiff)]
pub(super) trait FusedNorm: Backend {
    /// Group norm, then silu where asked for.
    fn group_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        norm: Norm,
    ) -> FloatTensor<Self>;

    /// The same after `[N, C]` was added to every position, or `[N, C', H, W]` joined to the channels.
    fn group_norm_with(
        x: FloatTensor<Self>,
        other: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        norm: Norm,
    ) -> FloatTensor<Self>;
}

impl FusedNorm for LibTorch {
    fn group_norm(x: TchTensor, weight: TchTensor, bias: TchTensor, norm: Norm) -> TchTensor {
        forward(x, None, weight, bias, norm).0
    }

    fn group_norm_with(
        x: TchTensor,
        other: TchTensor,
        weight: TchTensor,
        bias: TchTensor,
        norm: Norm,
    ) -> TchTensor {
        forward(x, Some(other), weight, bias, norm).0
    }
}

impl<C: CheckpointStrategy> FusedNorm for Autodiff<LibTorch, C> {
    fn group_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        norm: Norm,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (out, saved) =
            forward(x.into_primitive(), None, weight.into_primitive(), bias.into_primitive(), norm);
        match NormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(saved, out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn group_norm_with(
        x: FloatTensor<Self>,
        other: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        norm: Norm,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node(), other.node()];
        let (x, other) = (x.into_primitive(), other.into_primitive());
        let (out, saved) = forward(x, Some(other), weight.into_primitive(), bias.into_primitive(), norm);
        match NormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(saved, out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

/// What the backward pass needs: the inputs, mean and 1/spread of each group, and how it was done.
#[derive(Debug, Clone)]
struct Saved {
    inputs: Inputs,
    weight: TchTensor,
    bias: TchTensor,
    moments: [TchTensor; 2],
    norm: Norm,
}

#[derive(Debug, Clone)]
enum Inputs {
    /// For the kernel of `norm.cpp`: as they came.
    Own { x: TchTensor, other: Option<TchTensor> },
    /// For libtorch's kernels.
    LibTorch(Together),
}

fn forward(
    x: TchTensor,
    other: Option<TchTensor>,
    weight: TchTensor,
    bias: TchTensor,
    norm: Norm,
) -> (TchTensor, Saved) {
    let (y, moments, inputs) = if own_format(&x.tensor) {
        let beside = other.as_ref().map(|other| &other.tensor);
        let [y, mean, rstd] = native_own::norm(&x.tensor, beside, &weight.tensor, &bias.tensor, norm);
        (y, [mean, rstd], Inputs::Own { x, other })
    } else {
        let (y, moments, together) =
            norm_libtorch::forward(&x, other.as_ref(), [&weight.tensor, &bias.tensor], norm);
        (y, moments, Inputs::LibTorch(together))
    };
    let moments = moments.map(TchTensor::new);
    (TchTensor::new(y), Saved { inputs, weight, bias, moments, norm })
}

#[derive(Debug)]
struct NormBackward;

/// Parents are x, weight and bias.
impl Backward<LibTorch, 3> for NormBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let [dx, dweight, dbias, _] = backward(grad, &ops.state);
        let nodes = ops.parents.map(|node| node.map(|node| node.id));
        register(grads, nodes, [dx, dweight, dbias]);
    }
}

/// Parents are x, weight, bias and what is added or joined.
impl Backward<LibTorch, 4> for NormBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let computed = backward(grad, &ops.state);
        register(grads, ops.parents.map(|node| node.map(|node| node.id)), computed);
    }
}

/// Gradients of x, weight, bias and what is added or joined.
fn backward(grad: TchTensor, saved: &Saved) -> [Option<Tensor>; 4] {
    let moments = [&saved.moments[0].tensor, &saved.moments[1].tensor];
    let affine = [&saved.weight.tensor, &saved.bias.tensor];
    match &saved.inputs {
        Inputs::Own { x, other } => {
            // Nobody else looks at a gradient that burn would let an operation overwrite.
            let reuse = grad.can_mut();
            let other = other.as_ref().map(|other| &other.tensor);
            native_own::norm_backward((&grad.tensor, reuse), &x.tensor, other, moments, affine, saved.norm)
        }
        Inputs::LibTorch(together) => {
            norm_libtorch::backward(&grad.tensor, together, moments, affine[0], saved.norm.groups)
        }
    }
}
