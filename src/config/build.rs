//! Turns merged values into the typed [`Config`].
//!
//! In: [`Slots`], every value of its key's kind. Out: a [`Config`] in normal form: sets sorted and without
//! repetition.

use std::cmp::Reverse;

use serde::Deserialize;
use toml::{Table, Value};

use super::keys::KEYS;
use super::merge::Slots;
use super::problem::Problem;
use super::schema::Config;

/// Builds the configuration.
///
/// # Errors
/// A key without a default that nothing sets; `default.toml` leaves no such key, a run's file may.
pub(crate) fn build(slots: &Slots<'_>) -> Result<Config, Problem> {
    let mut root = Table::new();
    for (key, slot) in KEYS.iter().zip(slots) {
        let Some(slot) = slot else { continue };
        let value = slot.value.clone().into_owned();
        match key.path.split_once('.') {
            None => root.insert(key.path.to_owned(), value),
            Some((section, leaf)) => {
                match root.entry(section).or_insert_with(|| Value::Table(Table::new())) {
                    Value::Table(table) => table.insert(leaf.to_owned(), value),
                    _ => None,
                }
            }
        };
    }
    let mut config = Config::deserialize(root).map_err(|error| {
        Problem::new(format!("the configuration is incomplete: {}", error.message().trim_end()))
    })?;
    normalise(&mut config);
    Ok(config)
}

/// Attention resolutions are a set: order and repetition mean nothing.
fn normalise(config: &mut Config) {
    let resolutions = &mut config.model.attention_resolutions;
    resolutions.sort_unstable_by_key(|&resolution| Reverse(resolution));
    resolutions.dedup();
}
