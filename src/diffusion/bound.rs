//! The variational bound of the discrete chain, in bits per dimension (Ho et al. 2020, §3; Nichol & Dhariwal 2021).
//!
//! In: a clean image, what it was noised to, and the network's x̂0. Out: one term of
//! `prior + Σ_{t>0} KL(q(x_{t−1}|x_t,x0) ‖ p(x_{t−1}|x_t)) − log p(x0|x_1)`. The chain's variance is `fixed_small`, its
//! first entry (which is 0) replaced by the second; x̂0 is clipped; the last step decodes to 256 levels. The choice of
//! the variance alone moves the sum, so it says how good this chain is as a code, and ranks no networks.

use std::f64::consts::{LN_2, SQRT_2};

use super::Schedule;

/// Half the width of one of 256 levels over −1…1.
const HALF_LEVEL: f64 = 1.0 / 255.0;
/// The least probability a level is given, so that one wrong value does not make the bound infinite.
const LEAST: f64 = 1e-12;

/// q(x_{t−1} | x_t, x0) of each step.
#[derive(Debug, Clone)]
pub struct Bound {
    steps: Vec<Posterior>,
    last_alpha_bar: f64,
}

/// Its mean is `of_x0`·x0 + `of_xt`·x_t.
#[derive(Debug, Clone, Copy)]
struct Posterior {
    of_x0: f64,
    of_xt: f64,
    variance: f64,
}

impl Bound {
    /// The posteriors of a schedule.
    #[must_use]
    pub fn new(schedule: &Schedule) -> Self {
        let before = |t: usize| if t == 0 { 1.0 } else { schedule.alpha_bars[t - 1] };
        let variance = |t: usize| schedule.betas[t] * (1.0 - before(t)) / (1.0 - schedule.alpha_bars[t]);
        let steps = (0..schedule.len()).map(|t| {
            let (beta, noise) = (schedule.betas[t], 1.0 - schedule.alpha_bars[t]);
            Posterior {
                of_x0: beta * before(t).sqrt() / noise,
                of_xt: (1.0 - before(t)) * (1.0 - beta).sqrt() / noise,
                // A chain of one step has no second entry; its only one decodes.
                variance: match t {
                    0 if schedule.len() > 1 => variance(1),
                    0 => beta,
                    _ => variance(t),
                },
            }
        });
        let last_alpha_bar = schedule.alpha_bars.last().copied().unwrap_or(1.0);
        Self { steps: steps.collect(), last_alpha_bar }
    }

    /// Bits per dimension that step `t` adds; at 0 those of the decoder.
    ///
    /// # Panics
    /// If the three images differ in length or `t` is outside the chain.
    #[must_use]
    pub fn step(&self, t: usize, x0: &[f64], xt: &[f64], predicted_x0: &[f64]) -> f64 {
        assert!(x0.len() == xt.len() && x0.len() == predicted_x0.len(), "images of one size");
        let Posterior { of_x0, of_xt, variance } = self.steps[t];
        let terms = x0.iter().zip(xt).zip(predicted_x0).map(|((x0, xt), predicted)| {
            let mean = of_x0 * predicted.clamp(-1.0, 1.0) + of_xt * xt;
            if t == 0 {
                return -level_probability(*x0, mean, variance.sqrt()).max(LEAST).ln();
            }
            // Both have the same variance.
            (of_x0 * x0 + of_xt * xt - mean).powi(2) / (2.0 * variance)
        });
        terms.sum::<f64>() / x0.len() as f64 / LN_2
    }

    /// Bits per dimension of what the end of the chain still knows: KL(q(x_T|x0) ‖ N(0, 1)).
    #[must_use]
    pub fn prior(&self, x0: &[f64]) -> f64 {
        let noise = 1.0 - self.last_alpha_bar;
        let terms = x0.iter().map(|x0| 0.5 * (noise + self.last_alpha_bar * x0 * x0 - 1.0 - noise.ln()));
        terms.sum::<f64>() / x0.len() as f64 / LN_2
    }
}

/// Mass of N(mean, deviation²) over the level of `x`; the outermost levels reach to infinity.
fn level_probability(x: f64, mean: f64, deviation: f64) -> f64 {
    let low = if x < -0.999 { f64::NEG_INFINITY } else { (x - HALF_LEVEL - mean) / deviation };
    let high = if x > 0.999 { f64::INFINITY } else { (x + HALF_LEVEL - mean) / deviation };
    // In the tail where the difference is not one of two numbers next to 1.
    if low > 0.0 { below(-low) - below(-high) } else { below(high) - below(low) }
}

/// Φ.
fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Diffusion, defaults};

    fn bound(timesteps: usize) -> (Bound, Schedule) {
        let diffusion = Diffusion { timesteps, rescale_betas: true, ..defaults().diffusion };
        let schedule = Schedule::new(&diffusion).unwrap();
        (Bound::new(&schedule), schedule)
    }

    #[test]
    fn a_perfect_prediction_costs_nothing_but_the_decoder_and_the_prior() {
        let (bound, _) = bound(100);
        let (x0, xt) = ([-1.0, 0.2, 1.0], [0.3, -0.4, 0.9]);
        for t in 1..100 {
            assert_eq!(bound.step(t, &x0, &xt, &x0), 0.0);
        }
        assert!(bound.step(0, &x0, &xt, &x0) > 0.0);
    }

    #[test]
    fn an_error_costs_its_square_times_the_gain_in_snr() {
        // KL_t = ½(SNR_{t−1} − SNR_t)·(x0 − x̂0)² (Kingma et al. 2021, Eq. 13).
        let (bound, schedule) = bound(250);
        for t in [1, 2, 50, 249] {
            let expected = 0.5 * (schedule.snr(t - 1) - schedule.snr(t)) * 0.3_f64.powi(2) / LN_2;
            let found = bound.step(t, &[0.5], &[-0.1], &[0.2]);
            assert!((found / expected - 1.0).abs() < 1e-9, "t = {t}: {found} {expected}");
        }
    }

    #[test]
    fn predictions_outside_the_range_of_images_are_clipped() {
        let (bound, _) = bound(100);
        assert_eq!(bound.step(50, &[1.0], &[0.0], &[7.0]), 0.0);
        assert_eq!(bound.step(50, &[0.0], &[0.0], &[-7.0]), bound.step(50, &[0.0], &[0.0], &[-1.0]));
    }

    #[test]
    fn the_levels_share_all_of_the_probability() {
        for (mean, deviation) in [(0.1, 0.02), (-0.97, 0.3), (1.0, 0.001), (40.0, 1.0)] {
            let levels = (0..256).map(|level| f64::from(level) / 127.5 - 1.0);
            let total: f64 = levels.map(|x| level_probability(x, mean, deviation)).sum();
            assert!((total - 1.0).abs() < 1e-12, "{mean} {deviation}: {total}");
        }
    }

    #[test]
    fn an_impossible_level_costs_a_bounded_number_of_bits() {
        let (bound, _) = bound(1000);
        assert_eq!(bound.step(0, &[-1.0], &[1.0], &[1.0]), -LEAST.ln() / LN_2);
    }

    #[test]
    fn the_prior_of_a_chain_that_ends_in_noise_is_nothing() {
        let diffusion = Diffusion {
            zero_terminal_snr: true,
            prediction_type: crate::config::PredictionType::V,
            ..defaults().diffusion
        };
        let ending = Bound::new(&Schedule::new(&diffusion).unwrap());
        assert_eq!(ending.prior(&[-1.0, 0.5, 1.0]), 0.0);
        let (bound, schedule) = bound(1000);
        let alpha_bar = schedule.alpha_bars[999];
        let expected = 0.5 * (alpha_bar * 0.25 - alpha_bar - (1.0 - alpha_bar).ln()) / LN_2;
        assert!((bound.prior(&[0.5]) - expected).abs() < 1e-15);
    }
}
