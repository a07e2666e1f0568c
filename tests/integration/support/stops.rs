//! Runs that are asked to stop at chosen moments, and what must hold afterwards.

use std::fs;
use std::time::Duration;

use super::Workplace;
use super::kills::{Moment, RUN, reach, reference, writes_checkpoint};
use super::numbers::Numbers;
use super::processes::{Background, said, workers_of};
use super::tier::Tier;
use super::training::{STEPS, only_run};

/// Where a signal finds the run: between checkpoints, or in the middle of one.
pub(crate) fn moment(round: u64, numbers: &mut Numbers) -> Moment {
    if round.is_multiple_of(2) {
        Moment::Row(3 + numbers.below(STEPS as usize / 2))
    } else {
        Moment::Checkpoint(numbers.duration(Duration::ZERO..Duration::from_millis(10)))
    }
}

/// A run of the moment's; the launcher and its worker.
pub(crate) fn started(place: &Workplace, moment: Moment) -> (Background, u32) {
    let mut running = Background::start(place, RUN);
    assert!(reach(moment, place, &mut running), "it ended before {moment:?}");
    let workers = workers_of(running.pid());
    assert_eq!(workers.len(), 1, "{moment:?}: {}", said(place, None).stderr);
    (running, workers[0])
}

/// The state and the rows after a run that was asked to stop; then the same command must end it.
pub(crate) fn assert_resumes(place: &Workplace, context: &str) {
    let run = only_run(place);
    assert_eq!(run.state(), "interrupted", "{context}");
    let step = run.status().unwrap()["step"].as_u64().unwrap();
    assert_eq!(run.checkpoints().last(), Some(&step), "{context}: the last step is checkpointed");
    assert_eq!(run.rows() as u64, step, "{context}: its rows are there");
    assert_goes_on(place, context);
    let rewound = fs::read_dir(&run.path).unwrap().flatten();
    let rewound = rewound.filter(|entry| entry.file_name().to_string_lossy().contains(".rewound-"));
    assert_eq!(rewound.count(), 0, "{context}: nothing was trained twice");
}

/// The same command ends a run that was interrupted.
pub(crate) fn assert_goes_on(place: &Workplace, context: &str) {
    let run = only_run(place);
    assert!(matches!(run.state().as_str(), "interrupted" | "running"), "{context}: {}", run.state());
    place.ablate(RUN).exits(0);
    assert_eq!((run.state().as_str(), run.attempt()), ("done", 2), "{context}");
    run.assert_equals(&reference().bytes, context);
    assert!(!writes_checkpoint(&run), "{context}: half a checkpoint is left");
}

/// Rounds of each kind of signal.
pub(crate) fn rounds() -> u64 {
    Tier::asked().pick(1, 2, 20)
}
