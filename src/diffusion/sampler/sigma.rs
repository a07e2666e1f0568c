//! The sigma scale (Karras et al. 2022): y = x0 + σ·ε, which is x_t·√(1 + σ²) with σ² = (1 − ᾱ_t)/ᾱ_t.
//!
//! In: a chain. Out: the levels of noise it visits, where it starts, and what a network says on the way.

use burn::tensor::Tensor;

use super::{Chain, Network};
use crate::config::TimestepSpacing;
use crate::diffusion::places;
use crate::diffusion::prediction::{Reading, read};

/// A level of noise on the way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    /// What the network is asked about; between two timesteps where `sigma` is.
    t: f64,
    /// Standard deviation of the noise.
    pub(super) sigma: f64,
}

impl Level {
    /// √(1 + σ²): how much wider y is than x_t.
    fn width(self) -> f64 {
        self.sigma.hypot(1.0)
    }
}

/// The levels visited, falling; σ between two timesteps is interpolated linearly, as diffusers does. The image
/// itself, at σ = 0, comes after the last.
pub(super) fn levels(chain: &Chain<'_>) -> Vec<Level> {
    let sigma = |t: usize| {
        let alpha_bar = chain.some_signal(t);
        ((1.0 - alpha_bar) / alpha_bar).sqrt()
    };
    let level = |t: f64| {
        let (below, share) = (t.floor() as usize, t.fract());
        let sigma =
            if share == 0.0 { sigma(below) } else { sigma(below) * (1.0 - share) + sigma(below + 1) * share };
        Level { t, sigma }
    };
    places(chain.settings, chain.schedule.len()).into_iter().map(level).collect()
}

/// Where the path begins: noise alone at the end of the chain, and with leading, which begins before it, noise as
/// wide as a noised image (diffusers' `init_noise_sigma`).
pub(super) fn start(chain: &Chain<'_>, x: Tensor<4>, first: Level) -> Tensor<4> {
    match chain.settings.timestep_spacing {
        TimestepSpacing::Leading => x * first.width(),
        TimestepSpacing::Linspace | TimestepSpacing::Trailing => x * first.sigma,
    }
}

/// What the network says at y: x̂0, clipped where the settings say so, and dy/dσ = ε̂ = (y − x̂0)/σ (Eq. 3 there).
pub(super) fn ask(
    chain: &Chain<'_>,
    y: &Tensor<4>,
    level: Level,
    network: &mut Network<'_>,
) -> Reading<Tensor<4>> {
    let x = y.clone() / level.width();
    let prediction = network(x.clone(), level.t);
    let reading = read(chain.prediction, prediction, x, level.width().powi(-2));
    match chain.clip_range() {
        Some(range) => {
            let x0 = reading.x0.clamp(-range, range);
            Reading { eps: (y.clone() - x0.clone()) / level.sigma, x0 }
        }
        None => reading,
    }
}

/// Along that slope to another level: y + (σ' − σ)·ε̂, which is x̂0 + σ'·ε̂ and then loses no digits where σ' is much
/// smaller than σ.
pub(super) fn along(reading: Reading<Tensor<4>>, sigma: f64) -> Tensor<4> {
    reading.x0 + reading.eps * sigma
}

#[cfg(test)]
mod tests {
    use super::super::golden_tests::{first_sample, numbers, settings};
    use super::*;
    use crate::config::{Diffusion, PredictionType, Sampler, Sampling, defaults};
    use crate::diffusion::Schedule;

    fn first(diffusion: &Diffusion, spacing: TimestepSpacing) -> (f64, Vec<f32>) {
        let schedule = Schedule::new(diffusion).unwrap();
        let settings = Sampling { steps: 10, ..settings(Sampler::Euler, spacing) };
        let chain = Chain { schedule: &schedule, prediction: PredictionType::V, settings: &settings };
        let first = levels(&chain)[0];
        (first.sigma, numbers(start(&chain, first_sample(), first)))
    }

    #[test]
    fn the_first_noise_is_as_wide_as_diffusers_has_it() {
        // EulerDiscreteScheduler().init_noise_sigma after set_timesteps(10), at the last of 768 values.
        let ours = |spacing| first(&defaults().diffusion, spacing).1[767] / (767.0 / 768.0);
        for (spacing, wanted) in [
            (TimestepSpacing::Linspace, 157.407_23),
            (TimestepSpacing::Trailing, 157.407_23),
            (TimestepSpacing::Leading, 60.830_53),
        ] {
            assert!((ours(spacing) / wanted - 1.0).abs() < 1e-5, "{spacing:?}: {}", ours(spacing));
        }
    }

    #[test]
    fn a_chain_without_signal_starts_at_a_sigma_of_4096() {
        let diffusion = Diffusion { zero_terminal_snr: true, ..defaults().diffusion };
        let (sigma, _) = first(&diffusion, TimestepSpacing::Trailing);
        assert!((sigma - 4096.0).abs() < 1e-3, "{sigma}");
    }
}
