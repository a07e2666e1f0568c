//! Heun's method on the sigma scale (Karras et al. 2022, Alg. 1 without churn): each step of Euler's is corrected by
//! the slope at its end, so that it is of second order. N steps are 2N − 1 network evaluations, since the last step
//! ends where there is no noise to ask about. No noise is added.

use burn::tensor::Tensor;

use super::sigma::{along, ask, levels, start};
use super::{Chain, Network};

/// Runs the chain, to σ = 0.
pub(super) fn sample(chain: &Chain<'_>, x: Tensor<4>, network: &mut Network<'_>) -> Tensor<4> {
    let levels = levels(chain);
    let mut y = start(chain, x, levels[0]);
    for (i, &here) in levels.iter().enumerate() {
        let first = ask(chain, &y, here, network);
        let slope = first.eps.clone();
        y = match levels.get(i + 1) {
            None => along(first, 0.0),
            Some(&next) => {
                let ahead = along(first, next.sigma);
                let turn = ask(chain, &ahead, next, network).eps - slope;
                ahead + turn * ((next.sigma - here.sigma) / 2.0)
            }
        };
    }
    y
}

#[cfg(test)]
mod tests {
    use super::super::golden_tests::{first_sample, numbers, settings};
    use super::*;
    use crate::config::{PredictionType, Sampler, Sampling, TimestepSpacing, defaults};
    use crate::diffusion::Schedule;

    /// Error at the flow's end for data x0 ~ N(0, 0.25), whose best ε̂ is known, and how often the network was asked.
    fn error(sampler: Sampler, steps: usize) -> (f64, usize) {
        let schedule = Schedule::new(&defaults().diffusion).unwrap();
        let spread: f64 = 0.5;
        let mut asked = 0;
        let mut ideal = |x: Tensor<4>, t: f64| {
            asked += 1;
            let alpha_bar = schedule.alpha_bars[t as usize];
            x * ((1.0 - alpha_bar).sqrt() / (alpha_bar * spread * spread + 1.0 - alpha_bar))
        };
        let settings = Sampling { steps, clip_sample: false, ..settings(sampler, TimestepSpacing::Leading) };
        let chain = Chain { schedule: &schedule, prediction: PredictionType::Epsilon, settings: &settings };
        let first = levels(&chain)[0].sigma;
        let drawn = chain.sample(first_sample(), &mut ideal, &mut |_| unreachable!("no noise is added"));
        let end = f64::from(numbers(drawn)[767]) * 768.0 / 767.0;
        let wanted = first.hypot(1.0) * spread / first.hypot(spread);
        assert_eq!(asked, settings.evaluations());
        ((end - wanted).abs() / wanted, asked)
    }

    #[test]
    fn twice_the_steps_leave_half_of_eulers_error_and_a_quarter_of_heuns() {
        let of = |sampler| [25, 50, 100].map(|steps| error(sampler, steps).0);
        let (euler, heun) = (of(Sampler::Euler), of(Sampler::Heun));
        println!("euler {euler:?}, heun {heun:?}");
        assert!(euler.windows(2).all(|pair| pair[1] < 0.62 * pair[0]), "{euler:?}");
        assert!(heun.windows(2).all(|pair| pair[1] < 0.4 * pair[0]), "{heun:?}");
        assert!(heun[2] < euler[2] / 4.0, "{heun:?} {euler:?}");
    }

    #[test]
    fn the_network_is_asked_twice_a_step_but_for_the_last() {
        assert_eq!(error(Sampler::Heun, 25).1, 49);
        assert_eq!(error(Sampler::Heun, 1).1, 1);
        assert_eq!(error(Sampler::Euler, 25).1, 25);
    }
}
