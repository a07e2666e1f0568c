//! How long training takes, from what a few measured networks took.
//!
//! In: networks with their measured times ([`Sample`]), then any configuration. Out: seconds of a step, of forward passes,
//! of a whole run. A time is a sum of work times its price: operations of convolutions and of attention, values read and
//! written, positions visited, weights gone through, layers started. `work` counts the work, `fit` finds the prices, `run` adds up what a
//! run consists of. Nothing here looks at a clock.

mod fit;
mod run;
mod work;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Device, Precision};
use fit::non_negative;
pub use run::Overheads;
pub use work::NetworkWork;
use work::{FORWARD, STEP, TOGETHER, UPDATE};

/// Precisions of less than so many samples take the prices of another and keep their proportions.
const ENOUGH: usize = 5;

/// A network and how long it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What was trained; `runtime.device` names where, so that `auto` is none of a CPU.
    pub config: Config,
    /// One whole optimizer step.
    pub step_seconds: f64,
    /// Images that went through the network together, without gradients.
    pub forward_images: u64,
    /// How long they took.
    pub forward_seconds: f64,
}

/// Prices of the work of training on one device with one number of threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Whether tensors lie in host memory, where up-sampling is joined with its convolution.
    host: bool,
    /// Of a step in each precision that was measured, that of most samples first.
    steps: Vec<StepPrices>,
    /// Of a forward pass without gradients, which is in 32 bits whatever training is in; in the order of
    /// [`NetworkWork::forward`].
    forward: [f64; FORWARD],
    /// What a run needs besides arithmetic.
    overheads: Overheads,
}

/// Seconds for a unit of each kind of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepPrices {
    precision: Precision,
    /// In the order of [`NetworkWork::step`].
    prices: [f64; STEP],
}

impl Rates {
    /// Prices that come nearest to the samples, relative errors counted alike and none below zero.
    ///
    /// Samples whose times are not above zero are left out; without any other everything is free. Precisions that have
    /// few samples take the prices of the one that has most, all multiplied by what makes theirs right on average.
    pub fn fit(samples: &[Sample]) -> Rates {
        let timed = |sample: &&Sample| {
            [sample.step_seconds, sample.forward_seconds].iter().all(|time| time.is_finite() && *time > 0.0)
        };
        let samples: Vec<&Sample> = samples.iter().filter(timed).collect();
        let host = samples.first().is_some_and(|sample| sample.config.runtime.device == Device::Cpu);
        let forward = |sample: &&Sample| {
            let work = NetworkWork::of(&sample.config).forward(host, sample.forward_images);
            work.map(|work| work / sample.forward_seconds)
        };
        let forward = non_negative(&samples.iter().map(forward).collect::<Vec<_>>());
        let mut groups: Vec<(Precision, Vec<&Sample>)> = vec![];
        for sample in samples {
            let precision = sample.config.training.precision;
            match groups.iter_mut().find(|(known, _)| *known == precision) {
                Some((_, group)) => group.push(sample),
                None => groups.push((precision, vec![sample])),
            }
        }
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.len()));
        let mut steps: Vec<StepPrices> = vec![];
        for (precision, group) in groups {
            let prices = match steps.first() {
                Some(most) if group.len() < ENOUGH => most.in_proportion(precision, &group, host),
                _ => StepPrices::fit(precision, &group, host),
            };
            steps.push(prices);
        }
        Rates { host, steps, forward, overheads: Overheads::default() }
    }

    /// The same with what starting a run and writing checkpoints takes.
    #[must_use]
    pub fn with_overheads(self, overheads: Overheads) -> Rates {
        Rates { overheads, ..self }
    }

    /// Whether this precision was measured; times of one that was not are those of the nearest that was.
    pub fn measured(&self, precision: Precision) -> bool {
        self.steps.iter().any(|step| step.precision == precision)
    }

    /// Seconds of one optimizer step, all its micro-batches, the update and the averages.
    pub fn step_seconds(&self, config: &Config) -> f64 {
        self.step_of(&NetworkWork::of(config), config)
    }

    /// Seconds of putting so many images through the network once, as many together as an evaluation takes.
    pub fn forward_seconds(&self, config: &Config, images: u64) -> f64 {
        self.forward_of(&NetworkWork::of(config), images)
    }

    /// Prices at another number of threads, from these and those of `other`, which has weight `share`.
    ///
    /// By Amdahl's law a time is A + B/threads, so at a share that is linear in 1/threads the sum of both prices is right.
    #[must_use]
    pub fn between(&self, other: &Rates, share: f64) -> Rates {
        let mix = |ours: f64, theirs: f64| ours * (1.0 - share) + theirs * share;
        let steps = self.steps.iter().filter_map(|ours| {
            let theirs = other.steps.iter().find(|theirs| theirs.precision == ours.precision)?;
            let prices = std::array::from_fn(|i| mix(ours.prices[i], theirs.prices[i]));
            Some(StepPrices { precision: ours.precision, prices })
        });
        Rates {
            host: self.host,
            steps: steps.collect(),
            forward: std::array::from_fn(|i| mix(self.forward[i], other.forward[i])),
            overheads: self.overheads,
        }
    }

    /// Prices where `factor` workers take turns on one device.
    #[must_use]
    pub fn times(&self, factor: f64) -> Rates {
        Rates {
            host: self.host,
            steps: self.steps.iter().map(|step| step.times(step.precision, factor)).collect(),
            forward: self.forward.map(|price| price * factor),
            overheads: self.overheads,
        }
    }

    fn step_of(&self, network: &NetworkWork, config: &Config) -> f64 {
        let Some(step) = self.step_in(config.training.precision) else { return 0.0 };
        let work = network.step(config, self.host);
        let whole = dot(&step.prices, &work);
        // Feature maps that are computed again: a forward pass, a third of all that is not the update.
        let again = (whole - step.prices[UPDATE] * work[UPDATE]) / 3.0;
        if config.training.recompute { whole + again } else { whole }
    }

    fn forward_of(&self, network: &NetworkWork, images: u64) -> f64 {
        let seconds = |images: u64| dot(&self.forward, &network.forward(self.host, images));
        let (full, rest) = (images / TOGETHER, images % TOGETHER);
        full as f64 * seconds(TOGETHER) + if rest > 0 { seconds(rest) } else { 0.0 }
    }

    /// Those of a precision, of its sibling with as many bits, or of the one with most samples.
    fn step_in(&self, precision: Precision) -> Option<&StepPrices> {
        let sibling = match precision {
            Precision::F32 => Precision::Tf32,
            Precision::Tf32 => Precision::F32,
            Precision::Bf16 => Precision::F16,
            Precision::F16 => Precision::Bf16,
        };
        let of = |wanted: Precision| self.steps.iter().find(|step| step.precision == wanted);
        of(precision).or_else(|| of(sibling)).or_else(|| self.steps.first())
    }
}

impl StepPrices {
    fn fit(precision: Precision, samples: &[&Sample], host: bool) -> StepPrices {
        let work = |sample: &&Sample| {
            let work = NetworkWork::of(&sample.config).step(&sample.config, host);
            work.map(|work| work / sample.step_seconds)
        };
        StepPrices { precision, prices: non_negative(&samples.iter().map(work).collect::<Vec<_>>()) }
    }

    /// Of another precision, by the geometric mean of what its samples took over what they would have taken.
    fn in_proportion(&self, precision: Precision, samples: &[&Sample], host: bool) -> StepPrices {
        let log = |sample: &&Sample| {
            let work = NetworkWork::of(&sample.config).step(&sample.config, host);
            (sample.step_seconds / dot(&self.prices, &work)).ln()
        };
        let mean = (samples.iter().map(log).sum::<f64>() / samples.len() as f64).exp();
        self.times(precision, if mean.is_finite() { mean } else { 1.0 })
    }

    fn times(&self, precision: Precision, factor: f64) -> StepPrices {
        StepPrices { precision, prices: self.prices.map(|price| price * factor) }
    }
}

/// What each sample would have been said to take, had it not been among them: relative errors of step and forward pass,
/// 0.1 where the estimate is a tenth too long.
pub fn leave_one_out(samples: &[Sample]) -> Vec<[f64; 2]> {
    let without = |left_out: usize| {
        let others = samples.iter().enumerate().filter(|(place, _)| *place != left_out);
        Rates::fit(&others.map(|(_, sample)| sample.clone()).collect::<Vec<_>>())
    };
    let error = |(place, sample): (usize, &Sample)| {
        let rates = without(place);
        let network = NetworkWork::of(&sample.config);
        let step = rates.step_of(&network, &sample.config) / sample.step_seconds;
        let forward = dot(&rates.forward, &network.forward(rates.host, sample.forward_images));
        [step - 1.0, forward / sample.forward_seconds - 1.0]
    };
    samples.iter().enumerate().map(error).collect()
}

fn dot<const N: usize>(prices: &[f64; N], work: &[f64; N]) -> f64 {
    prices.iter().zip(work).map(|(price, work)| price * work).sum()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
