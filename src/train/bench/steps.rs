//! Steps of training under a clock.
//!
//! In: a configuration. Out: the time of a whole step, taken by a watch of its own, and of its parts; losses and gradient
//! norms, so that another program can be held to have computed the same.

use std::time::Instant;

use burn::tensor::Device;
use serde::Serialize;

use super::inputs::Source;
use super::{Inputs, Request, Spread};
use crate::config::Config;
use crate::diffusion::Schedule;
use crate::model::UNet;
use crate::ops::{self, DeviceName};
use crate::train::Error;
use crate::train::clock::{Clock, Phase, wait_for};
use crate::train::recorder::peak_memory_bytes;
use crate::train::state::State;
use crate::train::step::{scalar, step, to_host};

/// Pairs of steps with and without averages.
const PAIRS: usize = 5;

/// Names of the parts: the wait for a batch, then the phases in their order, then what no part has.
const PARTS: [&str; 6] = ["data_wait", "inputs", "forward", "backward", "update", "other"];
/// Place of the update among them.
const UPDATE: usize = 1 + Phase::Update as usize;

/// Measured steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Steps {
    /// Steps that came before.
    pub warmup: usize,
    /// Steps that count.
    pub count: usize,
    /// A whole step.
    pub step_seconds: Spread,
    /// Images of a step over its median time.
    pub images_per_second: f64,
    /// What a step consists of; the shares add up to 1. Where they were not told apart, all but the wait for a batch is
    /// `other`.
    pub parts: Vec<Part>,
    /// What the averages cost, where it was measured.
    pub averages: Option<Averages>,
    /// Largest resident memory of the process before the first step: program, libraries, weights and batches.
    pub memory_before_bytes: Option<u64>,
    /// The same after the last step.
    pub peak_memory_bytes: Option<u64>,
    /// The most that tensors on a GPU held at a time until then.
    pub peak_device_bytes: Option<u64>,
    /// Mean loss of each step from the first, warm-up included.
    pub losses: Vec<f64>,
    /// Gradient norm of each step before clipping.
    pub gradient_norms: Vec<f64>,
}

/// A part of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// `data_wait`, `inputs` (upload and noising), `forward`, `backward`, `update` (norm, clipping, optimizer, averages),
    /// `other`.
    pub name: &'static str,
    /// Time in a step.
    pub seconds: Spread,
    /// Its part of the time of all steps together.
    pub share: f64,
}

/// The update of a step with every average moved and with none, in turn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Averages {
    /// How many there are (`ema.decay` or `ema.sigma_rel`).
    pub tracks: usize,
    /// Steps between updates of them (`ema.every`).
    pub every: u64,
    /// Pairs of steps.
    pub pairs: usize,
    /// An update that moves all of them.
    pub with_seconds: Spread,
    /// An update that moves none.
    pub without_seconds: Spread,
    /// What they add to an average step: the difference of the medians over `every`; below 0 where it is lost in the
    /// noise.
    pub seconds_per_step: f64,
}

/// Trains and looks at the time.
pub(super) fn measure(
    config: &Config,
    request: &Request,
    (name, device): (DeviceName, &Device),
) -> Result<Steps, Error> {
    let mut bench = Bench::open(config, request, device)?;
    // In host memory nothing is waited for.
    bench.tells_apart = request.parts || name == DeviceName::Cpu;
    let memory_before_bytes = peak_memory_bytes();
    for _ in 0..request.warmup {
        bench.step(config)?;
    }
    let taken = (0..request.steps).map(|_| bench.step(config)).collect::<Result<Vec<_>, _>>()?;
    let (peak_memory_bytes, peak_device_bytes) = (peak_memory_bytes(), ops::peak_device_bytes(name));
    let averages = if request.parts { Some(bench.averages(config, request.steps)?) } else { None };
    let step_seconds = Spread::of(taken.iter().map(|taken| taken.whole).collect());
    let whole: f64 = taken.iter().map(|taken| taken.whole).sum();
    let part = |(place, name): (usize, &'static str)| {
        let seconds: Vec<f64> = taken.iter().map(|taken| taken.parts[place]).collect();
        let share = seconds.iter().sum::<f64>() / whole;
        Part { name, seconds: Spread::of(seconds), share }
    };
    Ok(Steps {
        warmup: request.warmup,
        count: request.steps,
        step_seconds,
        images_per_second: config.training.batch_size as f64 / step_seconds.median,
        parts: PARTS.into_iter().enumerate().map(part).collect(),
        averages,
        memory_before_bytes,
        peak_memory_bytes,
        peak_device_bytes,
        losses: bench.losses,
        gradient_norms: bench.norms,
    })
}

/// Seconds of one step.
pub(super) struct Taken {
    pub(super) whole: f64,
    /// In the order of [`PARTS`].
    parts: [f64; PARTS.len()],
}

/// A training without a run.
pub(super) struct Bench<'a> {
    state: State,
    source: Source,
    schedule: Schedule,
    device: &'a Device,
    total: u64,
    /// Whether the clock looks at the parts of a step.
    tells_apart: bool,
    losses: Vec<f64>,
    norms: Vec<f64>,
}

impl<'a> Bench<'a> {
    pub(super) fn open(config: &Config, request: &Request, device: &'a Device) -> Result<Self, Error> {
        let steps = request.warmup + request.steps;
        let source = match request.inputs {
            Inputs::Preloaded => Source::preloaded(config, steps),
            Inputs::Data => Source::data(config)?,
        };
        Ok(Self {
            state: State::start(config, device)?,
            source,
            schedule: Schedule::new(&config.diffusion)?,
            device,
            // A run that counts in epochs has no number of steps without its data; only the learning rate asks.
            total: config.training.steps.unwrap_or(u64::MAX),
            tells_apart: request.parts,
            losses: vec![],
            norms: vec![],
        })
    }

    /// One step, from asking for its batch to the end of its update.
    pub(super) fn step(&mut self, config: &Config) -> Result<Taken, Error> {
        let started = Instant::now();
        let batch = self.source.next()?;
        let data_wait = started.elapsed().as_secs_f64();
        let mut clock = if self.tells_apart { Clock::start(self.device) } else { Clock::stopped() };
        let (schedule, device) = (&self.schedule, self.device);
        let made = step(&mut self.state, &batch, config, schedule, self.total, device, &mut clock)?;
        wait_for(self.device);
        let whole = started.elapsed().as_secs_f64();
        let [inputs, forward, backward, update] = clock.seconds();
        let known = data_wait + inputs + forward + backward + update;
        let losses: Vec<f32> = made.losses.into_iter().flat_map(to_host).collect();
        let loss = losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / losses.len() as f64;
        if !loss.is_finite() {
            return Err(Error::Diverged { step: self.state.step, what: "the loss".into(), tensor: None });
        }
        self.losses.push(loss);
        self.norms.push(scalar(&made.norm));
        Ok(Taken { whole, parts: [data_wait, inputs, forward, backward, update, whole - known] })
    }

    /// The network as it is now.
    pub(super) fn network(&self) -> &UNet {
        &self.state.network
    }

    /// Updates that move the averages and updates that do not, in turn: where both are one pass over the weights, no
    /// clock inside can tell them apart.
    fn averages(&mut self, config: &Config, steps: usize) -> Result<Averages, Error> {
        let every = |every: u64| {
            let mut other = config.clone();
            other.ema.every = every;
            other
        };
        let (always, never) = (every(1), every(u64::MAX));
        let (mut with, mut without) = (vec![], vec![]);
        let pairs = steps.min(PAIRS);
        for _ in 0..pairs {
            with.push(self.step(&always)?.parts[UPDATE]);
            without.push(self.step(&never)?.parts[UPDATE]);
        }
        let (with_seconds, without_seconds) = (Spread::of(with), Spread::of(without));
        let difference = with_seconds.median - without_seconds.median;
        Ok(Averages {
            tracks: config.ema.tracks().len(),
            every: config.ema.every,
            pairs,
            with_seconds,
            without_seconds,
            seconds_per_step: difference / config.ema.every as f64,
        })
    }
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
