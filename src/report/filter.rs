//! `--where KEY=VALUE`: only the variants that have a setting.
//!
//! In: what was loaded and the settings asked for. Out: the same with the others taken away.

use std::collections::BTreeSet;

use serde_json::Value;

use super::error::CompareError;
use super::load::{Loaded, VariantRuns};
use super::varying::compact;
use crate::config::{self, Problems, keys};

/// The key that names a run and not a variant.
const SEED: &str = "training.seed";

/// One setting that variants must have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filter {
    /// Dotted key.
    key: &'static str,
    /// As configurations hold it.
    value: Value,
}

impl Filter {
    /// Reads `KEY=VALUE`, the value written as with `-s`.
    ///
    /// # Errors
    /// There is no such key, or it does not take the value.
    pub(crate) fn parse(word: &str) -> Result<Self, Problems> {
        let (key, value) = config::setting("--where", word)?;
        Ok(Self { key, value })
    }
}

/// Takes away what does not have every setting; an error where nothing is left.
pub(crate) fn keep(loaded: &mut Loaded, filters: &[Filter]) -> Result<(), CompareError> {
    for filter in filters {
        filter.keep(loaded)?;
    }
    Ok(())
}

impl Filter {
    fn keep(&self, loaded: &mut Loaded) -> Result<(), CompareError> {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        if self.key == SEED {
            for variant in &mut loaded.variants {
                seen.extend(variant.runs.iter().map(|run| run.seed.to_string()));
                variant.runs.retain(|run| self.value.as_u64() == Some(run.seed));
            }
            loaded.variants.retain(|variant| !variant.runs.is_empty());
        } else {
            let mut unknown = Vec::new();
            loaded.variants.retain(|variant| match self.value_in(variant) {
                Some(value) => {
                    seen.insert(compact(Some(&value)));
                    value == self.value
                }
                None if variant.settings.is_none() => {
                    unknown.push(variant.label.clone());
                    false
                }
                None => false,
            });
            if !unknown.is_empty() {
                loaded.notes.push(format!(
                    "left out for want of a readable configuration that says {}: {}",
                    self.key,
                    super::verdict::list(&unknown)
                ));
            }
        }
        if loaded.variants.is_empty() {
            let seen: Vec<String> = seen.into_iter().take(12).collect();
            return Err(CompareError::Unanswerable {
                reason: format!("no run has {} = {}", self.key, compact(Some(&self.value))),
                help: match seen.is_empty() {
                    true => format!("no configuration here has {}", self.key),
                    false => format!("there are {}", seen.join(", ")),
                },
            });
        }
        Ok(())
    }

    /// The variant's value; a key without influence on it has none.
    fn value_in(&self, variant: &VariantRuns) -> Option<Value> {
        let key = keys::find(self.key)?;
        match (variant.value(self.key), &variant.config) {
            (Some(value), _) => Some(value.clone()),
            // Identity leaves these out: what does not decide the numbers, and what means "as before".
            (None, Some(config)) if !key.hashed || key.introduced_as.is_some() => {
                let config = serde_json::to_value(config).ok()?;
                self.key.split('.').try_fold(&config, |table, part| table.get(part)).cloned()
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, NoiseSchedule};
    use crate::report::fixture::Tree;
    use crate::report::load::load;
    use crate::report::metric::Log;

    fn tree() -> Tree {
        let tree = Tree::new();
        for seed in 0..2 {
            tree.run("a-1", seed).config(|config| config.model.dropout = 0.1).done(200);
            tree.run("b-2", seed).config(|_| {}).done(200);
            let cosine = |config: &mut Config| config.diffusion.noise_schedule = NoiseSchedule::Cosine;
            tree.run("c-3", seed).config(cosine).done(200);
        }
        tree
    }

    fn kept(words: &[&str]) -> Result<Vec<String>, CompareError> {
        let tree = tree();
        let mut loaded = load(&[tree.experiment().path().to_path_buf()], Log::Eval).unwrap();
        let filters: Vec<Filter> = words.iter().map(|word| Filter::parse(word).unwrap()).collect();
        keep(&mut loaded, &filters)?;
        Ok(loaded
            .variants
            .iter()
            .map(|variant| format!("{} {}", variant.label, variant.runs.len()))
            .collect())
    }

    #[test]
    fn values_are_compared_as_settings_and_not_as_text() {
        assert_eq!(kept(&["model.dropout=1e-1"]).unwrap(), ["a-1 2"]);
        assert_eq!(kept(&["dropout=0"]).unwrap(), ["b-2 2", "c-3 2"]);
        assert_eq!(kept(&["dropout=0", "noise_schedule=cosine"]).unwrap(), ["c-3 2"]);
        assert_eq!(kept(&["training.seed=1", "dropout=0.1"]).unwrap(), ["a-1 1"]);
        assert_eq!(kept(&["evaluation.images=64"]).unwrap().len(), 3);
        assert_eq!(kept(&["data.horizontal_flip=false"]).unwrap().len(), 3);
    }

    #[test]
    fn a_key_that_a_configuration_ignores_is_no_setting_of_it() {
        let with_beta_end = kept(&["diffusion.beta_end=0.02"]).unwrap();
        assert_eq!(with_beta_end, ["a-1 2", "b-2 2"]);
    }

    #[test]
    fn a_setting_that_nothing_has_says_what_there_is() {
        let Err(CompareError::Unanswerable { reason, help }) = kept(&["dropout=0.3"]) else {
            panic!("nothing has it");
        };
        assert_eq!(
            (reason.as_str(), help.as_str()),
            ("no run has model.dropout = 0.3", "there are 0.0, 0.1")
        );
    }
}
