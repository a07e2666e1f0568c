//! Tensor operations and devices: the only place that names libtorch.
//!
//! Where libtorch has an operation in one piece, `fused` uses it, with gradients from `backward`; `norm_op` and `own`
//! are kernels of our own for host memory and 32 bits. The plain form in burn defines the result, and a test beside it
//! holds the fused one to it. `native` and `native_own` reach what tch does not bind. In host memory and 32 bits every
//! operation on feature maps gives them with the channels of a position side by side (`maps.h`), and copies what comes
//! otherwise; shapes are `[N, C, H, W]` everywhere.
//! `update` moves all weights, moments and averages at once, in place, by a kernel of our own or by libtorch's multi-tensor
//! functions.
//! `probe` tries a number format that may kill the process. `extractor` runs TorchScript modules of other people on
//! images, `linalg` is the algebra in 64 bits that their features are compared with.

#![expect(deprecated, reason = "burn steers towards CubeCL; the libtorch backend is this project's choice")]

mod attention;
mod backward;
mod conv;
mod device;
mod device_memory;
mod extractor;
mod fused;
mod linalg;
mod module;
mod native;
mod native_own;
mod norm;
mod norm_libtorch;
mod norm_op;
mod own;
mod own_backward;
mod pointwise;
mod probe;
mod seed;
#[cfg(test)]
pub(crate) mod testing;
mod update;
mod upload;
mod upsample;

pub(crate) use attention::{attention, self_attention};
pub(crate) use conv::{conv2d, linear};
pub use device::{DeviceError, DeviceName};
pub(crate) use device::{Tf32, in_own_format, libtorch_version, open, set_deterministic, set_threads};
pub(crate) use device_memory::{device_bytes, peak_device_bytes};
pub(crate) use extractor::Extractor;
pub use extractor::{ExtractorError, PixelRange};
pub use linalg::LinalgError;
pub(crate) use linalg::{Rows, nuclear_norm, root, scatter};
pub(crate) use norm::{group_norm, group_norm_of_joined, group_norm_of_sum, side_by_side};
pub(crate) use pointwise::pointwise;
pub(crate) use probe::{probe, probe_tf32};
pub(crate) use seed::seed;
pub(crate) use update::{
    Adam, Average, Descent, Norms, Writable, accumulate, copies, gradient_norms, update,
};
pub(crate) use upload::upload;
pub(crate) use upsample::upsample_conv2d;
