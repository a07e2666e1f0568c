//! Group normalisation, with the silu that follows it nearly everywhere and with what comes before it.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::device::in_own_format;
use super::norm_op::{FusedNorm, Norm};

/// Normalises each group of channels of each image to mean 0 and variance 1, then scales and shifts each
/// channel (Wu & He 2018); the variance is the biased one, as in PyTorch. `silu` is applied last, where asked for.
///
/// The result has the number format of `x`; statistics, scale and shift are 32-bit floats at least.
///
/// # Shapes
/// - `x`: `[N, C, H, W]`, C divisible by `groups`; `weight`, `bias`: `[C]`
pub(crate) fn group_norm(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    eps: f64,
    silu: bool,
) -> Tensor<4> {
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(<Dispatch as FusedNorm>::group_norm(x, weight, bias, norm(groups, eps, silu)))
}

/// [`group_norm`] of `x` with a number of its own added to each channel of each image: a time embedding.
///
/// # Shapes
/// - `x`: `[N, C, H, W]`; `addend`: `[N, C]`, in the format of `x`
pub(crate) fn group_norm_of_sum(
    x: Tensor<4>,
    addend: Tensor<2>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    eps: f64,
    silu: bool,
) -> Tensor<4> {
    with(x, addend, [weight, bias], norm(groups, eps, silu))
}

/// [`group_norm`] of the channels of `x` and then those of `skip`; groups may span both.
///
/// # Shapes
/// - `x`: `[N, C, H, W]`; `skip`: `[N, D, H, W]`, in the same format; `weight`, `bias`: `[C + D]`
/// - returns `[N, C + D, H, W]`
pub(crate) fn group_norm_of_joined(
    x: Tensor<4>,
    skip: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    eps: f64,
    silu: bool,
) -> Tensor<4> {
    with(x, skip, [weight, bias], norm(groups, eps, silu))
}

/// Two feature maps for [`group_norm_of_joined`] and `pointwise` alike: apart where these read both, else joined once
/// for all that follows.
///
/// # Shapes
/// - `x`: `[N, C, H, W]`; `skip`: `[N, D, H, W]`, in the same format
pub(crate) fn side_by_side(x: Tensor<4>, skip: Tensor<4>) -> (Tensor<4>, Option<Tensor<4>>) {
    if in_own_format(&x) { (x, Some(skip)) } else { (Tensor::cat(vec![x, skip], 1), None) }
}

fn with<const D: usize>(x: Tensor<4>, other: Tensor<D>, affine: [Tensor<1>; 2], norm: Norm) -> Tensor<4> {
    let (x, other) = (x.into_dispatch(), other.into_dispatch());
    let [weight, bias] = affine.map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as FusedNorm>::group_norm_with(x, other, weight, bias, norm))
}

fn norm(groups: usize, eps: f64, silu: bool) -> Norm {
    Norm { groups: groups as i64, eps, silu }
}

#[cfg(test)]
#[path = "norm_tests.rs"]
mod tests;
