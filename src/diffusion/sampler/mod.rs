//! Samplers: from noise to images, one file an algorithm.
//!
//! In: a schedule, `[sampling]`, the network as a closure, and noise. Out: images near [-1, 1]. Coefficients are
//! worked out in f64 on the host; tensors stay on their device throughout. `sigma` is what Euler and Heun share.

mod ddim;
mod ddpm;
mod dpm_solver;
mod euler;
mod heun;
mod sigma;

use burn::tensor::Tensor;

use super::prediction::{Reading, read};
use super::{Schedule, timesteps};
use crate::config::{PredictionType, Sampler, Sampling};

/// ᾱ that stands for 0, whose log-SNR or σ no step could start from: the smallest positive 16-bit float, as in
/// diffusers.
const NEARLY_NO_SIGNAL: f64 = 1.0 / (1_u32 << 24) as f64;

/// The network as a sampler sees it: images and one timestep in, prediction out. The timestep is whole but for Euler
/// and Heun with linspace.
pub type Network<'a> = dyn FnMut(Tensor<4>, f64) -> Tensor<4> + 'a;

/// Fresh standard normal noise of a step, numbered from 0; asked for only where it is added.
pub type Noise<'a> = dyn FnMut(usize) -> Tensor<4> + 'a;

/// One configured way from noise to images.
pub struct Chain<'a> {
    /// ᾱ_t.
    pub schedule: &'a Schedule,
    /// What the network predicts.
    pub prediction: PredictionType,
    /// Algorithm, steps, spacing and what else it needs.
    pub settings: &'a Sampling,
}

impl Chain<'_> {
    /// Runs the chain.
    ///
    /// # Shapes
    /// - `x`: `[N, C, H, W]`, standard normal; returns the same shape, near [-1, 1]
    pub fn sample(&self, x: Tensor<4>, network: &mut Network<'_>, noise: &mut Noise<'_>) -> Tensor<4> {
        match self.settings.sampler {
            Sampler::Ddim => ddim::sample(self, x, network, noise),
            Sampler::Ddpm => ddpm::sample(self, x, network, noise),
            Sampler::DpmSolverPp => dpm_solver::sample(self, x, network),
            Sampler::Euler => euler::sample(self, x, network),
            Sampler::Heun => heun::sample(self, x, network),
        }
    }

    /// The timesteps that the network is asked about, falling.
    fn timesteps(&self) -> Vec<usize> {
        timesteps(self.settings, self.schedule.len())
    }

    /// ᾱ_t, for solvers that cannot start from none.
    fn some_signal(&self, t: usize) -> f64 {
        match self.schedule.alpha_bars[t] {
            0.0 => NEARLY_NO_SIGNAL,
            alpha_bar => alpha_bar,
        }
    }

    /// How far from 0 x̂0 may be, where it is clipped.
    fn clip_range(&self) -> Option<f64> {
        let settings = self.settings;
        (settings.clip_sample && settings.sampler.clips()).then_some(settings.clip_sample_range)
    }

    /// Reads a prediction at t, x̂0 clipped where the settings say so; ε̂ is not worked out anew from it.
    fn read(&self, prediction: Tensor<4>, xt: Tensor<4>, t: usize) -> Reading<Tensor<4>> {
        let reading = read(self.prediction, prediction, xt, self.schedule.alpha_bars[t]);
        match self.clip_range() {
            Some(range) => Reading { x0: reading.x0.clamp(-range, range), ..reading },
            None => reading,
        }
    }
}

#[cfg(test)]
#[path = "golden_tests.rs"]
mod golden_tests;
