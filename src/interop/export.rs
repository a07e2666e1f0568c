//! A run's network as a folder that others load.
//!
//! In: a verified checkpoint and which of its weights. Out: a folder for diffusers, or the weights alone; whole or not
//! at all.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::fresh::{Existing, Fresh};
use super::layout::{INDEX, SCHEDULER, SCHEDULER_CONFIG, UNET, UNET_CONFIG, WEIGHTS};
use super::{InteropError, VERSION, readme, scheduler, unet};
use crate::config::{Config, Problems};
use crate::rundir::fs::Fs;
use crate::rundir::{Checkpoint, Disk, RunDirError, files, weights};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A folder for `DDPMPipeline` and `DDIMPipeline`: network, scheduler and weights
    Diffusers,
    /// The weights alone: diffusion_pytorch_model.safetensors
    Safetensors,
}

/// What is exported.
#[derive(Debug)]
pub struct Export<'a> {
    /// The run, as messages name it.
    pub run: &'a str,
    /// Its configuration.
    pub config: &'a Config,
    /// A checkpoint that verified.
    pub checkpoint: &'a Checkpoint,
    /// Stem of the file of weights in it.
    pub stem: &'a str,
    /// What logs call these weights: `raw`, `ema-0.999`.
    pub label: &'a str,
    /// Names and shapes of the network's tensors.
    pub network: &'a [(String, Vec<usize>)],
}

impl Export<'_> {
    /// Writes the folder `target`, which must not exist or be empty.
    ///
    /// # Errors
    /// The network has something that the format cannot say, something is in the way, or the disk refuses; nothing is
    /// written then.
    pub fn write(&self, format: Format, target: &Path) -> Result<(), InteropError> {
        let described = match format {
            Format::Diffusers => Some(self.described()?),
            Format::Safetensors => None,
        };
        let weights = self.checkpoint.path.join(format!("{}.safetensors", self.stem));
        weights::check_file(&weights, self.network)?;
        let fresh = Fresh::begin(target, Existing::EmptyFolder)?;
        match described {
            None => copy(&weights, &fresh.path().join(WEIGHTS))?,
            Some((unet, scheduler)) => {
                let (network, chain) = (fresh.path().join(UNET), fresh.path().join(SCHEDULER));
                files::create_dir(&Disk, &network)?;
                copy(&weights, &network.join(WEIGHTS))?;
                write(&network.join(UNET_CONFIG), &unet)?;
                files::create_dir(&Disk, &chain)?;
                write(&chain.join(SCHEDULER_CONFIG), &scheduler)?;
                write(&fresh.path().join(INDEX), &index())?;
                let text = readme::text(self);
                files::create(&Disk, &fresh.path().join("README.md"), text.as_bytes())?;
                files::sync_dir(&Disk, &network)?;
                files::sync_dir(&Disk, &chain)?;
            }
        }
        fresh.publish()
    }

    fn described(&self) -> Result<(Value, Value), Problems> {
        let Config { model, data, diffusion, sampling, .. } = self.config;
        Ok((unet::export(model, data)?, scheduler::export(diffusion, sampling)))
    }
}

/// What the pipeline is made of.
fn index() -> Value {
    json!({
        "_class_name": "DDPMPipeline",
        "_diffusers_version": VERSION,
        "scheduler": ["diffusers", scheduler::CLASS],
        "unet": ["diffusers", unet::CLASS],
    })
}

fn write(path: &Path, value: &Value) -> Result<(), RunDirError> {
    files::create(&Disk, path, format!("{value:#}\n").as_bytes())
}

/// Copies a file and forces the copy to the disk.
fn copy(from: &Path, to: &Path) -> Result<(), RunDirError> {
    let mut source = Disk.open(from).map_err(|source| RunDirError::io("read", from, source))?;
    files::create_with(&Disk, to, |target| io::copy(&mut source, target).map(drop))?;
    let copied = Disk.open(to).and_then(|copied| copied.sync());
    copied.map_err(|source| RunDirError::io("sync", to, source))
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
