//! `training.initial_weights` in a plan: found, hashed and held to the network before anything is trained.
//!
//! In: a resolved configuration. Out: the same with the path of the weights' file and their hash, or a problem.
//! A path is followed once, however many points of a sweep start from it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Config, Location, Problem, Problems};
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

/// Message and help of an error, which several points may share.
#[derive(Clone)]
struct Refusal {
    message: String,
    help: &'static str,
}

impl From<WeightsError> for Refusal {
    fn from(error: WeightsError) -> Self {
        Refusal { message: error.to_string(), help: error.help() }
    }
}

impl FirstWeights {
    /// Puts file and hash into a configuration that starts from somebody's weights; others stay as they are.
    /// `locate` says where a key's value was written.
    ///
    /// # Errors
    /// The path leads to no weights, to others than those whose hash is written, or to those of another network.
    pub(crate) fn settle(
        &self,
        config: &mut Config,
        locate: &dyn Fn(&str) -> Option<Location>,
    ) -> Result<(), Problems> {
        let Some(path) = config.training.initial_weights.clone() else { return Ok(()) };
        let problem = |key: &str, refusal: Refusal| -> Problems {
            let message = format!("{key}: {}", refusal.message);
            Problem::new(message).with_help(refusal.help).at(locate(key)).into()
        };
        let file = self.find(&path).map_err(|refusal| problem(PATH, refusal))?;
        if let Some(written) = &config.training.initial_weights_blake3 {
            file.check_hash(written).map_err(|error| problem(HASH, error.into()))?;
        }
        let layers = sizing::layers(&config.model, &config.data);
        let tensors = layers.iter().flat_map(Layer::tensors).map(|tensor| (tensor.name, tensor.shape));
        file.check_tensors(tensors).map_err(|error| problem(PATH, error.into()))?;
        config.training.initial_weights = Some(file.path.clone());
        config.training.initial_weights_blake3 = Some(file.blake3.clone());
        Ok(())
    }

    /// Threads that want the same path wait for the one that follows it.
    fn find(&self, path: &Path) -> Found {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.entry(path.to_path_buf()).or_insert_with(|| Ok(Arc::new(WeightsFile::find(path)?))).clone()
    }
}

#[cfg(test)]
#[path = "first_weights_tests.rs"]
mod tests;
