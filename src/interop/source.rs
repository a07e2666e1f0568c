//! A folder of diffusers, understood: the configuration that its network and scheduler make.
//!
//! In: the folder. Out: our keys, each with the file that says so, or everything in it that has no counterpart here.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::InteropError;
use super::fields::Fields;
use super::layout::Layout;
use super::{scheduler, unet};
use crate::config::{self, Config, Given, Problem, Problems};
use crate::rundir::RunDir;

/// A folder that can be imported, its weights not yet looked at.
#[derive(Debug)]
pub struct Source {
    folder: PathBuf,
    weights: PathBuf,
    given: Vec<Given>,
}

impl Source {
    /// Reads the configurations of a folder.
    ///
    /// # Errors
    /// It is no folder of diffusers, or describes what we do not have: all of it is told.
    pub fn open(folder: &Path) -> Result<Source, InteropError> {
        // Fails only for an empty path or without a current folder.
        let folder = std::path::absolute(folder)
            .map_err(|source| InteropError::Io { path: folder.to_path_buf(), source })?;
        let layout = Layout::of(&folder)?;
        let mut problems = Vec::new();
        let class = match &layout.index {
            Some(path) => scheduler_class(Fields::read(path)?, &mut problems),
            None => None,
        };
        let (network, found) = unet::import(Fields::read(&layout.unet_config)?);
        problems.extend(found);
        let fields = Fields::read(&layout.scheduler_config)?;
        let (diffusion, sampling, found) = scheduler::import(fields, class.as_deref());
        problems.extend(found);
        Problems(problems).into_result()?;
        let mut given = all_given(network, &layout.unet_config, false);
        given.extend(all_given(diffusion, &layout.scheduler_config, false));
        given.extend(all_given(sampling, &layout.scheduler_config, true));
        Ok(Source { folder, weights: layout.weights, given })
    }

    /// The folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of weights.
    pub(super) fn weights(&self) -> &Path {
        &self.weights
    }

    /// The configuration of the run that the folder becomes at `target`, and what is worth a warning. `set` may choose
    /// what the folder does not say: the data, training, how images are drawn.
    ///
    /// # Errors
    /// What `set` says does not fit, or the whole breaks a rule of ours.
    pub fn configure(
        &self,
        target: &Path,
        set: &[String],
        environment: Vec<(String, String)>,
    ) -> Result<(Config, Vec<Problem>), InteropError> {
        let ours = |key, value| Given { key, value, file: target.to_path_buf(), is_default: key == "name" };
        let mut given = vec![ours("name", "imported".into())];
        // A run's folder is named for its seed.
        let seed = RunDir::at(target).seed().and_then(|seed| i64::try_from(seed).ok());
        given.extend(seed.map(|seed| ours("training.seed", seed.into())));
        given.extend(self.given.iter().cloned());
        Ok(config::imported(&given, set, environment)?)
    }
}

fn all_given(keys: Vec<(&'static str, toml::Value)>, file: &Path, is_default: bool) -> Vec<Given> {
    keys.into_iter().map(|(key, value)| Given { key, value, file: file.to_path_buf(), is_default }).collect()
}

/// The scheduler's class as the pipeline has it: it is read with that one, whatever its own file says.
fn scheduler_class(mut index: Fields, problems: &mut Vec<Problem>) -> Option<String> {
    let class = |value: &Value| value.as_array()?.get(1)?.as_str().map(str::to_owned);
    let scheduler = index.take("scheduler").and_then(|value| class(&value));
    if let Some(value) = index.take("unet")
        && class(&value).as_deref() != Some("UNet2DModel")
    {
        index.refuse("unet", &value, "only a UNet2DModel can be imported");
    }
    problems.extend(index.end("only pipelines of a network and a scheduler can be imported"));
    scheduler
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
