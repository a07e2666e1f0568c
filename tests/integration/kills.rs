//! Kill anything at any time; the same command again ends with the bytes of a run that nobody disturbed.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::Workplace;
use crate::support::kills::{
    Moment, RUN, RUN_64, Reference, Victim, assert_nothing_survives, reference, reference_64, run_and_kill,
    writes_checkpoint,
};
use crate::support::numbers::Numbers;
use crate::support::processes::{Background, PATIENCE, send, wait_for, workers_of};
use crate::support::tier::Tier;
use crate::support::training::{Run, STEPS, only_run, runs_of, tiny};

/// Kills in one run before it may end: enough to resume from a resumed run.
const KILLS: usize = 3;

/// Runs the command to its end and compares with an uninterrupted run.
fn assert_ends(place: &Workplace, command: &[&str], expected: &Reference, context: &str) {
    let last = place.ablate(command);
    assert_eq!(last.code, Some(0), "{context}: {}", last.stderr);
    let run = only_run(place);
    assert_eq!(run.state(), "done", "{context}");
    assert_eq!(run.status().unwrap()["exact"], true, "{context}");
    run.assert_equals(&expected.bytes, context);
    assert!(!writes_checkpoint(&run), "{context}: half a checkpoint is left");
}

/// Kills runs, three times each, until so many kills have hit; each run then ends as if nothing had been.
fn kills_that_hit(wanted: usize, name: &str, seed: u64, moment: impl Fn(&mut Numbers) -> Moment) {
    let (mut hit, mut sent, mut runs) = (0, 0, 0);
    while hit < wanted {
        let context = format!("{name}, run {runs}");
        assert!(runs <= wanted, "{context}: only {hit} of {sent} kills hit");
        let mut numbers = Numbers(seed + runs as u64);
        let place = tiny("");
        for _ in 0..KILLS {
            let kill = (Victim::any(&mut numbers), moment(&mut numbers));
            sent += 1;
            hit += usize::from(run_and_kill(&place, RUN, kill, &format!("{context}, {kill:?}")));
        }
        assert_ends(&place, RUN, reference(), &context);
        runs += 1;
    }
    eprintln!("T1, {name}: {hit} of {sent} kills hit, {runs} runs, all bytes equal");
}

#[test]
fn kills_at_random_moments_change_no_byte() {
    let usual = reference().duration;
    let moment = |numbers: &mut Numbers| Moment::After(numbers.duration(Duration::ZERO..usual));
    kills_that_hit(Tier::asked().pick(2, 10, 100), "random moments", 0, moment);
}

#[test]
fn kills_while_a_checkpoint_is_written_change_no_byte() {
    // A checkpoint of this size is written in about ten milliseconds.
    let window = Duration::ZERO..Duration::from_millis(15);
    let moment = |numbers: &mut Numbers| Moment::Checkpoint(numbers.duration(window.clone()));
    kills_that_hit(Tier::asked().pick(2, 10, 100), "checkpoints", 1000, moment);
}

#[test]
fn kills_at_any_step_change_no_byte() {
    let stride = Tier::asked().pick(40, 10, 1);
    let mut seen = BTreeSet::new();
    let mut runs = 0;
    for step in (1..=64).step_by(stride) {
        let context = format!("step {step}");
        // One near the end may be over before the kill: then it is aimed again.
        let place = (0..20).find_map(|_| {
            runs += 1;
            let place = tiny("");
            run_and_kill(&place, RUN_64, (Victim::Worker, Moment::Row(step)), &context).then_some(place)
        });
        let place = place.unwrap_or_else(|| panic!("{context}: no kill hit"));
        seen.insert(only_run(&place).rows());
        assert_ends(&place, RUN_64, reference_64(), &context);
    }
    let (kills, rows) = ((1..=64).step_by(stride).count(), seen.len());
    eprintln!("T2: {kills} kills hit, {runs} runs, left at {rows} different steps, all bytes equal");
}

#[test]
fn after_a_kill_only_what_is_missing_is_trained() {
    let place = tiny("[sweep]\ninclude_base = true\nseeds = [0, 1, 2]\n");
    let mut running = Background::start(&place, &["run", "x.toml", "--jobs", "1"]);
    let launcher = running.pid();
    wait_for("the second of three runs to be half done", PATIENCE, || {
        assert!(!running.has_ended());
        let runs = runs_of(&place);
        (runs.get(1)?.rows() > STEPS as usize / 2).then_some(())
    });
    let workers = workers_of(launcher);
    send(launcher, Signal::KILL);
    running.wait();
    assert_nothing_survives(&workers, "launcher killed");
    let states: Vec<String> = runs_of(&place).iter().map(Run::state).collect();
    assert_eq!(states[0], "done");
    // The status of a killed run says what it was; `status` knows that its owner is dead.
    let status = place.ablate(&["status", "runs/x", "--json"]).exits(0).json();
    let shown: Vec<&str> =
        status["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(shown[..2], ["done", "interrupted"]);

    let first = fs::metadata(runs_of(&place)[0].path.join("metrics.csv")).unwrap().modified().unwrap();
    place.ablate(&["run", "x.toml", "--jobs", "2"]).exits(0);
    let runs = runs_of(&place);
    let attempts: Vec<u64> = runs.iter().map(Run::attempt).collect();
    assert_eq!(attempts, [1, 2, 1], "the number of slots may change");
    assert_eq!(fs::metadata(runs[0].path.join("metrics.csv")).unwrap().modified().unwrap(), first);
    runs[0].assert_equals(&reference().bytes, "seed 0 of three is the run of one");
    let resumed = runs[1].bytes();
    let fresh = Workplace::with("x.toml", &place.read("x.toml"));
    fresh.ablate(&["run", "x.toml", "--only", "*/seed-1"]).exits(0);
    only_run(&fresh).assert_equals(&resumed, "seed 1");
}
