//! Adam and AdamW, gradient clipping and the learning rate.
//!
//! In: gradients of a step, and what the configuration says. Out: weights, moments and averages moved in place.

use burn::tensor::Tensor;

use super::parameters::Flat;
use crate::config::{LrSchedule, Optimizer, Training};
use crate::ops::{self, Average, Descent, Writable};

/// First and second moments of every parameter, and how often they were updated.
pub(super) struct Adam {
    pub(super) first: Flat,
    pub(super) second: Flat,
    pub(super) updates: u64,
}

/// The gradient of a step.
pub(super) struct Gradient {
    pub(super) values: Flat,
    /// By which loss scale they are too long, a power of two.
    pub(super) scale: f64,
    /// Their global norm without it.
    pub(super) norm: Tensor<1>,
}

impl Adam {
    /// Moments of zero, shaped as `weights`.
    pub(super) fn new(weights: &Flat) -> Self {
        let zeros = || weights.iter().map(Tensor::zeros_like).collect();
        Self { first: zeros(), second: zeros(), updates: 0 }
    }

    /// One update, arranged as PyTorch does: the gradient scaled by min(1, limit/(norm + 1e-6)); weight decay
    /// decoupled (Loshchilov & Hutter 2019, Alg. 2) or, with `adam`, as part of the gradient. The averages then
    /// follow the weights.
    pub(super) fn update(
        &mut self,
        weights: &Writable,
        gradient: Gradient,
        averages: Vec<Average<'_>>,
        training: &Training,
        rate: f64,
    ) {
        self.updates += 1;
        let adam = ops::Adam {
            rate,
            betas: training.betas,
            eps: training.eps,
            weight_decay: training.weight_decay,
            decoupled: training.optimizer == Optimizer::Adamw,
            number: self.updates,
        };
        let descent = Descent {
            gradients: gradient.values,
            scale: gradient.scale,
            clip: (training.grad_clip > 0.0).then_some((gradient.norm, training.grad_clip)),
            first: &mut self.first,
            second: &mut self.second,
            adam,
        };
        ops::update(weights, Some(descent), averages);
    }
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
