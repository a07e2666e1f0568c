//! What a network costs, counted exactly before anything is trained.
//!
//! In: a configuration, or its `model` and `data` sections. Out: the list of layers ([`layers`]) and the sums over it:
//! parameters and floating-point operations, of the whole or level by level and part by part ([`levels`]); the memory of
//! training ([`step_memory`]); from measured times those of other networks ([`Rates`]); and for a budget the network that
//! makes most of it ([`recommend`]). No tensor library is involved.

mod activations;
mod cost;
mod count;
#[cfg(test)]
pub(crate) mod fixture;
mod layers;
mod levels;
mod look;
mod memory;
#[cfg(test)]
mod peer_tests;
pub mod recommend;
mod time;

pub use activations::kept_values_per_image;
pub use cost::{Cost, Part};
pub use count::{forward_flops_per_image, parameters, thousands, train_flops_per_image};
pub(crate) use count::{parameters_of, train_flops_of};
pub use layers::{Kind, Layer, Tensor, layers};
pub use levels::{Level, levels};
pub(crate) use look::images_in;
pub use memory::{Place, StepMemory, accumulation_that_fits, peak_bytes, step_memory};
pub use time::{NetworkWork, Overheads, Rates, Sample, leave_one_out};
