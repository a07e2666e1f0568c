//! Tests of the objective: weights against their definitions, losses on tensors against those on numbers.

use burn::tensor::Device;

use super::*;
use crate::config::defaults;
use crate::diffusion::prediction::{read, target};

const KINDS: [PredictionType; 3] = [PredictionType::Epsilon, PredictionType::V, PredictionType::X0];
const SNRS: [f64; 9] = [1e-12, 1e-4, 0.3, 1.0, 4.999, 5.0, 5.001, 80.0, 1e12];

fn device() -> Device {
    crate::ops::open(crate::ops::DeviceName::Cpu).unwrap().1
}

fn weighted(prediction_type: PredictionType) -> Diffusion {
    Diffusion { prediction_type, loss_weighting: LossWeighting::MinSnr, ..defaults().diffusion }
}

fn tensor(values: &[f32]) -> Tensor<4> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len() / 4, 1, 2, 2]), &device())
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

#[test]
fn min_snr_weights_are_their_definitions() {
    for snr in SNRS {
        let capped = snr.min(5.0);
        let wanted = [capped / snr, capped / (snr + 1.0), capped];
        for (kind, wanted) in KINDS.into_iter().zip(wanted) {
            assert_eq!(weight(&weighted(kind), snr), wanted, "{kind:?} at {snr}");
        }
    }
}

#[test]
fn min_snr_weights_at_both_ends_are_finite() {
    assert_eq!(KINDS.map(|kind| weight(&weighted(kind), 0.0)), [1.0, 0.0, 0.0]);
    for snr in [1e300, f64::MAX] {
        let [eps, v, x0] = KINDS.map(|kind| weight(&weighted(kind), snr));
        assert!(eps < 1e-290 && eps > 0.0 && v == eps && x0 == 5.0, "{eps} {v} {x0}");
    }
}

#[test]
fn uniform_weights_are_one_at_any_snr() {
    for kind in KINDS {
        let diffusion = Diffusion { prediction_type: kind, ..defaults().diffusion };
        assert!(SNRS.iter().chain(&[0.0]).all(|snr| weight(&diffusion, *snr) == 1.0));
    }
}

#[test]
fn a_weighted_loss_is_the_same_whatever_the_network_predicts() {
    // One error of x0, stated as an error of ε (times √SNR) and of v (times √(SNR+1)): with min-SNR each costs
    // min(SNR, γ)·d².
    let (x0, eps, error) = (0.4, -1.3, 0.05);
    for snr in [1e-3, 0.3, 1.0, 5.0, 80.0] {
        let alpha_bar: f64 = snr / (snr + 1.0);
        let xt = alpha_bar.sqrt() * x0 + (1.0 - alpha_bar).sqrt() * eps;
        let slips = [error * f64::sqrt(snr), error * f64::sqrt(snr + 1.0), error];
        for (kind, slip) in KINDS.into_iter().zip(slips) {
            let right = target(kind, x0, eps, alpha_bar);
            // More noise means less image: ε and v fall where x0 rises.
            let sign = if kind == PredictionType::X0 { 1.0 } else { -1.0 };
            let reading = read(kind, right + sign * slip, xt, alpha_bar);
            assert!((reading.x0 - x0 - error).abs() < 1e-9, "{kind:?} at {snr}: {reading:?}");
            let diffusion = weighted(kind);
            let cost = weight(&diffusion, snr) * element_loss(&diffusion, slip);
            assert!((cost / (snr.min(5.0) * error * error) - 1.0).abs() < 1e-12, "{kind:?} at {snr}");
        }
    }
}

#[test]
fn losses_of_tensors_are_those_of_numbers() {
    let prediction = [0.0, 0.5, -1.0, 3.0, 0.05, -0.05, 0.1, -0.1];
    let wanted = [0.2, 0.5, 1.0, -4.0, 0.0, 0.0, 0.0, 0.0];
    for (loss_type, huber_delta) in
        [(LossType::Mse, 0.1), (LossType::L1, 0.1), (LossType::Huber, 0.1), (LossType::Huber, 1.0)]
    {
        let diffusion = Diffusion { loss_type, huber_delta, ..defaults().diffusion };
        let found = numbers(loss_per_image(&diffusion, tensor(&prediction), tensor(&wanted)));
        for (image, found) in found.iter().enumerate() {
            let range = image * 4..image * 4 + 4;
            let errors = prediction[range.clone()].iter().zip(&wanted[range]).map(|(p, w)| f64::from(p - w));
            let mean = errors.map(|error| element_loss(&diffusion, error)).sum::<f64>() / 4.0;
            assert!((f64::from(*found) - mean).abs() < 1e-6 * mean.max(1.0), "{loss_type:?}: {found} {mean}");
        }
    }
}

#[test]
fn huber_is_a_square_that_turns_into_a_line_without_a_step_or_a_kink() {
    for delta in [0.1, 1.0] {
        let diffusion = Diffusion { loss_type: LossType::Huber, huber_delta: delta, ..defaults().diffusion };
        let at = |error: f64| element_loss(&diffusion, error);
        assert!((at(delta / 2.0) - delta * delta / 8.0).abs() < 1e-15);
        assert!((at(3.0 * delta) - delta * (3.0 * delta - delta / 2.0)).abs() < 1e-15);
        assert_eq!(at(-0.7), at(0.7));
        let h = 1e-7;
        assert!((at(delta + h) - at(delta - h)).abs() < 3.0 * h * delta);
        let slopes = [(at(delta) - at(delta - h)) / h, (at(delta + h) - at(delta)) / h];
        assert!(slopes.iter().all(|slope| (slope - delta).abs() < 1e-6), "{slopes:?}");
    }
}

#[test]
fn tensors_are_noised_and_aimed_at_as_numbers_are() {
    let schedule = Schedule::new(&defaults().diffusion).unwrap();
    let steps = [0, 400, 999];
    let x0: Vec<f32> = (0..12).map(|i| (i as f32 / 6.0) - 1.0).collect();
    let eps: Vec<f32> = (0..12).map(|i| ((i * 7 % 12) as f32 - 6.0) / 3.0).collect();
    let coefficients = Coefficients::new(&schedule, &steps, |values| Tensor::from_data(values, &device()));
    let noised = numbers(coefficients.noised(tensor(&x0), tensor(&eps)));
    let aims = KINDS.map(|kind| numbers(coefficients.target(kind, tensor(&x0), tensor(&eps))));
    for i in 0..12 {
        let alpha_bar = schedule.alpha_bars[steps[i / 4] as usize];
        let (x0, eps) = (f64::from(x0[i]), f64::from(eps[i]));
        let wanted = alpha_bar.sqrt() * x0 + (1.0 - alpha_bar).sqrt() * eps;
        assert!((f64::from(noised[i]) - wanted).abs() < 1e-6);
        for (kind, aim) in KINDS.into_iter().zip(&aims) {
            assert!((f64::from(aim[i]) - target(kind, x0, eps, alpha_bar)).abs() < 1e-6, "{kind:?}");
        }
    }
}
