//! DDIM (Song et al. 2021): the non-Markovian chain that shares DDPM's network.

use burn::tensor::Tensor;

use super::{Chain, Network, Noise};

/// Runs the chain; ᾱ before its first timestep is 1, or ᾱ_0 where `set_alpha_to_one` is false. Noise is asked for
/// only where η > 0.
pub(super) fn sample(
    chain: &Chain<'_>,
    mut x: Tensor<4>,
    network: &mut Network<'_>,
    noise: &mut Noise<'_>,
) -> Tensor<4> {
    let alpha_bars = &chain.schedule.alpha_bars;
    let last = if chain.settings.set_alpha_to_one { 1.0 } else { alpha_bars[0] };
    // Always this far, wherever the next step of the list is: with linspace and trailing the two may differ.
    let stride = chain.schedule.len() / chain.settings.steps;
    for (i, t) in chain.timesteps().into_iter().enumerate() {
        let prediction = network(x.clone(), t as f64);
        let before = t.checked_sub(stride).map_or(last, |before| alpha_bars[before]);
        x = step(chain, x, prediction, t, before, &mut || noise(i));
    }
    x
}

/// From t to the step before it, whose ᾱ is `before` (Eq. 12 and 16).
fn step(
    chain: &Chain<'_>,
    x: Tensor<4>,
    prediction: Tensor<4>,
    t: usize,
    before: f64,
    noise: &mut dyn FnMut() -> Tensor<4>,
) -> Tensor<4> {
    let alpha_bar = chain.schedule.alpha_bars[t];
    let reading = chain.read(prediction, x, t);
    let variance = (1.0 - before) / (1.0 - alpha_bar) * (1.0 - alpha_bar / before);
    let sigma = chain.settings.eta * variance.max(0.0).sqrt();
    let direction = (1.0 - before - sigma * sigma).max(0.0).sqrt();
    let mean = reading.x0 * before.sqrt() + reading.eps * direction;
    if sigma > 0.0 { mean + noise() * sigma } else { mean }
}

#[cfg(test)]
mod tests {
    use super::super::golden_tests::{first_sample, stand_in, sum_abs};
    use super::*;
    use crate::config::{Diffusion, PredictionType, Sampling, defaults};
    use crate::diffusion::Schedule;

    /// Σ|x| after ten steps with the stand-in network, as diffusers' own scheduler tests run it.
    fn golden(prediction: PredictionType, beta_start: f64, final_is_one: bool) -> f64 {
        let config = defaults();
        let diffusion = Diffusion { beta_start, prediction_type: prediction, ..config.diffusion };
        let settings = Sampling { steps: 10, set_alpha_to_one: final_is_one, ..config.sampling };
        let schedule = Schedule::new(&diffusion).unwrap();
        let chain = Chain { schedule: &schedule, prediction, settings: &settings };
        let noise = &mut |_| unreachable!("eta is 0");
        sum_abs(sample(&chain, first_sample(), &mut stand_in, noise))
    }

    #[test]
    fn ten_steps_agree_with_diffusers_golden_sums() {
        let close = |value: f64, wanted: f64| (value - wanted).abs() < 2e-3;
        assert!(close(golden(PredictionType::Epsilon, 1e-4, true), 172.0067));
        assert!(close(golden(PredictionType::V, 1e-4, true), 52.5302));
        assert!(close(golden(PredictionType::Epsilon, 0.01, true), 149.8295));
        assert!(close(golden(PredictionType::Epsilon, 0.01, false), 149.0784));
    }
}
