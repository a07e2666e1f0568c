//! The plan: every variant of an experiment, checked, named and priced before any is launched.
//!
//! In: an [`Experiment`], and the names of variant folders that exist. Out: a [`Plan`], or everything that
//! is wrong with the sweep or any of its points. Nothing is written.

use std::collections::HashMap;
use std::path::PathBuf;

use super::sweep::Sweep;
use super::sweep_table::{self, Context};
use super::variant::Variant;
use super::{merge, resolve};
use crate::config::{Config, Experiment, Problems};
use crate::rundir::{ExperimentDir, RunDir};

/// What an experiment will train.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Name of the experiment.
    pub experiment: String,
    /// Its folder, `<runtime.runs_dir>/<experiment>`.
    pub directory: PathBuf,
    /// In declared order.
    pub variants: Vec<Variant>,
    /// The swept keys whose value differs between variants, in declared order.
    pub varying: Vec<String>,
    /// Replicates of every variant.
    pub seeds: Vec<u64>,
    /// Points that came to the same configuration as an earlier one.
    pub duplicates: Vec<Duplicate>,
}

/// A point that was merged into an earlier variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The point, in the words of a variant's name.
    pub point: String,
    /// Name of the variant that stands for it.
    pub variant: String,
}

/// One run: a variant and a seed.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedRun<'a> {
    /// What is trained.
    pub variant: &'a Variant,
    /// The replicate.
    pub seed: u64,
    /// Its folder.
    pub dir: PathBuf,
}

impl PlannedRun<'_> {
    /// The configuration of this run, seed included.
    pub fn config(&self) -> Config {
        self.variant.config_for(self.seed)
    }

    /// The run's folder with the paths in it.
    pub fn run_dir(&self) -> RunDir {
        RunDir::at(&self.dir)
    }
}

impl Plan {
    /// Expands and checks an experiment.
    ///
    /// # Errors
    /// Everything that is wrong with the sweep; if nothing is, everything that is wrong with its points.
    pub fn build(experiment: &Experiment) -> Result<Plan, Problems> {
        let context = Context {
            base_seed: experiment.base().training.seed,
            pins: experiment.pins(),
            set_keys: &experiment.set_keys(),
            locate: &|key| experiment.location(key),
        };
        let sweep = sweep_table::read(experiment.sweep(), &context).map_err(Problems)?;
        let candidates = resolve::resolve(experiment, &sweep)?;
        let directory = experiment.base().runtime.runs_dir.join(experiment.name());
        let merged = merge::merge(&sweep, candidates, &ExperimentDir::at(&directory));
        let Sweep { seeds, .. } = sweep;
        let (experiment, (variants, varying, duplicates)) = (experiment.name().to_owned(), merged);
        Ok(Plan { experiment, directory, variants, varying, seeds, duplicates })
    }

    /// The experiment's folder with the paths in it.
    pub fn experiment_dir(&self) -> ExperimentDir {
        ExperimentDir::at(&self.directory)
    }

    /// Every run, seeds outermost: each variant has one seed before any has two.
    pub fn runs(&self) -> impl Iterator<Item = PlannedRun<'_>> + '_ {
        let experiment = self.experiment_dir();
        self.seeds.iter().flat_map(move |&seed| {
            let experiment = experiment.clone();
            self.variants.iter().map(move |variant| {
                let dir = experiment.run(&variant.name, seed).path().to_owned();
                PlannedRun { variant, seed, dir }
            })
        })
    }

    /// The notes of all variants, each once, with the names of those it applies to.
    pub fn notes(&self) -> Vec<(&str, Vec<&str>)> {
        let mut notes: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for variant in &self.variants {
            for note in &variant.notes {
                let place = *places.entry(note).or_insert_with(|| {
                    notes.push((note, Vec::new()));
                    notes.len() - 1
                });
                notes[place].1.push(&variant.name);
            }
        }
        notes
    }
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
