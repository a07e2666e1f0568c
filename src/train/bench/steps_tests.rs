//! A bench on a network that takes milliseconds: what it counts, and that its parts are the whole.

use super::*;
use crate::ops::testing::host;
use crate::train::small::small;

fn request(steps: usize) -> Request {
    Request { threads: 1, warmup: 2, steps, inputs: Inputs::Preloaded, parts: true }
}

fn config() -> Config {
    let mut config = small();
    (config.data.in_channels, config.training.batch_size) = (1, 4);
    config
}

#[test]
fn the_parts_of_a_step_add_up_to_it() {
    let found = measure(&config(), &request(4), (DeviceName::Cpu, &host())).unwrap();
    assert_eq!((found.warmup, found.count), (2, 4));
    let shares: f64 = found.parts.iter().map(|part| part.share).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    let other = found.parts.last().unwrap();
    assert!(other.name == "other" && other.share.abs() < 0.02, "{found:?}");
    for part in &found.parts {
        assert!(part.seconds.min <= part.seconds.median && part.seconds.median <= part.seconds.max);
    }
    let averages = found.averages.unwrap();
    assert_eq!((averages.tracks, averages.every, averages.pairs), (1, 1, 4));
    // Two to warm up, four that count, four pairs.
    assert_eq!((found.losses.len(), found.gradient_norms.len()), (14, 14));
}

#[test]
fn measured_steps_train_as_any_others_whatever_is_measured_beside_them() {
    let losses = |parts| {
        let request = Request { parts, ..request(3) };
        let found = measure(&config(), &request, (DeviceName::Cpu, &host())).unwrap();
        found.losses[..5].to_vec()
    };
    assert_eq!(losses(true), losses(false));
}

#[test]
fn a_loss_that_is_no_number_is_an_error() {
    let mut config = config();
    config.training.learning_rate = 1e30;
    config.training.warmup_steps = 0;
    let error = measure(&config, &request(4), (DeviceName::Cpu, &host())).unwrap_err();
    assert!(error.diverged_at().is_some(), "{error}");
}
