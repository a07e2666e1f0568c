//! Everything a checkpoint saves: weights, optimizer, average, progress and half-filled metric rows.

use std::convert::Infallible;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::Error;
use super::loss_scale::LossScale;
use super::optimizer::Adam;
use super::parameters::{self, Flat};
use super::tally::Tally;
use super::tensors::{self, TensorFile};
use crate::config::Config;
use crate::data::uniform_fill;
use crate::model::{Init, NamedTensor, UNet, named_tensors, parameter_names};
use crate::rundir::Best;

/// The mutable part of a run.
pub(super) struct State {
    pub(super) network: UNet,
    pub(super) optimizer: Adam,
    pub(super) average: Flat,
    /// Present where the precision needs it.
    pub(super) loss_scale: Option<LossScale>,
    /// Completed optimizer steps.
    pub(super) step: u64,
    pub(super) tally: Tally,
    pub(super) best: Option<Best>,
}

/// The small numbers of a state, beside its tensors.
#[derive(Serialize, Deserialize)]
struct Progress {
    step: u64,
    optimizer_updates: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loss_scale: Option<LossScale>,
    tally: Tally,
    best: Option<Best>,
}

impl State {
    /// The start of training: weights drawn per tensor name, average equal to them.
    pub(super) fn start(config: &Config, device: &Device) -> Self {
        let network = initial_network(config, &device.clone().autodiff());
        let weights = parameters::weights(&network);
        Self {
            optimizer: Adam::new(&weights),
            average: weights,
            loss_scale: LossScale::start(config.training.precision),
            network,
            step: 0,
            tally: Tally::default(),
            best: None,
        }
    }

    /// Writes the files of a checkpoint into a folder.
    pub(super) fn save(&self, folder: &Path) -> Result<(), Error> {
        let names = parameter_names(&self.network);
        let mut moments = on_host(&names, "first.", &self.optimizer.first);
        moments.extend(on_host(&names, "second.", &self.optimizer.second));
        tensors::write(&folder.join("model.safetensors"), &named_tensors(&self.network))?;
        tensors::write(&folder.join("ema.safetensors"), &on_host(&names, "", &self.average))?;
        tensors::write(&folder.join("optimizer.safetensors"), &moments)?;
        let progress = Progress {
            step: self.step,
            optimizer_updates: self.optimizer.updates,
            loss_scale: self.loss_scale,
            tally: self.tally.clone(),
            best: self.best,
        };
        let path = folder.join("progress.json");
        let text = serde_json::to_string_pretty(&progress).expect("plain numbers serialize");
        std::fs::write(&path, text).map_err(|source| Error::Io { action: "write", path, source })
    }

    /// Reads what [`State::save`] wrote.
    pub(super) fn load(config: &Config, device: &Device, folder: &Path) -> Result<Self, Error> {
        let network = load_network(config, &device.clone().autodiff(), folder, "model")?;
        let names = parameter_names(&network);
        let read = |file: &str, prefix: &str| -> Result<Flat, Error> {
            let wanted: Vec<_> =
                names.iter().map(|(name, shape)| (format!("{prefix}{name}"), shape.clone())).collect();
            let tensors = TensorFile::open(&folder.join(format!("{file}.safetensors")))?.read(&wanted)?;
            Ok(tensors.into_iter().map(|tensor| on_device(tensor, device)).collect())
        };
        let path = folder.join("progress.json");
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        let progress: Progress =
            serde_json::from_str(&text).map_err(|source| Error::Progress { path, source })?;
        Ok(Self {
            optimizer: Adam {
                first: read("optimizer", "first.")?,
                second: read("optimizer", "second.")?,
                updates: progress.optimizer_updates,
            },
            average: read("ema", "")?,
            loss_scale: progress.loss_scale.or_else(|| LossScale::start(config.training.precision)),
            network,
            step: progress.step,
            tally: progress.tally,
            best: progress.best,
        })
    }
}

/// The network at step 0: PyTorch's distributions, each tensor drawn from (seed, name).
pub(crate) fn initial_network(config: &Config, device: &Device) -> UNet {
    let seed = config.training.seed;
    let built = UNet::new::<Infallible>(&config.model, &config.data, device, &mut |name, shape, init| {
        let mut values = vec![0.0; shape.iter().product()];
        match init {
            Init::Uniform(bound) => uniform_fill(seed, name, bound, &mut values),
            Init::Ones => values.fill(1.0),
            Init::Zeros => {}
        }
        Ok(values)
    });
    match built {
        Ok(network) => network,
        Err(never) => match never {},
    }
}

/// A network from `<file>.safetensors` of a checkpoint: `model` or `ema`.
pub(crate) fn load_network(
    config: &Config,
    device: &Device,
    folder: &Path,
    file: &str,
) -> Result<UNet, Error> {
    let tensors = TensorFile::open(&folder.join(format!("{file}.safetensors")))?;
    UNet::new(&config.model, &config.data, device, &mut |name, shape, _| {
        let mut found = tensors.read(&[(name.to_string(), shape.to_vec())])?;
        Ok(found.remove(0).values)
    })
}

fn on_host(names: &[(String, Vec<usize>)], prefix: &str, flat: &Flat) -> Vec<NamedTensor> {
    names
        .iter()
        .zip(flat)
        .map(|((name, shape), tensor)| NamedTensor {
            name: format!("{prefix}{name}"),
            shape: shape.clone(),
            values: tensor.to_data().try_into_vec().expect("optimizer state is 32-bit floats"),
        })
        .collect()
}

fn on_device(tensor: NamedTensor, device: &Device) -> Tensor<1> {
    let length = tensor.values.len();
    Tensor::from_data(TensorData::new(tensor.values, [length]), device)
}
