//! Noise schedules: `[diffusion]` in, β and ᾱ for t = 0…T−1 out, in f64 on the host.

use thiserror::Error;

use crate::config::{Diffusion, NoiseSchedule};

/// A schedule that is no probability distribution, or that floats cannot hold.
#[derive(Debug, Error, PartialEq)]
pub enum ScheduleError {
    /// A step that would leave nothing, or add nothing.
    #[error(
        "diffusion: beta reaches {beta} at t = {t} of {timesteps}, and must stay below 1; \
         use more timesteps, a smaller beta_end, or rescale_betas = false"
    )]
    Beta {
        /// The variance in question.
        beta: f64,
        /// Its timestep.
        t: usize,
        /// T.
        timesteps: usize,
    },
    /// A chain that never begins to be noisy, or goes on long after the last of the signal.
    #[error(
        "diffusion: alpha_bar is {alpha_bar:e} at t = {t} of {timesteps}, and networks of 32-bit floats need a \
         value from 1e-75 to 1 - 1e-15; use {advice}"
    )]
    AlphaBar {
        /// The share of the signal's variance in question.
        alpha_bar: f64,
        /// Its timestep.
        t: usize,
        /// T.
        timesteps: usize,
        /// What to do about it.
        advice: &'static str,
    },
}

/// The least ᾱ whose root a 32-bit float can be divided by, and the greatest that is told from 1.
const ALPHA_BARS: (f64, f64) = (1e-75, 1.0 - 1e-15);

/// β_t and ᾱ_t = Π(1 − β) of a chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Variance added at each step.
    pub betas: Vec<f64>,
    /// Share of the signal's variance left after each step.
    pub alpha_bars: Vec<f64>,
}

impl Schedule {
    /// Computes the schedule.
    ///
    /// # Errors
    /// When a β reaches 1 or falls to 0, or ᾱ leaves the range that can be computed with.
    pub fn new(diffusion: &Diffusion) -> Result<Self, ScheduleError> {
        let timesteps = diffusion.timesteps;
        let betas = betas(diffusion.noise_schedule, timesteps, ends(diffusion));
        if let Some(t) = betas.iter().position(|beta| !(*beta > 0.0 && *beta < 1.0)) {
            return Err(ScheduleError::Beta { beta: betas[t], t, timesteps });
        }
        let alpha_bars: Vec<f64> = betas
            .iter()
            .scan(1.0, |product, beta| {
                *product *= 1.0 - beta;
                Some(*product)
            })
            .collect();
        let outside = |alpha_bar: &f64| *alpha_bar < ALPHA_BARS.0 || *alpha_bar > ALPHA_BARS.1;
        if let Some(t) = alpha_bars.iter().position(outside) {
            let alpha_bar = alpha_bars[t];
            let advice = if alpha_bar < ALPHA_BARS.0 {
                "fewer timesteps, a smaller beta_end, or rescale_betas = true"
            } else {
                "a larger beta_start, or fewer timesteps"
            };
            return Err(ScheduleError::AlphaBar { alpha_bar, t, timesteps, advice });
        }
        let schedule = Self { betas, alpha_bars };
        Ok(if diffusion.zero_terminal_snr { schedule.ending_in_noise() } else { schedule })
    }

    /// The same chain with √ᾱ shifted and scaled so that its last value is 0 and its first stays
    /// (Lin et al. 2024, Alg. 1). A chain of one step has nothing to keep and is left as it is.
    fn ending_in_noise(self) -> Self {
        let signal: Vec<f64> = self.alpha_bars.iter().map(|alpha_bar| alpha_bar.sqrt()).collect();
        let (first, last) = (signal[0], signal[signal.len() - 1]);
        if first <= last {
            return self;
        }
        let scale = first / (first - last);
        let alpha_bars: Vec<f64> = signal.iter().map(|signal| ((signal - last) * scale).powi(2)).collect();
        let before = std::iter::once(1.0).chain(alpha_bars.iter().copied());
        let betas = before.zip(&alpha_bars).map(|(before, alpha_bar)| 1.0 - alpha_bar / before).collect();
        Self { betas, alpha_bars }
    }

    /// T.
    pub fn len(&self) -> usize {
        self.betas.len()
    }

    /// Whether the chain has no step; no configuration makes one.
    pub fn is_empty(&self) -> bool {
        self.betas.is_empty()
    }

    /// Signal-to-noise ratio ᾱ/(1−ᾱ).
    pub fn snr(&self, t: usize) -> f64 {
        let alpha_bar = self.alpha_bars[t];
        alpha_bar / (1.0 - alpha_bar)
    }

    /// λ_t = ln SNR, falling in t; −∞ where no signal is left.
    pub fn log_snr(&self, t: usize) -> f64 {
        self.snr(t).ln()
    }
}

/// First and last β, both scaled by 1000/T where the configuration says so.
pub fn ends(diffusion: &Diffusion) -> (f64, f64) {
    let scale = if diffusion.rescale_betas { 1000.0 / diffusion.timesteps as f64 } else { 1.0 };
    (diffusion.beta_start * scale, diffusion.beta_end * scale)
}

/// The β of a shape with these ends, which `cosine` does not look at.
pub fn betas(shape: NoiseSchedule, timesteps: usize, ends: (f64, f64)) -> Vec<f64> {
    match shape {
        NoiseSchedule::Linear => linear(timesteps, ends),
        NoiseSchedule::ScaledLinear => scaled_linear(timesteps, ends),
        NoiseSchedule::Sigmoid => sigmoid(timesteps, ends),
        NoiseSchedule::Cosine => cosine(timesteps),
    }
}

/// `n` values evenly from start to end.
fn even(start: f64, end: f64, n: usize) -> impl Iterator<Item = f64> {
    // One value is the start.
    let intervals = n.saturating_sub(1).max(1) as f64;
    (0..n).map(move |i| start + (end - start) * i as f64 / intervals)
}

/// β evenly from start to end (Ho et al. 2020, §4).
fn linear(timesteps: usize, (start, end): (f64, f64)) -> Vec<f64> {
    even(start, end, timesteps).collect()
}

/// √β evenly from √start to √end (Rombach et al. 2022).
fn scaled_linear(timesteps: usize, (start, end): (f64, f64)) -> Vec<f64> {
    even(start.sqrt(), end.sqrt(), timesteps).map(|root| root * root).collect()
}

/// β a logistic curve over −6…6, squeezed between start and end (diffusers' `sigmoid`).
fn sigmoid(timesteps: usize, (start, end): (f64, f64)) -> Vec<f64> {
    even(-6.0, 6.0, timesteps).map(|x| (end - start) / (1.0 + (-x).exp()) + start).collect()
}

/// β from f(u) = cos²((u + s)/(1 + s)·π/2), s = 0.008, at most 0.999 (Nichol & Dhariwal 2021, Eq. 17).
fn cosine(timesteps: usize) -> Vec<f64> {
    let f = |u: f64| ((u + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
    let at = |i: usize| f(i as f64 / timesteps as f64);
    (0..timesteps).map(|i| (1.0 - at(i + 1) / at(i)).min(0.999)).collect()
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
