//! One optimizer step's images, noise and timesteps, as a function of the step.
//!
//! In: the training split and a [`BatchPlan`]. Out: [`Batch`]es of host memory. Sample number k = step ·
//! batch_size + position has its image by `order`, its u from stream "train/u", its noise from "train/noise" and
//! whether it is mirrored from "train/flip", all at counter k. So a batch depends on neither earlier batches nor
//! the device, and two variants that share a seed and a batch size see the same images and noise at the same
//! step.

use crate::config::{Config, TimestepSampler};

use super::error::Error;
use super::order::Order;
use super::random::Stream;
use super::split::Split;

/// What the batches of a run depend on besides the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPlan {
    /// `training.seed`.
    pub seed: u64,
    /// `training.batch_size`: samples of one optimizer step.
    pub batch_size: usize,
    /// `diffusion.timesteps`, T.
    pub timesteps: usize,
    /// `diffusion.timestep_sampler`.
    pub timestep_sampler: TimestepSampler,
    /// `data.horizontal_flip`: mirror each image with probability one half.
    pub horizontal_flip: bool,
}

impl BatchPlan {
    /// That of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            seed: config.training.seed,
            batch_size: config.training.batch_size,
            timesteps: config.diffusion.timesteps,
            timestep_sampler: config.diffusion.timestep_sampler,
            horizontal_flip: config.data.horizontal_flip,
        }
    }
}

/// The samples of one optimizer step, N = `batch_size` of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The optimizer step, from 0.
    pub step: u64,
    /// `[N, C, H, W]`, x/127.5 − 1, in [-1, 1].
    pub images: Vec<f32>,
    /// `[N, C, H, W]`, standard normal.
    pub noise: Vec<f32>,
    /// `[N]`, in `0..T`: ⌊u·T⌋, so variants that differ in T share u. Stratified, the sample at position i has
    /// (i + u)/N in place of u.
    pub timesteps: Vec<i64>,
    /// `[N]`, the id of each image.
    pub ids: Vec<u64>,
}

/// Makes the batch of any step.
#[derive(Debug)]
pub struct Batcher {
    split: Split,
    plan: BatchPlan,
    order: Order,
    timestep_stream: Stream,
    noise_stream: Stream,
    flip_stream: Stream,
    /// The pixels of the batch in the making, as stored.
    pixels: Vec<u8>,
}

impl Batcher {
    /// Prepares to make batches of images of `split`.
    ///
    /// # Errors
    /// If the split is empty, or the plan asks for batches of no sample or for no timesteps.
    pub fn new(split: Split, plan: BatchPlan) -> Result<Self, Error> {
        let refuse = |reason| Err(Error::Batch { reason });
        if split.is_empty() {
            return refuse("there is no training image");
        }
        if plan.batch_size == 0 {
            return refuse("training.batch_size is 0");
        }
        if plan.timesteps == 0 {
            return refuse("diffusion.timesteps is 0");
        }
        let order = Order::new(plan.seed, split.len());
        let [timestep_stream, noise_stream, flip_stream] =
            ["train/u", "train/noise", "train/flip"].map(|name| Stream::new(plan.seed, name));
        let pixels = vec![0; plan.batch_size * split.shape().values()];
        Ok(Self { split, plan, order, timestep_stream, noise_stream, flip_stream, pixels })
    }

    /// The batch of `step`.
    ///
    /// # Errors
    /// If an image cannot be read (see [`Split::read`]).
    pub fn batch(&mut self, step: u64) -> Result<Batch, Error> {
        let n = self.plan.batch_size;
        let shape = self.split.shape();
        let first = step * n as u64;
        let images: Vec<usize> = (first..).take(n).map(|k| self.order.image(k)).collect();
        self.split.read(&images, &mut self.pixels)?;
        let mut batch = Batch {
            step,
            images: self.pixels.iter().map(|&value| f32::from(value) / 127.5 - 1.0).collect(),
            noise: vec![0.0; self.pixels.len()],
            timesteps: (first..).zip(0..n).map(|(k, position)| self.timestep(k, position)).collect(),
            ids: images.iter().map(|&image| self.split.image_id(image)).collect(),
        };
        let values = shape.values();
        for (k, noise) in (first..).zip(batch.noise.chunks_exact_mut(values)) {
            self.noise_stream.at(k).normal_fill(noise);
        }
        if self.plan.horizontal_flip {
            for (k, image) in (first..).zip(batch.images.chunks_exact_mut(values)) {
                if self.flip_stream.at(k).below(2) == 1 {
                    image.chunks_exact_mut(shape.width).for_each(<[f32]>::reverse);
                }
            }
        }
        Ok(batch)
    }

    fn timestep(&self, k: u64, position: usize) -> i64 {
        let u = self.timestep_stream.at(k).uniform();
        let u = match self.plan.timestep_sampler {
            TimestepSampler::Uniform => u,
            TimestepSampler::Stratified => (position as f64 + u) / self.plan.batch_size as f64,
        };
        timestep(u, self.plan.timesteps)
    }
}

/// The timestep of a `u` in `[0, 1)`: ⌊u·T⌋; the minimum guards against a product that rounds up to T.
#[must_use]
pub fn timestep(u: f64, timesteps: usize) -> i64 {
    ((u * timesteps as f64) as i64).min(timesteps as i64 - 1)
}

#[cfg(test)]
#[path = "batch_tests.rs"]
pub(super) mod tests;
