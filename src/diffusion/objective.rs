//! The training objective: noising, targets and losses on tensors; the same conversions in f64 on numbers.

use burn::tensor::{Device, Tensor, TensorData};

use super::Schedule;
use crate::config::{LossType, PredictionType};

/// √ᾱ_t and √(1−ᾱ_t) of each image of a batch.
pub struct Coefficients {
    signal: Tensor<4>,
    noise: Tensor<4>,
}

impl Coefficients {
    /// Looks the coefficients up.
    ///
    /// # Shapes
    /// - `t`: N integers in `0..T`; coefficients broadcast over `[N, C, H, W]`
    pub fn new(schedule: &Schedule, t: &[i64], device: &Device) -> Self {
        let gather = |of: fn(f64) -> f64| {
            let values: Vec<f32> = t.iter().map(|t| of(schedule.alpha_bars[*t as usize]) as f32).collect();
            Tensor::from_data(TensorData::new(values, [t.len(), 1, 1, 1]), device)
        };
        Self { signal: gather(f64::sqrt), noise: gather(|alpha_bar| (1.0 - alpha_bar).sqrt()) }
    }

    /// Noises clean images: `x_t = √ᾱ_t·x0 + √(1−ᾱ_t)·ε` (Ho et al. 2020, Eq. 4).
    ///
    /// # Shapes
    /// - `x0`, `eps`: `[N, C, H, W]`, `x0` in [-1, 1]; returns the same shape
    pub fn noised(&self, x0: Tensor<4>, eps: Tensor<4>) -> Tensor<4> {
        self.signal.clone() * x0 + self.noise.clone() * eps
    }

    /// What the network should predict: ε, or v = √ᾱ·ε − √(1−ᾱ)·x0 (Salimans & Ho 2022).
    pub fn target(&self, kind: PredictionType, x0: Tensor<4>, eps: Tensor<4>) -> Tensor<4> {
        match kind {
            PredictionType::Epsilon => eps,
            PredictionType::V => self.signal.clone() * eps - self.noise.clone() * x0,
        }
    }
}

/// Loss of each image: the mean over its channels and pixels.
///
/// # Shapes
/// - `prediction`, `target`: `[N, C, H, W]`; returns `[N]`
pub fn loss_per_image(kind: LossType, prediction: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    let n = prediction.dims()[0];
    let elements = match kind {
        LossType::Mse => (prediction - target).square(),
    };
    elements.reshape([n as i32, -1]).mean_dim(1).reshape([n])
}

/// The two readings of one predicted value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Predicted clean value.
    pub x0: f64,
    /// Predicted noise.
    pub eps: f64,
}

/// Reads a prediction at one element as x̂0 and ε̂, unclipped.
pub fn read(kind: PredictionType, prediction: f64, xt: f64, alpha_bar: f64) -> Reading {
    let (signal, noise) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
    match kind {
        PredictionType::Epsilon => Reading { x0: (xt - noise * prediction) / signal, eps: prediction },
        PredictionType::V => {
            Reading { x0: signal * xt - noise * prediction, eps: noise * xt + signal * prediction }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_v_prediction_reads_back_as_image_and_noise() {
        let (x0, eps, alpha_bar) = (0.4_f64, -1.3_f64, 0.37_f64);
        let (signal, noise) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
        let xt = signal * x0 + noise * eps;
        let v = signal * eps - noise * x0;
        for (kind, prediction) in [(PredictionType::V, v), (PredictionType::Epsilon, eps)] {
            let reading = read(kind, prediction, xt, alpha_bar);
            assert!((reading.x0 - x0).abs() < 1e-12 && (reading.eps - eps).abs() < 1e-12);
        }
    }
}
