//! One experiment's folder to variants with their runs.
//!
//! In: the folder, which runs of it were asked for, and which log. Out: variants appended to a [`Loaded`],
//! with a note for everything that could not be read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::load::{Loaded, RunRow, Scope, VariantRuns};
use super::metric::Log;
use super::provenance::{self, Origin};
use super::series::Series;
use super::varying::flatten;
use crate::config::{self, Config};
use crate::rundir::plan_file::{PlanFile, Recorded};
use crate::rundir::{ExperimentDir, RunDir, State, Status, owner_is_alive};

/// Reads one experiment into `loaded`.
pub(super) struct Reader<'a> {
    pub(super) experiment: &'a ExperimentDir,
    pub(super) scope: &'a Scope,
    pub(super) prefix: String,
    pub(super) log: Log,
    pub(super) loaded: &'a mut Loaded,
}

impl Reader<'_> {
    /// Reads everything in scope.
    pub(super) fn read(&mut self) {
        let plan = self.note(PlanFile::read(self.experiment)).flatten();
        let (planned, base) = plan.map(|plan| (plan.variants, plan.base.0)).unwrap_or_default();
        for (key, value) in base {
            let known = self.loaded.base.entry(key).or_insert_with(|| value.clone());
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
                    self.loaded.notes.push(format!("left out {}: {}", damage.path.display(), damage.reason));
                }
            }
        }
        for variant in planned {
            let runs = folders.remove(&variant.name).unwrap_or_default();
            self.variant(variant, runs);
        }
        for (name, runs) in folders {
            // The id is always last in a folder's name.
            let id = name.rsplit('-').next().unwrap_or(&name).to_owned();
            let unplanned = Recorded { name, id, asked: true, ..Recorded::default() };
            self.variant(unplanned, runs);
        }
    }

    fn variant(&mut self, planned: Recorded, found: BTreeMap<u64, RunDir>) {
        let mut seeds: BTreeSet<u64> = found.keys().copied().collect();
        if planned.asked {
            seeds.extend(planned.seeds.iter().filter(|seed| self.scope.has(&planned.name, **seed)));
        }
        let mut config = None;
        let mut runs = Vec::new();
        for seed in seeds {
            let dir = found.get(&seed).cloned();
            let known = planned.seeds.contains(&seed);
            let Some(run) = self.run(&planned.name, seed, dir, known) else { continue };
            if config.is_none() && run.found {
                config = self.config(&run.dir);
            }
            runs.push(run);
        }
        if runs.is_empty() {
            return;
        }
        let first_average =
            config.as_ref().and_then(|config: &Config| config.ema.labels().into_iter().next());
        for run in &mut runs {
            run.first_average.clone_from(&first_average);
        }
        let settings = config.as_ref().map(|config| flatten(&config::identity_value(config)));
        self.loaded.variants.push(VariantRuns {
            label: format!("{}{}", self.prefix, planned.name),
            id: planned.id,
            asked: planned.asked,
            config,
            settings,
            overrides: planned.overrides.0,
            runs,
        });
    }

    /// One run; `None` for a folder that nobody planned and that holds no run.
    fn run(&mut self, variant: &str, seed: u64, dir: Option<RunDir>, known: bool) -> Option<RunRow> {
        let Some(dir) = dir else {
            return Some(RunRow::missing(seed, self.experiment.run(variant, seed)));
        };
        let (found, status) = match Status::read(&dir) {
            Ok(Some(status)) => (true, Some(status)),
            Ok(None) => (dir.config_path().is_file(), None),
            Err(error) => {
                self.loaded.notes.push(error.to_string());
                (true, None)
            }
        };
        if !found {
            if known {
                return Some(RunRow::missing(seed, dir));
            }
            let path = dir.path().display();
            self.loaded.notes.push(format!("left out {path}: it has neither config.toml nor status.json"));
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
            origin: self.note(provenance::origin(&dir)).unwrap_or_default(),
            series: self.series(&dir, state),
            dir,
        })
    }

    fn series(&mut self, dir: &RunDir, state: State) -> Series {
        let path = match self.log {
            Log::Eval => dir.eval_path(),
            Log::Metrics => dir.metrics_path(),
        };
        let series = Series::read(&path).unwrap_or_else(|error| {
            self.loaded.notes.push(format!("cannot read {}: {error}", path.display()));
            Series::default()
        });
        let path = path.display();
        if series.bad_rows > 0 {
            self.loaded.notes.push(format!("left out {} damaged rows of {path}", series.bad_rows));
        }
        // A row in the making is no damage.
        if series.torn && state != State::Running {
            self.loaded.notes.push(format!("left out the last line of {path}, which was cut short"));
        }
        series
    }

    fn config(&mut self, dir: &RunDir) -> Option<Config> {
        self.note(config::read_run_config(&dir.config_path()))
    }

    /// The value, or a note that says why there is none.
    fn note<T, E: std::fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.loaded.notes.push(error.to_string())).ok()
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
