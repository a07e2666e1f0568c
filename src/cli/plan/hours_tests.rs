//! Tests of the hours of a plan, on a machine of 10¹¹ operations a second and thread.

use super::*;
use crate::calibration::Machine;
use crate::calibration::fixture::{calibration, finished};
use crate::config::defaults;
use crate::plan::fixture::written;

const SWEEP: &str = r#"
    [training]
    steps = 1000
    [evaluation]
    every = 0
    [sampling]
    every = 0
    [runtime]
    device = "cpu"
    jobs = 2
    threads = 1
    [sweep]
    seeds = [0, 1]
    [sweep.grid]
    "training.batch_size" = [64, 128]
"#;

fn planned(text: &str) -> (Plan, Progress, Runtime) {
    let experiment = written(text).load(&[], &[]).unwrap();
    let plan = Plan::build(&experiment).unwrap();
    let progress = Progress::of(&plan);
    (plan, progress, experiment.base().runtime.clone())
}

fn hours(text: &str, measured: &Calibration) -> Hours {
    let (plan, progress, runtime) = planned(text);
    Hours::by(measured, &plan, &progress, &runtime).unwrap()
}

fn measured() -> Calibration {
    calibration(Machine::here("cpu", None))
}

#[test]
fn a_sweep_takes_what_its_longest_slot_takes() {
    let found = hours(SWEEP, &measured());
    let [small, large] = found.runs[..] else { panic!("{found:?}") };
    let (small, large) = (small.unwrap(), large.unwrap());
    assert!(large > 1.5 * small, "{small} {large}");
    // Two seeds of the small one side by side, then two of the large one.
    assert!((found.all.unwrap() / (small + large) - 1.0).abs() < 1e-9);
    let sum = text(small + large);
    assert_eq!(found.remark, format!("hours: {sum} for the 4 runs left, 2 at a time"));
    assert_eq!(found.cells().unwrap(), [text(small), text(large)]);
}

#[test]
fn earlier_runs_and_a_precision_that_was_not_measured_are_told() {
    let mut measured = measured();
    measured.remember([finished(0.95), finished(1.08)]);
    let found = hours(&SWEEP.replace("steps = 1000", "steps = 1000\nprecision = \"bf16\""), &measured);
    let (_, rest) = found.remark.split_once("; ").unwrap();
    assert_eq!(
        rest,
        "\"bf16\" was not measured and counts as its nearest precision; the last 2 runs took 0.95-1.08 of their estimates"
    );
}

#[test]
fn epochs_of_a_published_data_set_are_steps_and_those_of_a_folder_are_unknown() {
    let mut config = defaults();
    (config.training.steps, config.training.epochs) = (None, Some(3));
    config.data.dataset = Dataset::Mnist;
    config.training.batch_size = 100;
    assert_eq!(steps(&config), Some(3 * 570));
    config.data.limit = Some(1000);
    assert_eq!(steps(&config), Some(30));
    config.data.dataset = Dataset::Folder;
    assert_eq!(steps(&config), None);

    let text = SWEEP.replace("steps = 1000", "epochs = 2") + "\n[data]\ndataset = \"folder\"\n";
    let found = hours(&text, &measured());
    assert_eq!((found.all, found.cells()), (None, None));
    assert!(
        found.remark.starts_with("hours: unknown for 2 of 2 variants: training.epochs counts"),
        "{found:?}"
    );
}

#[test]
fn what_is_done_or_failed_is_not_left() {
    let (plan, mut progress, runtime) = planned(SWEEP);
    progress.states = vec![vec![State::Done, State::Failed], vec![State::Done, State::Interrupted]];
    let found = Hours::by(&measured(), &plan, &progress, &runtime).unwrap();
    assert_eq!(found.all, found.runs[1]);
    assert!(found.remark.ends_with(" for the run left"), "{}", found.remark);
    progress.states = vec![vec![State::Done; 2]; 2];
    let found = Hours::by(&measured(), &plan, &progress, &runtime).unwrap();
    assert_eq!(found.remark, "hours: nothing is left");
}

#[test]
fn hours_have_two_or_three_digits() {
    let shown = [0.0, 0.00123, 0.012, 0.35, 1.0, 3.214, 12.44, 229.7].map(text);
    assert_eq!(shown, ["0", "0.0012", "0.012", "0.35", "1.00", "3.21", "12.4", "230"]);
}
