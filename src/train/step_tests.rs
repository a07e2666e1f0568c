//! Loss scaling around a step: what it must not change, what a skipped update leaves, when it ends a run.
//!
//! The network computes in 32 bits, which every machine does: scaling does not ask why a gradient overflows.

use super::*;
use crate::ops::{self, DeviceName};
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
fn stepped(scale: Option<LossScale>, pixel: f32) -> (State, Result<Step, Error>) {
    let (config, (_, device)) = (small(), ops::open(DeviceName::Cpu).unwrap());
    let schedule = Schedule::new(&config.diffusion).unwrap();
    let mut state = State::start(&config, &device).unwrap();
    state.loss_scale = scale;
    let made = step(&mut state, &batch(pixel), &config, &schedule, 100, &device, &mut Clock::stopped());
    (state, made)
}

fn values(flat: Flat) -> Vec<f32> {
    flat.into_iter().flat_map(to_host).collect()
}

#[test]
fn a_scale_that_fits_changes_no_bit() {
    let (plain, made) = stepped(None, 1.0);
    let (scaled, scaled_made) = stepped(Some(LossScale::at(65_536.0)), 1.0);
    let (made, scaled_made) = (made.unwrap(), scaled_made.unwrap());
    assert!(!made.skipped && !scaled_made.skipped);
    assert_eq!(scalar(&made.norm), scalar(&scaled_made.norm));
    assert_eq!(values(parameters::weights(&plain.network)), values(parameters::weights(&scaled.network)));
    assert_eq!((scaled.step, scaled.optimizer.updates), (1, 1));
}

#[test]
fn a_gradient_that_overflows_skips_the_update_and_nothing_else() {
    let (state, made) = stepped(Some(LossScale::at(2.0_f64.powi(130))), 1.0);
    let made = made.unwrap();
    assert!(made.skipped && !scalar(&made.norm).is_finite());
    assert!(made.losses.into_iter().flat_map(to_host).all(f32::is_finite));
    assert_eq!((state.step, state.optimizer.updates), (1, 0));
    assert_eq!(state.loss_scale.unwrap().factor(), 2.0_f64.powi(129));
    assert!(values(state.optimizer.first).iter().chain(&values(state.optimizer.second)).all(|m| *m == 0.0));
    let start = State::start(&small(), &ops::open(DeviceName::Cpu).unwrap().1).unwrap();
    let start = values(parameters::weights(&start.network));
    assert_eq!(values(parameters::weights(&state.network)), start);
    // Updates of the averages go on, and weights that stand still leave them where they are but for rounding.
    let average = values(state.averages[0].clone());
    assert!(average.iter().zip(&start).all(|(average, start)| (average - start).abs() <= 1e-6));
}

#[test]
fn a_gradient_without_value_at_the_floor_ends_the_run_and_says_so() {
    let (state, made) = stepped(Some(LossScale::at(1.0)), f32::NAN);
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
    let (_, device) = ops::open(DeviceName::Cpu).unwrap();
    let mut config = small();
    config.model.channel_multipliers = vec![1, 2, 2];
    config.model.num_res_blocks = 2;
    config.model.dropout = 0.3;
    let schedule = Schedule::new(&config.diffusion).unwrap();
    let state = State::start(&config, &device).unwrap();
    let [plain, again] = [false, true].map(|recompute| {
        config.training.recompute = recompute;
        let micro = micro_batch(&batch(1.0), 0, 1, &config, &schedule, &device);
        backward(&state.network, micro, &config, (1, Some(8.0)), 7, &mut Clock::stopped())
    });
    let apart = |plain: Vec<f32>, again: Vec<f32>| {
        let norm =
            |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        norm(&mut plain.iter().zip(&again).map(|(a, b)| a - b)) / norm(&mut plain.iter().copied())
    };
    assert!(apart(to_host(plain.0), to_host(again.0)) <= 1e-6, "the losses");
    // Some gradients are rounding alone: the bias of the keys shifts all scores of a softmax alike.
    assert!(apart(values(plain.1), values(again.1)) <= 1e-6, "the gradient");
}

#[test]
fn what_somebody_holds_of_a_state_does_not_change_under_their_hands() {
    let (config, (_, device)) = (small(), ops::open(DeviceName::Cpu).unwrap());
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
