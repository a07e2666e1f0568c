//! The U-Net: structure and tensor names of diffusers' `UNet2DModel`, nothing about training.
//!
//! In: a resolved configuration and, for each tensor by name, its values. Out: a burn module whose
//! parameter paths are the published names (`down_blocks.0.resnets.1.conv1.weight`).

mod attention;
mod block;
mod embedding;
mod layer;
#[cfg(test)]
mod network_tests;
mod unet;
mod weights;

pub use layer::{Fill, Init};
pub(crate) use unet::number_format;
pub use unet::{Mode, UNet};
pub use weights::{NamedTensor, named_gradients, named_tensors, parameter_names};
