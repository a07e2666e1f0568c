//! The held-out denoising curve: where it is measured, and the two numbers it is reduced to.
//!
//! The error of ε at a log-SNR λ means the same whatever schedule, chain length or target a network was
//! trained with, so integrals over a fixed window of λ rank variants that raw losses cannot.

use super::Schedule;

/// The window of log-SNR that scores cover.
pub const WINDOW: (f64, f64) = (-6.0, 6.0);
/// Targets are `TARGETS + 1` evenly spaced values over the window.
pub const TARGETS: usize = 32;

/// A place on the curve: an integer timestep near a target log-SNR.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// Number of the target, 0…32; −1 and 33 for the steps just outside the window.
    pub k: i64,
    /// Timestep.
    pub t: usize,
    /// Exact λ_t.
    pub log_snr: f64,
}

/// λ_k = −6 + 12k/32.
fn target(k: usize) -> f64 {
    WINDOW.0 + (WINDOW.1 - WINDOW.0) * k as f64 / TARGETS as f64
}

/// λ_t of the steps that hold both signal and noise, falling; with zero terminal SNR all but the last, whose
/// λ = −∞ no line can be drawn to.
fn log_snrs(schedule: &Schedule) -> Vec<f64> {
    (0..schedule.len()).map(|t| schedule.log_snr(t)).take_while(|log_snr| log_snr.is_finite()).collect()
}

/// Least and greatest λ that a curve of this schedule can be measured at.
pub fn reach(schedule: &Schedule) -> Option<(f64, f64)> {
    let log_snr = log_snrs(schedule);
    Some((*log_snr.last()?, *log_snr.first()?))
}

/// Nodes in rising λ: for each target the nearest timestep, plus the next step outside each end; a timestep
/// appears once. The last step of a chain with zero terminal SNR is none.
pub fn nodes(schedule: &Schedule) -> Vec<Node> {
    let log_snr = log_snrs(schedule);
    let nearest = |wanted: f64| {
        (0..log_snr.len())
            .min_by(|a, b| (log_snr[*a] - wanted).abs().total_cmp(&(log_snr[*b] - wanted).abs()))
    };
    // A step without any signal is at −∞, where nothing can be interpolated.
    let below = (0..log_snr.len()).find(|t| log_snr[*t] <= WINDOW.0).filter(|t| log_snr[*t].is_finite());
    let below = below.map(|t| (-1, t));
    let above = (0..log_snr.len()).rfind(|t| log_snr[*t] >= WINDOW.1).map(|t| (TARGETS as i64 + 1, t));
    let inside = (0..=TARGETS).filter_map(|k| Some((k as i64, nearest(target(k))?)));
    let mut nodes: Vec<Node> = Vec::new();
    for (k, t) in inside.chain(below).chain(above) {
        if nodes.iter().all(|node| node.t != t) {
            nodes.push(Node { k, t, log_snr: log_snr[t] });
        }
    }
    nodes.sort_by(|a, b| a.log_snr.total_cmp(&b.log_snr));
    nodes
}

/// Two reductions of the curve; `None` where the schedule does not reach both ends of the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// EDM's loss (Karras et al. 2022) with σ_data = 0.5: Σ p(σ)(1+4σ²)·m / Σ p over the targets,
    /// σ = e^(−λ/2), ln σ ~ N(−1.2, 1.2²).
    pub denoise_score: Option<f64>,
    /// (1/(2 ln 2))·∫ m dλ over the window: bits per dimension of the continuous-time bound.
    pub denoise_bits: Option<f64>,
}

/// Reduces a measured curve, points `(λ, m)` in rising λ, m linear in between.
pub fn scores(points: &[(f64, f64)]) -> Scores {
    let covers =
        points.first().is_some_and(|p| p.0 <= WINDOW.0) && points.last().is_some_and(|p| p.0 >= WINDOW.1);
    if !covers {
        return Scores { denoise_score: None, denoise_bits: None };
    }
    let bits = integral(points, WINDOW) / (2.0 * std::f64::consts::LN_2);
    Scores { denoise_score: Some(edm_score(points, WINDOW)), denoise_bits: Some(bits) }
}

/// What one unit of m at each node adds to the scores, which are linear in m; for a curve measured at these λ.
pub fn weights(lambdas: &[f64]) -> Vec<Scores> {
    let unit = |at: usize| {
        let points: Vec<(f64, f64)> =
            lambdas.iter().enumerate().map(|(i, lambda)| (*lambda, f64::from(u8::from(i == at)))).collect();
        scores(&points)
    };
    (0..lambdas.len()).map(unit).collect()
}

/// As [`scores`], over the part of the window from `within.0` to `within.1`: the sum over the targets in it, and
/// the integral over it.
pub(crate) fn scores_within(points: &[(f64, f64)], within: (f64, f64)) -> Scores {
    let covers =
        points.first().is_some_and(|p| p.0 <= within.0) && points.last().is_some_and(|p| p.0 >= within.1);
    if !covers || points.len() < 2 || mass_within(within) == 0.0 {
        return Scores { denoise_score: None, denoise_bits: None };
    }
    let bits = integral(points, within) / (2.0 * std::f64::consts::LN_2);
    Scores { denoise_score: Some(edm_score(points, within)), denoise_bits: Some(bits) }
}

/// Share of the weight p(σ) that the targets from `within.0` to `within.1` hold.
pub(crate) fn mass_within(within: (f64, f64)) -> f64 {
    let sum = |inside: &dyn Fn(f64) -> bool| -> f64 {
        (0..=TARGETS).map(target).filter(|lambda| inside(*lambda)).map(mass).sum()
    };
    sum(&|lambda| (within.0..=within.1).contains(&lambda)) / sum(&|_| true)
}

/// p(σ) up to a factor: ln σ ~ N(−1.2, 1.2²), σ = e^(−λ/2).
fn mass(lambda: f64) -> f64 {
    let sigma = (-lambda / 2.0).exp();
    let z = (sigma.ln() + 1.2) / 1.2;
    (-z * z / 2.0).exp()
}

fn edm_score(points: &[(f64, f64)], within: (f64, f64)) -> f64 {
    let (mut weighted, mut total) = (0.0, 0.0);
    for lambda in (0..=TARGETS).map(target).filter(|lambda| (within.0..=within.1).contains(lambda)) {
        let sigma = (-lambda / 2.0).exp();
        let p = mass(lambda);
        weighted += p * (1.0 + 4.0 * sigma * sigma) * interpolate(points, lambda);
        total += p;
    }
    weighted / total
}

/// ∫ over a window, exact for a piecewise linear curve.
fn integral(points: &[(f64, f64)], within: (f64, f64)) -> f64 {
    let mut clipped = vec![(within.0, interpolate(points, within.0))];
    clipped.extend(points.iter().filter(|p| p.0 > within.0 && p.0 < within.1));
    clipped.push((within.1, interpolate(points, within.1)));
    clipped.windows(2).map(|w| (w[1].0 - w[0].0) * (w[0].1 + w[1].1) / 2.0).sum()
}

fn interpolate(points: &[(f64, f64)], at: f64) -> f64 {
    let right = points.partition_point(|p| p.0 < at).clamp(1, points.len() - 1);
    let ((x0, y0), (x1, y1)) = (points[right - 1], points[right]);
    y0 + (y1 - y0) * (at - x0) / (x1 - x0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Diffusion, NoiseSchedule, defaults};

    fn schedule(noise_schedule: NoiseSchedule, timesteps: usize) -> Schedule {
        Schedule::new(&Diffusion {
            timesteps,
            noise_schedule,
            rescale_betas: timesteps != 1000,
            ..defaults().diffusion
        })
        .unwrap()
    }

    #[test]
    fn nodes_cover_the_window_with_a_step_on_either_side() {
        for shape in [NoiseSchedule::Linear, NoiseSchedule::Cosine] {
            let nodes = nodes(&schedule(shape, 1000));
            assert!(nodes[0].log_snr <= -6.0 && nodes[nodes.len() - 1].log_snr >= 6.0);
            assert!(nodes.windows(2).all(|w| w[0].log_snr < w[1].log_snr && w[0].t > w[1].t));
            assert!(nodes.len() >= 33);
        }
    }

    fn ending_in_noise(noise_schedule: NoiseSchedule, timesteps: usize) -> Schedule {
        let diffusion = Diffusion {
            timesteps,
            noise_schedule,
            rescale_betas: false,
            zero_terminal_snr: true,
            ..defaults().diffusion
        };
        Schedule::new(&diffusion).unwrap()
    }

    #[test]
    fn a_step_without_signal_is_no_node() {
        for (shape, timesteps) in [(NoiseSchedule::Linear, 1000), (NoiseSchedule::Cosine, 50)] {
            let schedule = ending_in_noise(shape, timesteps);
            assert_eq!(schedule.log_snr(timesteps - 1), f64::NEG_INFINITY);
            let nodes = nodes(&schedule);
            assert!(nodes.iter().all(|node| node.log_snr.is_finite() && node.t < timesteps - 1));
            let points: Vec<(f64, f64)> = nodes.iter().map(|node| (node.log_snr, 0.5)).collect();
            let bits = 0.5 * 12.0 / (2.0 * std::f64::consts::LN_2);
            assert!((scores(&points).denoise_bits.unwrap() - bits).abs() < 1e-12);
        }
    }

    #[test]
    fn a_short_chain_that_reaches_the_window_in_its_last_step_alone_has_no_score() {
        let schedule = ending_in_noise(NoiseSchedule::Linear, 20);
        let (low, high) = reach(&schedule).unwrap();
        assert!(low > WINDOW.0 && high > WINDOW.1, "{low} {high}");
        let points: Vec<(f64, f64)> = nodes(&schedule).iter().map(|node| (node.log_snr, 0.5)).collect();
        assert_eq!(scores(&points), Scores { denoise_score: None, denoise_bits: None });
    }

    #[test]
    fn a_short_chain_has_each_timestep_once() {
        let nodes = nodes(&schedule(NoiseSchedule::Cosine, 20));
        let mut steps: Vec<usize> = nodes.iter().map(|node| node.t).collect();
        steps.dedup();
        assert_eq!(steps.len(), nodes.len());
        assert!(nodes.len() <= 20);
    }

    #[test]
    fn scores_are_sums_of_the_nodes_with_their_weights() {
        let points: Vec<(f64, f64)> =
            (0..=20).map(|i| (-6.5 + 0.65 * f64::from(i), 0.1 + f64::from(i % 7))).collect();
        let lambdas: Vec<f64> = points.iter().map(|point| point.0).collect();
        let weights = weights(&lambdas);
        let sum = |of: fn(&Scores) -> Option<f64>| -> f64 {
            points.iter().zip(&weights).map(|(point, weight)| point.1 * of(weight).unwrap()).sum()
        };
        let scores = scores(&points);
        assert!((sum(|weight| weight.denoise_score) - scores.denoise_score.unwrap()).abs() < 1e-12);
        assert!((sum(|weight| weight.denoise_bits) - scores.denoise_bits.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn a_constant_curve_integrates_to_its_closed_form() {
        let points: Vec<(f64, f64)> = (0..=50).map(|i| (-7.0 + 14.0 * i as f64 / 50.0, 0.3)).collect();
        let scores = scores(&points);
        let bits = 0.3 * 12.0 / (2.0 * std::f64::consts::LN_2);
        assert!((scores.denoise_bits.unwrap() - bits).abs() < 1e-12);
        assert!(scores.denoise_score.unwrap() > 0.3, "the weight 1+4σ² exceeds 1");
    }

    #[test]
    fn the_score_of_the_ideal_scale_is_one() {
        // m = 1/(1+4σ²) makes every weighted term equal to p.
        let points: Vec<(f64, f64)> = (0..=2400)
            .map(|i| {
                let lambda = -6.0 + 12.0 * i as f64 / 2400.0;
                (lambda, 1.0 / (1.0 + 4.0 * (-lambda).exp()))
            })
            .collect();
        assert!((scores(&points).denoise_score.unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn part_of_the_window_is_integrated_by_the_same_rule() {
        let points: Vec<(f64, f64)> = (0..=14).map(|i| (f64::from(i) - 7.0, 0.3)).collect();
        assert_eq!(scores_within(&points, WINDOW), scores(&points));
        let within = scores_within(&points, (-3.0, 4.5));
        assert!((within.denoise_bits.unwrap() - 0.3 * 7.5 / (2.0 * std::f64::consts::LN_2)).abs() < 1e-12);
        assert_eq!(scores_within(&points, (-7.5, 6.0)).denoise_score, None);
        assert!((mass_within(WINDOW) - 1.0).abs() < 1e-15);
        // ln σ from −3 to 3 with mean −1.2: about 93 % of the weight lies at or below ln σ = 0.6.
        let mass = mass_within((-1.2, 6.0));
        assert!((0.9..0.96).contains(&mass), "{mass}");
    }

    #[test]
    fn a_curve_short_of_the_window_has_no_score() {
        let points = [(-5.0, 0.1), (0.0, 0.1), (7.0, 0.1)];
        assert_eq!(scores(&points), Scores { denoise_score: None, denoise_bits: None });
    }
}
