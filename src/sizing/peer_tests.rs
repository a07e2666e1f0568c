//! Counts held to those of PyTorch: `scripts/peers/diffusers/flops.py` has built the networks with diffusers and let
//! PyTorch's own counters watch them.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::*;
use crate::config::{Config, defaults};

const COUNTED: &str = include_str!("../../tests/data/diffusers/flops.json");
/// How far operations may be from PyTorch's.
const TOLERANCE: f64 = 0.005;

/// A network, and what PyTorch counts of it.
#[derive(Deserialize)]
struct Network {
    name: String,
    model: Map<String, Value>,
    data: Map<String, Value>,
    parameters: u64,
    forward_flops: u64,
    train_flops: u64,
    levels: std::collections::BTreeMap<String, Counted>,
    parts: std::collections::BTreeMap<String, Counted>,
}

#[derive(Deserialize)]
struct Counted {
    parameters: u64,
    forward_flops: u64,
}

impl Network {
    /// Its settings over the defaults, of which they leave out what decides no count.
    fn config(&self) -> Config {
        let laid = |base: Value, over: &Map<String, Value>| {
            let Value::Object(mut base) = base else { panic!("a section is a table") };
            base.remove("attention_head_dim");
            base.extend(over.clone());
            Value::Object(base)
        };
        let defaults = defaults();
        let model = laid(serde_json::to_value(&defaults.model).unwrap(), &self.model);
        let data = laid(serde_json::to_value(&defaults.data).unwrap(), &self.data);
        Config {
            model: serde_json::from_value(model).unwrap(),
            data: serde_json::from_value(data).unwrap(),
            ..defaults
        }
    }
}

/// How many times what PyTorch counts.
fn ratio(ours: u64, theirs: u64) -> f64 {
    if ours == theirs { 1.0 } else { ours as f64 / theirs as f64 }
}

fn networks() -> Vec<Network> {
    serde_json::from_str(COUNTED).unwrap()
}

#[test]
fn parameters_and_operations_of_ten_networks_are_those_that_pytorch_counts() {
    let networks = networks();
    assert!(networks.len() >= 10);
    for network in networks {
        let Config { model, data, .. } = network.config();
        assert_eq!(parameters(&model, &data), network.parameters, "{}", network.name);
        let forward = ratio(forward_flops_per_image(&model, &data), network.forward_flops);
        let training = ratio(train_flops_per_image(&model, &data), network.train_flops);
        println!(
            "{:21}{:>12} parameters, {:>9.3} GFLOP forward ({forward:.6} of PyTorch's), {:>9.3} training ({training:.6})",
            network.name,
            network.parameters,
            network.forward_flops as f64 / 1e9,
            network.train_flops as f64 / 1e9,
        );
        assert!((forward - 1.0).abs() <= TOLERANCE, "{}: forward {forward}", network.name);
        assert!((training - 1.0).abs() <= TOLERANCE, "{}: training {training}", network.name);
    }
}

#[test]
fn each_level_and_each_part_costs_what_pytorch_counts_there() {
    for network in networks() {
        let levels = levels(&network.config(), Place::Host);
        assert_eq!(levels.len(), network.levels.len(), "{}", network.name);
        let by_level =
            levels.iter().map(|level| (level.name.as_str(), level.cost(), network.levels.get(&level.name)));
        let by_part = Part::ALL.iter().map(|part| {
            let cost: Cost = levels.iter().map(|level| level.part(*part)).sum();
            (part.name(), cost, network.parts.get(part.name()))
        });
        for (place, ours, theirs) in by_level.chain(by_part) {
            let (parameters, forward_flops) =
                theirs.map_or((0, 0), |counted| (counted.parameters, counted.forward_flops));
            assert_eq!(ours.parameters, parameters, "{}: {place}", network.name);
            let ratio = ratio(ours.forward_flops, forward_flops);
            assert!((ratio - 1.0).abs() <= TOLERANCE, "{}: {place}: {ratio}", network.name);
        }
    }
}
