//! Bindings to the kernel of `update.cpp`, which moves tensors in host memory.

use std::ffi::c_char;
use std::ptr;

use burn::backend::libtorch::TchTensor;

use super::super::native::{self, Raw};
use super::Adam;

/// The numbers of one update, as `AblateRule` in update.cpp lays them out.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    factor: f32,
    pull: f32,
    shrink: f32,
    keep: [[f32; 2]; 2],
    correction2: f32,
    eps: f32,
    rate: f32,
}

impl Rule {
    /// Worked out in 64 bits; `clip` is the norm of the unscaled gradient and its limit.
    pub(super) fn new(adam: &Adam, clip: Option<(f64, f64)>, scale: f64) -> Self {
        // A norm that is no number stays none.
        let clipping = clip.map_or(1.0, |(norm, limit)| (limit / (norm + 1e-6)).clamp(0.0, 1.0));
        let [beta1, beta2] = adam.betas;
        let correction = |beta: f64| 1.0 - beta.powf(adam.number as f64);
        let (shrink, pull) = match adam.decoupled {
            true => (1.0 - adam.rate * adam.weight_decay, 0.0),
            false => (1.0, adam.weight_decay),
        };
        Self {
            // A loss scale is a power of two: dividing by it rounds nothing.
            factor: (clipping as f32) / scale as f32,
            pull: pull as f32,
            shrink: shrink as f32,
            keep: [shares(beta1), shares(beta2)],
            correction2: correction(beta2).sqrt() as f32,
            eps: adam.eps as f32,
            rate: (adam.rate / correction(beta1)) as f32,
        }
    }
}

/// What a moving average keeps, and what it takes.
fn shares(decay: f64) -> [f32; 2] {
    [decay as f32, (1.0 - decay) as f32]
}

/// What moves the weights.
pub(super) struct Descent {
    pub(super) rule: Rule,
    pub(super) gradients: Vec<TchTensor>,
    pub(super) first: Vec<TchTensor>,
    pub(super) second: Vec<TchTensor>,
}

unsafe extern "C" {
    fn ablate_squared_norms(out: *mut f64, tensors: *const *const Raw, count: i64) -> *mut c_char;
    fn ablate_update(
        count: i64,
        weights: *const *const Raw,
        rule: *const Rule,
        gradients: *const *const Raw,
        first: *const *const Raw,
        second: *const *const Raw,
        tracks: i64,
        averages: *const *const Raw,
        decays: *const f32,
    ) -> *mut c_char;
}

/// ‖x‖² of every tensor; the same bits for any number of threads.
pub(super) fn squared_norms(tensors: &[TchTensor]) -> Vec<f64> {
    let mut squares = vec![0.0; tensors.len()];
    let list = pointers(tensors);
    // SAFETY: the tensors live through the call, and `squares` has a place for each.
    native::check(unsafe { ablate_squared_norms(squares.as_mut_ptr(), list.as_ptr(), list.len() as i64) });
    squares
}

/// Moves weights and moments, then every average by its decay. All but the gradients are written.
pub(super) fn update(weights: &[TchTensor], descent: Option<&Descent>, averages: &[(Vec<TchTensor>, f64)]) {
    let lists = descent.map(|d| [&d.gradients, &d.first, &d.second].map(|list| same_length(list, weights)));
    let [gradients, first, second] = lists.unwrap_or_default();
    let followers: Vec<_> = averages.iter().flat_map(|(list, _)| same_length(list, weights)).collect();
    let decays: Vec<f32> = averages.iter().flat_map(|(_, decay)| shares(*decay)).collect();
    let weights = pointers(weights);
    // SAFETY: every list has as many live tensors as `weights`, but for those that a null rule leaves unread;
    // `followers` has that many for each pair of `decays`. The callee checks format and length of each tensor.
    native::check(unsafe {
        ablate_update(
            weights.len() as i64,
            weights.as_ptr(),
            descent.map_or(ptr::null(), |descent| &raw const descent.rule),
            gradients.as_ptr(),
            first.as_ptr(),
            second.as_ptr(),
            averages.len() as i64,
            followers.as_ptr(),
            decays.as_ptr(),
        )
    });
}

/// What C++ takes a list of tensors as.
pub(super) fn pointers(tensors: &[TchTensor]) -> Vec<*const Raw> {
    tensors.iter().map(|tensor| tensor.tensor.as_ptr()).collect()
}

/// The pointers of a list that belongs to the parameters of another.
pub(super) fn same_length(list: &[TchTensor], weights: &[TchTensor]) -> Vec<*const Raw> {
    assert_eq!(list.len(), weights.len(), "every list has one tensor a parameter");
    pointers(list)
}
