//! From folders to runs, tolerant of whatever a crash or a person left in them.
//!
//! In: run, variant, experiment or root folders. Out: [`Loaded`], variants with their runs, sorted so that
//! the order of folders on disk shows nowhere. What cannot be read is left out and noted, never fatal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::metric::Log;
use super::provenance::Origin;
use super::read::Reader;
use super::series::Series;
use super::varying::Settings;
use crate::config::Config;
use crate::rundir::{ExperimentDir, Located, RunDir, RunDirError, State};

/// Everything that was found.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// By experiment; planned variants in the plan's order, then others by name.
    pub(crate) variants: Vec<VariantRuns>,
    /// What the experiments give their swept keys where no axis does; null where two of them disagree.
    pub(crate) base: BTreeMap<String, Value>,
    /// What could not be read, one sentence each.
    pub(crate) notes: Vec<String>,
}

/// One variant of one experiment.
#[derive(Debug)]
pub(crate) struct VariantRuns {
    /// Folder name; preceded by the experiment's where several are loaded. Unique.
    pub(crate) label: String,
    /// Identity.
    pub(crate) id: String,
    /// Whether the latest plan asks for it.
    pub(crate) asked: bool,
    /// The resolved configuration, from any readable run; large, and most variants of a large plan have none yet.
    pub(crate) config: Option<Box<Config>>,
    /// The identity of `config`, flattened.
    pub(crate) settings: Option<Settings>,
    /// What the plan says about the swept keys.
    pub(crate) overrides: Vec<(String, Value)>,
    /// By seed: found ones and those planned.
    pub(crate) runs: Vec<RunRow>,
}

impl VariantRuns {
    /// A setting; from the plan where no run has a readable configuration.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        match &self.settings {
            Some(settings) => settings.get(key),
            None => self.overrides.iter().find(|(name, _)| name == key).map(|(_, value)| value),
        }
    }
}

/// One run.
#[derive(Debug)]
pub(crate) struct RunRow {
    /// The seed in its folder's name.
    pub(crate) seed: u64,
    /// Its folder, there or not.
    pub(crate) dir: RunDir,
    /// Whether it was ever started or laid out.
    pub(crate) found: bool,
    /// As its status says; `running` with a dead owner is `interrupted`.
    pub(crate) state: State,
    /// Optimizer steps done.
    pub(crate) step: u64,
    /// Whether no resume under other conditions may have changed its numbers.
    pub(crate) exact: bool,
    /// Label of the average that `ema` means, where the configuration is readable.
    pub(crate) first_average: Option<String>,
    /// The code and the data behind its numbers.
    pub(crate) origin: Origin,
    /// The rows of the log that was asked for.
    pub(crate) series: Series,
}

/// Which runs of one experiment were named: everything, or some variants, each with one seed or all.
#[derive(Default)]
pub(super) struct Scope {
    whole: bool,
    variants: BTreeSet<(String, Option<u64>)>,
}

impl Scope {
    /// Whether a run was asked for.
    pub(super) fn has(&self, variant: &str, seed: u64) -> bool {
        self.whole
            || self
                .variants
                .iter()
                .any(|(name, only)| name == variant && only.is_none_or(|only| only == seed))
    }
}

/// Loads every run below `folders` with the rows of `log`. A folder that is not there is an error; a folder
/// without runs adds nothing.
pub(crate) fn load(folders: &[PathBuf], log: Log) -> Result<Loaded, RunDirError> {
    let mut scopes: BTreeMap<ExperimentDir, Scope> = BTreeMap::new();
    for folder in folders {
        add_scope(folder, &mut scopes)?;
    }
    let mut loaded = Loaded::default();
    let several = scopes.len() > 1;
    let names: Vec<String> = scopes.keys().map(ExperimentDir::name).collect();
    for (experiment, scope) in &scopes {
        let name = experiment.name();
        let unique = names.iter().filter(|other| **other == name).count() == 1;
        let prefix = match (several, unique) {
            (false, _) => String::new(),
            (true, true) => format!("{name}/"),
            (true, false) => format!("{}/", experiment.path().display()),
        };
        Reader { experiment, scope, prefix, log }.read(&mut loaded);
    }
    Ok(loaded)
}

fn add_scope(folder: &Path, scopes: &mut BTreeMap<ExperimentDir, Scope>) -> Result<(), RunDirError> {
    match Located::at(folder)? {
        Located::Experiment(experiment) => scopes.entry(experiment).or_default().whole = true,
        Located::Run(run) => add_named(&run, run.seed(), scopes),
        Located::Root(experiments) if experiments.is_empty() => {
            // Neither experiment nor root: perhaps one variant, whose children are runs.
            let variant = folder.canonicalize().map_err(|source| RunDirError::Io {
                action: "open folder",
                path: folder.to_owned(),
                source,
            })?;
            add_named(&RunDir::at(variant.join("seed-0")), None, scopes);
        }
        Located::Root(experiments) => {
            for experiment in experiments {
                scopes.entry(experiment).or_default().whole = true;
            }
        }
    }
    Ok(())
}

fn add_named(run: &RunDir, seed: Option<u64>, scopes: &mut BTreeMap<ExperimentDir, Scope>) {
    if let (Some(experiment), Some(variant)) = (run.experiment(), run.variant()) {
        scopes.entry(experiment).or_default().variants.insert((variant.to_owned(), seed));
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
