//! Gradient norms, Adam with clipping, and moving averages over all parameters at once, in place.
//!
//! In: lists of flat tensors, one a parameter. A tensor in host memory is moved by the kernel of `update.cpp`, one on
//! another device by libtorch's own multi-tensor functions.
//!
//! A tensor is written only through [`Writable`]: a handle to a storage that its owner and this handle alone know, so
//! nobody's numbers change but the owner's. burn counts the handles of a storage, those that a backward graph keeps
//! among them.

mod kernel;
mod lists;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use burn::backend::LibTorch;
use burn::backend::libtorch::{Storage, TchTensor};
use burn::tensor::{Tensor, TensorData};

use super::device::on_cpu;

/// Handles through which tensors are written.
#[derive(Debug)]
pub(crate) struct Writable(Vec<TchTensor>);

impl Writable {
    /// Takes one handle to each of some tensors whose owner has another.
    ///
    /// # Errors
    /// Somebody else holds one as well: copies of all, for the owner to put in their place.
    pub(crate) fn new(handles: Vec<Tensor<1>>) -> Result<Self, Vec<Tensor<1>>> {
        let handles: Vec<_> = handles.into_iter().map(primitive).collect();
        match handles.iter().all(known_to_two) {
            true => Ok(Self(handles)),
            false => Err(handles.iter().map(copy).collect()),
        }
    }

    /// Handles to the tensors of a list, which takes a copy of those that somebody else holds as well.
    pub(crate) fn of(list: &mut [Tensor<1>]) -> Self {
        let handle = |tensor: &mut Tensor<1>| {
            let shared = primitive(tensor.clone());
            if known_to_two(&shared) {
                return shared;
            }
            *tensor = copy(&shared);
            primitive(tensor.clone())
        };
        Self(list.iter_mut().map(handle).collect())
    }
}

/// Whether the owner of a tensor and the holder of this handle are alone with its storage.
fn known_to_two(handle: &TchTensor) -> bool {
    let Storage::Owned { buffer_ref } = &handle.storage else { return false };
    let alone = Arc::strong_count(buffer_ref) == 2 && handle.tensor.is_contiguous();
    // Whatever another thread read through a handle that it gave up comes before what is written now.
    fence(Ordering::Acquire);
    alone
}

fn primitive(tensor: Tensor<1>) -> TchTensor {
    tensor.try_into_primitive::<LibTorch>().expect("flat tensors live on libtorch, outside autodiff")
}

/// Tensors of the same values that nobody else holds.
pub(crate) fn copies(list: &[Tensor<1>]) -> Vec<Tensor<1>> {
    list.iter().map(|tensor| copy(&primitive(tensor.clone()))).collect()
}

fn copy(handle: &TchTensor) -> Tensor<1> {
    Tensor::from_primitive::<LibTorch>(TchTensor::new(handle.tensor.copy()))
}

/// How long the gradient is.
#[derive(Debug, Clone)]
pub(crate) struct Norms {
    /// ‖g‖² of every parameter.
    pub(crate) squares: Tensor<1>,
    /// The root of their sum.
    pub(crate) global: Tensor<1>,
}

/// The norms of gradients that are `scale` times too long.
pub(crate) fn gradient_norms(gradients: &[Tensor<1>], scale: f64) -> Norms {
    let device = gradients[0].device();
    let handles: Vec<_> = gradients.iter().cloned().map(primitive).collect();
    if !on_cpu(&device) {
        return lists::norms(&handles, scale);
    }
    let squares: Vec<f64> =
        kernel::squared_norms(&handles).iter().map(|square| square / (scale * scale)).collect();
    let global = squares.iter().sum::<f64>().sqrt() as f32;
    let squares: Vec<f32> = squares.into_iter().map(|square| square as f32).collect();
    Norms {
        squares: Tensor::from_data(TensorData::from(squares.as_slice()), &device),
        global: Tensor::from_floats([global], &device),
    }
}

/// Adds to each sum its term, in place.
pub(crate) fn accumulate(sums: &mut [Tensor<1>], terms: Vec<Tensor<1>>) {
    let terms: Vec<_> = terms.into_iter().map(primitive).collect();
    lists::add(&Writable::of(sums).0, &terms);
}

/// The settings of one update by Adam.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adam {
    pub(crate) rate: f64,
    pub(crate) betas: [f64; 2],
    pub(crate) eps: f64,
    pub(crate) weight_decay: f64,
    /// Whether weight decay is of its own (AdamW) or part of the gradient.
    pub(crate) decoupled: bool,
    /// Which update this is, from 1.
    pub(crate) number: u64,
}

/// What moves the weights.
#[derive(Debug)]
pub(crate) struct Descent<'a> {
    pub(crate) gradients: Vec<Tensor<1>>,
    /// By which loss scale they are too long.
    pub(crate) scale: f64,
    /// Their norm without it, and what it is clipped to: all of them are scaled by min(1, limit/(norm + 1e-6)).
    pub(crate) clip: Option<(Tensor<1>, f64)>,
    pub(crate) first: &'a mut [Tensor<1>],
    pub(crate) second: &'a mut [Tensor<1>],
    pub(crate) adam: Adam,
}

/// An average that is due: average ← decay·average + (1 − decay)·weights.
#[derive(Debug)]
pub(crate) struct Average<'a> {
    pub(crate) values: &'a mut [Tensor<1>],
    pub(crate) decay: f64,
}

/// Moves weights and moments, where anything does, then every average by the weights as they are now.
pub(crate) fn update(weights: &Writable, descent: Option<Descent<'_>>, averages: Vec<Average<'_>>) {
    match weights.0.iter().all(|weight| weight.tensor.device() == tch::Device::Cpu) {
        true => update_by_kernel(weights, descent, averages),
        false => update_by_lists(weights, descent, averages),
    }
}

fn update_by_kernel(weights: &Writable, descent: Option<Descent<'_>>, averages: Vec<Average<'_>>) {
    let descent = descent.map(|descent| {
        // The norm is in host memory as well: reading it waits for nothing.
        let clip = descent.clip.map(|(norm, limit)| (f64::from(norm.into_scalar::<f32>()), limit));
        kernel::Descent {
            rule: kernel::Rule::new(&descent.adam, clip, descent.scale),
            gradients: descent.gradients.into_iter().map(primitive).collect(),
            first: Writable::of(descent.first).0,
            second: Writable::of(descent.second).0,
        }
    });
    let averages: Vec<_> =
        averages.into_iter().map(|average| (Writable::of(average.values).0, average.decay)).collect();
    kernel::update(&weights.0, descent.as_ref(), &averages);
}

fn update_by_lists(weights: &Writable, descent: Option<Descent<'_>>, averages: Vec<Average<'_>>) {
    if let Some(mut descent) = descent {
        let clipping = descent.clip.map(|(norm, limit)| ((norm + 1e-6) / limit).clamp_min(1.0));
        let divisor = match clipping {
            Some(clipping) => Some(clipping * descent.scale),
            None => (descent.scale != 1.0)
                .then(|| Tensor::full([1], descent.scale, &descent.gradients[0].device())),
        };
        let moments = [Writable::of(descent.first).0, Writable::of(descent.second).0];
        let gradients = Writable::of(&mut descent.gradients).0;
        lists::adam(&weights.0, &gradients, moments, divisor.map(primitive).as_ref(), &descent.adam);
    }
    for average in averages {
        lists::lerp(&Writable::of(average.values).0, &weights.0, 1.0 - average.decay);
    }
}
