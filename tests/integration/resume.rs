//! Signals and second runners: a stopped run goes on, and nobody takes it away from a live owner.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::Workplace;
use crate::support::kills::{Moment, RUN, assert_nothing_survives, reach, reference};
use crate::support::processes::{Background, PATIENCE, said, send, wait_for, workers_of};
use crate::support::tier::Tier;
use crate::support::training::{only_run, runs_of, tiny};

/// The state and the rows after a run that was asked to stop; then the same command must end it.
fn assert_resumes(place: &Workplace, context: &str) {
    let run = only_run(place);
    assert_eq!(run.state(), "interrupted", "{context}");
    let step = run.status().unwrap()["step"].as_u64().unwrap();
    assert_eq!(run.checkpoints().last(), Some(&step), "{context}: the last step is checkpointed");
    assert_eq!(run.rows() as u64, step, "{context}: its rows are there");
    place.ablate(RUN).exits(0);
    assert_eq!((run.state().as_str(), run.attempt()), ("done", 2), "{context}");
    run.assert_equals(&reference().bytes, context);
    let rewound = fs::read_dir(&run.path).unwrap().flatten();
    let rewound = rewound.filter(|entry| entry.file_name().to_string_lossy().contains(".rewound-"));
    assert_eq!(rewound.count(), 0, "{context}: nothing was trained twice");
}

#[test]
fn a_signal_ends_with_a_checkpoint_and_exit_75() {
    let signals = [Signal::TERM, Signal::INT, Signal::HUP, Signal::USR1];
    for signal in &signals[..Tier::asked().pick(1, 4, 4)] {
        let place = tiny("");
        let mut running = Background::start(&place, RUN);
        assert!(reach(Moment::Row(3), &place, &mut running));
        running.send(*signal);
        let code = running.wait().code();
        let ran = said(&place, code).exits(75);
        assert!(
            ran.stdout.contains("1 run: 1 interrupted\nrun the same command again to go on\n"),
            "{ran:?}"
        );
        assert_resumes(&place, &format!("{signal:?}"));
    }
}

#[test]
fn a_stop_at_a_step_that_is_checkpointed_anyway_saves_it_once() {
    let place = tiny("");
    let every_step = [RUN, &["-s", "checkpoint.every=1"]].concat();
    let mut running = Background::start(&place, &every_step);
    assert!(reach(Moment::Row(3), &place, &mut running));
    running.send(Signal::TERM);
    let code = running.wait().code();
    said(&place, code).exits(75);
    let names = fs::read_dir(only_run(&place).path.join("checkpoints")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| name.len() == "step-00000008".len()), "{names:?}");
    assert_resumes(&place, "TERM at a checkpoint");
}

#[test]
fn a_worker_that_is_asked_to_stop_checkpoints_too() {
    if Tier::asked().leaves_out(Tier::Standard, "a signal to the worker alone") {
        return;
    }
    let place = tiny("");
    let mut running = Background::start(&place, RUN);
    assert!(reach(Moment::Row(3), &place, &mut running));
    let workers = workers_of(running.pid());
    assert_eq!(workers.len(), 1);
    send(workers[0], Signal::USR1);
    let code = running.wait().code();
    said(&place, code).exits(75);
    assert_resumes(&place, "USR1 to the worker");
}

#[test]
fn a_stopped_run_that_continues_notices_nothing() {
    if Tier::asked().leaves_out(Tier::Standard, "STOP and CONT") {
        return;
    }
    let place = tiny("");
    let mut running = Background::start(&place, RUN);
    assert!(reach(Moment::Row(3), &place, &mut running));
    let workers = workers_of(running.pid());
    send(workers[0], Signal::STOP);
    running.send(Signal::STOP);
    std::thread::sleep(Duration::from_millis(300));
    send(workers[0], Signal::CONT);
    running.send(Signal::CONT);
    assert_eq!(running.wait().code(), Some(0));
    let run = only_run(&place);
    assert_eq!(run.attempt(), 1);
    run.assert_equals(&reference().bytes, "STOP and CONT");
}

#[test]
fn a_second_sigint_ends_even_a_worker_that_hears_nothing() {
    let place = tiny("");
    let mut running = Background::start(&place, RUN);
    assert!(reach(Moment::Row(3), &place, &mut running));
    let workers = workers_of(running.pid());
    // A stopped process is deaf to everything but SIGKILL.
    send(workers[0], Signal::STOP);
    running.send(Signal::INT);
    wait_for("the first SIGINT to be answered", PATIENCE, || {
        said(&place, None).stderr.contains("SIGINT: workers finish their step").then_some(())
    });
    running.send(Signal::INT);
    let code = running.wait().code();
    said(&place, code).exits(130);
    assert_nothing_survives(&workers, "second SIGINT");
    assert_eq!(only_run(&place).state(), "interrupted");
    place.ablate(RUN).exits(0);
    only_run(&place).assert_equals(&reference().bytes, "second SIGINT");
}

const FOUR: &str = "[sweep.grid]\n\"training.learning_rate\" = [1e-4, 2e-4, 3e-4, 4e-4]\n";

#[test]
fn no_worker_survives_its_launcher_not_even_a_deaf_one() {
    for round in 0..Tier::asked().pick(1, 1, 20) {
        let place = tiny(FOUR);
        let running =
            Background::start(&place, &["run", "x.toml", "--jobs", "4", "-s", "training.steps=1000"]);
        let launcher = running.pid();
        let workers = wait_for("four workers at work", PATIENCE, || {
            let at_work = runs_of(&place).iter().filter(|run| run.state() == "running").count();
            let workers = workers_of(launcher);
            (at_work == 4 && workers.len() == 4).then_some(workers)
        });
        send(workers[0], Signal::STOP);
        running.send(Signal::KILL);
        running.wait();
        assert_nothing_survives(&workers, &format!("round {round}"));
    }
}

#[test]
fn a_second_runner_stops_at_once_and_names_the_first() {
    let place = tiny("");
    let mut running = Background::start(&place, RUN);
    assert!(reach(Moment::Row(3), &place, &mut running));
    let launcher = running.pid();
    // Stopped meanwhile, so that it cannot end before the others have come.
    let owner = workers_of(launcher)[0];
    send(owner, Signal::STOP);
    for command in [RUN, &["resume", "runs/x"]] {
        let started = Instant::now();
        let second = place.ablate(command).exits(4);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert_eq!(second.stdout, "");
        let text = &second.stderr;
        assert!(text.contains(&format!("x is in use by process {launcher} on host ")), "{text}");
        assert!(text.contains("help: it is left alone; `ablate status` shows what it does\n"), "{text}");
    }
    // Nor may a worker take the run away.
    let run = only_run(&place);
    let worker = place.ablate(&["worker", run.path.to_str().unwrap()]).exits(4);
    send(owner, Signal::CONT);
    assert!(
        worker.stderr.contains(&format!("seed-0 is in use by process {owner} on host ")),
        "{}",
        worker.stderr
    );
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(run.attempt(), 1);
    run.assert_equals(&reference().bytes, "watched by others");
}

#[test]
fn of_runners_that_start_together_one_wins() {
    if Tier::asked().leaves_out(Tier::Standard, "many runners") {
        return;
    }
    let runners = Tier::asked().pick(0, 4, 8);
    for round in 0..Tier::asked().pick(0, 1, 10) {
        let place = tiny("");
        let children: Vec<_> = (0..runners).map(|_| place.command(RUN).output_in_background()).collect();
        let mut codes: Vec<i32> = children.into_iter().map(|child| child.join().unwrap()).collect();
        codes.sort_unstable();
        let winners = codes.iter().filter(|&&code| code == 0).count();
        // A runner so late that the winner was gone found all done.
        assert!(winners >= 1 && codes[winners..].iter().all(|&code| code == 4), "round {round}: {codes:?}");
        let run = only_run(&place);
        assert_eq!(run.attempt(), 1, "round {round}: trained once");
        run.assert_equals(&reference().bytes, &format!("round {round}"));
    }
}

/// Runs a command on a thread of its own; gives its exit code.
trait InBackground {
    fn output_in_background(self) -> std::thread::JoinHandle<i32>;
}

impl InBackground for std::process::Command {
    fn output_in_background(mut self) -> std::thread::JoinHandle<i32> {
        std::thread::spawn(move || self.output().unwrap().status.code().unwrap())
    }
}
