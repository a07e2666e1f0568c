//! One optimizer step: micro-batches, gradient, clipping, update, average.

use burn::tensor::{Device, Tensor, TensorData};

use super::clock::{Clock, Phase};
use super::loss_scale::Exhausted;
use super::optimizer::{Gradient, learning_rate};
use super::parameters::{self, Flat};
use super::state::State;
use super::{Error, ema};
use crate::config::{Config, Precision};
use crate::data::{Batch, Draw};
use crate::diffusion::Schedule;
use crate::diffusion::objective::{Coefficients, loss_per_image, weight};
use crate::model::{Mode, UNet};
use crate::ops::{self, Norms, Tf32};

/// What a step leaves to be recorded; tensors stay on the device until somebody asks.
pub(super) struct Step {
    /// Loss of each image of the batch.
    pub(super) losses: Vec<Tensor<1>>,
    /// Global gradient norm before clipping.
    pub(super) norm: Tensor<1>,
    /// Whether loss scaling found the gradient not to be finite and left the weights as they were.
    pub(super) skipped: bool,
    /// The squares it is made of, one a parameter: they tell which gradient is to blame for a norm without value.
    pub(super) squared_norms: Tensor<1>,
    pub(super) learning_rate: f64,
    pub(super) ema_decay: f64,
}

/// Moves the state by one step; `clock` is told where each part of it ends.
///
/// A step whose gradient does not fit under the loss scale moves everything but the weights and the optimizer:
/// its images are used up and the schedules go on, as in a PyTorch loop around `GradScaler.step`.
///
/// # Errors
/// When the gradient is not finite however small the loss scale.
pub(super) fn step(
    state: &mut State,
    batch: &Batch,
    config: &Config,
    schedule: &Schedule,
    total_steps: u64,
    device: &Device,
    clock: &mut Clock,
) -> Result<Step, Error> {
    let training = &config.training;
    let parts = training.gradient_accumulation;
    let mut total: Option<Flat> = None;
    let mut losses = Vec::with_capacity(parts);
    let scale = state.loss_scale.map(|scale| scale.factor());
    for part in 0..parts {
        let key =
            Draw::new(training.seed, "dropout", state.step * parts as u64 + part as u64).below(u64::MAX);
        let micro = micro_batch(batch, part, parts, config, schedule, device);
        clock.ends(Phase::Inputs);
        let (loss, gradient) = backward(&state.network, micro, config, (parts, scale), key, clock);
        losses.push(loss);
        match &mut total {
            None => total = Some(gradient),
            Some(sum) => ops::accumulate(sum, gradient),
        }
        clock.ends(Phase::Backward);
    }
    let gradient = total.expect("gradient_accumulation is at least 1");
    let rate = learning_rate(training, state.step, total_steps);
    let (norms, skipped) = update(state, gradient, config, rate)?;
    let ema_decay = ema::decay(&config.ema, config.ema.tracks()[0], state.step);
    clock.ends(Phase::Update);
    Ok(Step {
        losses,
        norm: norms.global,
        skipped,
        squared_norms: norms.squares,
        learning_rate: rate,
        ema_decay,
    })
}

/// Moves weights, moments and averages in place, and the counters, by a gradient that ends here. Says how long it was,
/// and whether it was left unused.
fn update(state: &mut State, gradient: Flat, config: &Config, rate: f64) -> Result<(Norms, bool), Error> {
    let scale = state.loss_scale.map_or(1.0, |scale| scale.factor());
    let norms = ops::gradient_norms(&gradient, scale);
    let usable = fits(state, &norms.global)?;
    state.step += 1;
    let averages = ema::due(&mut state.averages, &config.ema, state.step);
    let weights = parameters::writable(&mut state.network);
    if usable {
        let gradient = Gradient { values: gradient, scale, norm: norms.global.clone() };
        state.optimizer.update(&weights, gradient, averages, &config.training, rate);
    } else {
        ops::update(&weights, None, averages);
    }
    Ok((norms, !usable))
}

/// Whether the gradient of this norm may be used; without loss scaling always. The scale learns from it
/// (host–device sync).
fn fits(state: &mut State, norm: &Tensor<1>) -> Result<bool, Error> {
    let Some(scale) = &mut state.loss_scale else { return Ok(true) };
    let (step, finite) = (state.step + 1, scalar(norm).is_finite());
    scale.learn(finite).map_err(|Exhausted| Error::LossScale { step })?;
    if !finite {
        tracing::info!(
            step,
            loss_scale = scale.factor(),
            "the scaled gradient is not finite; update skipped"
        );
    }
    Ok(finite)
}

/// Inputs of one forward pass.
struct Micro {
    noised: Tensor<4>,
    target: Tensor<4>,
    t: Tensor<1>,
    /// Weight of each image's loss.
    weight: Tensor<1>,
}

/// Part `part` of the batch, noised, on the device.
fn micro_batch(
    batch: &Batch,
    part: usize,
    parts: usize,
    config: &Config,
    schedule: &Schedule,
    device: &Device,
) -> Micro {
    let n = batch.timesteps.len() / parts;
    let pixels = batch.images.len() / batch.timesteps.len();
    let size = config.data.image_size;
    let shape = [n, config.data.in_channels, size, size];
    let cut = |values: &[f32]| {
        let values = values[part * n * pixels..(part + 1) * n * pixels].to_vec();
        ops::upload::<4>(TensorData::new(values, shape), device)
    };
    let (x0, eps) = (cut(&batch.images), cut(&batch.noise));
    let steps = &batch.timesteps[part * n..(part + 1) * n];
    let coefficients = Coefficients::new(schedule, steps, |values| ops::upload(values, device));
    let weight: Vec<f32> =
        steps.iter().map(|t| weight(&config.diffusion, schedule.snr(*t as usize)) as f32).collect();
    let t: Vec<f32> = steps.iter().map(|t| *t as f32).collect();
    Micro {
        noised: coefficients.noised(x0.clone(), eps.clone()),
        target: coefficients.target(config.diffusion.prediction_type, x0, eps),
        t: ops::upload(TensorData::new(t, [n]), device),
        weight: ops::upload(TensorData::new(weight, [n]), device),
    }
}

/// Losses per image, and the gradient of their mean divided by the number of parts, times the loss scale.
fn backward(
    network: &UNet,
    micro: Micro,
    config: &Config,
    (parts, scale): (usize, Option<f64>),
    dropout_key: u64,
    clock: &mut Clock,
) -> (Tensor<1>, Flat) {
    let precision = config.training.precision;
    // Evaluation and samplers keep all 32 bits.
    let _permission = (precision == Precision::Tf32).then(Tf32::allow);
    let mode = Mode::Train { dropout_key, precision };
    let Micro { noised, target, t, weight } = micro;
    let mut losses = None;
    let objective = |prediction: Tensor<4>| {
        let per_image = loss_per_image(&config.diffusion, prediction, target) * weight;
        losses = Some(per_image.clone().inner());
        let mean = per_image.mean() / parts as f64;
        clock.ends(Phase::Forward);
        match scale {
            Some(scale) => mean * scale,
            None => mean,
        }
    };
    let mut passes = match config.training.recompute {
        true => network.gradients_by_level(noised, t, mode, objective),
        false => vec![objective(network.forward(noised, t, mode)).backward()],
    };
    let losses = losses.expect("either way asks for the objective");
    (losses, parameters::gradients(network, &mut passes))
}

/// Reads a one-element tensor (host–device sync).
pub(super) fn scalar(tensor: &Tensor<1>) -> f64 {
    f64::from(tensor.clone().into_scalar::<f32>())
}

/// Reads a vector (host–device sync).
pub(super) fn to_host(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("losses and norms are 32-bit floats")
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
