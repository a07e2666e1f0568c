//! Asked to stop, at any moment: the documented exit code, and the same command ends with the same bytes.

use std::fs;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::kills::{Moment, RUN, assert_nothing_survives, reach, reference};
use crate::support::numbers::Numbers;
use crate::support::processes::{Background, PATIENCE, said, send, wait_for};
use crate::support::stops::{assert_goes_on, assert_resumes, moment, rounds, started};
use crate::support::tier::Tier;
use crate::support::training::{only_run, tiny};

#[test]
fn a_signal_ends_with_a_checkpoint_and_exit_75() {
    let signals = [Signal::TERM, Signal::INT, Signal::HUP, Signal::USR1];
    let mut numbers = Numbers(12);
    for (round, signal) in (0..rounds()).flat_map(|round| signals.map(|signal| (round, signal))) {
        // Half to the launcher, which asks its worker, half to the worker alone.
        let (to_worker, moment) = (round / 2 % 2 == 1, moment(round, &mut numbers));
        let context = format!("{signal:?}, round {round}, {moment:?}, to the worker: {to_worker}");
        let place = tiny("");
        let (running, worker) = started(&place, moment);
        send(if to_worker { worker } else { running.pid() }, signal);
        let code = running.wait().code();
        let ran = said(&place, code).exits(75);
        let end = "1 run: 1 interrupted\nrun the same command again to go on\n";
        assert!(ran.stdout.contains(end), "{context}: {ran:?}");
        assert_resumes(&place, &context);
    }
}

#[test]
fn a_signal_to_a_worker_alone_ends_as_one_to_its_launcher() {
    if Tier::asked().leaves_out(Tier::Standard, "signals to a worker") {
        return;
    }
    for signal in [Signal::INT, Signal::USR1] {
        let place = tiny("");
        let (running, worker) = started(&place, Moment::Checkpoint(Duration::from_millis(3)));
        send(worker, signal);
        let code = running.wait().code();
        said(&place, code).exits(75);
        assert_resumes(&place, &format!("{signal:?} to the worker"));
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
fn ctrl_c_reaches_the_launcher_alone_and_the_worker_has_time_for_its_checkpoint() {
    for round in 0..rounds() {
        let place = tiny("");
        let mut command = place.command(RUN);
        // A terminal signals every process of the foreground group; workers have groups of their own.
        command.process_group(0);
        let mut running = Background::of(&place, command);
        assert!(reach(moment(round, &mut Numbers(round)), &place, &mut running));
        let group = Pid::from_raw(i32::try_from(running.pid()).unwrap()).unwrap();
        kill_process_group(group, Signal::INT).unwrap();
        let code = running.wait().code();
        said(&place, code).exits(75);
        assert_resumes(&place, &format!("Ctrl-C, round {round}"));
    }
}

#[test]
fn a_second_sigint_ends_even_a_worker_that_hears_nothing() {
    let mut numbers = Numbers(2);
    for round in 0..rounds() {
        let context = format!("second SIGINT, round {round}");
        let place = tiny("");
        let (running, worker) = started(&place, moment(round, &mut numbers));
        // A stopped process is deaf to everything but SIGKILL.
        send(worker, Signal::STOP);
        running.send(Signal::INT);
        wait_for("the first SIGINT to be answered", PATIENCE, || {
            said(&place, None).stderr.contains("SIGINT: workers finish their step").then_some(())
        });
        running.send(Signal::INT);
        let code = running.wait().code();
        said(&place, code).exits(130);
        assert_nothing_survives(&[worker], &context);
        assert_eq!(only_run(&place).state(), "interrupted", "{context}");
        assert_goes_on(&place, &context);
    }
}

#[test]
fn two_sigints_to_a_worker_end_it_at_once() {
    let mut numbers = Numbers(3);
    for round in 0..rounds() {
        let place = tiny("");
        let (running, worker) = started(&place, moment(round, &mut numbers));
        send(worker, Signal::INT);
        std::thread::sleep(numbers.duration(Duration::ZERO..Duration::from_millis(5)));
        send(worker, Signal::INT);
        let code = running.wait().code();
        said(&place, code).exits(75);
        assert_goes_on(&place, &format!("INT twice to the worker, round {round}"));
    }
}

#[test]
fn a_run_that_was_stopped_and_continued_notices_nothing() {
    let mut numbers = Numbers(4);
    for round in 0..rounds() {
        let place = tiny("");
        let (running, worker) = started(&place, moment(round, &mut numbers));
        send(worker, Signal::STOP);
        running.send(Signal::STOP);
        std::thread::sleep(Duration::from_millis(300));
        send(worker, Signal::CONT);
        running.send(Signal::CONT);
        assert_eq!(running.wait().code(), Some(0));
        let run = only_run(&place);
        assert_eq!(run.attempt(), 1);
        run.assert_equals(&reference().bytes, &format!("STOP and CONT, round {round}"));
    }
}
