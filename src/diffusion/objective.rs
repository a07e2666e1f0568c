//! The training objective: noising, targets, losses and their weights.
//!
//! In: clean images, noise and timesteps, then what the network made of them. Out: a loss per image. Of the loss
//! there is a version on numbers in f64 beside the one on tensors: evaluation sums in f64.

use burn::tensor::{Tensor, TensorData};

use super::Schedule;
use crate::config::{Diffusion, LossType, LossWeighting, PredictionType};

/// √ᾱ_t and √(1−ᾱ_t) of each image of a batch.
pub struct Coefficients {
    signal: Tensor<4>,
    noise: Tensor<4>,
}

impl Coefficients {
    /// Looks the coefficients up; `upload` makes tensors of them, on the device of the images.
    ///
    /// # Shapes
    /// - `t`: N integers in `0..T`; coefficients broadcast over `[N, C, H, W]`
    pub fn new(schedule: &Schedule, t: &[i64], upload: impl Fn(TensorData) -> Tensor<4>) -> Self {
        let gather = |of: fn(f64) -> f64| {
            let values: Vec<f32> = t.iter().map(|t| of(schedule.alpha_bars[*t as usize]) as f32).collect();
            upload(TensorData::new(values, [t.len(), 1, 1, 1]))
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
            PredictionType::X0 => x0,
        }
    }
}

/// Weight of an image's loss at a signal-to-noise ratio (Hang et al. 2023, §3.4): min(SNR, γ) on the error of
/// x0, restated for what the network predicts.
pub fn weight(diffusion: &Diffusion, snr: f64) -> f64 {
    if diffusion.loss_weighting == LossWeighting::Uniform {
        return 1.0;
    }
    let capped = snr.min(diffusion.min_snr_gamma);
    match diffusion.prediction_type {
        // The limit of min(SNR, γ)/SNR where no signal is left.
        PredictionType::Epsilon if snr == 0.0 => 1.0,
        PredictionType::Epsilon => capped / snr,
        PredictionType::V => capped / (snr + 1.0),
        PredictionType::X0 => capped,
    }
}

/// Loss of each image: the mean over its channels and pixels.
///
/// # Shapes
/// - `prediction`, `target`: `[N, C, H, W]`; returns `[N]`
pub fn loss_per_image(diffusion: &Diffusion, prediction: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    let n = prediction.dims()[0];
    let error = prediction - target;
    let elements = match diffusion.loss_type {
        LossType::Mse => error.square(),
        LossType::L1 => error.abs(),
        LossType::Huber => {
            // d²/2 up to δ, δ·(d − δ/2) beyond: with c = min(d, δ) both are c·(d − c/2).
            let distance = error.abs();
            let near = distance.clone().clamp_max(diffusion.huber_delta);
            near.clone() * (distance - near / 2.0)
        }
    };
    elements.reshape([n as i32, -1]).mean_dim(1).reshape([n])
}

/// Loss of one element, as [`loss_per_image`] has it.
pub fn element_loss(diffusion: &Diffusion, error: f64) -> f64 {
    match diffusion.loss_type {
        LossType::Mse => error * error,
        LossType::L1 => error.abs(),
        LossType::Huber => {
            let near = error.abs().min(diffusion.huber_delta);
            near * (error.abs() - near / 2.0)
        }
    }
}

#[cfg(test)]
#[path = "objective_tests.rs"]
mod tests;
