//! Everything a checkpoint saves: weights, optimizer, average, progress and half-filled metric rows.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

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
use crate::ops;
use crate::rundir::{Best, Disk, WeightsError, WeightsFile, files, weights};

/// The mutable part of a run.
pub(super) struct State {
    pub(super) network: UNet,
    pub(super) optimizer: Adam,
    /// One a track, in the order of the configuration.
    pub(super) averages: Vec<Flat>,
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
    /// The start of training: weights drawn per tensor name or somebody else's, averages equal to them.
    pub(super) fn start(config: &Config, device: &Device) -> Result<Self, Error> {
        let device = device.clone().autodiff();
        let network = match &config.training.initial_weights {
            None => initial_network(config, &device),
            Some(path) => {
                let hash = config.training.initial_weights_blake3.as_deref();
                network_of(config, &device, &first_weights(path, hash)?)?
            }
        };
        let weights = parameters::weights(&network);
        Ok(Self {
            optimizer: Adam::new(&weights),
            averages: config.ema.tracks().iter().map(|_| ops::copies(&weights)).collect(),
            loss_scale: LossScale::start(config.training.precision),
            network,
            step: 0,
            tally: Tally::default(),
            best: None,
        })
    }

    /// Writes the files of a checkpoint into a folder.
    pub(super) fn save(&self, config: &Config, folder: &Path) -> Result<(), Error> {
        let names = parameter_names(&self.network);
        let path = |stem: &str| folder.join(format!("{stem}.safetensors"));
        let [first, second] = weights::MOMENTS;
        let mut moments = on_host(&names, first, &self.optimizer.first);
        moments.extend(on_host(&names, second, &self.optimizer.second));
        tensors::write(&path(weights::RAW), &named_tensors(&self.network))?;
        for (average, stem) in self.averages.iter().zip(average_stems(config)) {
            tensors::write(&path(&stem), &on_host(&names, "", average))?;
        }
        tensors::write(&path(weights::OPTIMIZER), &moments)?;
        let progress = Progress {
            step: self.step,
            optimizer_updates: self.optimizer.updates,
            loss_scale: self.loss_scale,
            tally: self.tally.clone(),
            best: self.best,
        };
        let path = folder.join("progress.json");
        let text = serde_json::to_string_pretty(&progress).expect("plain numbers serialize");
        Ok(files::create(&Disk, &path, text.as_bytes())?)
    }

    /// Reads what [`State::save`] wrote.
    pub(super) fn load(config: &Config, device: &Device, folder: &Path) -> Result<Self, Error> {
        let network = load_network(config, &device.clone().autodiff(), folder, weights::RAW)?;
        let names = parameter_names(&network);
        let read = |file: &str, prefix: &str| -> Result<Flat, Error> {
            let wanted: Vec<_> =
                names.iter().map(|(name, shape)| (format!("{prefix}{name}"), shape.clone())).collect();
            let tensors = TensorFile::open(&folder.join(format!("{file}.safetensors")))?.read(&wanted)?;
            Ok(tensors.into_iter().map(|tensor| on_device(tensor, device)).collect())
        };
        let path = folder.join("progress.json");
        let text =
            std::fs::read_to_string(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let progress: Progress =
            serde_json::from_str(&text).map_err(|source| Error::Progress { path, source })?;
        let [first, second] = weights::MOMENTS.map(|moment| read(weights::OPTIMIZER, moment));
        Ok(Self {
            optimizer: Adam { first: first?, second: second?, updates: progress.optimizer_updates },
            averages: average_stems(config).iter().map(|stem| read(stem, "")).collect::<Result<_, _>>()?,
            loss_scale: progress.loss_scale.or_else(|| LossScale::start(config.training.precision)),
            network,
            step: progress.step,
            tally: progress.tally,
            best: progress.best,
        })
    }

    /// The first tensor of a checkpoint that holds a NaN or an infinity, weights before averages before moments
    /// (one host–device sync).
    pub(super) fn first_bad_tensor(&self, config: &Config) -> Option<String> {
        let weights = parameters::weights(&self.network);
        let mut groups = vec![(String::new(), &weights)];
        let labels = config.ema.labels().into_iter().map(|label| format!("{label} of "));
        groups.extend(labels.zip(&self.averages));
        groups.push(("first moment of ".into(), &self.optimizer.first));
        groups.push(("second moment of ".into(), &self.optimizer.second));
        // Zero times a number is zero, unless it is none.
        let probes = groups.iter().flat_map(|(_, flat)| flat.iter());
        let probes = Tensor::cat(probes.map(|tensor| (tensor.clone() * 0.0).sum()).collect(), 0);
        let probes: Vec<f32> = probes.into_data().try_into_vec().expect("weights are 32-bit floats");
        let bad = probes.iter().position(|probe| !probe.is_finite())?;
        let names = parameter_names(&self.network);
        Some(format!("{}{}", groups[bad / names.len()].0, names[bad % names.len()].0))
    }
}

/// Stems of the files of a checkpoint that hold the averages.
fn average_stems(config: &Config) -> Vec<String> {
    let labels = config.ema.labels();
    labels.iter().enumerate().map(|(place, label)| weights::average(place, label)).collect()
}

/// The file that `training.initial_weights` leads to, held to its hash.
fn first_weights(path: &Path, hash: Option<&str>) -> Result<PathBuf, WeightsError> {
    let found = WeightsFile::find(path)?;
    hash.map_or(Ok(()), |hash| found.check_hash(hash))?;
    tracing::info!(path = %found.path.display(), blake3 = found.blake3, "first weights");
    Ok(found.path)
}

/// The network that `model.init` describes, each tensor drawn from (seed, name).
pub(super) fn initial_network(config: &Config, device: &Device) -> UNet {
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

/// A network from `<stem>.safetensors` of a checkpoint: the weights themselves or an average.
pub(super) fn load_network(
    config: &Config,
    device: &Device,
    folder: &Path,
    stem: &str,
) -> Result<UNet, Error> {
    network_of(config, device, &folder.join(format!("{stem}.safetensors")))
}

fn network_of(config: &Config, device: &Device, path: &Path) -> Result<UNet, Error> {
    let tensors = TensorFile::open(path)?;
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

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
