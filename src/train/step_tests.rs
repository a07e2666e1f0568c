//! A step on the device under test against one on the host, and loss scaling around a step: what it must not change,
//! what a skipped update leaves, when it ends a run.
//!
//! Scaled networks compute in 32 bits, which every machine does: scaling does not ask why a gradient overflows.

use super::*;
use crate::config::Precision;
use crate::model::number_format;
use crate::ops::testing::{device, host, reduced_formats, within};
use crate::train::loss_scale::LossScale;
use crate::train::small;

/// Grey pictures, four at a time, at the full learning rate at once.
fn small() -> Config {
    let mut config = small::small();
    config.data.in_channels = 1;
    config.training.batch_size = 4;
    config.training.warmup_steps = 0;
    config
}

fn batch(pixel: f32) -> Batch {
    let mut noise = vec![0.0; 4 * 64];
    Draw::new(5, "test", 0).normal_fill(&mut noise);
    let images = (0..4 * 64).map(|i| pixel * (i as f32 * 0.1).sin()).collect();
    Batch { step: 0, images, noise, timesteps: vec![3, 250, 600, 999], ids: vec![0, 1, 2, 3] }
}

/// A fresh state, and what one step with this scale makes of it.
fn stepped(device: &Device, scale: Option<LossScale>, pixel: f32) -> (State, Result<Step, Error>) {
    let config = small();
    let schedule = Schedule::new(&config.diffusion).unwrap();
    let mut state = State::start(&config, device).unwrap();
    state.loss_scale = scale;
    let made = step(&mut state, &batch(pixel), &config, &schedule, 100, device, &mut Clock::stopped());
    (state, made)
}

fn values(flat: Flat) -> Vec<f32> {
    flat.into_iter().flat_map(to_host).collect()
}

/// How far apart two lists of numbers are, as a share of the norm of the first.
fn apart(these: &[f32], those: &[f32]) -> f64 {
    let norm =
        |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    norm(&mut these.iter().zip(those).map(|(a, b)| a - b)) / norm(&mut these.iter().copied())
}

/// Losses and gradient of one batch by a network that has some of everything.
fn losses_and_gradient(device: &Device, config: &Config, scale: f64) -> [Vec<f32>; 2] {
    let schedule = Schedule::new(&config.diffusion).unwrap();
    let state = State::start(config, device).unwrap();
    let micro = micro_batch(&batch(1.0), 0, 1, config, &schedule, device);
    let (losses, gradient) =
        backward(&state.network, micro, config, (1, Some(scale)), 7, &mut Clock::stopped());
    [to_host(losses), values(gradient)]
}

#[test]
fn the_device_under_test_computes_what_the_host_does_in_32_bits_and_nearly_that_in_16() {
    let mut config = small();
    config.model.channel_multipliers = vec![1, 2, 2];
    let exact = losses_and_gradient(&host(), &config, 1024.0);
    // Rounding goes through about thirty operations each way.
    let formats = reduced_formats().into_iter().map(|(format, of_one)| (format, 3.0 * of_one));
    let mut tolerances: Vec<_> = formats.collect();
    tolerances.push((number_format(Precision::F32), within(1e-5)));
    for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
        let format = number_format(precision);
        let Some((_, tolerance)) = tolerances.iter().find(|(known, _)| *known == format) else { continue };
        config.training.precision = precision;
        let found = losses_and_gradient(&device(), &config, 1024.0);
        for (what, (exact, found)) in ["losses", "gradient"].iter().zip(exact.iter().zip(&found)) {
            let apart = apart(exact, found);
            assert!(
                apart <= f64::from(*tolerance),
                "{precision:?}: the {what} are off by {apart} of their norm"
            );
        }
    }
}

/// In host memory, which gives the same bits every time.
#[test]
fn a_scale_that_fits_changes_no_bit() {
    let (plain, made) = stepped(&host(), None, 1.0);
    let (scaled, scaled_made) = stepped(&host(), Some(LossScale::at(65_536.0)), 1.0);
    let (made, scaled_made) = (made.unwrap(), scaled_made.unwrap());
    assert!(!made.skipped && !scaled_made.skipped);
    assert_eq!(scalar(&made.norm), scalar(&scaled_made.norm));
    assert_eq!(values(parameters::weights(&plain.network)), values(parameters::weights(&scaled.network)));
    assert_eq!((scaled.step, scaled.optimizer.updates), (1, 1));
}

#[test]
fn a_gradient_that_overflows_skips_the_update_and_nothing_else() {
    let (state, made) = stepped(&device(), Some(LossScale::at(2.0_f64.powi(130))), 1.0);
    let made = made.unwrap();
    assert!(made.skipped && !scalar(&made.norm).is_finite());
    assert!(made.losses.into_iter().flat_map(to_host).all(f32::is_finite));
    assert_eq!((state.step, state.optimizer.updates), (1, 0));
    assert_eq!(state.loss_scale.unwrap().factor(), 2.0_f64.powi(129));
    assert!(values(state.optimizer.first).iter().chain(&values(state.optimizer.second)).all(|m| *m == 0.0));
    let start = State::start(&small(), &device()).unwrap();
    let start = values(parameters::weights(&start.network));
    assert_eq!(values(parameters::weights(&state.network)), start);
    // Updates of the averages go on, and weights that stand still leave them where they are but for rounding.
    let average = values(state.averages[0].clone());
    assert!(average.iter().zip(&start).all(|(average, start)| (average - start).abs() <= 1e-6));
}

#[test]
fn a_gradient_without_value_at_the_floor_ends_the_run_and_says_so() {
    let (state, made) = stepped(&device(), Some(LossScale::at(1.0)), f32::NAN);
    let Err(error) = made else { panic!("the step went on") };
    assert_eq!(error.diverged_at(), Some(1));
    assert!(
        error.to_string().starts_with(
            "the gradient is not finite at step 1 although the loss scale has come down to 1: it no longer fits"
        ),
        "{error}"
    );
    assert_eq!((state.step, state.optimizer.updates), (0, 0));
    assert!(values(parameters::weights(&state.network)).iter().all(|value| value.is_finite()));
}

#[test]
fn feature_maps_computed_again_give_the_plain_gradients() {
    let mut config = small();
    config.model.channel_multipliers = vec![1, 2, 2];
    config.model.num_res_blocks = 2;
    config.model.dropout = 0.3;
    let [plain, again] = [false, true].map(|recompute| {
        config.training.recompute = recompute;
        losses_and_gradient(&device(), &config, 8.0)
    });
    // Of the gradient as a whole: some parts are rounding alone, since the bias of the keys shifts all scores of a
    // softmax alike.
    for (what, (plain, again)) in ["losses", "gradient"].iter().zip(plain.iter().zip(&again)) {
        let apart = apart(plain, again);
        assert!(apart <= within(1e-6).into(), "the {what} are off by {apart} of their norm");
    }
}

#[test]
fn what_somebody_holds_of_a_state_does_not_change_under_their_hands() {
    let (config, device) = (small(), device());
    let schedule = Schedule::new(&config.diffusion).unwrap();
    let mut state = State::start(&config, &device).unwrap();
    for _ in 0..2 {
        let weights = parameters::weights(&state.network);
        // As an evaluation that is still going on.
        let averaged = parameters::with_weights(state.network.clone(), state.averages[0].clone());
        let held = [weights, parameters::weights(&averaged), state.optimizer.first.clone()];
        let before = held.clone().map(values);
        step(&mut state, &batch(1.0), &config, &schedule, 100, &device, &mut Clock::stopped()).unwrap();
        assert_eq!(held.map(values), before);
        let after =
            [parameters::weights(&state.network), state.averages[0].clone(), state.optimizer.first.clone()];
        assert!(after.map(values).iter().zip(&before).all(|(after, before)| after != before));
    }
}
