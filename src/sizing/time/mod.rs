//! How long training takes, from what a few measured networks took.
//!
//! In: networks with their measured times ([`Sample`]), then any configuration. Out: seconds of a step, of forward passes,
//! of a whole run. A time is a sum of work times its price: operations of convolutions and of attention, values read and
//! written, weights gone through, layers started. `work` counts the work, `fit` finds the prices, `run` adds up what a
//! run consists of. Nothing here looks at a clock.

mod fit;
mod run;
mod work;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Device, Precision};
use fit::non_negative;
pub use run::Overheads;
use work::{FORWARD, Network, STEP};

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
    /// One for each precision that was measured, that of most samples first.
    prices: Vec<Prices>,
    /// What a run needs besides arithmetic.
    overheads: Overheads,
}

/// Seconds for a unit of each kind of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Prices {
    precision: Precision,
    /// In the order of [`work::Network::step`].
    step: [f64; STEP],
    /// In the order of [`work::Network::forward`].
    forward: [f64; FORWARD],
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
        let mut rates = Rates { host, prices: vec![], overheads: Overheads::default() };
        let mut groups: Vec<(Precision, Vec<&Sample>)> = vec![];
        for sample in samples {
            let precision = sample.config.training.precision;
            match groups.iter_mut().find(|(known, _)| *known == precision) {
                Some((_, group)) => group.push(sample),
                None => groups.push((precision, vec![sample])),
            }
        }
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.len()));
        for (precision, group) in groups {
            let prices = match rates.prices.first() {
                Some(most) if group.len() < ENOUGH => most.in_proportion(precision, &group, host),
                _ => Prices::fit(precision, &group, host),
            };
            rates.prices.push(prices);
        }
        rates
    }

    /// The same with what starting a run and writing checkpoints takes.
    #[must_use]
    pub fn with_overheads(self, overheads: Overheads) -> Rates {
        Rates { overheads, ..self }
    }

    /// Whether this precision was measured; times of one that was not are those of the nearest that was.
    pub fn measured(&self, precision: Precision) -> bool {
        self.prices.iter().any(|prices| prices.precision == precision)
    }

    /// Seconds of one optimizer step, all its micro-batches, the update and the averages.
    pub fn step_seconds(&self, config: &Config) -> f64 {
        self.step_of(&Network::of(config), config)
    }

    /// Seconds of putting so many images through the network once, as many together as an evaluation takes.
    pub fn forward_seconds(&self, config: &Config, images: u64) -> f64 {
        self.forward_of(&Network::of(config), config, images, 1)
    }

    /// Prices at another number of threads, from these and those of `other`, which has weight `share`.
    ///
    /// By Amdahl's law a time is A + B/threads, so at a share that is linear in 1/threads the sum of both prices is right.
    #[must_use]
    pub fn between(&self, other: &Rates, share: f64) -> Rates {
        let mix = |ours: f64, theirs: f64| ours * (1.0 - share) + theirs * share;
        let prices = self.prices.iter().filter_map(|ours| {
            let theirs = other.prices.iter().find(|theirs| theirs.precision == ours.precision)?;
            Some(Prices {
                precision: ours.precision,
                step: std::array::from_fn(|i| mix(ours.step[i], theirs.step[i])),
                forward: std::array::from_fn(|i| mix(ours.forward[i], theirs.forward[i])),
            })
        });
        Rates { host: self.host, prices: prices.collect(), overheads: self.overheads }
    }

    /// Prices where `factor` workers take turns on one device.
    #[must_use]
    pub fn times(&self, factor: f64) -> Rates {
        self.between(
            &Rates {
                prices: self.prices.iter().map(|prices| prices.times(factor)).collect(),
                ..self.clone()
            },
            1.0,
        )
    }

    fn step_of(&self, network: &Network, config: &Config) -> f64 {
        let Some(prices) = self.prices_of(config.training.precision) else { return 0.0 };
        let training = &config.training;
        let passes = training.gradient_accumulation.max(1) as u64;
        let again = match training.recompute {
            true => passes as f64 * prices.forward(network, self.host, training.batch_size as u64 / passes),
            false => 0.0,
        };
        dot(&prices.step, &network.step(config, self.host)) + again
    }

    /// `passes` forward passes of each of so many images.
    fn forward_of(&self, network: &Network, config: &Config, images: u64, passes: u64) -> f64 {
        let Some(prices) = self.prices_of(config.training.precision) else { return 0.0 };
        let (full, rest) = (images / work::TOGETHER, images % work::TOGETHER);
        let mut seconds = full as f64 * prices.forward(network, self.host, work::TOGETHER);
        if rest > 0 {
            seconds += prices.forward(network, self.host, rest);
        }
        seconds * passes as f64
    }

    /// Those of a precision, of its sibling with as many bits, or of the one with most samples.
    fn prices_of(&self, precision: Precision) -> Option<&Prices> {
        let sibling = match precision {
            Precision::F32 => Precision::Tf32,
            Precision::Tf32 => Precision::F32,
            Precision::Bf16 => Precision::F16,
            Precision::F16 => Precision::Bf16,
        };
        let of = |wanted: Precision| self.prices.iter().find(|prices| prices.precision == wanted);
        of(precision).or_else(|| of(sibling)).or_else(|| self.prices.first())
    }
}

impl Prices {
    fn fit(precision: Precision, samples: &[&Sample], host: bool) -> Prices {
        let work = |sample: &Sample| {
            let network = Network::of(&sample.config);
            let (step, forward) =
                (network.step(&sample.config, host), network.forward(host, sample.forward_images));
            (step.map(|work| work / sample.step_seconds), forward.map(|work| work / sample.forward_seconds))
        };
        let (steps, forwards): (Vec<_>, Vec<_>) = samples.iter().map(|sample| work(sample)).unzip();
        Prices { precision, step: non_negative(&steps), forward: non_negative(&forwards) }
    }

    /// Of another precision, by the geometric means of what its samples took and would have taken.
    fn in_proportion(&self, precision: Precision, samples: &[&Sample], host: bool) -> Prices {
        let mean = |ratio: &dyn Fn(&Sample) -> f64| {
            let logs: f64 = samples.iter().map(|sample| ratio(sample).ln()).sum();
            let mean = (logs / samples.len() as f64).exp();
            if mean.is_finite() { mean } else { 1.0 }
        };
        let step = mean(&|sample| {
            let network = Network::of(&sample.config);
            sample.step_seconds / dot(&self.step, &network.step(&sample.config, host))
        });
        let forward = mean(&|sample| {
            let network = Network::of(&sample.config);
            sample.forward_seconds / self.forward(&network, host, sample.forward_images)
        });
        Prices {
            precision,
            step: self.step.map(|price| price * step),
            forward: self.forward.map(|price| price * forward),
        }
    }

    fn times(&self, factor: f64) -> Prices {
        let scaled = |price: f64| price * factor;
        Prices { precision: self.precision, step: self.step.map(scaled), forward: self.forward.map(scaled) }
    }

    fn forward(&self, network: &Network, host: bool, images: u64) -> f64 {
        dot(&self.forward, &network.forward(host, images))
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
        let network = Network::of(&sample.config);
        let step = rates.step_of(&network, &sample.config) / sample.step_seconds;
        let forward = rates.forward_of(&network, &sample.config, sample.forward_images, 1);
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
