//! The variant that differs from a run's in its last step alone, so that it may go on where the run ended.
//!
//! In: a run's folder and configuration, and the new number of steps. Out: an [`Extension`], or why a longer run
//! would not have been the same up to here. Nothing is written but, when asked for, `plan.json`.

use thiserror::Error;

use super::folders::Folders;
use super::identity::id_of_folder;
use super::name;
use crate::config::{self, Config, LrSchedule};
use crate::rundir::format::PLAN_FORMAT;
use crate::rundir::plan_file::{PlanFile, Recorded};
use crate::rundir::{ExperimentDir, Overrides, RunDir, RunDirError};
use crate::sizing;

const KEY: &str = "training.steps";
/// Digits of a new folder's id, unless another identity has them.
const DIGITS: usize = 8;

/// Why a run cannot be extended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotExtendable {
    /// The length is not given in steps.
    #[error("it is trained for training.epochs = {epochs}; only a run of training.steps can be extended")]
    Epochs {
        /// The passes.
        epochs: u64,
    },
    /// Every step's rate depends on the last step.
    #[error(
        "its learning rate falls to 0 at its last step (training.lr_schedule = \"{schedule}\"): a longer run would have \
         had other rates from the end of the warm-up on"
    )]
    Schedule {
        /// The schedule's name.
        schedule: &'static str,
    },
    /// There is nothing to add.
    #[error("it has training.steps = {now} already; {asked} is not more")]
    NotLonger {
        /// Steps of the run.
        now: u64,
        /// Steps asked for.
        asked: u64,
    },
}

/// A run made longer.
#[derive(Debug, Clone, PartialEq)]
pub struct Extension {
    /// The run's configuration with the new number of steps.
    pub config: Config,
    /// Its identity.
    pub identity: String,
    /// The digits of it in the folder's name.
    pub id: String,
    /// Its folder, there or not.
    pub run: RunDir,
    /// Folder name of the variant it extends.
    source: String,
}

impl Extension {
    /// Plans the run of `config` in the folder `source` of an experiment, `steps` long.
    ///
    /// # Errors
    /// Something before the last step depends on where it is, or the run is as long already.
    pub fn plan(
        experiment: &ExperimentDir,
        source: &RunDir,
        config: &Config,
        steps: u64,
    ) -> Result<Extension, NotExtendable> {
        let training = &config.training;
        let Some(now) = training.steps else {
            return Err(NotExtendable::Epochs { epochs: training.epochs.unwrap_or_default() });
        };
        let falls = |schedule| Err(NotExtendable::Schedule { schedule });
        match training.lr_schedule {
            LrSchedule::Constant => {}
            LrSchedule::Cosine => return falls("cosine"),
            LrSchedule::Linear => return falls("linear"),
        }
        if steps <= now {
            return Err(NotExtendable::NotLonger { now, asked: steps });
        }
        let mut config = config.clone();
        config.training.steps = Some(steps);
        let identity = config::identity(&config);
        let source = source.variant().unwrap_or_default().to_owned();
        let folders = Folders::of(experiment);
        let (id, name) = match folders.find(&identity, &identity[..DIGITS]) {
            Some((id, name)) => (id.to_owned(), name.to_owned()),
            None => {
                let id = folders.free_id(&identity, &identity[..DIGITS]).to_owned();
                let name = name::folder(&label(&source, steps), &id);
                (id, name)
            }
        };
        let run = experiment.run(&name, config.training.seed);
        Ok(Extension { config, identity, id, run, source })
    }

    /// Whether a longer run would have the rows that this one had at a step: its last one is logged and evaluated
    /// even where that is not due.
    pub fn agrees_at(&self, step: u64, last: u64) -> bool {
        let due = |every: u64| every == 0 || step.is_multiple_of(every);
        step < last || due(self.config.training.log_every) && due(self.config.evaluation.every)
    }

    /// Adds the run to `plan.json`, whose lock must be held.
    ///
    /// # Errors
    /// The file is damaged, newer, or cannot be written.
    pub fn record(&self, experiment: &ExperimentDir) -> Result<(), RunDirError> {
        let mut plan = PlanFile::read(experiment)?.unwrap_or_else(|| PlanFile {
            format: PLAN_FORMAT,
            experiment: experiment.name(),
            varying: vec![],
            base: Overrides::default(),
            variants: vec![],
            lost: 0,
        });
        let seed = self.config.training.seed;
        match plan.variants.iter_mut().find(|variant| variant.id == self.id) {
            Some(known) => {
                known.asked = true;
                known.dropped_seeds.retain(|dropped| *dropped != seed);
                if !known.seeds.contains(&seed) {
                    known.seeds.push(seed);
                }
            }
            None => {
                let new = self.recorded(&plan, seed);
                plan.variants.push(new);
            }
        }
        if !plan.varying.iter().any(|key| key == KEY) {
            plan.varying.push(KEY.to_owned());
        }
        plan.write(experiment)
    }

    fn recorded(&self, plan: &PlanFile, seed: u64) -> Recorded {
        let source = plan.variants.iter().find(|variant| variant.name == self.source);
        let mut overrides = source.map(|source| source.overrides.clone()).unwrap_or_default();
        overrides.0.retain(|(key, _)| key != KEY);
        overrides.0.push((KEY.to_owned(), self.config.training.steps.into()));
        let Config { model, data, .. } = &self.config;
        Recorded {
            name: self.run.variant().unwrap_or_default().to_owned(),
            id: self.id.clone(),
            identity: self.identity.clone(),
            asked: true,
            overrides,
            seeds: vec![seed],
            dropped_seeds: vec![],
            parameters: sizing::parameters(model, data),
            train_flops_per_image: sizing::train_flops_per_image(model, data),
        }
    }
}

/// The readable part of a variant's name with another number of steps.
fn label(source: &str, steps: u64) -> String {
    let readable =
        id_of_folder(source).map_or(source, |id| source[..source.len() - id.len()].trim_end_matches('-'));
    let counts_steps =
        |part: &str| part.strip_prefix("steps").is_some_and(|rest| rest.parse::<u64>().is_ok());
    let kept = readable.split('_').filter(|part| !part.is_empty() && *part != "base" && !counts_steps(part));
    kept.map(str::to_owned).chain([format!("steps{steps}")]).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::base_config;

    fn config() -> Config {
        let mut config = base_config();
        (config.training.steps, config.training.epochs) = (Some(100), None);
        config
    }

    fn plan(experiment: &ExperimentDir, config: &Config, steps: u64) -> Result<Extension, NotExtendable> {
        let name = format!("cosine_cm1-2-{}", &config::identity(config)[..8]);
        Extension::plan(experiment, &experiment.run(&name, config.training.seed), config, steps)
    }

    #[test]
    fn a_longer_run_is_another_variant_with_the_steps_in_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        let config = config();
        let extension = plan(&experiment, &config, 250).unwrap();
        let mut longer = config.clone();
        longer.training.steps = Some(250);
        assert_eq!(
            (extension.identity.clone(), extension.config.clone()),
            (config::identity(&longer), longer)
        );
        let name = format!("cosine_cm1-2_steps250-{}", &extension.identity[..8]);
        assert_eq!(extension.run.variant(), Some(name.as_str()));

        std::fs::create_dir_all(experiment.run(&format!("mine-{}", extension.id), 7).path()).unwrap();
        let again = plan(&experiment, &config, 250).unwrap();
        assert_eq!(again.run.variant(), Some(format!("mine-{}", extension.id).as_str()), "found by its id");
    }

    #[test]
    fn labels_count_steps_once() {
        assert_eq!(label("base-1f3a9c02", 200), "steps200");
        assert_eq!(label("cosine_steps100-1f3a9c02", 200), "cosine_steps200");
        assert_eq!(label("odd-name", 200), "odd-name_steps200");
    }

    #[test]
    fn what_depends_on_the_end_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        let refused = |change: &dyn Fn(&mut Config), steps| {
            let mut config = config();
            change(&mut config);
            plan(&experiment, &config, steps).unwrap_err().to_string()
        };
        assert_eq!(refused(&|_| {}, 100), "it has training.steps = 100 already; 100 is not more");
        let epochs =
            refused(&|config| (config.training.steps, config.training.epochs) = (None, Some(3)), 200);
        assert!(epochs.starts_with("it is trained for training.epochs = 3;"), "{epochs}");
        let cosine = refused(&|config| config.training.lr_schedule = LrSchedule::Cosine, 200);
        assert!(cosine.contains("training.lr_schedule = \"cosine\""), "{cosine}");
    }

    #[test]
    fn the_last_step_counts_only_where_its_row_and_its_evaluation_were_due() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config();
        (config.training.log_every, config.evaluation.every) = (10, 25);
        let mut extension = plan(&ExperimentDir::at(folder.path()), &config, 200).unwrap();
        assert!(extension.agrees_at(99, 100) && extension.agrees_at(100, 100));
        extension.config.evaluation.every = 40;
        assert!(!extension.agrees_at(100, 100));
        extension.config.evaluation.every = 0;
        assert!(extension.agrees_at(100, 100), "it is never evaluated");
        extension.config.training.log_every = 30;
        assert!(!extension.agrees_at(100, 100));
    }

    #[test]
    fn plan_json_knows_the_new_run_once() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        let extension = plan(&experiment, &config(), 250).unwrap();
        extension.record(&experiment).unwrap();
        extension.record(&experiment).unwrap();
        let recorded = PlanFile::read(&experiment).unwrap().unwrap();
        assert_eq!(recorded.varying, [KEY]);
        let [variant] = &recorded.variants[..] else { panic!("{recorded:?}") };
        assert_eq!(variant.seeds, [config().training.seed]);
        assert_eq!(variant.overrides.0, [(KEY.to_owned(), 250.into())]);
        assert!(variant.parameters > 0);
    }
}
