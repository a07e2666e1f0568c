//! The memory of training: of one step, and the most that a run holds.
//!
//! In: a configuration and where its tensors live. Out: bytes, part by part. Weights and what belongs to them are counted
//! exactly, kept feature maps from the list of layers; what is beside them (gradients of maps under way, what libraries
//! work in) is an estimate, measured on a CPU and assumed on an accelerator, as each constant says.

use serde::Serialize;

use super::activations::{FLOAT, Form, given, kept_bytes};
use super::count::parameters_of;
use super::layers::{Layer, layers};
use super::look;
use crate::config::{Config, Training};

/// On a CPU: the program and libtorch before there is a tensor, measured.
const PROGRAM: u64 = 130 << 20;
/// On a CPU: feature maps beside those that are kept, as a share of them; gradients under way, and what convolutions
/// rearrange. Measured.
const SHARE_UNDER_WAY: f64 = 0.3;
/// On the host: batches ready or in the making, and the one in use, rounded to an even number.
const BATCHES: u64 = 6;
/// On an accelerator: its context with the kernels of the libraries. Assumed.
const CONTEXT: u64 = 512 << 20;
/// On an accelerator: what cuDNN and cuBLAS work in. Assumed.
const LIBRARIES: u64 = 256 << 20;
/// On an accelerator: copies of the widest layer's input and output, in 32 bits, that its backward pass holds beside what
/// is kept: gradients of both, and what a norm widens. Counted from the operations, not measured.
const COPIES_UNDER_WAY: u64 = 4;
/// On an accelerator: what its allocator cannot use between blocks, as a share of the kept maps. Assumed.
const SHARE_BETWEEN_BLOCKS: f64 = 0.1;

/// Where tensors live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The memory of the machine, with the program in it.
    Host,
    /// The memory of a GPU.
    Accelerator,
}

/// Bytes that one step of training holds at most, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct StepMemory {
    /// The program and its libraries; on an accelerator the context.
    pub program: u64,
    /// The 32-bit weights, and the 16-bit copies that a step makes of them.
    pub weights: u64,
    /// The gradient, and with accumulation the sum of those before.
    pub gradients: u64,
    /// Adam's two moments.
    pub optimizer: u64,
    /// Every moving average.
    pub averages: u64,
    /// Images, noise, their mixture and what is to be predicted, of a micro-batch; on the host the batches made ahead too.
    pub inputs: u64,
    /// Feature maps that the forward pass keeps for the backward pass.
    pub activations: u64,
    /// Gradients of feature maps under way, and what libraries work in.
    pub workspace: u64,
}

impl StepMemory {
    /// All of it.
    pub fn total(&self) -> u64 {
        [self.state(), self.gradients, self.inputs, self.activations, self.workspace]
            .into_iter()
            .fold(self.program, u64::saturating_add)
    }

    /// What stays between steps, without the program.
    fn state(&self) -> u64 {
        self.weights.saturating_add(self.optimizer).saturating_add(self.averages)
    }
}

/// One step of training.
pub fn step_memory(config: &Config, place: Place) -> StepMemory {
    step(config, place, &layers(&config.model, &config.data))
}

fn step(config: &Config, place: Place, layers: &[Layer]) -> StepMemory {
    let training = &config.training;
    let parameters = parameters_of(layers);
    let times = |bytes: u64| parameters.saturating_mul(bytes);
    let form = form(training, place);
    let images = micro_batch(training);
    let kept = kept_bytes(&config.model, layers, training.recompute, form).saturating_mul(images);
    let copies = if training.precision.is_16_bit() { FLOAT / 2 } else { 0 };
    let sums = u64::from(training.gradient_accumulation > 1);
    StepMemory {
        program: program(place),
        weights: times(FLOAT + copies),
        gradients: times(FLOAT * (1 + sums)),
        optimizer: times(2 * FLOAT),
        averages: times(FLOAT * config.ema.tracks().len() as u64),
        inputs: inputs(config, place, images),
        activations: kept,
        workspace: match place {
            Place::Host => share(kept, SHARE_UNDER_WAY),
            Place::Accelerator => on_accelerator(layers, images, kept),
        },
    }
}

/// The most that a run holds: the larger of a step and a look at the network (an evaluation, a grid of samples).
pub fn peak_bytes(config: &Config, place: Place) -> u64 {
    peak(config, place, &layers(&config.model, &config.data))
}

fn peak(config: &Config, place: Place, layers: &[Layer]) -> u64 {
    let step = step(config, place, layers);
    step.total().max(look_bytes(config, place, &step, layers))
}

/// The least `training.gradient_accumulation` with which a run fits into `room` bytes: it is at least the configured one
/// and divides the batch. `None` where none does.
pub fn accumulation_that_fits(config: &Config, place: Place, room: u64) -> Option<usize> {
    let batch = config.training.batch_size;
    let layers = layers(&config.model, &config.data);
    let mut changed = config.clone();
    let least = config.training.gradient_accumulation.max(1);
    (least..=batch).filter(|parts| batch.is_multiple_of(*parts)).find(|parts| {
        changed.training.gradient_accumulation = *parts;
        peak(&changed, place, &layers) <= room
    })
}

/// What an evaluation or a grid of samples holds with the state beside it. The C library of a CPU keeps what gradients
/// took.
fn look_bytes(config: &Config, place: Place, step: &StepMemory, layers: &[Layer]) -> u64 {
    let beside = match place {
        Place::Host => step.gradients,
        Place::Accelerator => LIBRARIES,
    };
    let held = [step.state(), beside, look::bytes(config, layers)];
    held.into_iter().fold(step.program, u64::saturating_add)
}

fn inputs(config: &Config, place: Place, images: u64) -> u64 {
    let of_an_image = given(&config.data).saturating_mul(FLOAT);
    let ahead = match place {
        // Images and noise, half of what is given of each.
        Place::Host => (config.training.batch_size as u64).saturating_mul(BATCHES / 2),
        Place::Accelerator => 0,
    };
    of_an_image.saturating_mul(images.saturating_add(ahead))
}

fn program(place: Place) -> u64 {
    match place {
        Place::Host => PROGRAM,
        Place::Accelerator => CONTEXT,
    }
}

/// Images on the device at a time.
fn micro_batch(training: &Training) -> u64 {
    (training.batch_size / training.gradient_accumulation.max(1)) as u64
}

pub(super) fn form(training: &Training, place: Place) -> Form {
    let width = if training.precision.is_16_bit() { FLOAT / 2 } else { FLOAT };
    match place {
        Place::Host if width == FLOAT => Form::Own,
        _ => Form::Plain { width },
    }
}

fn on_accelerator(layers: &[Layer], images: u64, kept: u64) -> u64 {
    let under_way = look::widest(layers).saturating_mul(COPIES_UNDER_WAY * FLOAT).saturating_mul(images);
    LIBRARIES.saturating_add(under_way).saturating_add(share(kept, SHARE_BETWEEN_BLOCKS))
}

fn share(bytes: u64, share: f64) -> u64 {
    (bytes as f64 * share) as u64
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "memory_figures_tests.rs"]
mod figures;
