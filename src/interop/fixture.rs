//! Runs and folders for tests of this module: small, and made without training.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Export, Format, InteropError};
use crate::config::{Config, defaults};
use crate::rundir::{Checkpoint, Disk, ManifestMeta, Owner, RunDir, checkpoint, tensor_file};
use crate::sizing::{self, Layer};

/// A network of two levels with attention, whose tensors are a few kilobytes.
pub(super) fn config() -> Config {
    let mut config = defaults();
    (config.data.image_size, config.data.in_channels) = (8, 1);
    let model = &mut config.model;
    (model.base_channels, model.channel_multipliers, model.num_res_blocks) = (4, vec![1, 2], 1);
    (model.attention_resolutions, model.norm_groups, model.time_embed_dim) = (vec![4], 2, 16);
    (model.attention_head_dim, config.sampling.every) = (Some(4), 0);
    config
}

/// Names and shapes of its tensors.
pub(super) fn network(config: &Config) -> Vec<(String, Vec<usize>)> {
    let layers = sizing::layers(&config.model, &config.data);
    layers.iter().flat_map(Layer::tensors).map(|tensor| (tensor.name, tensor.shape)).collect()
}

/// A file of these tensors; number i of all is i thousandths and `offset`.
pub(super) fn tensors(network: &[(String, Vec<usize>)], offset: f32) -> Vec<u8> {
    let mut sorted = network.to_vec();
    sorted.sort();
    let mut bytes =
        tensor_file::start(sorted.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()))).unwrap();
    let count: usize = sorted.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    bytes.extend((0..count).flat_map(|i| (i as f32 / 1e3 + offset).to_le_bytes()));
    bytes
}

/// A run of a configuration with one checkpoint: raw weights from 0 on, averages from 1 on.
pub(super) struct Trained {
    pub(super) folder: tempfile::TempDir,
    pub(super) config: Config,
    pub(super) network: Vec<(String, Vec<usize>)>,
    checkpoint: Checkpoint,
}

impl Trained {
    pub(super) fn with(config: Config) -> Trained {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path().join("runs/x/a-1/seed-0"));
        let network = network(&config);
        let meta = ManifestMeta { owner: Owner::of(&config), logs: BTreeMap::new(), best: None };
        let checkpoint = checkpoint::save(&Disk, &run, 7, meta, |folder| -> io::Result<()> {
            fs::write(folder.join("model.safetensors"), tensors(&network, 0.0))?;
            fs::write(folder.join("ema.safetensors"), tensors(&network, 1.0))
        });
        Trained { checkpoint: checkpoint.unwrap(), folder, config, network }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn export(&self, format: Format, stem: &str, target: &Path) -> Result<(), InteropError> {
        let export = Export {
            run: "a-1/seed-0",
            config: &self.config,
            checkpoint: &self.checkpoint,
            stem,
            label: stem,
            network: &self.network,
        };
        export.write(format, target)
    }
}
