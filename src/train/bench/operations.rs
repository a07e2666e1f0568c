//! Each operation of the network by itself, forward and backward, at the shapes that this network has.
//!
//! In: a configuration and how long its step takes. Out: one [`Operation`] for each distinct shape, with how often a step
//! has it. `shape` reads the list of layers, `timed` runs them. What is between them (residual sums, the time embedding's
//! activations, the loss) is not here: it is what a step's forward and backward have beyond the sum of these.

mod shape;
mod timed;

use burn::tensor::Device;
use serde::Serialize;

use super::Spread;
use crate::config::Config;
use shape::{Shape, shapes};

/// One shape of one kind of operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Operation {
    /// Such as `conv 3x3`, `upsample, conv 3x3`, `linear`, `group norm, silu`, `self-attention`.
    pub kind: String,
    /// What it maps to what, such as `[16, 64, 32, 32] -> 128`.
    pub shape: String,
    /// How often a step has it.
    pub count: usize,
    /// One forward pass.
    pub forward_seconds: Spread,
    /// One backward pass: the gradients of weights and, unless it reads data, of its input.
    pub backward_seconds: Spread,
    /// Operations of one forward and backward pass as they are counted for the plain form of it, whatever it takes;
    /// 0 where the count has none.
    pub flops: u64,
    /// Operations a second, where there are any.
    pub flops_per_second: Option<f64>,
    /// All of them in a step, as a share of its median time.
    pub share_of_step: f64,
}

/// Measures every distinct shape; `step_seconds` is what shares are of.
pub(super) fn measure(config: &Config, device: &Device, step_seconds: f64) -> Vec<Operation> {
    let mut found: Vec<Operation> = shapes(config)
        .into_iter()
        .map(|(shape, count)| operation(&shape, count, config, device, step_seconds))
        .collect();
    found.sort_by(|a, b| b.share_of_step.total_cmp(&a.share_of_step));
    found
}

fn operation(shape: &Shape, count: usize, config: &Config, device: &Device, step_seconds: f64) -> Operation {
    let [forward_seconds, backward_seconds] = timed::measure(shape, config, device);
    let once = forward_seconds.median + backward_seconds.median;
    let flops = shape.flops;
    Operation {
        kind: shape.kind(),
        shape: shape.to_string(),
        count,
        forward_seconds,
        backward_seconds,
        flops,
        flops_per_second: (flops > 0).then(|| flops as f64 / once),
        share_of_step: once * count as f64 / step_seconds,
    }
}
