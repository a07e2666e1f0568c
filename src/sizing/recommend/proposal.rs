//! A choice with everything that is told about it.
//!
//! In: a network, its way through memory, and the configuration read back from its file. Out: a [`Proposal`].

use super::ask::Ask;
use super::network::Network;
use super::recipe::Reasons;
use super::{LevelShare, Proposal};
use crate::config::Config;
use crate::sizing::{forward_flops_per_image, parameters, peak_bytes, train_flops_per_image};

impl Proposal {
    /// Everything is counted again from the configuration that will be trained.
    pub(super) fn new(
        name: &'static str,
        ask: &Ask<'_>,
        network: &Network,
        config: Config,
        toml: String,
        reasons: Reasons,
    ) -> Self {
        let images = config.training.steps.unwrap_or(0).saturating_mul(config.training.batch_size as u64);
        Proposal {
            name,
            parameters: parameters(&config.model, &config.data),
            forward_flops: forward_flops_per_image(&config.model, &config.data),
            train_flops: train_flops_per_image(&config.model, &config.data),
            peak_bytes: peak_bytes(&config, ask.place),
            images,
            hours: ask.pace.map(|pace| pace.run_seconds(&config) / 3600.0),
            levels: shares(network, ask.image_size),
            config,
            toml,
            reasons,
        }
    }

    /// Operations of the whole training.
    pub fn work(&self) -> f64 {
        self.train_flops as f64 * self.images as f64
    }
}

fn shares(network: &Network, size: usize) -> Vec<LevelShare> {
    let parameters: u64 = network.level_parameters.iter().sum();
    let flops: u64 = network.level_flops.iter().sum();
    let attention: u64 = network.attention_flops.iter().sum();
    let level = |level: usize| {
        let pixels = size >> level;
        LevelShare {
            pixels,
            channels: network.base * network.multipliers[level],
            attention: network.attention.contains(&pixels),
            parameters: network.level_parameters[level] as f64 / parameters as f64,
            flops: network.level_flops[level] as f64 / flops as f64,
            attention_flops: network.attention_flops[level] as f64 / (flops - attention) as f64,
        }
    };
    (0..network.multipliers.len()).map(level).collect()
}
