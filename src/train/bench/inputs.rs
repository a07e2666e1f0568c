//! The batches of measured steps: of the data set as training reads it, or drawn beforehand.
//!
//! Drawn batches need no data set and are the same on every machine, so that another program can make them too: pixel
//! value p of sample k (step · batch_size + position) is half the p-th normal number of the draw ("bench/image", k), cut
//! to [-1, 1]; its noise and its timestep are the draws ("train/noise", k) and ("train/u", k), as in training. The batches
//! of the first steps are kept and used in turn.

use std::borrow::Cow;

use crate::config::Config;
use crate::data::{self, Batch, BatchPlan, Prefetch, Stream};
use crate::train::Error;

/// Batches that are drawn beforehand: about as many as training holds ready.
pub(super) const PRELOADED: usize = 4;

/// Where the next batch comes from.
pub(super) enum Source {
    Preloaded { batches: Vec<Batch>, next: usize },
    Data(Prefetch),
}

impl Source {
    /// Draws `steps` batches, at most as many as are kept.
    pub(super) fn preloaded(config: &Config, steps: usize) -> Self {
        let batches = (0..steps.min(PRELOADED) as u64).map(|step| drawn(config, step)).collect();
        Self::Preloaded { batches, next: 0 }
    }

    /// Opens the data set and has batches made ahead, as training does.
    pub(super) fn data(config: &Config) -> Result<Self, Error> {
        let data = data::open_as_found(&config.data, &config.runtime.data_dir, &mut |_, _| {})?;
        Ok(Self::Data(Prefetch::start(data.train, BatchPlan::of(config), 0)?))
    }

    /// The next batch.
    pub(super) fn next(&mut self) -> Result<Cow<'_, Batch>, Error> {
        match self {
            Self::Preloaded { batches, next } => {
                *next += 1;
                Ok(Cow::Borrowed(&batches[(*next - 1) % batches.len()]))
            }
            Self::Data(prefetch) => Ok(Cow::Owned(prefetch.next_batch()?)),
        }
    }
}

/// The batch of a step.
pub(super) fn drawn(config: &Config, step: u64) -> Batch {
    let [images, noise, uniform] =
        ["bench/image", "train/noise", "train/u"].map(|name| Stream::new(config.training.seed, name));
    let n = config.training.batch_size;
    let values = config.data.in_channels * config.data.image_size.pow(2);
    let samples = step * n as u64..(step + 1) * n as u64;
    let mut batch = Batch {
        step,
        images: vec![0.0; n * values],
        noise: vec![0.0; n * values],
        timesteps: samples
            .clone()
            .map(|k| data::timestep(uniform.at(k).uniform(), config.diffusion.timesteps))
            .collect(),
        ids: samples.clone().collect(),
    };
    for (k, pixels) in samples.clone().zip(batch.images.chunks_exact_mut(values)) {
        images.at(k).normal_fill(pixels);
        pixels.iter_mut().for_each(|pixel| *pixel = (*pixel * 0.5).clamp(-1.0, 1.0));
    }
    for (k, values) in samples.zip(batch.noise.chunks_exact_mut(values)) {
        noise.at(k).normal_fill(values);
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;

    #[test]
    fn drawn_batches_are_those_of_their_step_and_come_in_turn() {
        let mut config = defaults();
        (config.data.image_size, config.training.batch_size) = (8, 2);
        let mut source = Source::preloaded(&config, 9);
        let steps: Vec<u64> = (0..6).map(|_| source.next().unwrap().step).collect();
        assert_eq!(steps, [0, 1, 2, 3, 0, 1]);
        let batch = source.next().unwrap().into_owned();
        assert_eq!(batch, drawn(&config, 2));
        assert!(batch.images.iter().all(|pixel| (-1.0..=1.0).contains(pixel)));
        assert!(batch.images.iter().any(|pixel| pixel.abs() > 0.5), "pixels differ");
        assert!(batch.timesteps.iter().all(|t| (0..1000).contains(t)));
        assert_ne!(batch.noise[..3 * 64], batch.noise[3 * 64..], "each sample has noise of its own");
    }
}
