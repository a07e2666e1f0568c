//! Bindings to libtorch's multi-tensor functions: the update of tensors on any device.

use std::ffi::c_char;
use std::ptr;

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use burn::tensor::Tensor;

use super::super::native::{self, Raw};
use super::kernel::{pointers, same_length};
use super::{Adam, Norms};

unsafe extern "C" {
    fn ablate_foreach_norm(out: *mut *mut Raw, tensors: *const *const Raw, count: i64) -> *mut c_char;
    fn ablate_fused_adam(
        count: i64,
        weights: *const *const Raw,
        gradients: *const *const Raw,
        first: *const *const Raw,
        second: *const *const Raw,
        step: *const Raw,
        divisor: *const Raw,
        decoupled: bool,
        rate: f64,
        betas: *const f64,
        decay: f64,
        eps: f64,
    ) -> *mut c_char;
    fn ablate_foreach_lerp(
        count: i64,
        averages: *const *const Raw,
        weights: *const *const Raw,
        take: f64,
    ) -> *mut c_char;
    fn ablate_foreach_add(count: i64, sums: *const *const Raw, terms: *const *const Raw) -> *mut c_char;
}

/// Norms of gradients that are `scale` times too long; nothing is read back.
pub(super) fn norms(gradients: &[TchTensor], scale: f64) -> Norms {
    let list = pointers(gradients);
    // SAFETY: the tensors live through the call, which gives one tensor.
    let norms = native::one(|out| unsafe { ablate_foreach_norm(out, list.as_ptr(), list.len() as i64) });
    let norms = norms.unwrap_or_else(|complaint| panic!("libtorch: {complaint}"));
    let norms: Tensor<1> = Tensor::from_primitive::<LibTorch>(TchTensor::new(norms)) / scale;
    let squares = norms.square();
    Norms { global: squares.clone().sum().sqrt(), squares }
}

/// One update by Adam; `divisor`, one number on the device, is what gradients are divided by, in place.
pub(super) fn adam(
    weights: &[TchTensor],
    gradients: &[TchTensor],
    moments: [Vec<TchTensor>; 2],
    divisor: Option<&TchTensor>,
    adam: &Adam,
) {
    let device = weights[0].tensor.device();
    let number = tch::Tensor::full([1], adam.number as f64, (tch::Kind::Float, device));
    let gradients = same_length(gradients, weights);
    let [first, second] = moments.each_ref().map(|list| same_length(list, weights));
    let weights = pointers(weights);
    // SAFETY: every list has as many live tensors as `weights`, the numbers outlive the call, there are two betas.
    native::check(unsafe {
        ablate_fused_adam(
            weights.len() as i64,
            weights.as_ptr(),
            gradients.as_ptr(),
            first.as_ptr(),
            second.as_ptr(),
            number.as_ptr(),
            divisor.map_or(ptr::null(), |divisor| divisor.tensor.as_ptr()),
            adam.decoupled,
            adam.rate,
            adam.betas.as_ptr(),
            adam.weight_decay,
            adam.eps,
        )
    });
}

/// Moves every average towards its weight, by the share `take` of the way.
pub(super) fn lerp(averages: &[TchTensor], weights: &[TchTensor], take: f64) {
    let (averages, weights) = (same_length(averages, weights), pointers(weights));
    // SAFETY: both lists have that many live tensors.
    native::check(unsafe {
        ablate_foreach_lerp(weights.len() as i64, averages.as_ptr(), weights.as_ptr(), take)
    });
}

/// Adds to each sum its term.
pub(super) fn add(sums: &[TchTensor], terms: &[TchTensor]) {
    let (terms, sums) = (same_length(terms, sums), pointers(sums));
    // SAFETY: as above.
    native::check(unsafe { ablate_foreach_add(sums.len() as i64, sums.as_ptr(), terms.as_ptr()) });
}
