//! What a network costs, counted exactly before anything is trained.
//!
//! In: a configuration, or its `model` and `data` sections. Out: the list of layers ([`layers`]) and the sums over it:
//! parameters and floating-point operations, of the whole or level by level and part by part ([`levels`]); and the memory
//! of training ([`step_memory`]). No tensor library is involved.

mod activations;
mod cost;
mod count;
#[cfg(test)]
mod fixture;
mod layers;
mod levels;
mod look;
mod memory;
#[cfg(test)]
mod peer_tests;

pub use activations::kept_values_per_image;
pub use cost::{Cost, Part};
pub use count::{forward_flops_per_image, parameters, train_flops_per_image};
pub(crate) use count::{parameters_of, train_flops_of};
pub use layers::{Kind, Layer, Tensor, layers};
pub use levels::{Level, levels};
pub(crate) use look::images_in;
pub use memory::{Place, StepMemory, accumulation_that_fits, peak_bytes, step_memory};
