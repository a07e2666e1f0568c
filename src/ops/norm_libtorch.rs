//! Group norm by libtorch's kernels, with what stands before and after it done plainly: for devices and number formats
//! that have no kernel of our own.

use burn::backend::libtorch::TchTensor;
use tch::{Device, Kind, Tensor};

use super::native;
use super::norm_op::Norm;

/// What a backward pass needs of the inputs.
#[derive(Debug, Clone)]
pub(super) struct Together {
    /// What they make together.
    input: TchTensor,
    second: Second,
    /// Before silu; absent where there is no silu.
    normalised: Option<TchTensor>,
}

/// What stood beside `x`.
#[derive(Debug, Clone, Copy)]
enum Second {
    Nothing,
    /// Added to every position.
    Addend,
    /// Joined to this many channels.
    Skip {
        after: i64,
    },
}

/// With 32-bit weights, and sums in 32 bits, whatever the format of `x`.
///
/// Gives the result, mean and 1/spread of each group, and what the backward pass needs beside them.
pub(super) fn forward(
    x: &TchTensor,
    other: Option<&TchTensor>,
    [weight, bias]: [&Tensor; 2],
    norm: Norm,
) -> (Tensor, [Tensor; 2], Together) {
    let kind = x.tensor.kind();
    let (input, second) = match (&x.tensor, other.map(|other| &other.tensor)) {
        // burn's own handle, by which it knows that somebody still reads what it might write.
        (_, None) => (x.clone(), Second::Nothing),
        (x, Some(addend)) if addend.dim() == 2 => {
            (TchTensor::new(x + addend.unsqueeze(2).unsqueeze(3)), Second::Addend)
        }
        (x, Some(skip)) => (TchTensor::new(Tensor::cat(&[x, skip], 1)), Second::Skip { after: x.size()[1] }),
    };
    let wide = norm_input(&input.tensor);
    let (n, c, h, w) = wide.size4().expect("feature maps have four axes");
    let (y, mean, rstd) =
        wide.native_group_norm(Some(weight), Some(bias), n, c, h * w, norm.groups, norm.eps);
    let activated = if norm.silu { y.silu().to_kind(kind) } else { y.to_kind(kind) };
    let normalised = norm.silu.then(|| TchTensor::new(y.to_kind(kind)));
    (activated, [mean, rstd], Together { input, second, normalised })
}

/// The input as libtorch's group norm takes it beside 32-bit weights: its CPU kernel reads 16-bit inputs and
/// keeps statistics in 32 bits; the others would want weights, and keep statistics, in the input's format.
fn norm_input(x: &Tensor) -> Tensor {
    match x.device() {
        Device::Cpu => x.contiguous(),
        _ => x.to_kind(Kind::Float).contiguous(),
    }
}

/// Gradients of x, weight, bias and what is added or joined.
pub(super) fn backward(
    grad: &Tensor,
    together: &Together,
    moments: [&Tensor; 2],
    weight: &Tensor,
    groups: i64,
) -> [Option<Tensor>; 4] {
    let (kind, wide) = (together.input.tensor.kind(), norm_input(&together.input.tensor));
    let grad = grad.to_kind(wide.kind());
    let grad = match &together.normalised {
        Some(y) => y.tensor.to_kind(wide.kind()).silu_backward(&grad),
        None => grad,
    };
    let [dx, dweight, dbias] = native::group_norm_backward(&grad, &wide, moments, weight, groups);
    let [dx, dother] = apart(dx.map(|dx| dx.to_kind(kind)), together.second);
    [dx, dweight, dbias, dother]
}

/// The gradient of what two tensors make together, as that of each.
fn apart(dx: Option<Tensor>, second: Second) -> [Option<Tensor>; 2] {
    let Some(dx) = dx else { return [None, None] };
    match second {
        Second::Nothing => [Some(dx), None],
        Second::Addend => {
            let sum = dx.sum_dim_intlist([2, 3].as_slice(), false, Kind::Float).to_kind(dx.kind());
            [Some(dx), Some(sum)]
        }
        Second::Skip { after } => {
            let part = |from: i64, to: i64| Some(dx.narrow(1, from, to - from).contiguous());
            [part(0, after), part(after, dx.size()[1])]
        }
    }
}
