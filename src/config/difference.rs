//! What two configurations differ in.
//!
//! In: two typed [`Config`]s, so that spelling and order have no part in it. Out: the keys whose values differ,
//! in the order of `default.toml`.

use toml::Value;

use super::keys::{KEYS, Key};
use super::schema::Config;

/// A key that two configurations give different values.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The key.
    pub key: &'static Key,
    /// The first configuration's value; absent where it has none.
    pub first: Option<Value>,
    /// The second configuration's value.
    pub second: Option<Value>,
}

/// Every key whose values differ.
///
/// # Errors
/// A path in one of them is not UTF-8.
pub fn differences(first: &Config, second: &Config) -> Result<Vec<Difference>, toml::ser::Error> {
    let (first, second) = (Value::try_from(first)?, Value::try_from(second)?);
    let value = |root: &Value, path: &str| path.split('.').try_fold(root, |at, part| at.get(part)).cloned();
    let difference = |key: &'static Key| {
        let (first, second) = (value(&first, key.path), value(&second, key.path));
        (first != second).then_some(Difference { key, first, second })
    };
    Ok(KEYS.iter().filter_map(difference).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::Folder;

    fn told(first: &str, second: &str) -> Vec<String> {
        let config = |text: &str| Folder::with("x.toml", text).load("x.toml").unwrap().base().clone();
        let shown = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
        let row = |difference: &Difference| {
            let Difference { key, first, second } = difference;
            format!("{}: {} {}", key.path, shown(first), shown(second))
        };
        differences(&config(first), &config(second)).unwrap().iter().map(row).collect()
    }

    #[test]
    fn only_keys_with_different_values_differ_in_the_order_of_the_defaults() {
        assert_eq!(told("", ""), [""; 0]);
        assert_eq!(
            told("training.epochs = 3\nmodel.dropout = 0.1\n", "data.limit = 5\nruntime.jobs = 2\n"),
            [
                "data.limit: - 5",
                "model.dropout: 0.1 0.0",
                "training.steps: - 10000",
                "training.epochs: 3 -",
                "runtime.jobs: 0 2",
            ]
        );
    }

    #[test]
    fn what_is_spelt_differently_and_means_the_same_does_not_differ() {
        let first = "training.learning_rate = 1e-4\nmodel.attention_resolutions = [8, 16]\n\
                     diffusion.noise_schedule = \"sqrt\"\nema.decay = [0.99]\n";
        let second = "training = { learning_rate = 0.0001 }\nmodel.attention_resolutions = [16, 8]\n\
                      diffusion.noise_schedule = \"scaled_linear\"\nema.decay = 0.99\n";
        assert_eq!(told(first, second), [""; 0]);
    }

    #[test]
    fn what_follows_from_a_key_differs_with_it() {
        assert_eq!(
            told("", "model.base_channels = 128\n"),
            ["model.base_channels: 64 128", "model.time_embed_dim: 256 512", "model.norm_groups: 16 32"]
        );
    }
}
