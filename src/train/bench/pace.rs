//! How fast steps and forward passes go, for as long as there is time: what a machine is calibrated by.
//!
//! In: a configuration and seconds. Out: the medians of both, and how long a checkpoint takes to write. A device is opened
//! once for many configurations.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::inputs::{PRELOADED, drawn};
use super::steps::Bench;
use super::{Inputs, Request, Spread};
use crate::config::{self, Config};
use crate::model::{Mode, UNet};
use crate::ops;
use crate::rundir::{Disk, ManifestMeta, Owner, RunDir, checkpoint};
use crate::train::clock::wait_for;
use crate::train::state::State;
use crate::train::{Error, open_device};

/// Steps and forward passes before those that count.
const WARMUP: usize = 2;
/// Fewest that count.
const FEWEST: usize = 3;
/// Most that count: the median of so many does not move any more.
const MOST: usize = 400;
/// Times as long as planned after which even those are too many: on a machine that is busy with something else threads
/// that wait for each other may take ten times as long.
const PATIENCE: f64 = 4.0;
/// Share of the time that steps have; forward passes have the rest.
const SHARE_OF_STEPS: f64 = 0.65;

/// A device on which one configuration after the other is measured.
#[derive(Debug)]
pub struct Pace {
    name: ops::DeviceName,
    device: Device,
    threads: usize,
}

/// What was measured of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The median step.
    pub step_seconds: f64,
    /// The median forward pass without gradients.
    pub forward_seconds: f64,
}

/// A checkpoint that was written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Saving {
    /// Its files together.
    pub bytes: u64,
    /// From the first byte to the last name on the disk.
    pub seconds: f64,
}

impl Pace {
    /// Opens a device, for operations of so many threads.
    ///
    /// # Errors
    /// When the machine lacks the device.
    pub fn open(wanted: config::Device, threads: usize) -> Result<Pace, Error> {
        let (name, device) = open_device(wanted)?;
        ops::set_threads(threads);
        Ok(Pace { name, device, threads })
    }

    /// The device that `auto` became.
    pub fn device(&self) -> String {
        self.name.to_string()
    }

    /// Steps and forward passes of `images` images, about so many seconds of both and a few of each in any case.
    ///
    /// # Errors
    /// When a loss is not finite.
    pub fn times(&self, config: &Config, images: usize, seconds: f64) -> Result<Times, Error> {
        let request = Request {
            threads: self.threads,
            warmup: 0,
            steps: PRELOADED,
            inputs: Inputs::Preloaded,
            parts: false,
        };
        let mut bench = Bench::open(config, &request, &self.device)?;
        let step_seconds =
            repeated(seconds * SHARE_OF_STEPS, || bench.step(config).map(|taken| taken.whole))?;
        let network = bench.network().valid();
        let mut pictures = config.clone();
        pictures.training.batch_size = images;
        let batch = drawn(&pictures, 0);
        let side = config.data.image_size;
        let values = TensorData::new(batch.noise, [images, config.data.in_channels, side, side]);
        let x: Tensor<4> = Tensor::from_data(values, &self.device);
        let forward = || {
            let started = Instant::now();
            self.forward(&network, &x);
            Ok(started.elapsed().as_secs_f64())
        };
        let forward_seconds = repeated(seconds * (1.0 - SHARE_OF_STEPS), forward)?;
        Ok(Times { step_seconds, forward_seconds })
    }

    fn forward(&self, network: &UNet, x: &Tensor<4>) {
        let t = Tensor::full([x.dims()[0]], 500.0, &self.device);
        let predicted = network.forward(x.clone(), t, Mode::Eval);
        wait_for(&self.device);
        drop(predicted);
    }

    /// Writes a checkpoint of a network as training does, into a run folder that the caller deletes.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn saving(&self, config: &Config, folder: &Path) -> Result<Saving, Error> {
        let state = State::start(config, &self.device)?;
        let meta = ManifestMeta { owner: Owner::of(config), logs: BTreeMap::new(), best: None };
        let started = Instant::now();
        let saved =
            checkpoint::save(&Disk, &RunDir::at(folder), 0, meta, |folder| state.save(config, folder))?;
        Ok(Saving { bytes: saved.manifest.total_bytes(), seconds: started.elapsed().as_secs_f64() })
    }
}

/// The median of as many as the time allows.
fn repeated(seconds: f64, mut once: impl FnMut() -> Result<f64, Error>) -> Result<f64, Error> {
    let begun = Instant::now();
    let late = || begun.elapsed().as_secs_f64() > PATIENCE * seconds.max(1.0);
    for _ in 0..WARMUP {
        once()?;
        if late() {
            break;
        }
    }
    let (started, mut taken) = (Instant::now(), vec![once()?]);
    let goes_on = |count: usize| match count {
        count if count < FEWEST => !late(),
        count => count < MOST && started.elapsed().as_secs_f64() < seconds,
    };
    while goes_on(taken.len()) {
        taken.push(once()?);
    }
    Ok(Spread::of(taken).median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::small::small;

    #[test]
    fn a_small_network_is_timed_and_its_checkpoint_weighed() {
        let config = small();
        let pace = Pace::open(config::Device::Cpu, 1).unwrap();
        assert_eq!(pace.device(), "cpu");
        let times = pace.times(&config, 4, 0.0).unwrap();
        assert!(times.step_seconds > 0.0 && times.forward_seconds > 0.0, "{times:?}");
        let folder = tempfile::tempdir().unwrap();
        let saving = pace.saving(&config, folder.path()).unwrap();
        let parameters = crate::sizing::parameters(&config.model, &config.data);
        let floats = 4 * parameters * (3 + config.ema.tracks().len() as u64);
        assert!(saving.bytes > floats && saving.seconds > 0.0, "{saving:?}");
    }

    #[test]
    fn at_least_a_few_count_and_no_more_than_there_is_time_for() {
        let count = |seconds| {
            let mut calls = 0;
            let mut once = || {
                calls += 1;
                Ok(calls as f64)
            };
            let median = repeated(seconds, &mut once).unwrap();
            (calls, median)
        };
        assert_eq!(count(0.0), (WARMUP + FEWEST, 4.0));
        assert_eq!(count(1e9).0, WARMUP + MOST);
    }
}
