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
use tch::{Device, Kind, Tensor};

use super::backward::register;
use super::native;

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
    x: TchTensor,
    other: Option<TchTensor>,
    weight: TchTensor,
    bias: TchTensor,
    moments: [TchTensor; 2],
    norm: Norm,
    route: Route,
}

#[derive(Debug, Clone)]
enum Route {
    /// The kernel of `norm.cpp`.
    Own,
    /// libtorch's kernels, on the input that `x` and `other` make together.
    LibTorch {
        input: TchTensor,
        /// Before silu; absent where there is no silu.
        normalised: Option<TchTensor>,
    },
}

fn forward(
    x: TchTensor,
    other: Option<TchTensor>,
    weight: TchTensor,
    bias: TchTensor,
    norm: Norm,
) -> (TchTensor, Saved) {
    let beside = other.as_ref().map(|other| &other.tensor);
    let (y, moments, route) = if x.tensor.device() == Device::Cpu && x.tensor.kind() == Kind::Float {
        let [y, mean, rstd] = native::norm(&x.tensor, beside, &weight.tensor, &bias.tensor, norm);
        (y, [mean, rstd], Route::Own)
    } else {
        by_libtorch(&x.tensor, beside, &weight.tensor, &bias.tensor, norm)
    };
    let moments = moments.map(TchTensor::new);
    (TchTensor::new(y), Saved { x, other, weight, bias, moments, norm, route })
}

/// With 32-bit weights, and sums in 32 bits, whatever the format of `x`.
fn by_libtorch(
    x: &Tensor,
    other: Option<&Tensor>,
    weight: &Tensor,
    bias: &Tensor,
    norm: Norm,
) -> (Tensor, [Tensor; 2], Route) {
    let kind = x.kind();
    let input = match other {
        None => x.shallow_clone(),
        Some(shift) if shift.dim() == 2 => x + shift.unsqueeze(2).unsqueeze(3),
        Some(skip) => Tensor::cat(&[x, skip], 1),
    };
    let wide = norm_input(&input);
    let (n, c, h, w) = wide.size4().expect("feature maps have four axes");
    let (y, mean, rstd) =
        wide.native_group_norm(Some(weight), Some(bias), n, c, h * w, norm.groups, norm.eps);
    let activated = if norm.silu { y.silu().to_kind(kind) } else { y.to_kind(kind) };
    let normalised = norm.silu.then(|| TchTensor::new(y.to_kind(kind)));
    (activated, [mean, rstd], Route::LibTorch { input: TchTensor::new(input), normalised })
}

/// The input as libtorch's group norm takes it beside 32-bit weights: its CPU kernel reads 16-bit inputs and
/// keeps statistics in 32 bits; the others would want weights, and keep statistics, in the input's format.
fn norm_input(x: &Tensor) -> Tensor {
    match x.device() {
        Device::Cpu => x.contiguous(),
        _ => x.to_kind(Kind::Float).contiguous(),
    }
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
    let other = saved.other.as_ref().map(|other| &other.tensor);
    let affine = [&saved.weight.tensor, &saved.bias.tensor];
    match &saved.route {
        Route::Own => {
            // Nobody else looks at the gradient where burn would let an operation overwrite it.
            let reuse = grad.can_mut();
            native::norm_backward((&grad.tensor, reuse), &saved.x.tensor, other, moments, affine, saved.norm)
        }
        Route::LibTorch { input, normalised } => {
            let (kind, wide) = (input.tensor.kind(), norm_input(&input.tensor));
            let grad = grad.tensor.to_kind(wide.kind());
            let grad = match normalised {
                Some(y) => y.tensor.to_kind(wide.kind()).silu_backward(&grad),
                None => grad,
            };
            let [dx, dweight, dbias] =
                native::group_norm_backward(&grad, &wide, moments, affine[0], saved.norm.groups);
            let dx = dx.map(|dx| dx.to_kind(kind));
            let [dx, dother] = apart(dx, saved.x.tensor.size()[1], other);
            [dx, dweight, dbias, dother]
        }
    }
}

/// The gradient of the input that two tensors make together, as that of each.
fn apart(dx: Option<Tensor>, channels: i64, other: Option<&Tensor>) -> [Option<Tensor>; 2] {
    match (dx, other) {
        (Some(dx), Some(shift)) if shift.dim() == 2 => {
            let sum = dx.sum_dim_intlist([2, 3].as_slice(), false, Kind::Float).to_kind(shift.kind());
            [Some(dx), Some(sum)]
        }
        (Some(dx), Some(skip)) => {
            let part = |from: i64, count: i64| Some(dx.narrow(1, from, count).contiguous());
            [part(0, channels), part(channels, skip.size()[1])]
        }
        (dx, _) => [dx, None],
    }
}
