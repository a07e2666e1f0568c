//! AdamW, gradient clipping and the learning rate.

use burn::tensor::Tensor;

use super::parameters::Flat;
use crate::config::{LrSchedule, Training};

/// First and second moments of every parameter, and how often they were updated.
pub(super) struct AdamW {
    pub(super) first: Flat,
    pub(super) second: Flat,
    pub(super) updates: u64,
}

impl AdamW {
    /// Moments of zero, shaped as `weights`.
    pub(super) fn new(weights: &Flat) -> Self {
        let zeros = || weights.iter().map(Tensor::zeros_like).collect();
        Self { first: zeros(), second: zeros(), updates: 0 }
    }

    /// One update with decoupled decay (Loshchilov & Hutter 2019, Alg. 2), arranged as PyTorch does.
    pub(super) fn update(&mut self, weights: Flat, gradients: Flat, training: &Training, rate: f64) -> Flat {
        let [beta1, beta2] = training.betas;
        self.updates += 1;
        let correction1 = 1.0 - beta1.powf(self.updates as f64);
        let correction2 = (1.0 - beta2.powf(self.updates as f64)).sqrt();
        let shrink = 1.0 - rate * training.weight_decay;
        let moments = self.first.iter_mut().zip(&mut self.second);
        weights
            .into_iter()
            .zip(gradients)
            .zip(moments)
            .map(|((weight, gradient), (first, second))| {
                *first = first.clone() * beta1 + gradient.clone() * (1.0 - beta1);
                *second = second.clone() * beta2 + gradient.square() * (1.0 - beta2);
                let spread = second.clone().sqrt() / correction2 + training.eps;
                weight * shrink - first.clone() / spread * (rate / correction1)
            })
            .collect()
    }
}

/// √Σ‖g‖² over all parameters, on the device.
pub(super) fn global_norm(gradients: &Flat) -> Tensor<1> {
    let squares = gradients.iter().map(|gradient| gradient.clone().square().sum()).collect();
    Tensor::cat(squares, 0).sum().sqrt()
}

/// Scales every gradient by min(1, limit/(norm + 1e-6)), as PyTorch's `clip_grad_norm_` does.
pub(super) fn clip(gradients: Flat, norm: &Tensor<1>, limit: f64) -> Flat {
    let scale = ((norm.clone() + 1e-6).recip() * limit).clamp_max(1.0);
    gradients.into_iter().map(|gradient| gradient * scale.clone()).collect()
}

/// Learning rate of the update that follows `step` completed ones: linear warm-up to the peak, (step+1)/warmup.
pub(super) fn learning_rate(training: &Training, step: u64) -> f64 {
    let warm =
        if step < training.warmup_steps { (step + 1) as f64 / training.warmup_steps as f64 } else { 1.0 };
    match training.lr_schedule {
        LrSchedule::Constant => training.learning_rate * warm,
    }
}
