//! Every sampler against diffusers' own, on a network that a formula stands in for.
//!
//! `scripts/peers/diffusers/samplers.py` wrote `tests/data/diffusers/samplers.csv`; `ABLATE_PEER_SAMPLERS` names a
//! file with more chains.

use std::fmt::Debug;
use std::str::FromStr;

use burn::tensor::{Device, TensorData};
use serde::de::DeserializeOwned;

use super::*;
use crate::config::{Diffusion, TimestepSpacing, defaults};

const SAMPLERS: [Sampler; 5] =
    [Sampler::Ddim, Sampler::Ddpm, Sampler::DpmSolverPp, Sampler::Euler, Sampler::Heun];

fn device() -> Device {
    crate::ops::open(crate::ops::DeviceName::Cpu).unwrap().1
}

/// 0, 1/768, …: diffusers fills [3, 16, 16, 1] in that order and moves the last axis to the front.
pub(super) fn first_sample() -> Tensor<4> {
    let values: Vec<f32> = (0..768).map(|i| i as f32 / 768.0).collect();
    Tensor::<4>::from_data(TensorData::new(values, [3, 16, 16, 1]), &device()).permute([3, 0, 1, 2])
}

/// s·t/(t + 1).
pub(super) fn stand_in(x: Tensor<4>, t: f64) -> Tensor<4> {
    x * (t / (t + 1.0))
}

/// √2·sin(0.37·i + k) for element i at step k: as wide as standard normal noise, and the same in Python.
fn fresh_noise(k: usize) -> Tensor<4> {
    let value = |i: usize| (2.0_f64.sqrt() * (0.37 * i as f64 + k as f64).sin()) as f32;
    Tensor::from_data(TensorData::new((0..768).map(value).collect::<Vec<f32>>(), [1, 3, 16, 16]), &device())
}

pub(super) fn numbers(x: Tensor<4>) -> Vec<f32> {
    x.into_data().try_into_vec().unwrap()
}

pub(super) fn sum_abs(x: Tensor<4>) -> f64 {
    numbers(x).iter().map(|value| f64::from(value.abs())).sum()
}

/// `[sampling]` with an algorithm and a spacing.
pub(super) fn settings(sampler: Sampler, timestep_spacing: TimestepSpacing) -> Sampling {
    Sampling { sampler, timestep_spacing, ..defaults().sampling }
}

/// One line of the file.
struct Line<'a> {
    fields: std::str::Split<'a, char>,
}

impl Line<'_> {
    fn next<T: FromStr<Err: Debug>>(&mut self) -> T {
        self.fields.next().unwrap().parse().unwrap()
    }

    /// A value of one of the configuration's enums, by its name there.
    fn word<T: DeserializeOwned>(&mut self) -> T {
        serde_json::from_value(self.fields.next().unwrap().into()).unwrap()
    }
}

/// What we make of a line's settings, and what diffusers made of them: Σ|x|, then elements 1, 400 and 767.
struct Ends {
    ours: [f64; 4],
    theirs: [f64; 4],
    /// What 32 bits leave open in an element of a chain on the sigma scale, whose first numbers are as large as σ: under
    /// a cosine, in the ten thousands.
    rounding: f64,
}

fn ends(line: &str) -> Ends {
    let mut line = Line { fields: line.split(',') };
    let config = defaults();
    let sampler = line.word();
    let diffusion = Diffusion {
        noise_schedule: line.word(),
        timesteps: line.next(),
        rescale_betas: false,
        zero_terminal_snr: line.next(),
        prediction_type: line.word(),
        ..config.diffusion
    };
    let settings = Sampling {
        sampler,
        steps: line.next(),
        timestep_spacing: line.word(),
        steps_offset: line.next(),
        clip_sample: line.next(),
        eta: line.next(),
        variance: line.word(),
        clip_sample_range: line.next(),
        set_alpha_to_one: line.next(),
        ..config.sampling
    };
    let schedule = Schedule::new(&diffusion).unwrap();
    let chain = Chain { schedule: &schedule, prediction: diffusion.prediction_type, settings: &settings };
    let x = numbers(chain.sample(first_sample(), &mut stand_in, &mut fresh_noise));
    let sum = x.iter().map(|value| f64::from(value.abs())).sum();
    let rounding = match sampler {
        Sampler::Euler | Sampler::Heun => sigma::levels(&chain)[0].sigma / f64::from(1 << 22),
        Sampler::Ddim | Sampler::Ddpm | Sampler::DpmSolverPp => 0.0,
    };
    let ours = [sum, x[1].into(), x[400].into(), x[767].into()];
    Ends { ours, theirs: std::array::from_fn(|_| line.next()), rounding }
}

/// Compares every chain of a file; diffusers works out its coefficients in 32 bits. Returns how many there were.
fn compare(text: &str) -> usize {
    let mut worst = (0.0, String::new());
    for line in text.lines().skip(1) {
        let Ends { ours, theirs, rounding } = ends(line);
        assert!(ours.iter().all(|value| value.is_finite()), "{line}\n  {ours:?}");
        // With η = 1 diffusers takes the root of 1−ᾱ−σ², which its 32 bits may round below zero.
        if theirs[0].is_nan() {
            continue;
        }
        let scale = (theirs[0] / 768.0).max(0.01);
        for (place, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
            let many = if place == 0 { 768.0 } else { 1.0 };
            let error = ((ours - theirs).abs() / many - rounding).max(0.0) / scale;
            assert!(error < 1e-3, "{line}\n  value {place} is {ours}, not {theirs}");
            if error > worst.0 {
                worst = (error, line.to_owned());
            }
        }
    }
    println!("largest difference {:.1e} of the mean: {}", worst.0, worst.1);
    text.lines().count() - 1
}

#[test]
fn every_sampler_ends_where_diffusers_does() {
    let count = compare(include_str!("../../../tests/data/diffusers/samplers.csv"));
    assert!(count >= 46);
    if let Some(path) = std::env::var_os("ABLATE_PEER_SAMPLERS") {
        println!("{} further chains", compare(&std::fs::read_to_string(path).unwrap()));
    }
}

#[test]
fn every_image_of_a_batch_is_drawn_as_if_alone() {
    let schedule = Schedule::new(&defaults().diffusion).unwrap();
    for sampler in SAMPLERS {
        let settings = Sampling { steps: 8, eta: 1.0, ..settings(sampler, TimestepSpacing::Trailing) };
        let chain = Chain { schedule: &schedule, prediction: PredictionType::V, settings: &settings };
        let images = [first_sample(), first_sample() * -0.3];
        let alone = images.clone().map(|x| numbers(chain.sample(x, &mut stand_in, &mut fresh_noise)));
        let mut noise = |k: usize| Tensor::cat(vec![fresh_noise(k), fresh_noise(k)], 0);
        let both = chain.sample(Tensor::cat(images.to_vec(), 0), &mut stand_in, &mut noise);
        assert_eq!(numbers(both), alone.concat(), "{sampler:?}");
    }
}

#[test]
fn a_chain_that_starts_without_signal_stays_finite() {
    let diffusion =
        Diffusion { zero_terminal_snr: true, prediction_type: PredictionType::V, ..defaults().diffusion };
    let schedule = Schedule::new(&diffusion).unwrap();
    for sampler in SAMPLERS {
        for prediction in [PredictionType::V, PredictionType::X0] {
            let settings = settings(sampler, TimestepSpacing::Trailing);
            let chain = Chain { schedule: &schedule, prediction, settings: &settings };
            let drawn = numbers(chain.sample(first_sample(), &mut stand_in, &mut fresh_noise));
            assert!(drawn.iter().all(|value| value.is_finite()), "{sampler:?} {prediction:?}");
            assert!(drawn.iter().any(|value| *value != 0.0), "{sampler:?} {prediction:?}");
        }
    }
}
