//! A run's beginning as the beginning of a longer one.
//!
//! In: a run, one of its checkpoints and the run that is to go on from it. Out: a folder with that checkpoint and
//! the good ones before it under the new owner, and the rows and samples up to there, all copied: the two share no
//! byte on the disk, so either may be pruned or deleted. The folder gets its name by one rename at the end.

use std::io::{self, Read};
use std::path::Path;

use super::columns::logs_of;
use super::csv_log;
use super::fs::{Fs, FsFile};
use super::layout::parse_step;
use super::provenance::{Attempt, Origin, Provenance};
use super::{Checkpoint, ManifestMeta, Mark, Owner, RunDir, RunDirError, State, Status, checkpoint, files};

const RECORD_LIMIT: u64 = 16 << 20;

/// A run's folder while it is filled, in its experiment's.
pub(super) const NEW: &str = ".extend-new";

/// What becomes of a run's beginning.
#[derive(Debug)]
pub struct Fork<'a> {
    /// The run that is copied from; nobody may be at work in it.
    pub source: &'a RunDir,
    /// Its good checkpoints, oldest first; the last is where the new run goes on.
    pub checkpoints: &'a [Checkpoint],
    /// Whose run the new one is.
    pub owner: Owner,
    /// Steps of the whole new run.
    pub total_steps: u64,
    /// Its `config.toml`.
    pub config: &'a str,
    /// Steps between sample grids that the new run would have drawn too; 0: none.
    pub sample_every: u64,
}

impl Fork<'_> {
    /// Makes the run at `target`, which must not exist, in an experiment whose lock is held. What a kill left of
    /// an earlier try is replaced.
    ///
    /// # Errors
    /// Nothing is at `target`; the source is as it was.
    pub fn write(&self, fs: &dyn Fs, target: &RunDir) -> Result<(), RunDirError> {
        let variant = files::parent_of(target.path());
        let new = &RunDir::at(files::parent_of(variant).join(NEW));
        files::remove_tree(fs, new.path())?;
        files::create_dir(fs, new.path())?;
        let Some(from) = self.checkpoints.last() else { return Ok(()) };
        for (path, _) in logs_of(self.source) {
            let name = path.file_name().unwrap_or_default();
            if let Some(mark) = from.manifest.logs.get(name.to_string_lossy().as_ref()) {
                copy_prefix(fs, &path, &new.path().join(name), mark)?;
            }
        }
        self.checkpoints.iter().try_for_each(|found| self.checkpoint(fs, found, new))?;
        self.samples(fs, from.step, new)?;
        files::create(fs, &new.config_path(), self.config.as_bytes())?;
        let execution = self.source.execution_path();
        if let Some(text) = files::read_text(fs, &execution, RECORD_LIMIT)? {
            files::create(fs, &new.execution_path(), text.as_bytes())?;
        }
        self.records(from.step, new)?;
        files::sync_dir(fs, new.path())?;
        files::create_dir(fs, variant)?;
        files::rename(fs, new.path(), target.path())?;
        files::sync_dir(fs, variant)?;
        files::sync_dir(fs, files::parent_of(new.path()))
    }

    fn checkpoint(&self, fs: &dyn Fs, found: &Checkpoint, new: &RunDir) -> Result<(), RunDirError> {
        let manifest = &found.manifest;
        let owner = self.owner.clone();
        let meta = ManifestMeta { owner, logs: manifest.logs.clone(), best: manifest.best };
        checkpoint::save(fs, new, found.step, meta, |folder| {
            // The manifest's writing forces each to the disk.
            let mut names = manifest.files.keys();
            names.try_for_each(|name| copy(fs, source(fs, &found.path.join(name))?, &folder.join(name)))
        })?;
        Ok(())
    }

    fn samples(&self, fs: &dyn Fs, last: u64, new: &RunDir) -> Result<(), RunDirError> {
        let due = |step: u64| self.sample_every > 0 && step.is_multiple_of(self.sample_every);
        let (from, to) = (self.source.samples_path(), new.samples_path());
        for name in files::names_in(fs, &from)? {
            let step = name.to_str().and_then(|name| parse_step(name.strip_suffix(".png")?));
            if step.is_some_and(|step| step <= last && due(step)) {
                files::create_dir(fs, &to)?;
                copy_durably(fs, source(fs, &from.join(&name))?, &to.join(&name))?;
            }
        }
        Ok(())
    }

    /// The conditions go with the bytes: a later attempt is held to them.
    fn records(&self, step: u64, new: &RunDir) -> Result<(), RunDirError> {
        let mut provenance = Provenance::read(self.source)?;
        provenance.extended_from =
            Some(Origin { run: self.source.path().to_path_buf(), step, by: Attempt::of_this_process() });
        provenance.write(new)?;
        let earlier = Status::read(self.source)?;
        let mut status = Status::planned(self.total_steps);
        (status.state, status.step) = (State::Interrupted, step);
        if let Some(earlier) = earlier {
            status.attempt = earlier.attempt;
            status.owner = earlier.owner;
            status.exact = earlier.exact;
            status.inexact_reason = earlier.inexact_reason;
        }
        status.write(new)
    }
}

/// Copies the part of a log that a checkpoint has seen.
fn copy_prefix(fs: &dyn Fs, from: &Path, to: &Path, mark: &Mark) -> Result<(), RunDirError> {
    let changed = |reason| RunDirError::LogChanged { path: from.to_path_buf(), bytes: mark.bytes, reason };
    let start = || Ok(files::open(fs, from)?.ok_or_else(|| changed("it is missing"))?.take(mark.bytes));
    let (seen, _) = csv_log::hash(start()?).map_err(|source| RunDirError::io("read", from, source))?;
    mark.matches(&seen).map_err(changed)?;
    copy_durably(fs, start()?, to)
}

/// Opens a file that is there to be copied.
fn source(fs: &dyn Fs, path: &Path) -> Result<Box<dyn FsFile>, RunDirError> {
    files::open(fs, path)?.ok_or_else(|| RunDirError::malformed(path, "it is missing"))
}

/// Copies without fsync.
fn copy(fs: &dyn Fs, mut source: impl Read, to: &Path) -> Result<(), RunDirError> {
    files::create_with(fs, to, |target| io::copy(&mut source, target).map(drop))
}

/// Copies and forces the copy to the disk.
fn copy_durably(fs: &dyn Fs, source: impl Read, to: &Path) -> Result<(), RunDirError> {
    copy(fs, source, to)?;
    let copied = fs.open(to).map_err(|source| RunDirError::io("open", to, source))?;
    files::sync_file(copied.as_ref(), to)
}

#[cfg(test)]
#[path = "fork_tests.rs"]
mod tests;
