//! DDPM (Ho et al. 2020): ancestral sampling, a step of fresh noise after every prediction.

use burn::tensor::Tensor;

use super::{Chain, Network, Noise};
use crate::config::Variance;

/// The smallest variance, so that its logarithm and its root are those of a number.
const LEAST_VARIANCE: f64 = 1e-20;

/// Runs the chain. From each step of the list it goes to the next, from the last to the clean image. Noise is
/// asked for where t > 0.
pub(super) fn sample(
    chain: &Chain<'_>,
    mut x: Tensor<4>,
    network: &mut Network<'_>,
    noise: &mut Noise<'_>,
) -> Tensor<4> {
    let alpha_bars = &chain.schedule.alpha_bars;
    let steps = chain.timesteps();
    for (i, &t) in steps.iter().enumerate() {
        let before = steps.get(i + 1).map_or(1.0, |before| alpha_bars[*before]);
        let posterior = Posterior::new(alpha_bars[t], before, chain.settings.variance);
        let prediction = network(x.clone(), t as f64);
        let x0 = chain.read(prediction, x.clone(), t).x0;
        let mean = x0 * posterior.x0 + x * posterior.xt;
        x = if t > 0 { mean + noise(i) * posterior.variance.sqrt() } else { mean };
    }
    x
}

/// q(x_before | x_t, x0), its mean a sum of both (Ho et al. 2020, Eq. 6 and 7).
struct Posterior {
    /// Share of x̂0 in the mean.
    x0: f64,
    /// Share of x_t in the mean.
    xt: f64,
    variance: f64,
}

impl Posterior {
    /// `alpha_bar` of the step, and of the one `before` it.
    fn new(alpha_bar: f64, before: f64, variance: Variance) -> Self {
        let alpha = alpha_bar / before;
        let (beta, noise) = (1.0 - alpha, 1.0 - alpha_bar);
        let xt_share = (1.0 - before) / noise;
        Self {
            x0: before.sqrt() * beta / noise,
            xt: alpha.sqrt() * xt_share,
            variance: match variance {
                Variance::FixedSmall => (xt_share * beta).max(LEAST_VARIANCE),
                Variance::FixedLarge => beta,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;
    use crate::diffusion::Schedule;

    fn at(t: usize, variance: Variance) -> Posterior {
        let schedule = Schedule::new(&defaults().diffusion).unwrap();
        let before = t.checked_sub(1).map_or(1.0, |before| schedule.alpha_bars[before]);
        Posterior::new(schedule.alpha_bars[t], before, variance)
    }

    #[test]
    fn the_variances_are_diffusers_golden_numbers() {
        let small = |t| at(t, Variance::FixedSmall).variance;
        assert_eq!(small(0), 1e-20);
        assert!((small(487) - 0.00979).abs() < 1e-5);
        assert!((small(999) - 0.02).abs() < 1e-5);
        let large = |t| at(t, Variance::FixedLarge).variance;
        for (t, beta) in [(0, 1e-4), (487, 1e-4 + 0.0199 * 487.0 / 999.0), (999, 0.02)] {
            assert!((large(t) - beta).abs() < 1e-12);
        }
    }

    #[test]
    fn the_posterior_takes_the_image_and_its_noise_to_the_step_before() {
        // With x_t = √ᾱ·x0 + √(1−ᾱ)·ε the mean must be √ᾱ_before·x0 for ε = 0, and mean and variance together as
        // noisy as the step before.
        let schedule = Schedule::new(&defaults().diffusion).unwrap();
        for (t, earlier) in [(999, 980), (500, 499), (20, 0)] {
            let (alpha_bar, before) = (schedule.alpha_bars[t], schedule.alpha_bars[earlier]);
            let posterior = Posterior::new(alpha_bar, before, Variance::FixedSmall);
            let signal = posterior.x0 + posterior.xt * alpha_bar.sqrt();
            assert!((signal - before.sqrt()).abs() < 1e-12);
            let noise = posterior.xt.powi(2) * (1.0 - alpha_bar) + posterior.variance;
            assert!((noise - (1.0 - before)).abs() < 1e-12);
        }
    }

    #[test]
    fn a_step_without_signal_asks_the_prediction_alone() {
        let posterior = Posterior::new(0.0, 0.25, Variance::FixedSmall);
        assert_eq!((posterior.x0, posterior.xt, posterior.variance), (0.5, 0.0, 0.75));
    }
}
