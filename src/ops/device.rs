//! From the name of a device in a configuration to a device that tensors live on.

use std::fmt;

use burn::backend::DispatchDevice;
use burn::backend::libtorch::LibTorchDevice;
use burn::tensor::{DType, Device, Tensor};
use thiserror::Error;

use super::native;

/// A device by name, as `runtime.device` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceName {
    /// The best there is.
    Auto,
    /// Host memory.
    Cpu,
    /// An NVIDIA GPU by index.
    Cuda(usize),
    /// Apple's GPU.
    Mps,
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceName::Auto => f.write_str("auto"),
            DeviceName::Cpu => f.write_str("cpu"),
            DeviceName::Cuda(index) => write!(f, "cuda:{index}"),
            DeviceName::Mps => f.write_str("mps"),
        }
    }
}

/// A device that this machine or this libtorch does not have.
#[derive(Debug, Error)]
#[error("runtime.device = \"{wanted}\": {reason}")]
pub struct DeviceError {
    wanted: DeviceName,
    reason: String,
}

/// Opens a device; `auto` becomes the first CUDA device, else MPS, else the CPU. From then on 32-bit products are
/// shortened to TF32 only under a [`Tf32`].
pub(crate) fn open(wanted: DeviceName) -> Result<(DeviceName, Device), DeviceError> {
    let found = match wanted {
        DeviceName::Auto if tch::Cuda::is_available() => DeviceName::Cuda(0),
        DeviceName::Auto if tch::utils::has_mps() => DeviceName::Mps,
        DeviceName::Auto => DeviceName::Cpu,
        named => named,
    };
    check(found).map_err(|reason| DeviceError { wanted, reason })?;
    native::keep_memory();
    native::allow_tf32(false);
    Ok((found, tensor_device(found)))
}

fn check(device: DeviceName) -> Result<(), String> {
    match device {
        DeviceName::Cuda(_) if !tch::Cuda::is_available() => {
            Err("this libtorch sees no CUDA device; use \"cpu\" or \"auto\"".into())
        }
        DeviceName::Cuda(index) if index as i64 >= tch::Cuda::device_count() => {
            Err(format!("the machine has {} CUDA devices, counted from 0", tch::Cuda::device_count()))
        }
        DeviceName::Mps if !tch::utils::has_mps() => {
            Err("this libtorch has no MPS; use \"cpu\" or \"auto\"".into())
        }
        _ => Ok(()),
    }
}

fn tensor_device(device: DeviceName) -> Device {
    match device {
        DeviceName::Cpu | DeviceName::Auto => Device::libtorch(),
        DeviceName::Cuda(index) => Device::libtorch_cuda(index),
        DeviceName::Mps => Device::libtorch_mps(),
    }
}

/// Whether tensors of this device live in host memory.
pub(super) fn on_cpu(device: &Device) -> bool {
    let device = device.clone().without_autodiff();
    matches!(device.as_dispatch(), DispatchDevice::LibTorch(LibTorchDevice::Cpu))
}

/// Whether the operations of our own take this feature map: they are for host memory and 32-bit floats.
pub(crate) fn in_own_format(x: &Tensor<4>) -> bool {
    x.dtype() == DType::F32 && on_cpu(&x.device())
}

/// As long as it lives, NVIDIA GPUs may round the factors of 32-bit products to TF32: 8 bits of exponent, 10 of mantissa.
/// The permission is libtorch's own, of the whole process.
pub(crate) struct Tf32 {
    before: bool,
}

impl Tf32 {
    /// Gives the permission.
    pub(crate) fn allow() -> Self {
        Self { before: native::allow_tf32(true) }
    }
}

impl Drop for Tf32 {
    fn drop(&mut self) {
        native::allow_tf32(self.before);
    }
}

/// Why this device does not shorten products to TF32, if it does not.
pub(super) fn without_tf32(device: &Device) -> Option<&'static str> {
    let device = device.clone().without_autodiff();
    let nvidia = matches!(device.as_dispatch(), DispatchDevice::LibTorch(LibTorchDevice::Cuda(_)));
    (!nvidia).then_some("only NVIDIA GPUs have it, and the device is none")
}

/// Threads that one operation of libtorch may use.
pub(crate) fn set_threads(threads: usize) {
    tch::set_num_threads(threads as i32);
}

/// Whether a GPU is held to operations that give the same bits every time; a CPU gives them in any case.
pub(crate) fn set_deterministic(device: DeviceName, on: bool) {
    native::set_deterministic(on && device != DeviceName::Cpu);
}

/// Version of the libtorch this program was built against.
pub(crate) fn libtorch_version() -> &'static str {
    env!("ABLATE_LIBTORCH_VERSION")
}
