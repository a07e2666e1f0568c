//! A run's rows and checkpoints as one transaction.
//!
//! In: rows as training goes, and now and then everything a checkpoint saves. Out: logs and checkpoints that
//! agree: a checkpoint knows where each log stood, and opening goes back to the newest one that verifies.
//! After a kill or a power cut at any instant, opening again finds a state that training has been in.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::path::{Path, PathBuf};

use super::checkpoint::{self, Checkpoint, Latest};
use super::columns::{EVAL_HEADER, IMAGES_HEADER, LEVELS_HEADER, METRICS_HEADER, TIMING_HEADER};
use super::csv_log::{self, CsvLog};
use super::fs::Fs;
use super::{Best, ManifestMeta, Mark, Owner, RunDir, RunDirError};

/// Which checkpoints stay, besides the newest and the best.
#[derive(Debug, Clone, Copy)]
pub struct Retention<'r> {
    /// So many of the newest, at least one.
    pub keep: usize,
    /// These steps whatever their number.
    pub pinned: &'r [u64],
}

impl Retention<'_> {
    /// Deletes what may go once `newest` is there.
    fn apply(
        &self,
        fs: &dyn Fs,
        run: &RunDir,
        owner: &Owner,
        newest: &Checkpoint,
    ) -> Result<(), RunDirError> {
        let best = newest.manifest.best.map(|best| best.step);
        let protect: Vec<u64> =
            best.into_iter().chain([newest.step]).chain(self.pinned.iter().copied()).collect();
        checkpoint::rotate(fs, run, owner, self.keep, &protect).map(drop)
    }
}

/// The open logs of a run, and the right to write its checkpoints (hold the run's lock).
#[derive(Debug)]
pub struct Journal<'a> {
    fs: &'a dyn Fs,
    run: &'a RunDir,
    owner: Owner,
    retention: Retention<'a>,
    /// `metrics.csv`.
    pub metrics: CsvLog<'a>,
    /// `timing.csv`.
    pub timing: CsvLog<'a>,
    /// `eval.csv`.
    pub eval: CsvLog<'a>,
    /// `levels.csv`.
    pub levels: CsvLog<'a>,
    /// `images.csv`.
    pub images: CsvLog<'a>,
}

impl<'a> Journal<'a> {
    /// Finds the newest checkpoint that verifies and takes the logs back to it; without one, to their start.
    /// Rows beyond it move to `<log>.rewound-<attempt>.csv`.
    pub fn open(
        fs: &'a dyn Fs,
        run: &'a RunDir,
        owner: Owner,
        attempt: u32,
        retention: Retention<'a>,
    ) -> Result<(Journal<'a>, Latest), RunDirError> {
        // A kill after the last save leaves what no later save would remove.
        checkpoint::remove_leftovers(fs, run)?;
        let latest = checkpoint::latest_verified(fs, run, Some(&owner))?;
        if let (Some(newest), []) = (&latest.checkpoint, latest.damaged.as_slice()) {
            retention.apply(fs, run, &owner, newest)?;
        }
        let marks = latest.checkpoint.as_ref().map(|found| &found.manifest.logs);
        let open = |path: PathBuf, header: &[&str]| {
            let mark = marks.and_then(|marks| marks.get(&name_of(&path)));
            csv_log::open_at(fs, &path, header, mark, attempt)
        };
        let journal = Journal {
            fs,
            run,
            owner,
            retention,
            metrics: open(run.metrics_path(), METRICS_HEADER)?,
            timing: open(run.timing_path(), TIMING_HEADER)?,
            eval: open(run.eval_path(), EVAL_HEADER)?,
            levels: open(run.levels_path(), LEVELS_HEADER)?,
            images: open(run.images_path(), IMAGES_HEADER)?,
        };
        Ok((journal, latest))
    }

    /// Rows to the disk, then the checkpoint that remembers where they ended, then the oldest ones go.
    /// An error ends the run: the last good checkpoint is there, and nothing is tried twice.
    pub fn save<E>(
        &mut self,
        step: u64,
        best: Option<Best>,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Checkpoint, RunDirError>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let meta = ManifestMeta { owner: self.owner.clone(), logs: self.marks()?, best };
        let saved = checkpoint::save(self.fs, self.run, step, meta, fill)?;
        self.retention.apply(self.fs, self.run, &self.owner, &saved)?;
        Ok(saved)
    }

    /// Flushes all logs to the disk and says where each ends.
    fn marks(&mut self) -> Result<BTreeMap<String, Mark>, RunDirError> {
        [&mut self.metrics, &mut self.timing, &mut self.eval, &mut self.levels, &mut self.images]
            .into_iter()
            .map(|log| Ok((name_of(log.path()), log.mark()?)))
            .collect()
    }
}

fn name_of(log: &Path) -> String {
    log.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "journal_tests/mod.rs"]
mod tests;
