//! No worker outlives its launcher: however the launcher ends, whatever the worker is doing.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::Workplace;
use crate::support::kills::{RUN, reference};
use crate::support::numbers::Numbers;
use crate::support::processes::{
    Background, PATIENCE, crash, is_ignored, living_in, send, wait_for, workers_of,
};
use crate::support::tier::Tier;
use crate::support::training::{only_run, runs_of, tiny};

const FOUR: &str = "[sweep.grid]\n\"training.learning_rate\" = [1e-4, 2e-4, 3e-4, 4e-4]\n";
const RUN_FOUR: &[&str] = &["run", "x.toml", "--jobs", "4", "-s", "training.steps=1000"];
/// The contract's.
const GONE_AFTER: Duration = Duration::from_secs(5);

#[track_caller]
fn assert_nobody_lives(place: &Workplace, context: &str) {
    let mut last = Vec::new();
    wait_for(&format!("{context}: all to end"), GONE_AFTER, || {
        last = living_in(place);
        last.is_empty().then_some(())
    });
}

fn four_at_work(place: &Workplace, launcher: u32) -> Vec<u32> {
    wait_for("four workers at work", PATIENCE, || {
        let at_work = runs_of(place).iter().filter(|run| run.state() == "running").count();
        let workers = workers_of(launcher);
        (at_work == 4 && workers.len() == 4).then_some(workers)
    })
}

#[test]
fn nothing_survives_a_killed_launcher_not_even_a_deaf_worker() {
    let mut numbers = Numbers(11);
    for round in 0..Tier::asked().pick(1, 10, 100) {
        let place = tiny(FOUR);
        let running = Background::start(&place, RUN_FOUR);
        let launcher = running.pid();
        let kind = if round % 3 < 2 { "at work" } else { "just started" };
        if kind == "at work" {
            let workers = four_at_work(&place, launcher);
            // A stopped process is deaf to everything but SIGKILL; every other time it was asked to stop before.
            send(*numbers.one_of(&workers), Signal::STOP);
            if round % 2 == 1 {
                running.send(Signal::TERM);
                std::thread::sleep(numbers.duration(Duration::ZERO..Duration::from_millis(20)));
            }
        } else {
            let first = wait_for("a first worker", PATIENCE, || workers_of(launcher).first().copied());
            std::thread::sleep(numbers.duration(Duration::ZERO..Duration::from_millis(40)));
            // Stopped while its libraries are loaded, it could not look after itself.
            if is_worker(first) {
                send(first, Signal::STOP);
            }
        }
        running.send(Signal::KILL);
        running.wait();
        assert_nobody_lives(&place, &format!("round {round}, {kind}"));
    }
}

/// Whether the program has begun that is to be the worker; until then the process is the launcher's twin.
fn is_worker(pid: u32) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    arguments.split(|&byte| byte == 0).nth(1) == Some(b"worker")
}

#[test]
fn a_launcher_that_quits_or_crashes_takes_its_workers_along() {
    for signal in [Signal::QUIT, Signal::SEGV, Signal::ABORT] {
        if is_ignored(signal) {
            eprintln!("skipped: {signal:?} is ignored by whoever runs these tests");
            continue;
        }
        let place = tiny(FOUR);
        let running = Background::start(&place, RUN_FOUR);
        let workers = four_at_work(&place, running.pid());
        send(workers[0], Signal::STOP);
        crash(running.pid(), signal);
        assert_eq!(running.wait().code(), None, "{signal:?}");
        assert_nobody_lives(&place, &format!("{signal:?}"));
        let status = place.ablate(&["status", "runs/x", "--json"]).exits(0).json();
        assert_eq!(status["counts"], serde_json::json!({"interrupted": 4}), "{signal:?}");
    }
}

#[test]
fn a_launcher_under_nohup_outlives_its_terminal() {
    let place = tiny("");
    let mut command = place.command_after("trap '' HUP; exec \"$@\"", RUN);
    // A session of its own has no terminal that could end.
    if let Ok(setsid) = std::process::Command::new("setsid").arg("true").status()
        && setsid.success()
    {
        command = place.command_after("trap '' HUP; exec setsid \"$@\"", RUN);
    }
    let mut running = Background::of(&place, command);
    wait_for("three rows", PATIENCE, || {
        assert!(!running.has_ended());
        (runs_of(&place).first()?.rows() >= 3).then_some(())
    });
    let worker = workers_of(running.pid())[0];
    running.send(Signal::HUP);
    send(worker, Signal::HUP);
    assert_eq!(running.wait().code(), Some(0));
    let run = only_run(&place);
    assert_eq!(run.attempt(), 1);
    run.assert_equals(&reference().bytes, "nohup");
}
