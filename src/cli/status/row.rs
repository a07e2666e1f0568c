//! One run as `status` shows it. In: what `report` found, and `status.json`. Out: plain fields.

use std::path::PathBuf;

use serde::Serialize;

use crate::report::load::{RunRow, VariantRuns};
use crate::report::progress::Progress;
use crate::rundir::{RunDir, State, Status};

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    /// The variant's folder name, preceded by the experiment's where several are shown.
    pub(super) variant: String,
    id: String,
    pub(super) seed: u64,
    dir: PathBuf,
    /// `running` with a dead owner is `interrupted`.
    pub(super) state: State,
    attempt: u32,
    pub(super) step: u64,
    pub(super) total_steps: u64,
    pub(super) loss: Option<f64>,
    pub(super) images_per_second: Option<f64>,
    pub(super) seconds_left: Option<f64>,
    /// The course of the loss, for people.
    #[serde(skip)]
    pub(super) trend: String,
    pub(super) error: Option<String>,
    /// Whether no resume under other conditions may have changed its numbers.
    pub(super) exact: bool,
    inexact_reason: Option<String>,
    updated: Option<String>,
    /// Whether the latest plan still asks for it.
    asked: bool,
}

impl Row {
    /// Reads a run's status; what is wrong with it goes to `notes`, unless `report` said so already.
    pub(super) fn read(variant: &VariantRuns, run: &RunRow, notes: &mut Vec<String>) -> Row {
        let status = Status::read(&run.dir).unwrap_or_else(|error| {
            let note = error.to_string();
            if !notes.iter().any(|known| known.contains(&note)) {
                notes.push(note);
            }
            None
        });
        let status = status.as_ref();
        let Progress { total_steps, images_per_second, seconds_left } = Progress::of(variant, run, status);
        Row {
            variant: variant.label.clone(),
            id: variant.id.clone(),
            seed: run.seed,
            dir: run.dir.path().to_path_buf(),
            state: run.state,
            attempt: status.map_or(0, |s| s.attempt),
            step: run.step,
            total_steps,
            loss: status.and_then(|s| s.loss),
            images_per_second,
            seconds_left,
            trend: String::new(),
            error: status.and_then(|s| s.error.clone()).filter(|_| run.state != State::Done),
            exact: run.exact,
            inexact_reason: status.and_then(|s| s.inexact_reason.clone()),
            updated: status.map(|s| crate::rundir::status::timestamp(s.updated)),
            asked: variant.asked,
        }
    }

    /// Its folder.
    pub(super) fn run(&self) -> RunDir {
        RunDir::at(&self.dir)
    }
}
