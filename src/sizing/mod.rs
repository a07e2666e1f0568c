//! What a network costs, counted exactly before anything is trained.
//!
//! In: the `model` and `data` sections of a configuration. Out: the list of layers ([`layers`]) and the sums
//! over it: parameters and floating-point operations. No tensor library is involved.

mod activations;
mod count;
#[cfg(test)]
mod fixture;
mod layers;
pub mod recommend;

pub(crate) use activations::is_skip;
pub use activations::kept_values_per_image;
pub use count::{forward_flops_per_image, parameters, train_flops_per_image};
pub(crate) use count::{parameters_of, train_flops_of};
pub use layers::{Kind, Layer, Tensor, layers};
