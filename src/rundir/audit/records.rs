//! The small files of a run: its configuration, its status, and the conditions it was trained under.

use std::path::Path;

use serde::Deserialize;

use super::Audit;
use crate::config::{self, Config};
use crate::rundir::format::{self, EXECUTION_FORMAT};
use crate::rundir::fs::Fs;
use crate::rundir::provenance::Provenance;
use crate::rundir::{RunDir, RunDirError, Status, files};

const SIZE_LIMIT: u64 = 16 << 20;
/// Digits of an id at the end of a variant's folder name.
const ID_DIGITS: [usize; 2] = [8, 16];

const AGAIN: &str = "restore it; or delete it, and `ablate run` with the experiment file writes it again";

/// The configuration, where it can be read and is the one that the folder stands for.
pub(super) fn config(run: &RunDir, audit: &mut Audit) -> Option<Config> {
    let path = run.config_path();
    let config = match config::read_run_config(&path) {
        Ok(config) => config,
        Err(_) if !is_there(&path) && !was_begun(run) => {
            let remedy = "`ablate run` with the experiment file goes on from here";
            audit.note(run.path(), "its runner was killed before it wrote config.toml", remedy);
            return None;
        }
        Err(error) => {
            let problems = error.problems.to_string();
            let first = problems.lines().next().unwrap_or_default().trim_start_matches("error: ");
            audit.damage(&path, first, AGAIN);
            return None;
        }
    };
    let identity = config::identity(&config);
    // A run under a name of its own, as an imported one may be, stands for no variant.
    let variant = run.seed().and_then(|_| run.variant());
    let named = variant.and_then(|name| name.rsplit_once('-')).map(|(_, id)| id).filter(|id| {
        ID_DIGITS.contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    if let Some(id) = named.filter(|id| !identity.starts_with(id)) {
        let reason = format!("its configuration is that of {}, the folder is named for {id}", &identity[..8]);
        audit.damage(&path, reason, AGAIN);
        return None;
    }
    if let Some(seed) = run.seed().filter(|seed| *seed != config.training.seed) {
        let reason = format!("training.seed = {}, the folder is named for {seed}", config.training.seed);
        audit.damage(&path, reason, AGAIN);
        return None;
    }
    Some(config)
}

/// Whether a worker was ever at it.
fn was_begun(run: &RunDir) -> bool {
    [run.status_path(), run.metrics_path(), run.checkpoints_path()].iter().any(|path| is_there(path))
}

/// Whether anything has this name, a link that leads nowhere too.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The status, where it can be read.
pub(super) fn status(run: &RunDir, audit: &mut Audit) -> Option<Status> {
    match Status::read(run) {
        Ok(status) => status,
        Err(error) => {
            audit.error(&run.status_path(), &error, "the next attempt writes it again from the checkpoints");
            None
        }
    }
}

/// How and where the run was executed: without it nobody can say whether it goes on exactly.
pub(super) fn conditions(fs: &dyn Fs, run: &RunDir, trained: bool, audit: &mut Audit) {
    /// What every version has written.
    #[derive(Deserialize)]
    struct Execution {
        #[serde(rename = "threads")]
        _threads: usize,
        #[serde(rename = "evaluation_batch")]
        _evaluation_batch: usize,
        #[serde(rename = "sampling_batch")]
        _sampling_batch: usize,
    }

    let (path, remedy) = (run.execution_path(), "restore it; without it the next attempt chooses anew");
    match files::read_text(fs, &path, SIZE_LIMIT) {
        Ok(None) if trained => audit.damage(&path, "it is missing", remedy),
        Ok(None) => {}
        Ok(Some(text)) => {
            if let Err(error) = format::parse::<Execution>(&path, &text, "execution", EXECUTION_FORMAT) {
                audit.error(&path, &error, remedy);
            }
        }
        Err(error) => audit.error(&path, &error, remedy),
    }
    let path = run.provenance_path();
    let remedy = "restore it; or delete it, and nothing says any more under which conditions the run began";
    match Provenance::read(run) {
        Ok(provenance) if trained && provenance.attempts.is_empty() => {
            audit.damage(&path, "it names no attempt, and there are checkpoints", "restore it");
        }
        Ok(_) => {}
        Err(error @ RunDirError::Malformed { .. }) => audit.error(&path, &error, remedy),
        Err(error) => audit.error(&path, &error, "restore it"),
    }
}
