//! `status.json`: where a run stands. Written by its worker, or by the launcher for a worker that died.

use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::files;
use super::format::{self, STATUS_FORMAT};
use super::{Disk, Process, RunDir, RunDirError};

const SIZE_LIMIT: u64 = 1 << 20;

/// `planned → submitted → running → done`, or one of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// In the plan, nothing started.
    Planned,
    /// Handed to a cluster's queue.
    Submitted,
    /// A worker is at it, or died without a word: ask [`super::owner_is_alive`].
    Running,
    /// Trained to its last step.
    Done,
    /// Ended by an error that trying again would repeat.
    Failed,
    /// Ended from outside; the same command goes on.
    Interrupted,
    /// The loss stopped being finite.
    Diverged,
    /// Held back on purpose.
    Paused,
}

impl State {
    /// The word used in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            State::Planned => "planned",
            State::Submitted => "submitted",
            State::Running => "running",
            State::Done => "done",
            State::Failed => "failed",
            State::Interrupted => "interrupted",
            State::Diverged => "diverged",
            State::Paused => "paused",
        }
    }

    /// Whether the run ended in a way that only `--retry-failed` tries again.
    pub fn is_failure(self) -> bool {
        matches!(self, State::Failed | State::Diverged)
    }
}

/// The content of `status.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of this file.
    pub format: u32,
    /// Where the run stands.
    pub state: State,
    /// Counts starts, from 1; 0 before the first.
    pub attempt: u32,
    /// Who runs it, or ran it last.
    #[serde(flatten)]
    pub owner: Process,
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps of the whole run; 0 while unknown.
    pub total_steps: u64,
    /// Latest training loss.
    #[serde(default)]
    pub loss: Option<f64>,
    /// Latest speed.
    #[serde(default)]
    pub images_per_second: Option<f64>,
    /// Start of this attempt, RFC 3339, UTC.
    #[serde(default)]
    pub started: Option<DateTime<Utc>>,
    /// When this file was written, RFC 3339, UTC.
    pub updated: DateTime<Utc>,
    /// Why the run is not running, in one line.
    #[serde(default)]
    pub error: Option<String>,
    /// Whether every attempt ran under conditions that give equal bytes.
    #[serde(default = "yes")]
    pub exact: bool,
    /// Which condition differed.
    #[serde(default)]
    pub inexact_reason: Option<String>,
    /// The step at which the last attempt was killed without anyone of us asking for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub killed_at: Option<u64>,
}

fn yes() -> bool {
    true
}

impl Status {
    /// A run nobody has started.
    pub fn planned(total_steps: u64) -> Status {
        Status {
            format: STATUS_FORMAT,
            state: State::Planned,
            attempt: 0,
            owner: Process::default(),
            step: 0,
            total_steps,
            loss: None,
            images_per_second: None,
            started: None,
            updated: Utc::now(),
            error: None,
            exact: true,
            inexact_reason: None,
            killed_at: None,
        }
    }

    /// The same run, started now by this process: the next attempt, error and owner replaced.
    pub fn next_attempt(&self) -> Status {
        let now = Utc::now();
        Status {
            format: STATUS_FORMAT,
            state: State::Running,
            attempt: self.attempt.saturating_add(1),
            owner: Process::current(),
            started: Some(now),
            updated: now,
            error: None,
            ..self.clone()
        }
    }

    /// Reads a run's status; `None` where it has none yet.
    ///
    /// A power cut may leave a damaged file: an owner of the run's lock may then go on as if there were
    /// none, since checkpoints and logs carry everything that training needs.
    pub fn read(run: &RunDir) -> Result<Option<Status>, RunDirError> {
        let path = run.status_path();
        let Some(text) = files::read_text(&Disk, &path, SIZE_LIMIT)? else { return Ok(None) };
        Status::parse(&path, &text).map(Some)
    }

    /// As [`Status::read`], of a text; `path` is for messages alone.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Status, RunDirError> {
        format::parse(path, text, "status", STATUS_FORMAT)
    }

    /// Writes a change of state: durable, replaced by rename. `updated` is set to now.
    pub fn write(&mut self, run: &RunDir) -> Result<(), RunDirError> {
        let bytes = self.stamped_bytes();
        files::replace(&Disk, &run.status_path(), &bytes)
    }

    /// Writes progress: replaced by rename, but not forced to the disk. `updated` is set to now.
    pub fn write_progress(&mut self, run: &RunDir) -> Result<(), RunDirError> {
        let bytes = self.stamped_bytes();
        files::replace_unsynced(&Disk, &run.status_path(), &bytes)
    }

    fn stamped_bytes(&mut self) -> Vec<u8> {
        self.updated = Utc::now();
        // JSON has no NaN: serde_json writes null, which reads back as None.
        let mut bytes = serde_json::to_vec_pretty(self).expect("plain fields with string keys serialise");
        bytes.push(b'\n');
        bytes
    }
}

/// An instant as tables show it: seconds, UTC.
pub fn timestamp(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> (tempfile::TempDir, RunDir) {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        (folder, run)
    }

    #[test]
    fn a_status_reads_back_as_written() {
        let (_folder, run) = run();
        assert_eq!(Status::read(&run).unwrap(), None);
        let mut status = Status::planned(100).next_attempt();
        status.step = 7;
        status.loss = Some(0.1 + 0.2);
        status.error = Some("line".to_owned());
        status.write(&run).unwrap();
        assert_eq!(Status::read(&run).unwrap(), Some(status.clone()));
        status.write_progress(&run).unwrap();
        assert_eq!(Status::read(&run).unwrap(), Some(status));
    }

    #[test]
    fn a_loss_that_is_not_a_number_keeps_the_file_readable() {
        let (_folder, run) = run();
        let mut status = Status::planned(1);
        status.loss = Some(f64::NAN);
        status.write(&run).unwrap();
        assert_eq!(Status::read(&run).unwrap().unwrap().loss, None);
    }

    #[test]
    fn a_newer_status_is_refused_by_name() {
        let (_folder, run) = run();
        std::fs::write(run.status_path(), r#"{"format": 2, "state": "teleported"}"#).unwrap();
        let message = Status::read(&run).unwrap_err().to_string();
        assert!(
            message.contains("status.json has status format 2, this program knows formats up to 1"),
            "{message}"
        );
    }

    #[test]
    fn a_damaged_status_is_named() {
        let (_folder, run) = run();
        std::fs::write(run.status_path(), "").unwrap();
        assert!(Status::read(&run).unwrap_err().to_string().contains("status.json is damaged"));
    }

    #[test]
    fn the_owner_lies_flat_in_the_file() {
        let (_folder, run) = run();
        Status::planned(1).next_attempt().write(&run).unwrap();
        let value: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(run.status_path()).unwrap()).unwrap();
        assert_eq!(value["pid"], std::process::id());
        assert_eq!(value["attempt"], 1);
        assert_eq!(value["state"], "running");
    }
}
