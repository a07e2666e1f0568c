//! Whether a device computes with fewer bits, in a 16-bit number format or TF32: a small network's answer and gradients,
//! held to its own in 32 bits.
//!
//! Run it in a process that may die: some CPUs list instructions that their system does not allow, and libtorch
//! then uses them (SIGILL).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device, Distribution, FloatDType, Tensor};
use thiserror::Error;

use super::device::{Tf32, without_tf32};
use super::{attention, conv2d, group_norm, linear};

/// Largest distance from the result in 32 bits, as a share of its norm. Rounding alone leaves 0.01 with 8 bits of
/// mantissa; a kernel that is wrong leaves about 1.
const LIMIT: f32 = 0.05;

/// Wide enough for the kernels that real networks reach: below some size libtorch takes others.
const CHANNELS: usize = 64;
const SIZE: usize = 16;
const BATCH: usize = 4;

/// Why fewer bits are not to be used on this device.
#[derive(Debug, Error)]
pub(crate) enum ProbeError {
    /// It has no such thing.
    #[error("{0}")]
    Missing(&'static str),
    /// libtorch's own complaint.
    #[error("libtorch does not do it: {0}")]
    Unsupported(String),
    /// It did something else.
    #[error("its results are wrong, off by {0} of their size")]
    Wrong(f32),
}

/// Computes the same in 32 bits and in `format`, forward and backward, and compares.
pub(crate) fn probe(device: &Device, format: FloatDType) -> Result<(), ProbeError> {
    compare(device, &|parts| answer(parts, format))
}

/// Computes the same in 32 bits and with products shortened to TF32, and compares.
pub(crate) fn probe_tf32(device: &Device) -> Result<(), ProbeError> {
    without_tf32(device).map_or(Ok(()), |reason| Err(ProbeError::Missing(reason)))?;
    compare(device, &|parts| {
        let _permission = Tf32::allow();
        answer(parts, FloatDType::F32)
    })
}

fn compare(device: &Device, reduced: &dyn Fn(&[Tensor<4>; 4]) -> Vec<Tensor<1>>) -> Result<(), ProbeError> {
    let answered = catch_unwind(AssertUnwindSafe(|| {
        device.seed(0);
        let parts = parts(&device.clone().without_autodiff());
        let exact = answer(&parts, FloatDType::F32);
        let reduced = reduced(&parts);
        let distances = exact.into_iter().zip(reduced).map(|(exact, reduced)| distance(reduced, exact));
        distances.fold(0.0, |worst: f32, found| if found <= worst { worst } else { found })
    }));
    match answered {
        Ok(worst) if worst <= LIMIT => Ok(()),
        Ok(worst) => Err(ProbeError::Wrong(worst)),
        Err(panic) => Err(ProbeError::Unsupported(complaint(panic.as_ref()))),
    }
}

/// The image, two convolutions and a matrix.
fn parts(device: &Device) -> [Tensor<4>; 4] {
    let normal = |shape: [usize; 4], spread: f64| {
        Tensor::<4>::random(shape, Distribution::Normal(0.0, spread), device)
    };
    let fan_in = (CHANNELS * 9) as f64;
    [
        normal([BATCH, CHANNELS, SIZE, SIZE], 1.0),
        normal([CHANNELS, CHANNELS, 3, 3], fan_in.powf(-0.5)),
        normal([CHANNELS, CHANNELS, 3, 3], fan_in.powf(-0.5)),
        normal([1, 1, CHANNELS, CHANNELS], (CHANNELS as f64).powf(-0.5)),
    ]
}

/// Output and gradients of a network of one operation each: norm, convolution, linear map, attention.
fn answer(parts: &[Tensor<4>; 4], format: FloatDType) -> Vec<Tensor<1>> {
    let leaves = parts.clone().map(|part| part.autodiff().require_grad());
    let [x, first, second, matrix] = leaves.clone();
    let device = x.device();
    let (ones, zeros) = (Tensor::ones([CHANNELS], &device), Tensor::zeros([CHANNELS], &device));
    let x = group_norm(x.cast(format), ones, zeros.clone(), CHANNELS / 4, 1e-5, true);
    let x = conv2d(x, first, zeros.clone(), 1, [1, 1]);
    let rows: Tensor<3> = x.clone().reshape([BATCH, CHANNELS, SIZE * SIZE]).swap_dims(1, 2);
    let rows = linear(rows, matrix.reshape([CHANNELS, CHANNELS]), zeros.clone());
    let heads = rows.reshape([BATCH, SIZE * SIZE, 1, CHANNELS]).swap_dims(1, 2);
    let mixed = attention(heads.clone(), heads.clone(), heads);
    let mixed = mixed.swap_dims(2, 3).reshape([BATCH, CHANNELS, SIZE, SIZE]);
    let y = conv2d(x + mixed, second, zeros, 1, [1, 1]).cast(FloatDType::F32);
    let gradients = y.clone().square().mean().backward();
    let flat = |tensor: Tensor<4>| tensor.flatten::<1>(0, 3);
    let mut all = vec![flat(y.inner())];
    all.extend(leaves.iter().map(|leaf| flat(leaf.grad(&gradients).expect("every part is used"))));
    all
}

/// ‖a − b‖ / ‖b‖ (host–device sync).
pub(super) fn distance(a: Tensor<1>, b: Tensor<1>) -> f32 {
    let norm = |x: Tensor<1>| x.square().sum().sqrt().into_scalar::<f32>();
    norm(a - b.clone()) / norm(b)
}

/// First line of what libtorch said: tch wraps it in an unwrapped error, whose line ends are written out.
fn complaint(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    let text = text.split_once("Torch(\"").map_or(text, |(_, said)| said);
    let line = text.split("\\n").next().unwrap_or_default();
    line.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_the_first_line_of_libtorchs_own() {
        let unwrapped =
            r#"called `Result::unwrap()` on an `Err` value: Torch("no such kernel\nException raised")"#;
        let said = |text: &str| complaint(&text.to_owned());
        assert_eq!(said(unwrapped), "no such kernel");
        assert_eq!(said("libtorch: no such kernel\nframe #0"), "libtorch: no such kernel");
        assert_eq!(complaint(&7), "no reason given");
    }

    #[test]
    fn a_cpu_has_no_tf32() {
        let (_, device) = super::super::open(super::super::DeviceName::Cpu).unwrap();
        let refused = probe_tf32(&device).unwrap_err().to_string();
        assert_eq!(refused, "only NVIDIA GPUs have it, and the device is none");
    }

    #[test]
    fn thirty_two_bits_pass_anywhere() {
        let device = super::super::testing::device();
        probe(&device, FloatDType::F32).unwrap();
        assert!(distance(Tensor::ones([3], &device) * 1.5, Tensor::ones([3], &device)) > LIMIT);
    }
}
