//! Signals before there is anything to checkpoint: nothing is waited for, and nothing left that hinders.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::Workplace;
use crate::support::kills::{RUN, reference};
use crate::support::numbers::Numbers;
use crate::support::processes::{Background, PATIENCE, said, wait_for};
use crate::support::tier::Tier;
use crate::support::training::{only_run, tiny};

/// Whoever decodes images waits for this.
fn hold_the_cache(place: &Workplace) -> fs::File {
    let folder = place.path("data/cache");
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(&folder).unwrap().flatten() {
        fs::remove_file(entry.path()).unwrap();
    }
    let held = fs::File::open(folder).unwrap();
    held.lock().unwrap();
    held
}

#[track_caller]
fn ends_at_once(running: Background, place: &Workplace, code: i32) {
    let begun = Instant::now();
    let ended = running.wait().code();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    said(place, ended).exits(code);
}

#[test]
fn a_signal_while_images_are_prepared_is_not_waited_for() {
    let place = tiny("");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::USR1] {
        let _held = hold_the_cache(&place);
        let running = Background::start(&place, RUN);
        let owner = format!("\"pid\":{},", running.pid());
        wait_for("the launcher to take the experiment", PATIENCE, || {
            let lock = fs::read_to_string(place.path("runs/x/.lock")).unwrap_or_default();
            lock.contains(&owner).then_some(())
        });
        std::thread::sleep(Duration::from_millis(50));
        running.send(signal);
        ends_at_once(running, &place, 75);
    }
    // The same in a worker, which also says so in its run.
    place.ablate(RUN).exits(0);
    let run = only_run(&place);
    let mut status = run.status().unwrap();
    status["state"] = "interrupted".into();
    for signal in [Signal::INT, Signal::USR1] {
        fs::write(run.path.join("status.json"), status.to_string()).unwrap();
        let _held = hold_the_cache(&place);
        let running = Background::start(&place, &["worker", run.path.to_str().unwrap()]);
        wait_for("the worker to begin", PATIENCE, || (run.state() == "running").then_some(()));
        std::thread::sleep(Duration::from_millis(50));
        running.send(signal);
        ends_at_once(running, &place, 75);
        assert_eq!((run.state().as_str(), run.attempt()), ("interrupted", 2), "{signal:?}");
    }
    place.ablate(RUN).exits(0);
    run.assert_equals(&reference().bytes, "after interrupted preparations");
}

#[test]
fn a_signal_in_the_first_second_of_a_run_ends_it_and_leaves_nothing_that_hinders() {
    let rounds = Tier::asked().pick(2, 6, 60);
    let mut numbers = Numbers(5);
    let place = tiny("");
    for round in 0..rounds {
        let running = Background::start(&place, RUN);
        let after = numbers.duration(Duration::ZERO..Duration::from_secs(1));
        std::thread::sleep(after);
        running.send([Signal::INT, Signal::TERM][round % 2]);
        // Before its first instruction the system's own rule holds.
        let code = running.wait().code();
        assert!(matches!(code, None | Some(75 | 0)), "{after:?}: {code:?} {}", said(&place, code).stderr);
    }
    place.ablate(RUN).exits(0);
    only_run(&place).assert_equals(&reference().bytes, "interrupted early and often");
}
