//! Kills at chosen moments of a training, and what the same training leaves when nobody disturbs it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Workplace;
use super::numbers::Numbers;
use super::processes::{Background, PATIENCE, is_alive, said, send, wait_for, workers_of};
use super::training::{Run, STEPS, only_run, runs_of, tiny};

/// The training of [`STEPS`] steps.
pub(crate) const RUN: &[&str] = &["run", "x.toml"];
/// The same with 64.
pub(crate) const RUN_64: &[&str] = &["run", "x.toml", "-s", "training.steps=64"];

/// Who is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Victim {
    Worker,
    Launcher,
    Both,
}

impl Victim {
    pub(crate) fn any(numbers: &mut Numbers) -> Victim {
        *numbers.one_of(&[Victim::Worker, Victim::Launcher, Victim::Both])
    }
}

/// When.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// This long after the start.
    After(Duration),
    /// As soon as this row is in `metrics.csv`, which has one row a step.
    Row(usize),
    /// This long after a checkpoint has begun to be written.
    Checkpoint(Duration),
}

/// What an uninterrupted run leaves, and how long it takes.
pub(crate) struct Reference {
    pub(crate) bytes: BTreeMap<String, Vec<u8>>,
    pub(crate) duration: Duration,
}

impl Reference {
    fn of(command: &[&str], steps: u64) -> Reference {
        let place = tiny("");
        let started = Instant::now();
        place.ablate(command).exits(0);
        let run = only_run(&place);
        assert_eq!((run.attempt(), run.rows() as u64), (1, steps));
        Reference { bytes: run.bytes(), duration: started.elapsed() }
    }
}

/// What [`RUN`] leaves.
pub(crate) fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(|| Reference::of(RUN, STEPS))
}

/// What [`RUN_64`] leaves.
pub(crate) fn reference_64() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(|| Reference::of(RUN_64, 64))
}

/// Waits for the moment; `false` if the program ended before.
pub(crate) fn reach(moment: Moment, place: &Workplace, running: &mut Background) -> bool {
    if let Moment::After(time) = moment {
        std::thread::sleep(time);
        return !running.has_ended();
    }
    wait_for(&format!("{moment:?}"), PATIENCE, || {
        if running.has_ended() {
            return Some(false);
        }
        let run = runs_of(place).into_iter().next()?;
        match moment {
            Moment::Row(row) => (run.rows() >= row).then_some(true),
            Moment::Checkpoint(after) => writes_checkpoint(&run).then(|| {
                std::thread::sleep(after);
                true
            }),
            Moment::After(_) => unreachable!("handled above"),
        }
    })
}

/// Whether a checkpoint is half written, or half deleted.
pub(crate) fn writes_checkpoint(run: &Run) -> bool {
    let names = fs::read_dir(run.path.join("checkpoints")).into_iter().flatten().flatten();
    names.map(|entry| entry.file_name()).any(|name| name.as_encoded_bytes().starts_with(b".tmp-"))
}

/// Starts the command, kills at the moment, and makes sure that nothing is left of it. `false` where the
/// training had ended before the kill.
pub(crate) fn run_and_kill(
    place: &Workplace,
    command: &[&str],
    (victim, moment): (Victim, Moment),
    context: &str,
) -> bool {
    let mut running = Background::start(place, command);
    let launcher = running.pid();
    if !reach(moment, place, &mut running) {
        let code = running.wait().code();
        assert_eq!(code, Some(0), "{context}: {}", said(place, code).stderr);
        return false;
    }
    let workers = workers_of(launcher);
    if matches!(victim, Victim::Launcher | Victim::Both) {
        send(launcher, Signal::KILL);
    }
    if matches!(victim, Victim::Worker | Victim::Both) {
        workers.iter().for_each(|&worker| send(worker, Signal::KILL));
    }
    let code = running.wait().code();
    let hit = match (victim, code) {
        // The worker was killed before it could be told to go on elsewhere.
        (Victim::Worker, Some(75)) => true,
        (Victim::Launcher | Victim::Both, None) => true,
        // Before its first worker, or after its last, or both were done at that instant.
        (_, Some(0)) => false,
        _ => panic!("{context}: {victim:?} killed, exit {code:?}\n{}", said(place, code).stderr),
    };
    assert_nothing_survives(&workers, context);
    hit
}

pub(crate) fn assert_nothing_survives(workers: &[u32], context: &str) {
    wait_for(&format!("{context}: the workers {workers:?} to end"), Duration::from_secs(5), || {
        (!workers.iter().any(|&worker| is_alive(worker))).then_some(())
    });
}
