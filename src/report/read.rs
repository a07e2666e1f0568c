//! One experiment's folder to variants with their runs.
//!
//! In: the folder, which runs of it were asked for, and which log. Out: variants appended to a [`Loaded`],
//! with a note for everything that could not be read.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde_json::Value;

use super::load::{Loaded, RunRow, Scope, VariantRuns};
use super::metric::Log;
use super::provenance::{self, Origin};
use super::series::Series;
use super::varying::flatten;
use crate::config::{self, Config};
use crate::rundir::plan_file::{PlanFile, Recorded};
use crate::rundir::{ExperimentDir, RunDir, State, Status, owner_is_alive};

/// Reads one experiment.
pub(super) struct Reader<'a> {
    pub(super) experiment: &'a ExperimentDir,
    pub(super) scope: &'a Scope,
    pub(super) prefix: String,
    pub(super) log: Log,
}

/// One variant as planned, with the folders of its runs.
type Found = (Recorded, BTreeMap<u64, RunDir>);

impl Reader<'_> {
    /// Reads everything in scope into `loaded`, on all cores, in an order that none of them decides.
    pub(super) fn read(&self, loaded: &mut Loaded) {
        let found = self.find(loaded);
        // What has neither runs nor notes takes no place.
        let read: Vec<(Option<VariantRuns>, Vec<String>)> = found
            .into_par_iter()
            .filter_map(|(planned, runs)| {
                let mut notes = Notes::default();
                let variant = self.variant(planned, runs, &mut notes);
                (variant.is_some() || !notes.0.is_empty()).then_some((variant, notes.0))
            })
            .collect();
        for (variant, notes) in read {
            loaded.variants.extend(variant);
            loaded.notes.extend(notes);
        }
    }

    /// The variants in the plan's order, then those that only have folders.
    fn find(&self, loaded: &mut Loaded) -> Vec<Found> {
        let mut notes = Notes::default();
        let plan = notes.on(PlanFile::read(self.experiment)).flatten();
        let (planned, base) = plan.map(|plan| (plan.variants, plan.base.0)).unwrap_or_default();
        for (key, value) in base {
            let known = loaded.base.entry(key).or_insert_with(|| value.clone());
            if *known != value {
                *known = Value::Null;
            }
        }
        let mut folders: BTreeMap<String, BTreeMap<u64, RunDir>> = BTreeMap::new();
        for entry in self.experiment.walk() {
            match entry {
                Ok(run) if self.scope.has(&run.variant, run.seed) => {
                    folders.entry(run.variant).or_default().insert(run.seed, run.dir);
                }
                Ok(_) => {}
                Err(damage) => {
                    notes.0.push(format!("left out {}: {}", damage.path.display(), damage.reason));
                }
            }
        }
        loaded.notes.extend(notes.0);
        let mut found: Vec<Found> = Vec::with_capacity(planned.len());
        for variant in planned {
            let runs = folders.remove(&variant.name).unwrap_or_default();
            found.push((variant, runs));
        }
        for (name, runs) in folders {
            // The id is always last in a folder's name.
            let id = name.rsplit('-').next().unwrap_or(&name).to_owned();
            found.push((Recorded { name, id, asked: true, ..Recorded::default() }, runs));
        }
        found
    }

    fn variant(
        &self,
        planned: Recorded,
        found: BTreeMap<u64, RunDir>,
        notes: &mut Notes,
    ) -> Option<VariantRuns> {
        let mut seeds: BTreeSet<u64> = found.keys().copied().collect();
        if planned.asked {
            seeds.extend(planned.seeds.iter().filter(|seed| self.scope.has(&planned.name, **seed)));
        }
        let mut config = None;
        let mut runs = Vec::new();
        for seed in seeds {
            let dir = found.get(&seed).cloned();
            let known = planned.seeds.contains(&seed);
            let Some(run) = self.run(&planned.name, seed, dir, known, notes) else { continue };
            if config.is_none() && run.found {
                config = notes.on(config::read_run_config(&run.dir.config_path()));
            }
            runs.push(run);
        }
        if runs.is_empty() {
            return None;
        }
        let first_average =
            config.as_ref().and_then(|config: &Config| config.ema.labels().into_iter().next());
        for run in &mut runs {
            run.first_average.clone_from(&first_average);
        }
        let settings = config.as_ref().map(|config| flatten(&config::identity_value(config)));
        Some(VariantRuns {
            label: format!("{}{}", self.prefix, planned.name),
            id: planned.id,
            asked: planned.asked,
            config: config.map(Box::new),
            settings,
            overrides: planned.overrides.0,
            runs,
        })
    }

    /// One run; `None` for a folder that nobody planned and that holds no run.
    fn run(
        &self,
        variant: &str,
        seed: u64,
        dir: Option<RunDir>,
        known: bool,
        notes: &mut Notes,
    ) -> Option<RunRow> {
        let Some(dir) = dir else {
            return Some(RunRow::missing(seed, self.experiment.run(variant, seed)));
        };
        let (found, status) = match Status::read(&dir) {
            Ok(Some(status)) => (true, Some(status)),
            Ok(None) => (dir.config_path().is_file(), None),
            Err(error) => {
                notes.0.push(error.to_string());
                (true, None)
            }
        };
        if !found {
            if known {
                return Some(RunRow::missing(seed, dir));
            }
            let path = dir.path().display();
            notes.0.push(format!("left out {path}: it has neither config.toml nor status.json"));
            return None;
        }
        let state = state(status.as_ref(), &dir);
        Some(RunRow {
            seed,
            found,
            state,
            step: status.as_ref().map_or(0, |status| status.step),
            exact: status.as_ref().is_none_or(|status| status.exact),
            first_average: None,
            origin: notes.on(provenance::origin(&dir)).unwrap_or_default(),
            series: self.series(&dir, state, notes),
            dir,
        })
    }

    fn series(&self, dir: &RunDir, state: State, notes: &mut Notes) -> Series {
        let path = match self.log {
            Log::Eval => dir.eval_path(),
            Log::Metrics => dir.metrics_path(),
        };
        let series = Series::read(&path).unwrap_or_else(|error| {
            notes.0.push(format!("cannot read {}: {error}", path.display()));
            Series::default()
        });
        let path = path.display();
        if series.bad_rows > 0 {
            notes.0.push(format!("left out {} damaged rows of {path}", series.bad_rows));
        }
        // A row in the making is no damage.
        if series.torn && state != State::Running {
            notes.0.push(format!("left out the last line of {path}, which was cut short"));
        }
        series
    }
}

/// What could not be read, one sentence each.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    /// The value, or a note that says why there is none.
    fn on<T, E: std::fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.0.push(error.to_string())).ok()
    }
}

impl RunRow {
    fn missing(seed: u64, dir: RunDir) -> Self {
        Self {
            seed,
            dir,
            found: false,
            state: State::Planned,
            step: 0,
            exact: true,
            first_average: None,
            origin: Origin::default(),
            series: Series::default(),
        }
    }
}

/// The state to show. A run without a readable status goes on like an interrupted one where it left rows.
fn state(status: Option<&Status>, dir: &RunDir) -> State {
    match status {
        Some(status) if status.state == State::Running && !owner_is_alive(dir, status) => State::Interrupted,
        Some(status) => status.state,
        None if dir.metrics_path().is_file() => State::Interrupted,
        None => State::Planned,
    }
}
