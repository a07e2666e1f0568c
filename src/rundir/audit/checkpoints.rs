//! The checkpoints of a run: sizes, hashes, owner, and whether the tensors are the network's.

use std::path::Path;

use serde::Deserialize;

use super::{Audit, Tensors};
use crate::config::Config;
use crate::rundir::fs::Fs;
use crate::rundir::{Checkpoint, Owner, RunDir, RunDirError, checkpoint, files, weights};

const PROGRESS: &str = "progress.json";
const PROGRESS_LIMIT: u64 = 1 << 20;

/// Names and shapes of tensors.
type Shapes = Vec<(String, Vec<usize>)>;

/// What a checkpoint of a configuration must hold.
pub(super) struct Wanted {
    owner: Owner,
    /// By stem of the file.
    tensors: Vec<(String, Shapes)>,
}

impl Wanted {
    pub(super) fn of(config: &Config, tensors: Tensors<'_>) -> Wanted {
        let network = tensors(config);
        let moments = (weights::OPTIMIZER.to_owned(), weights::moments(&network));
        let labels = config.ema.labels();
        let averages = labels.iter().enumerate().map(|(place, label)| weights::average(place, label));
        let stems = averages.chain([weights::RAW.to_owned()]);
        let tensors = stems.map(|stem| (stem, network.clone())).chain([moments]).collect();
        let owner = Owner::of(config);
        Wanted { owner, tensors }
    }
}

/// Verifies every checkpoint; returns the good ones, oldest first. `done`: the last step of a run that says so.
pub(super) fn check(
    fs: &dyn Fs,
    run: &RunDir,
    wanted: Option<&Wanted>,
    done: Option<u64>,
    audit: &mut Audit,
) -> Vec<Checkpoint> {
    let listed = match checkpoint::list(fs, run) {
        Ok(listed) => listed,
        Err(error) => {
            audit.error(&run.checkpoints_path(), &error, "move it away: the run begins again at step 0");
            return vec![];
        }
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (step, path) in listed {
        let verified = checkpoint::verify(fs, &path, wanted.map(|wanted| &wanted.owner));
        match verified.and_then(|found| contents(fs, &found, wanted).map(|()| found)) {
            Ok(found) => {
                audit.checkpoints += 1;
                audit.bytes += found.manifest.total_bytes();
                strangers(fs, &found, audit);
                good.push(found);
            }
            Err(error) => bad.push((step, path, error)),
        }
    }
    let newest = good.last().map(|found| found.step);
    for (step, path, error) in &bad {
        audit.error(path, error, &remedy(*step, newest, done));
    }
    if let Some(last) = done
        && newest != Some(last)
        && !bad.iter().any(|(step, ..)| *step == last)
    {
        let reason = format!("the run is done, and there is no checkpoint of its last step, {last}");
        audit.damage(&run.checkpoints_path(), reason, again_from(newest));
    }
    good
}

/// What happens without a checkpoint, given the newest good one.
fn remedy(step: u64, newest: Option<u64>, done: Option<u64>) -> String {
    match newest {
        Some(newest) if newest > step => {
            format!("not needed to go on, step {newest} is good; delete the folder")
        }
        newest if done.is_some() => again_from(newest),
        Some(newest) => format!("a resume falls back to step {newest}"),
        None => "no checkpoint is good: a resume begins again at step 0".to_owned(),
    }
}

fn again_from(newest: Option<u64>) -> String {
    let step = newest.unwrap_or(0);
    format!("restore it; or delete status.json, and a resume trains again from step {step}")
}

/// Holds the safetensors headers to the network, and the step inside to the one outside.
fn contents(fs: &dyn Fs, found: &Checkpoint, wanted: Option<&Wanted>) -> Result<(), RunDirError> {
    #[derive(Deserialize)]
    struct Progress {
        step: u64,
    }

    let damaged = |path: &Path, reason: String| RunDirError::malformed(path, reason);
    for (stem, tensors) in wanted.into_iter().flat_map(|wanted| &wanted.tensors) {
        let path = found.path.join(format!("{stem}.safetensors"));
        if !found.manifest.files.contains_key(&format!("{stem}.safetensors")) {
            return Err(damaged(&path, "its manifest does not name it".to_owned()));
        }
        weights::check_file(&path, tensors).map_err(|error| damaged(&path, error.to_string()))?;
    }
    let path = found.path.join(PROGRESS);
    let Some(text) = files::read_text(fs, &path, PROGRESS_LIMIT)? else { return Ok(()) };
    match serde_json::from_str(&text) {
        Ok(Progress { step }) if step == found.step => Ok(()),
        Ok(Progress { step }) => Err(damaged(&path, format!("it is of step {step}"))),
        Err(error) => Err(damaged(&path, error.to_string())),
    }
}

/// Files that the manifest does not name: rotation and prune leave such a folder alone.
fn strangers(fs: &dyn Fs, found: &Checkpoint, audit: &mut Audit) {
    if let Ok(Some(stranger)) = checkpoint::stranger(fs, found) {
        let path = found.path.join(stranger);
        let reason = "its manifest does not name it";
        audit.note(&path, reason, "move it away; until then the checkpoint is never deleted");
    }
}
