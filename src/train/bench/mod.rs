//! How long a step of training takes on this machine, and where the time goes; no run is made.
//!
//! In: a configuration and a [`Request`]. Out: a [`Report`], plain numbers in seconds, bytes and operations.
//! `inputs` makes batches without a data set, `steps` trains on them under a clock, `operations` measures each kind of
//! layer by itself at this network's shapes, `product` the machine's matrix product, beside which they stand; `pace` times steps and forward
//! passes of one configuration after the other, for a calibration.

mod inputs;
mod operations;
mod pace;
mod product;
mod spread;
mod steps;

use serde::Serialize;

use super::{Error, open_device};
use crate::config::Config;
use crate::ops;
use crate::sizing;

pub use operations::Operation;
pub use pace::{Pace, Saving, Times};
pub use product::Product;
pub use spread::Spread;
pub use steps::{Averages, Part, Steps};

/// What to measure, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Threads inside one operation.
    pub threads: usize,
    /// Steps before the first that counts: the first ones fill caches and choose kernels.
    pub warmup: usize,
    /// Steps that count, at least 1.
    pub steps: usize,
    /// Where images come from.
    pub inputs: Inputs,
    /// Whether averages and operations are measured too, which takes about as long again. On a GPU also whether the parts
    /// of a step are told apart, since each is waited for, which training does not do.
    pub parts: bool,
}

/// Where the images of a measured step come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Inputs {
    /// Drawn beforehand and held in memory: the time of a step is that of computing.
    Preloaded,
    /// The configuration's data set, on the path that training takes.
    Data,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The device that `auto` became.
    pub device: String,
    /// Threads inside one operation.
    pub threads: usize,
    /// Where images came from.
    pub inputs: Inputs,
    /// Trainable parameters.
    pub parameters: u64,
    /// Operations of one step's convolutions, linear maps and attention products, forward and backward, two a
    /// multiply-accumulate.
    pub step_flops: u64,
    /// The steps.
    pub steps: Steps,
    /// What the machine's matrix product does, where operations were measured.
    pub matrix_product: Option<Product>,
    /// Each kind of layer at each of its shapes, the costliest first.
    pub operations: Vec<Operation>,
}

/// Measures.
///
/// # Errors
/// When the machine lacks the device, data cannot be read, or a loss is not finite: arithmetic on what is no number may
/// take another time.
pub fn measure(config: &Config, request: &Request) -> Result<Report, Error> {
    let (name, device) = open_device(config.runtime.device)?;
    ops::set_threads(request.threads);
    ops::set_deterministic(name, config.runtime.deterministic);
    let steps = steps::measure(config, request, (name, &device))?;
    let images = config.training.batch_size as u64;
    let (matrix_product, operations) = match request.parts {
        true => {
            let whole = steps.step_seconds.median;
            // Before and after, since a disturbance lasts.
            let product = || product::measure(name, &device, config.training.precision);
            let (before, operations) = (product(), operations::measure(config, &device, whole));
            (Some(before.faster_of(product())), operations)
        }
        false => (None, vec![]),
    };
    Ok(Report {
        device: name.to_string(),
        threads: request.threads,
        inputs: request.inputs,
        parameters: sizing::parameters(&config.model, &config.data),
        step_flops: sizing::train_flops_per_image(&config.model, &config.data).saturating_mul(images),
        steps,
        matrix_product,
        operations,
    })
}
