//! Tests of what is made of a measurement.

use super::fixture::{calibration, finished};
use super::*;
use crate::config::defaults;

#[test]
fn times_lie_between_those_of_the_measured_numbers_of_threads() {
    let measured = calibration(Machine::here("cpu", None));
    let seconds = |workers, threads| measured.rates(workers, threads).unwrap().step_seconds(&defaults());
    let one = seconds(4, 1);
    for (threads, speed) in [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (9, 4.0)] {
        let found = one / seconds(1, threads);
        assert!((found - speed).abs() < 1e-6, "{threads} threads: {found}");
    }
}

#[test]
fn workers_take_turns_on_a_gpu() {
    let measured = calibration(Machine::here("cuda:0", None));
    let seconds = |workers| measured.rates(workers, 2).unwrap().step_seconds(&defaults());
    assert!((seconds(3) / seconds(1) - 3.0).abs() < 1e-9);
}

#[test]
fn a_measurement_without_layouts_has_no_prices() {
    let none = Calibration { layouts: vec![], ..calibration(Machine::here("cpu", None)) };
    assert_eq!(none.rates(1, 1), None);
}

#[test]
fn the_last_twenty_runs_are_remembered_and_told() {
    let mut measured = calibration(Machine::here("cpu", None));
    assert_eq!(measured.history(), None);
    measured.remember([finished(3.0)]);
    assert_eq!(measured.history().unwrap(), "the last run took 3.00 of its estimate");
    measured.remember((0..20).map(|i| finished(0.95 + 0.01 * f64::from(i))));
    assert_eq!(measured.history().unwrap(), "the last 20 runs took 0.95-1.14 of their estimates");
}

#[test]
fn an_estimate_counts_a_network_once_and_notices_another() {
    let rates = calibration(Machine::here("cpu", None)).rates(1, 4).unwrap();
    let mut estimator = Estimator::new(rates.clone());
    let small = defaults();
    let mut large = defaults();
    large.model.base_channels = 128;
    for config in [&small, &small, &large, &small] {
        let steps = config.training.steps.unwrap();
        assert_eq!(Some(estimator.run_seconds(config, steps)), rates.run_seconds(config));
    }
}
