//! The best of all networks within bounds, and what else there is near them.
//!
//! In: a checked [`Ask`]. Out: [`Advice`]. Networks are counted once, best score first; a search walks down them and stops
//! where no later one can be better. Alternatives are the same search with one bound moved.

use std::borrow::Cow;

use rayon::prelude::*;

use super::ask::{Ask, Error};
use super::network::{Network, families};
use super::way::{self, Way};
use super::{Advice, Bounds, Proposal, file, limits, recipe, score};
use crate::config::{Config, Experiment, Precision, Request};

/// Share of the memory that may be filled: the model of memory is held to 15% of what was measured.
const USABLE: f64 = 0.85;
/// Parameters over the root of the data set's numbers.
const PARAMETERS_PER_ROOT: f64 = 3_200.0;
/// As many parameters any data set bears.
const FEWEST_PARAMETERS: u64 = 1_000_000;
/// Operations of a forward pass for each pixel, where no hours bound them.
const FLOPS_PER_PIXEL: u64 = 16_000_000;
/// Bytes that each parameter takes at least: weight, gradient, two moments.
const LEAST_BYTES: u64 = 16;
/// How far alternatives go beyond a bound.
pub(super) const BEYOND: u64 = 2;
/// A larger alternative has so many times the parameters at least.
const NOTABLY_LARGER: f64 = 1.2;

/// Every network of an ask, and the configuration it is laid over.
pub(super) struct Space<'a> {
    pub(super) ask: &'a Ask<'a>,
    config: Config,
    /// With its worth, the best first.
    networks: Cow<'a, [(f64, Network)]>,
}

/// A network and how it is trained.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) network: Network,
    pub(super) way: Way,
    pub(super) score: f64,
}

/// The whole answer.
pub(super) fn advice(ask: &Ask<'_>) -> Result<Advice, Error> {
    let bounds = bounds(ask);
    let space = Space::new(ask, &bounds)?;
    let best = space.best(&bounds, true).ok_or_else(|| space.nothing_fits())?;
    let others = space.others(&best, &bounds)?;
    let limits = limits::of(&space, &best, &bounds);
    Ok(Advice { best: space.propose("best", &best, bounds.hours)?, others, limits, bounds })
}

fn bounds(ask: &Ask<'_>) -> Bounds {
    let borne = (PARAMETERS_PER_ROOT * ask.values().sqrt()) as u64;
    let pixels = (ask.image_size * ask.image_size) as u64;
    Bounds {
        memory: ask.memory,
        parameters: borne.max(FEWEST_PARAMETERS),
        forward_flops: ask.timed().is_none().then_some(FLOPS_PER_PIXEL * pixels),
        hours: ask.timed().map(|(hours, _)| hours),
    }
}

/// What of it the search may fill.
fn usable(memory: u64) -> u64 {
    (memory as f64 * USABLE) as u64
}

impl<'a> Space<'a> {
    fn new(ask: &'a Ask<'a>, bounds: &Bounds) -> Result<Self, Error> {
        let config = start(ask)?;
        let most = |network: &Network| {
            network.parameters <= bounds.parameters.saturating_mul(BEYOND)
                && network.parameters.saturating_mul(LEAST_BYTES) <= bounds.memory.saturating_mul(BEYOND)
                && bounds
                    .forward_flops
                    .is_none_or(|flops| network.forward_flops <= flops.saturating_mul(BEYOND))
        };
        let found = families(ask.image_size).into_par_iter().flat_map_iter(|family| {
            let networks = family.networks(&config.model, &config.data, most);
            networks.into_iter().map(|network| (score::of_network(&network), network))
        });
        let mut networks: Vec<(f64, Network)> = found.collect();
        networks.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        Ok(Space { ask, config, networks: networks.into() })
    }

    /// The best within bounds; `priced` whether computing feature maps twice counts against it.
    pub(super) fn best(&self, bounds: &Bounds, priced: bool) -> Option<Choice> {
        let mut best: Option<Choice> = None;
        for (worth, network) in self.networks.iter() {
            if best.as_ref().is_some_and(|best| best.score >= *worth) {
                break;
            }
            let found = self.trained(*worth, network, bounds, priced, best.as_ref());
            if let Some(found) = found {
                best = Some(found);
            }
        }
        best
    }

    /// A network in its cheapest way, where that beats the best so far.
    fn trained(
        &self,
        worth: f64,
        network: &Network,
        bounds: &Bounds,
        priced: bool,
        best: Option<&Choice>,
    ) -> Option<Choice> {
        let usable = usable(bounds.memory);
        let too_large = network.parameters > bounds.parameters
            || network.parameters.saturating_mul(LEAST_BYTES) > usable
            || bounds.forward_flops.is_some_and(|flops| network.forward_flops > flops);
        if too_large {
            return None;
        }
        let mut config = self.laid(network);
        let beats = |score: f64| best.is_none_or(|best| score > best.score);
        if !beats(worth - self.lack(&config, network, bounds))
            || way::least_bytes(&mut config, self.ask) > usable
        {
            return None;
        }
        let way = way::cheapest(&mut config, self.ask, usable)?;
        way.lay(&mut config);
        let cost = if priced { way.cost } else { 0.0 };
        let score = worth - cost - self.lack(&config, network, bounds);
        beats(score).then(|| Choice { network: network.clone(), way, score })
    }

    /// What hours take from a network's worth.
    fn lack(&self, config: &Config, network: &Network, bounds: &Bounds) -> f64 {
        match bounds.hours.zip(self.ask.pace) {
            Some((hours, pace)) => {
                score::shortage(recipe::images_within(hours, pace, config), network.parameters)
            }
            None => 0.0,
        }
    }

    /// The configuration of a network, not yet fitted into memory.
    fn laid(&self, network: &Network) -> Config {
        let mut config = self.config.clone();
        network.lay(&mut config.model);
        config.model.dropout = recipe::dropout(self.ask, network.parameters);
        config
    }

    fn others(&self, best: &Choice, bounds: &Bounds) -> Result<Vec<Proposal>, Error> {
        let half = Bounds { forward_flops: Some(best.network.forward_flops / 2), ..*bounds };
        let leaner = Bounds { memory: bounds.memory / 2, ..*bounds };
        let larger = Bounds {
            parameters: bounds.parameters.saturating_mul(BEYOND),
            forward_flops: bounds.forward_flops.map(|flops| flops.saturating_mul(BEYOND)),
            hours: bounds.hours.map(|hours| hours * BEYOND as f64),
            ..*bounds
        };
        let is_larger = |choice: &Choice| {
            choice.network.parameters as f64 >= NOTABLY_LARGER * best.network.parameters as f64
        };
        let needs_more = |choice: &Choice| choice.network != best.network || choice.way != best.way;
        let found = [
            ("smaller", self.best(&half, true), &half),
            ("leaner", self.best(&leaner, true).filter(needs_more), &leaner),
            ("exact", self.in_32_bits(best, bounds), bounds),
            ("larger", self.best(&larger, false).filter(is_larger), &larger),
        ];
        let found = found.into_iter().filter_map(|(name, choice, bounds)| Some((name, choice?, bounds)));
        found.map(|(name, choice, bounds)| self.propose(name, &choice, bounds.hours)).collect()
    }

    /// The best in the format that every device has, where the best of all is in another.
    fn in_32_bits(&self, best: &Choice, bounds: &Bounds) -> Option<Choice> {
        if best.way.precision == Precision::F32 {
            return None;
        }
        let ask = Ask { precision: Some(Precision::F32), ..*self.ask };
        let mut config = self.config.clone();
        config.training.precision = Precision::F32;
        Space { ask: &ask, config, networks: Cow::Borrowed(&self.networks) }.best(bounds, true)
    }

    fn propose(&self, name: &'static str, choice: &Choice, hours: Option<f64>) -> Result<Proposal, Error> {
        let mut config = self.laid(&choice.network);
        choice.way.lay(&mut config);
        let reasons = recipe::apply(self.ask, hours, choice.network.parameters, &mut config);
        let toml = file::write(self.ask, &config, choice.network.parameters);
        let config = read(&toml)?;
        Ok(Proposal::new(name, self.ask, &choice.network, config, toml, reasons))
    }

    fn nothing_fits(&self) -> Error {
        let needed = self.networks.iter().map(|(_, network)| network).filter(|network| network.base == 16);
        let needed = needed.map(|network| way::least_bytes(&mut self.laid(network), self.ask)).min();
        let memory = self.ask.memory;
        // Without one of that width even the state of the smallest was too much: it is counted alone.
        Error::Memory { needed: needed.unwrap_or(u64::MAX), usable: usable(memory), memory }
    }
}

/// What every network is laid over: the data, the batch, and the program's defaults.
fn start(ask: &Ask<'_>) -> Result<Config, Error> {
    let (size, channels) = (ask.image_size, ask.channels);
    let mut config = read(&format!(
        "[data]\nimage_size = {size}\nin_channels = {channels}\n[model]\nchannel_multipliers = [1]\n\
         attention_resolutions = []\n"
    ))?;
    config.training.batch_size = recipe::batch_size(ask);
    config.training.precision = way::first_precision(ask);
    Ok(config)
}

/// The configuration that an experiment file comes to, under every rule of the program.
fn read(text: &str) -> Result<Config, Error> {
    let request = Request { experiment: "recommended.toml".into(), ..Request::default() };
    let experiment = Experiment::of_text(&request, text).map_err(Error::Broken)?;
    experiment.resolve(&[]).map_err(Error::Broken)
}
