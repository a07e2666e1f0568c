//! `training.initial_weights` in a plan: found, hashed and held to the network before anything is trained.
//!
//! In: a resolved configuration. Out: the same with the path of the weights' file and their hash, or a problem.
//! A path is followed once, however many points of a sweep start from it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Config, Problem};
use crate::rundir::{WeightsError, WeightsFile};
use crate::sizing::{self, Layer};

const PATH: &str = "training.initial_weights";
const HASH: &str = "training.initial_weights_blake3";

/// Every file that was looked for, by the path that led to it.
#[derive(Default)]
pub(crate) struct FirstWeights {
    found: Mutex<HashMap<PathBuf, Found>>,
}

type Found = Result<Arc<WeightsFile>, Refusal>;

/// Why a configuration cannot start from its weights; several points may share it.
#[derive(Clone)]
pub(crate) struct Refusal {
    /// The key to blame.
    pub(crate) key: &'static str,
    message: String,
    help: &'static str,
}

impl Refusal {
    fn new(key: &'static str, error: &WeightsError) -> Self {
        Refusal { key, message: format!("{key}: {error}"), help: error.help() }
    }

    /// As a problem of the configuration.
    pub(crate) fn problem(self) -> Problem {
        Problem::new(self.message).with_help(self.help)
    }
}

impl FirstWeights {
    /// Puts file and hash into a configuration that starts from somebody's weights; others stay as they are.
    ///
    /// # Errors
    /// The path leads to no weights, to others than those whose hash is written, or to those of another network.
    pub(crate) fn settle(&self, config: &mut Config) -> Result<(), Refusal> {
        let Some(path) = config.training.initial_weights.clone() else { return Ok(()) };
        let file = self.find(&path)?;
        if let Some(written) = &config.training.initial_weights_blake3 {
            file.check_hash(written).map_err(|error| Refusal::new(HASH, &error))?;
        }
        let layers = sizing::layers(&config.model, &config.data);
        let tensors = layers.iter().flat_map(Layer::tensors).map(|tensor| (tensor.name, tensor.shape));
        file.check_tensors(tensors).map_err(|error| Refusal::new(PATH, &error))?;
        config.training.initial_weights = Some(file.path.clone());
        config.training.initial_weights_blake3 = Some(file.blake3.clone());
        Ok(())
    }

    /// Threads that want the same path wait for the one that follows it.
    fn find(&self, path: &Path) -> Found {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found
            .entry(path.to_path_buf())
            .or_insert_with(|| {
                let found = WeightsFile::find(path).map_err(|error| Refusal::new(PATH, &error));
                found.map(Arc::new)
            })
            .clone()
    }
}

#[cfg(test)]
#[path = "first_weights_tests.rs"]
mod tests;
