//! Which network a command means: a run, one of its checkpoints, one set of weights.

use std::path::Path;

use super::failure::Failure;
use crate::config::Config;
use crate::rundir::{Checkpoint, Disk, Located, RunDir, checkpoint, weights};
use crate::sizing::{self, Layer};

/// The run folder that was named.
pub(crate) fn run_at(path: &Path) -> Result<RunDir, Failure> {
    match Located::at(path).map_err(Failure::user)? {
        Located::Run(run) => Ok(run),
        _ => Err(Failure::user(format!("{} is not a run folder", path.display()))
            .with_help("name one run: runs/<experiment>/<variant>/seed-<n>")),
    }
}

/// A set of weights of a checkpoint.
pub(crate) struct Weights {
    /// As logs name it: `raw`, `ema-0.999`.
    pub(crate) label: String,
    /// Stem of its file.
    pub(crate) file: String,
}

/// The weights that `ema`, `ema-<decay>` or `raw` means.
pub(crate) fn weights_named(asked: &str, config: &Config) -> Result<Weights, Failure> {
    let labels = config.ema.labels();
    let place = match asked {
        "raw" => return Ok(Weights { label: asked.to_owned(), file: weights::RAW.to_owned() }),
        "ema" => Some(0),
        named => labels.iter().position(|label| label == named),
    };
    let average = |place: usize| {
        let label = labels[place].clone();
        Weights { file: weights::average(place, &label), label }
    };
    place.map(average).ok_or_else(|| {
        let mut words = vec![format!("ema (that is {})", labels[0])];
        words.extend_from_slice(&labels[1..]);
        Failure::user(format!("--weights {asked}: this run has no such weights"))
            .with_help(format!("use {} or raw", words.join(", ")))
    })
}

/// The checkpoint asked for, its files verified.
pub(crate) fn checkpoint_at(run: &RunDir, at: &str) -> Result<Checkpoint, Failure> {
    let latest = checkpoint::latest_verified(&Disk, run, None).map_err(Failure::internal)?;
    let last = latest.checkpoint.ok_or_else(|| {
        Failure::user(format!("{} has no checkpoint yet", run.path().display()))
            .with_help("train it first; ablate status shows how far it is")
    })?;
    let step = match at {
        "last" => return Ok(last),
        "best" => last.manifest.best.map(|best| best.step).ok_or_else(|| {
            Failure::user("no evaluation has chosen a best checkpoint yet").with_help("use --at last")
        })?,
        other => other
            .strip_prefix("step=")
            .and_then(|step| step.parse().ok())
            .ok_or_else(|| Failure::user(format!("--at {other}: use last, best or step=N")))?,
    };
    let path = run.checkpoint_path(step);
    if !path.exists() {
        let kept: Vec<String> = checkpoint::list(&Disk, run)
            .map_err(Failure::internal)?
            .into_iter()
            .map(|(step, _)| step.to_string())
            .collect();
        return Err(Failure::user(format!("no checkpoint of step {step} is kept"))
            .with_help(format!("kept are the steps {}", kept.join(", "))));
    }
    checkpoint::verify(&Disk, &path, None).map_err(Failure::internal)
}

/// Names and shapes of the tensors of the network that a configuration describes.
pub(crate) fn tensors_of(config: &Config) -> Vec<(String, Vec<usize>)> {
    let layers = sizing::layers(&config.model, &config.data);
    layers.iter().flat_map(Layer::tensors).map(|tensor| (tensor.name, tensor.shape)).collect()
}
