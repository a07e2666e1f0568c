//! What a network's output says about the clean image and the noise.
//!
//! In: an output, the noisy values it was given, and ᾱ. Out: x̂0 and ε̂. One definition for numbers in f64, where
//! errors are measured, and for tensors, where images are drawn.

use std::ops::{Add, Div, Mul, Sub};

use crate::config::PredictionType;

/// A number, or a tensor of them.
pub trait Values:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<f64, Output = Self> + Div<f64, Output = Self>
{
}

impl<X> Values for X where
    X: Clone + Add<Output = X> + Sub<Output = X> + Mul<f64, Output = X> + Div<f64, Output = X>
{
}

/// The two readings of a prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading<X> {
    /// Predicted clean values.
    pub x0: X,
    /// Predicted noise.
    pub eps: X,
}

/// Reads a prediction at x_t = √ᾱ·x0 + √(1−ᾱ)·ε, unclipped.
///
/// v and x0 have both readings wherever there is noise (ᾱ < 1), at ᾱ = 0 too; ε says nothing about x0 there.
pub fn read<X: Values>(kind: PredictionType, prediction: X, xt: X, alpha_bar: f64) -> Reading<X> {
    let (signal, noise) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
    match kind {
        PredictionType::Epsilon => {
            Reading { x0: (xt - prediction.clone() * noise) / signal, eps: prediction }
        }
        PredictionType::V => Reading {
            x0: xt.clone() * signal - prediction.clone() * noise,
            eps: prediction * signal + xt * noise,
        },
        PredictionType::X0 => Reading { eps: (xt - prediction.clone() * signal) / noise, x0: prediction },
    }
}

/// What a network should predict: ε, v = √ᾱ·ε − √(1−ᾱ)·x0 (Salimans & Ho 2022), or x0.
pub fn target<X: Values>(kind: PredictionType, x0: X, eps: X, alpha_bar: f64) -> X {
    match kind {
        PredictionType::Epsilon => eps,
        PredictionType::V => eps * alpha_bar.sqrt() - x0 * (1.0 - alpha_bar).sqrt(),
        PredictionType::X0 => x0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [PredictionType; 3] = [PredictionType::Epsilon, PredictionType::V, PredictionType::X0];

    fn noised(x0: f64, eps: f64, alpha_bar: f64) -> f64 {
        alpha_bar.sqrt() * x0 + (1.0 - alpha_bar).sqrt() * eps
    }

    #[test]
    fn a_perfect_prediction_reads_back_as_image_and_noise() {
        let (x0, eps) = (0.4, -1.3);
        for alpha_bar in [1e-6, 0.1, 0.37, 0.9, 0.9999] {
            for kind in KINDS {
                let prediction = target(kind, x0, eps, alpha_bar);
                let reading = read(kind, prediction, noised(x0, eps, alpha_bar), alpha_bar);
                assert!((reading.x0 - x0).abs() < 1e-9 && (reading.eps - eps).abs() < 1e-9, "{kind:?}");
            }
        }
    }

    #[test]
    fn the_targets_are_their_definitions() {
        let (x0, eps, alpha_bar) = (0.4, -1.3, 0.36);
        assert_eq!(target(PredictionType::Epsilon, x0, eps, alpha_bar), eps);
        assert_eq!(target(PredictionType::X0, x0, eps, alpha_bar), x0);
        assert!((target(PredictionType::V, x0, eps, alpha_bar) - (0.6 * eps - 0.8 * x0)).abs() < 1e-15);
    }

    #[test]
    fn without_signal_v_is_the_image_turned_round_and_the_input_is_the_noise() {
        let (x0, eps) = (0.4, -1.3);
        assert_eq!(target(PredictionType::V, x0, eps, 0.0), -x0);
        assert_eq!(read(PredictionType::V, -x0, eps, 0.0), Reading { x0, eps });
        assert_eq!(read(PredictionType::X0, x0, eps, 0.0), Reading { x0, eps });
    }

    #[test]
    fn an_error_of_one_target_is_a_known_multiple_of_another() {
        // d(x0) = d(ε)/√SNR = d(v)·√(1−ᾱ): what makes min-SNR weights restate each other.
        let (x0, eps, alpha_bar, slip) = (0.4, -1.3, 0.36, 1e-3);
        let snr: f64 = alpha_bar / (1.0 - alpha_bar);
        let off = |kind| {
            let prediction = target(kind, x0, eps, alpha_bar) + slip;
            let reading = read(kind, prediction, noised(x0, eps, alpha_bar), alpha_bar);
            ((reading.x0 - x0).abs() / slip, (reading.eps - eps).abs() / slip)
        };
        let close = |found: (f64, f64), wanted: (f64, f64)| {
            assert!(
                (found.0 - wanted.0).abs() < 1e-9 && (found.1 - wanted.1).abs() < 1e-9,
                "{found:?} {wanted:?}"
            );
        };
        close(off(PredictionType::Epsilon), (snr.sqrt().recip(), 1.0));
        close(off(PredictionType::X0), (1.0, snr.sqrt()));
        close(off(PredictionType::V), ((snr + 1.0).sqrt().recip(), (snr / (snr + 1.0)).sqrt()));
    }
}
