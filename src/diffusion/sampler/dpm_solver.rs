//! DPM-Solver++ 2M (Lu et al. 2022): the probability-flow equation in log-SNR, solved to second order from the
//! predictions of x0 at this step and the one before. No noise is added and x̂0 is not clipped.

use burn::tensor::Tensor;

use super::{Chain, Network};
use crate::diffusion::prediction::read;

/// A place on the way: x = signal·x0 + noise·ε.
#[derive(Clone, Copy)]
struct Place {
    signal: f64,
    noise: f64,
}

impl Place {
    fn at(alpha_bar: f64) -> Self {
        Self { signal: alpha_bar.sqrt(), noise: (1.0 - alpha_bar).sqrt() }
    }

    /// λ = ln(signal/noise), half of log-SNR; ∞ at the image.
    fn lambda(self) -> f64 {
        (self.signal / self.noise).ln()
    }
}

/// Runs the chain; its last step, to no noise at all, and its first are of first order.
pub(super) fn sample(chain: &Chain<'_>, mut x: Tensor<4>, network: &mut Network<'_>) -> Tensor<4> {
    let alpha_bar = |t: usize| chain.some_signal(t);
    let steps = chain.timesteps();
    let mut earlier: Option<(Tensor<4>, f64)> = None;
    for (i, &t) in steps.iter().enumerate() {
        let here = Place::at(alpha_bar(t));
        let next = Place::at(steps.get(i + 1).map_or(1.0, |next| alpha_bar(*next)));
        let length = next.lambda() - here.lambda();
        let prediction = network(x.clone(), t as f64);
        let x0 = read(chain.prediction, prediction, x.clone(), alpha_bar(t)).x0;
        // Eq. 9: where the trend of x̂0 leads half a step on.
        let aim = match earlier.take() {
            Some((x0_before, length_before)) if length.is_finite() => {
                let lead = length / length_before / 2.0;
                x0.clone() * (1.0 + lead) - x0_before * lead
            }
            _ => x0.clone(),
        };
        x = x * (next.noise / here.noise) + aim * (-next.signal * (-length).exp_m1());
        earlier = Some((x0, length));
    }
    x
}

#[cfg(test)]
mod tests {
    use super::super::golden_tests::{first_sample, numbers, settings};
    use super::*;
    use crate::config::{PredictionType, Sampler, Sampling, TimestepSpacing, defaults};
    use crate::diffusion::Schedule;

    #[test]
    fn a_network_that_knows_the_image_is_followed_to_it_exactly() {
        let config = defaults();
        let schedule = Schedule::new(&config.diffusion).unwrap();
        for steps in [1, 2, 20] {
            let settings = Sampling { steps, ..settings(Sampler::DpmSolverPp, TimestepSpacing::Linspace) };
            let chain = Chain { schedule: &schedule, prediction: PredictionType::X0, settings: &settings };
            let image = first_sample() * 0.5;
            let drawn = sample(&chain, first_sample(), &mut |_, _| image.clone());
            assert_eq!(numbers(drawn), numbers(image));
        }
    }

    #[test]
    fn twice_the_steps_leave_less_than_half_of_the_error() {
        // For data x0 ~ N(0, s²) the best ε̂ is known, and so is the flow's end. The first and the last step are of
        // first order, so it is not quite a quarter.
        let config = defaults();
        let schedule = Schedule::new(&config.diffusion).unwrap();
        let spread: f64 = 0.5;
        let mut ideal = |x: Tensor<4>, t: f64| {
            let alpha_bar = schedule.alpha_bars[t as usize];
            x * ((1.0 - alpha_bar).sqrt() / (alpha_bar * spread * spread + 1.0 - alpha_bar))
        };
        let mut end = |steps: usize| {
            let settings = Sampling { steps, ..settings(Sampler::DpmSolverPp, TimestepSpacing::Linspace) };
            let chain =
                Chain { schedule: &schedule, prediction: PredictionType::Epsilon, settings: &settings };
            f64::from(numbers(sample(&chain, first_sample(), &mut ideal))[767]) * 768.0 / 767.0
        };
        let start = schedule.alpha_bars[999];
        let wanted = spread / (start * spread * spread + 1.0 - start).sqrt();
        let errors = [20, 40, 80].map(|steps| (end(steps) - wanted).abs());
        println!("{errors:?}");
        assert!(errors[2] < errors[1] / 2.0 && errors[1] < errors[0] / 2.0, "{errors:?}");
        assert!(errors[2] < 0.01 * wanted, "{errors:?}");
    }
}
