//! How a network is trained within the memory there is: micro-batch, recomputation, precision.
//!
//! In: a configuration with its network and batch. Out: the [`Way`] that costs least among those that fit.

use super::ask::Ask;
use super::pace::RECOMPUTED;
use super::score::PRICE;
use crate::config::{Config, Precision};
use crate::sizing::{Place, peak_bytes};

/// Pixels of a micro-batch below which a device waits for its next operation more than it works.
const LEAST_PIXELS: usize = 16_384;
/// What halving a micro-batch beyond that costs.
const SMALL_MICRO_BATCH: f64 = 0.1;
/// What each format costs that is not the first choice.
const SECOND_CHOICE: f64 = 0.05;

/// One way to train a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Way {
    /// Number format.
    pub precision: Precision,
    /// Whether feature maps are computed again.
    pub recompute: bool,
    /// Micro-batches a step.
    pub accumulation: usize,
    /// What it costs, in the units of the score.
    pub cost: f64,
}

impl Way {
    /// Writes it into a configuration.
    pub(super) fn lay(&self, config: &mut Config) {
        config.training.precision = self.precision;
        config.training.recompute = self.recompute;
        config.training.gradient_accumulation = self.accumulation;
    }
}

/// Formats that a device may train in, the first choice first. A GPU multiplies 16-bit numbers several times as fast as
/// 32-bit ones and keeps feature maps in half the memory; few CPUs gain anything.
fn precisions(ask: &Ask<'_>) -> Vec<Precision> {
    match (ask.precision, ask.place) {
        (Some(precision), _) => vec![precision],
        (None, Place::Accelerator) => vec![Precision::Bf16, Precision::Tf32],
        (None, Place::Host) => vec![Precision::F32],
    }
}

/// The format that is tried first.
pub(super) fn first_precision(ask: &Ask<'_>) -> Precision {
    precisions(ask)[0]
}

/// Images of a micro-batch that keep a device busy.
fn least_micro_batch(config: &Config) -> usize {
    let pixels = config.data.image_size * config.data.image_size;
    (LEAST_PIXELS / pixels).clamp(1, config.training.batch_size)
}

/// The cheapest way that stays within `usable` bytes; leaves the configuration as the last that was tried.
pub(super) fn cheapest(config: &mut Config, ask: &Ask<'_>, usable: u64) -> Option<Way> {
    let mut best: Option<Way> = None;
    for recompute in [false, true] {
        for (place, precision) in precisions(ask).into_iter().enumerate() {
            let again = if recompute { PRICE * RECOMPUTED.ln() } else { 0.0 };
            let fixed = again + SECOND_CHOICE * place as f64;
            if best.is_some_and(|best| best.cost <= fixed) {
                continue;
            }
            let mut way = Way { precision, recompute, accumulation: 1, cost: fixed };
            let Some(accumulation) = least_accumulation(config, way, ask, usable) else { continue };
            let micro_batch = config.training.batch_size / accumulation;
            let lack = (least_micro_batch(config) as f64 / micro_batch as f64).log2().max(0.0);
            way.accumulation = accumulation;
            way.cost += SMALL_MICRO_BATCH * lack;
            if best.is_none_or(|best| way.cost < best.cost) {
                best = Some(way);
            }
        }
    }
    best
}

/// Fewest micro-batches that fit. More take less memory, except for the second, which brings a sum of gradients along.
fn least_accumulation(config: &mut Config, way: Way, ask: &Ask<'_>, usable: u64) -> Option<usize> {
    let batch = config.training.batch_size;
    let mut fits = |accumulation: usize| {
        Way { accumulation, ..way }.lay(config);
        peak_bytes(config, ask.place) <= usable
    };
    if fits(1) {
        return Some(1);
    }
    let parts: Vec<usize> = (2..=batch).filter(|part| batch.is_multiple_of(*part)).collect();
    let first = parts.partition_point(|&part| !fits(part));
    parts.get(first).copied()
}

/// Bytes of the configuration in the way that takes least.
pub(super) fn least_bytes(config: &mut Config, ask: &Ask<'_>) -> u64 {
    let batch = config.training.batch_size;
    let ways = precisions(ask).into_iter().flat_map(|precision| {
        [1, batch].map(|accumulation| Way { precision, recompute: true, accumulation, cost: 0.0 })
    });
    let bytes = ways.map(|way| {
        way.lay(config);
        peak_bytes(config, ask.place)
    });
    bytes.min().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;
    use crate::sizing::recommend::tests::ask;

    fn config() -> Config {
        let mut config = defaults();
        config.training.batch_size = 64;
        config
    }

    #[test]
    fn memory_that_is_plenty_takes_the_whole_batch_in_the_first_format() {
        let way = cheapest(&mut config(), &ask(40.0, 32), 34 << 30).unwrap();
        assert_eq!((way.precision, way.recompute, way.accumulation), (Precision::Bf16, false, 1));
        assert_eq!(way.cost, 0.0);
        let host = Ask { place: Place::Host, ..ask(40.0, 32) };
        assert_eq!(cheapest(&mut config(), &host, 34 << 30).unwrap().precision, Precision::F32);
    }

    #[test]
    fn less_memory_splits_the_batch_before_it_computes_twice() {
        let ask = ask(40.0, 32);
        let mut splitted = config();
        Way { precision: Precision::Bf16, recompute: false, accumulation: 4, cost: 0.0 }.lay(&mut splitted);
        let way = cheapest(&mut config(), &ask, peak_bytes(&splitted, ask.place)).unwrap();
        assert_eq!((way.recompute, way.accumulation, way.cost), (false, 4, 0.0));
    }

    #[test]
    fn what_takes_least_fits_and_one_byte_less_does_not() {
        let ask = ask(40.0, 32);
        let least = least_bytes(&mut config(), &ask);
        assert!(cheapest(&mut config(), &ask, least).is_some());
        assert_eq!(cheapest(&mut config(), &ask, least - 1), None);
    }
}
