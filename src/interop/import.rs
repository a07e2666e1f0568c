//! A folder of diffusers becomes a run: done at step 0, with everything that a trained one has.
//!
//! In: a [`Source`], its configuration, and the names and shapes of that network's tensors. Out: the run's folder, whole
//! or not at all. Its checkpoint is what training from these weights would start with.

use std::collections::BTreeMap;
use std::path::Path;

use super::InteropError;
use super::fresh::{Existing, Fresh};
use super::source::Source;
use super::tensors::{self, Found, Stored};
use crate::config::{self, Config};
use crate::rundir::columns::logs_of;
use crate::rundir::provenance::{Attempt, Imported, Provenance};
use crate::rundir::{
    CsvLog, Disk, ManifestMeta, Mark, Owner, RunDir, RunDirError, State, Status, WeightsFile, checkpoint,
    files, weights,
};

/// Where training is before its first step, as its checkpoints say it.
const PROGRESS: &str = r#"{
  "step": 0,
  "optimizer_updates": 0,
  "tally": {
    "sum": [0.0, 0.0, 0.0, 0.0],
    "count": [0, 0, 0, 0]
  },
  "best": null
}"#;

/// Names and shapes of tensors.
type Shapes = [(String, Vec<usize>)];

/// Makes the run at `target`, which must not exist.
///
/// # Errors
/// The weights are of another network, something has the name, or the disk refuses; nothing is at `target` then.
pub fn import(
    source: &Source,
    mut config: Config,
    network: &Shapes,
    target: &Path,
) -> Result<RunDir, InteropError> {
    let stored = Stored::open(source.weights())?;
    let found = stored.find(network)?;
    let original = WeightsFile::find(source.weights())?;
    let fresh = Fresh::begin(target, Existing::Nothing)?;
    let (run, target) = (RunDir::at(fresh.path()), RunDir::at(fresh.target()));
    // Whose checkpoint it is depends on the weights: they are written before it.
    let written = fresh.path().join("weights.safetensors");
    let hash = stored.write(&found, &written)?;
    let model = format!("{}.safetensors", weights::RAW);
    config.training.initial_weights = Some(target.checkpoint_path(0).join(&model));
    config.training.initial_weights_blake3 = Some(hash);
    let meta = ManifestMeta { owner: Owner::of(&config), logs: empty_logs(&run)?, best: None };
    checkpoint::save(&Disk, &run, 0, meta, |folder| {
        files::rename(&Disk, &written, &folder.join(&model))?;
        fill(&config, (&stored, &found), network, folder)
    })?;
    let text = config::to_toml(&config)
        .map_err(|error| InteropError::Malformed { path: target.config_path(), reason: error.to_string() })?;
    files::create(&Disk, &run.config_path(), text.as_bytes())?;
    let by = Attempt::of_this_process();
    let folder = source.folder().to_path_buf();
    let imported_from = Some(Imported { folder, weights_blake3: original.blake3, by });
    Provenance { imported_from, ..Provenance::default() }.write(&run)?;
    Status { state: State::Done, ..Status::planned(0) }.write(&run)?;
    fresh.publish()?;
    Ok(target)
}

/// The files of the checkpoint besides the weights: every average begins with them, and the optimizer has seen nothing.
fn fill(
    config: &Config,
    (stored, found): (&Stored, &[Found]),
    network: &Shapes,
    folder: &Path,
) -> Result<(), InteropError> {
    let path = |stem: &str| folder.join(format!("{stem}.safetensors"));
    for (place, label) in config.ema.labels().iter().enumerate() {
        stored.write(found, &path(&weights::average(place, label)))?;
    }
    let mut moments = weights::moments(network);
    moments.sort();
    tensors::write_zeros(&moments, &path(weights::OPTIMIZER))?;
    Ok(files::create(&Disk, &folder.join("progress.json"), PROGRESS.as_bytes())?)
}

/// Logs without a row, and where they end.
fn empty_logs(run: &RunDir) -> Result<BTreeMap<String, Mark>, RunDirError> {
    let logs = logs_of(run).into_iter();
    let mark = |(path, header): (std::path::PathBuf, &[&str])| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, CsvLog::open(&Disk, path, header)?.mark()?))
    };
    logs.map(mark).collect()
}
