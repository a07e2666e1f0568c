//! The runs below a folder that a user names: a run, a variant, an experiment, or a root of experiments.

use std::path::Path;

use super::failure::Failure;
use crate::guard::printable;
use crate::rundir::{ExperimentDir, Located, RunDir};

/// What a folder holds.
pub(super) struct Scope {
    /// Experiments that were named as a whole.
    pub(super) experiments: Vec<ExperimentDir>,
    /// Every run, variants by name, seeds by number.
    pub(super) runs: Vec<RunDir>,
}

impl Scope {
    /// Looks below a folder; links are not followed.
    pub(super) fn at(folder: &Path) -> Result<Scope, Failure> {
        let nothing = || {
            Failure::user(format!("{} holds no runs", folder.display())).with_help(
                "name a folder that `ablate run` wrote: a run, a variant, an experiment, or all of them",
            )
        };
        let located = Located::at(folder).map_err(|error| Failure::user(printable(&error.to_string())))?;
        let experiments = match located {
            Located::Run(run) => return Ok(Scope { experiments: vec![], runs: vec![run] }),
            Located::Experiment(experiment) => vec![experiment],
            Located::Root(experiments) => experiments,
        };
        if experiments.is_empty() {
            return variant(folder).ok_or_else(nothing);
        }
        let found = experiments.iter().flat_map(ExperimentDir::walk);
        let runs = found.filter_map(Result::ok).map(|found| found.dir).collect();
        Ok(Scope { experiments, runs })
    }
}

/// A variant's folder: its parent is an experiment, and runs lie in it.
fn variant(folder: &Path) -> Option<Scope> {
    let folder = folder.canonicalize().ok()?;
    let name = folder.file_name()?.to_str()?.to_owned();
    let found = ExperimentDir::at(folder.parent()?).walk().into_iter().filter_map(Result::ok);
    let runs: Vec<RunDir> = found.filter(|found| found.variant == name).map(|found| found.dir).collect();
    (!runs.is_empty()).then_some(Scope { experiments: vec![], runs })
}
