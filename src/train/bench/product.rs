//! The machine's measured peak: one large matrix product in the number format of the network.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use serde::Serialize;

use crate::config::Precision;
use crate::model::number_format;
use crate::ops::DeviceName;
use crate::train::clock::wait_for;

/// Repetitions; the fastest counts, since nothing but disturbance makes one slower.
const REPETITIONS: usize = 7;

/// What a product of square matrices achieved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Product {
    /// Rows and columns of each matrix: large enough to fill the device.
    pub size: usize,
    /// The fastest repetition.
    pub seconds: f64,
    /// Operations a second, two a multiply-accumulate.
    pub flops_per_second: f64,
}

impl Product {
    pub(super) fn faster_of(self, other: Self) -> Self {
        if other.seconds < self.seconds { other } else { self }
    }
}

pub(super) fn measure(name: DeviceName, device: &Device, precision: Precision) -> Product {
    let size: usize = if name == DeviceName::Cpu { 2048 } else { 8192 };
    let factor = || {
        let drawn = Tensor::<2>::random([size, size], Distribution::Normal(0.0, 1.0), device);
        drawn.cast(number_format(precision))
    };
    let (a, b) = (factor(), factor());
    let once = || {
        wait_for(device);
        let started = Instant::now();
        let product = a.clone().matmul(b.clone());
        wait_for(device);
        let seconds = started.elapsed().as_secs_f64();
        drop(product);
        seconds
    };
    once();
    let seconds = (0..REPETITIONS).map(|_| once()).fold(f64::INFINITY, f64::min);
    Product { size, seconds, flops_per_second: 2.0 * (size as f64).powi(3) / seconds }
}
