//! Adam and AdamW, gradient clipping and the learning rate.

use burn::tensor::Tensor;

use super::parameters::Flat;
use crate::config::{LrSchedule, Optimizer, Training};

/// First and second moments of every parameter, and how often they were updated.
pub(super) struct Adam {
    pub(super) first: Flat,
    pub(super) second: Flat,
    pub(super) updates: u64,
}

impl Adam {
    /// Moments of zero, shaped as `weights`.
    pub(super) fn new(weights: &Flat) -> Self {
        let zeros = || weights.iter().map(Tensor::zeros_like).collect();
        Self { first: zeros(), second: zeros(), updates: 0 }
    }

    /// One update, arranged as PyTorch does: weight decay decoupled (Loshchilov & Hutter 2019, Alg. 2) or,
    /// with `adam`, as part of the gradient.
    pub(super) fn update(&mut self, weights: Flat, gradients: Flat, training: &Training, rate: f64) -> Flat {
        let [beta1, beta2] = training.betas;
        self.updates += 1;
        let correction1 = 1.0 - beta1.powf(self.updates as f64);
        let correction2 = (1.0 - beta2.powf(self.updates as f64)).sqrt();
        let decay = training.weight_decay;
        let (shrink, pull) = match training.optimizer {
            Optimizer::Adamw => (1.0 - rate * decay, 0.0),
            Optimizer::Adam => (1.0, decay),
        };
        let moments = self.first.iter_mut().zip(&mut self.second);
        weights
            .into_iter()
            .zip(gradients)
            .zip(moments)
            .map(|((weight, gradient), (first, second))| {
                let gradient = if pull > 0.0 { gradient + weight.clone() * pull } else { gradient };
                *first = first.clone() * beta1 + gradient.clone() * (1.0 - beta1);
                *second = second.clone() * beta2 + gradient.square() * (1.0 - beta2);
                let spread = second.clone().sqrt() / correction2 + training.eps;
                weight * shrink - first.clone() / spread * (rate / correction1)
            })
            .collect()
    }
}

/// ‖g‖² of every parameter, on the device; their sum's root is the global norm.
pub(super) fn squared_norms(gradients: &Flat) -> Tensor<1> {
    Tensor::cat(gradients.iter().map(|gradient| gradient.clone().square().sum()).collect(), 0)
}

/// Scales every gradient by min(1, limit/(norm + 1e-6)), as PyTorch's `clip_grad_norm_` does.
pub(super) fn clip(gradients: Flat, norm: &Tensor<1>, limit: f64) -> Flat {
    let scale = ((norm.clone() + 1e-6).recip() * limit).clamp_max(1.0);
    gradients.into_iter().map(|gradient| gradient * scale.clone()).collect()
}

/// Learning rate of the update that follows `step` completed ones: linear warm-up to the peak, (step+1)/warmup,
/// then along the schedule, which reaches 0 after the last of `total` steps.
pub(super) fn learning_rate(training: &Training, step: u64, total: u64) -> f64 {
    let (peak, warmup) = (training.learning_rate, training.warmup_steps);
    if step < warmup {
        return peak * (step + 1) as f64 / warmup as f64;
    }
    let done = (step - warmup) as f64 / total.saturating_sub(warmup).max(1) as f64;
    match training.lr_schedule {
        LrSchedule::Constant => peak,
        LrSchedule::Cosine => peak * (1.0 + (std::f64::consts::PI * done).cos()) / 2.0,
        LrSchedule::Linear => peak * (1.0 - done),
    }
}

#[cfg(test)]
#[path = "optimizer_tests.rs"]
mod tests;
