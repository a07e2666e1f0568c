//! The plan: every variant of an experiment, checked, named and priced before any is launched.
//!
//! In: an [`Experiment`], and the names of variant folders that exist. Out: a [`Plan`], or everything that
//! is wrong with the sweep or any of its points. Nothing is written.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;
use toml::Table;

use super::left_out::{Duplicate, Excluded, Invalid};
use super::merge::{self, Merged};
use super::resolve;
use super::sweep::{self, Context};
use super::variant::{Variant, value_of};
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
    /// What the experiment gives every swept key where no axis does, in declared order.
    pub base: Vec<(String, Value)>,
    /// Replicates of every variant.
    pub seeds: Vec<u64>,
    /// Points that came to the same configuration as an earlier one.
    pub duplicates: Vec<Duplicate>,
    /// Points that an exclude rule leaves out.
    pub excluded: Vec<Excluded>,
    /// Points that are wrong, where the sweep asks to skip them.
    pub invalid: Vec<Invalid>,
    /// What a user should know about the sweep, each a sentence.
    pub warnings: Vec<String>,
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
        Plan::of_table(experiment, experiment.sweep())
    }

    /// The same for a `[sweep]` table that need not be the experiment's own.
    fn of_table(experiment: &Experiment, table: Option<&Table>) -> Result<Plan, Problems> {
        // A typed configuration always serializes: its keys are strings and its numbers finite.
        let base = serde_json::to_value(experiment.base()).unwrap_or_default();
        let context = Context {
            base: &base,
            pins: experiment.pins(),
            set_keys: &experiment.set_keys(),
            locate: &|key| experiment.location(key),
            normal: &|key, value| experiment.normal_form(key, value),
        };
        let mut sweep = sweep::read(table, &context).map_err(Problems)?;
        let resolved = resolve::resolve(experiment, &mut sweep)?;
        let of_base = |key: &String| (key.clone(), value_of(&base, key));
        let base = sweep.keys.iter().map(of_base).collect();
        let directory = experiment.base().runtime.runs_dir.join(experiment.name());
        let Merged { variants, varying, duplicates, excluded, invalid } =
            merge::merge(&sweep, resolved, &ExperimentDir::at(&directory));
        Ok(Plan {
            experiment: experiment.name().to_owned(),
            directory,
            variants,
            varying,
            base,
            seeds: sweep.seeds,
            duplicates,
            excluded,
            invalid,
            warnings: sweep.warnings,
        })
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

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod sweep_tests;

#[cfg(test)]
#[path = "plan_properties.rs"]
mod properties;
