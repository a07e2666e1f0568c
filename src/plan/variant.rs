//! One variant: a resolved configuration with its name, identity and cost.

use serde_json::Value;

use super::facts::ScheduleFacts;
use crate::config::Config;

/// A point of the sweep, planned for every seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Folder name: what varies, then the id.
    pub name: String,
    /// The name that `[[sweep.variant]]` gives it.
    pub title: Option<String>,
    /// The first digits of the identity; a run is found by them.
    pub id: String,
    /// BLAKE3 of everything that decides the numbers, in hexadecimal.
    pub identity: String,
    /// The varying keys and what they are here, in declared order; null where a key is not set.
    pub overrides: Vec<(String, Value)>,
    /// The resolved configuration, its seed that of the base.
    pub config: Config,
    /// Replicates, in order.
    pub seeds: Vec<u64>,
    /// Trainable parameters.
    pub parameters: u64,
    /// Operations of one forward and backward pass over one image.
    pub train_flops_per_image: u64,
    /// Ends of the noise schedule.
    pub schedule: ScheduleFacts,
    /// Settings that are allowed and do not do what one might expect, each a sentence.
    pub notes: Vec<String>,
}

impl Variant {
    /// The configuration of one replicate: what its `config.toml` holds.
    pub fn config_for(&self, seed: u64) -> Config {
        let mut config = self.config.clone();
        config.training.seed = seed;
        config
    }
}

/// The value of a dotted key in a configuration written as JSON; null where it is not set.
pub(crate) fn value_of(config: &Value, key: &str) -> Value {
    key.split('.').try_fold(config, |table, part| table.get(part)).cloned().unwrap_or(Value::Null)
}

/// A TOML value as JSON, as far as configurations use them.
pub(crate) fn to_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::Integer(integer) => (*integer).into(),
        toml::Value::Float(float) => (*float).into(),
        toml::Value::Boolean(boolean) => (*boolean).into(),
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Array(values) => values.iter().map(to_json).collect(),
        other => other.to_string().into(),
    }
}
