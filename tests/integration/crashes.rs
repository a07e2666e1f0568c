//! Workers that die without a word: which deaths are failures, which are interruptions.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::kills::{Moment, RUN, reference};
use crate::support::processes::{Background, PATIENCE, crash, is_ignored, said, send, wait_for, workers_of};
use crate::support::stops::{assert_goes_on, started};
use crate::support::tier::Tier;
use crate::support::training::{only_run, runs_of, tiny};

#[test]
fn signals_from_outside_interrupt_a_worker_and_crashes_fail_it() {
    let outside = [Signal::QUIT, Signal::XCPU, Signal::USR2];
    let crashes = [Signal::SEGV, Signal::ILL, Signal::ABORT, Signal::BUS, Signal::FPE];
    let count = Tier::asked().pick(1, 3, 5);
    for &signal in outside[..count.min(3)].iter().chain(&crashes[..count]) {
        if is_ignored(signal) {
            eprintln!("skipped: {signal:?} is ignored by whoever runs these tests");
            continue;
        }
        let place = tiny("");
        let (running, worker) = started(&place, Moment::Row(12));
        crash(worker, signal);
        let code = running.wait().code();
        if outside.contains(&signal) {
            said(&place, code).exits(75);
            assert_goes_on(&place, &format!("{signal:?}"));
            continue;
        }
        let ran = said(&place, code).exits(1);
        let run = only_run(&place);
        assert_eq!(run.state(), "failed", "{signal:?}");
        assert!(ran.stderr.contains("the worker died of SIG"), "{signal:?}: {}", ran.stderr);
        place.ablate(RUN).exits(1);
        assert_eq!(run.attempt(), 1, "{signal:?}: tried again on request alone");
        place.ablate(&["run", "x.toml", "--retry-failed"]).exits(0);
        run.assert_equals(&reference().bytes, &format!("{signal:?}"));
    }
}

#[test]
fn a_run_that_is_killed_at_the_same_step_twice_has_failed() {
    if Tier::asked().leaves_out(Tier::Full, "two kills of a worker that lived for ten seconds") {
        return;
    }
    let place = tiny("");
    for (attempt, state, code) in [(1, "interrupted", 75), (2, "failed", 1)] {
        let mut running = Background::start(&place, RUN);
        let worker = wait_for("the attempt to begin", PATIENCE, || {
            assert!(!running.has_ended());
            let run = runs_of(&place).into_iter().next()?;
            let begun = run.state() == "running" && run.attempt() == attempt;
            if begun { workers_of(running.pid()).first().copied() } else { None }
        });
        // Stopped before it could report a step of its own.
        send(worker, Signal::STOP);
        std::thread::sleep(Duration::from_secs(11));
        send(worker, Signal::KILL);
        let ended = running.wait().code();
        said(&place, ended).exits(code);
        assert_eq!(only_run(&place).state(), state, "attempt {attempt}");
    }
    let error = only_run(&place).status().unwrap()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("for the second time; is it short of memory?"), "{error}");
}
