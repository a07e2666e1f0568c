//! The hours of a plan: of a run of each variant, and of all that is left, in the slots it would have.
//!
//! In: a plan, how far it is, and what this machine was measured to do. Out: [`Hours`], or why they are unknown and what
//! to do about it.

use crate::calibration::{Calibration, CalibrationError, Estimator, Store, Unknown, time_in_slots};
use crate::config::{Config, Dataset, Precision, Runtime};
use crate::data::fetch::Catalogue;
use crate::launch::Slots;
use crate::memory::{Fitting, Room};
use crate::plan::{Plan, Progress};
use crate::rundir::State;

/// How a machine is measured.
const COMMAND: &str = "`ablate bench --calibrate` measures this machine in about two minutes";

/// What a plan takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hours {
    /// Of one run of each variant, beside as many others as there are slots; `None` where unknown.
    pub(crate) runs: Vec<Option<f64>>,
    /// Until all that is left is done, as far as that is known.
    pub(crate) all: Option<f64>,
    /// One line for people.
    pub(crate) remark: String,
}

impl Hours {
    fn unknown(plan: &Plan, why: &str) -> Hours {
        Hours { runs: vec![None; plan.variants.len()], all: None, remark: format!("hours: unknown{why}") }
    }

    /// For a plan that is made for another device than this machine's: what was measured here says nothing of it.
    pub(crate) fn elsewhere(plan: &Plan) -> Hours {
        Hours::unknown(
            plan,
            ", since --memory plans for another device; `ablate bench --calibrate` there measures it",
        )
    }

    /// Reads what was measured, and estimates.
    pub(crate) fn of(plan: &Plan, progress: &Progress, runtime: &Runtime) -> Hours {
        let unknown = |why: String| Hours::unknown(plan, &why);
        let store = match Store::read() {
            Ok(store) => store,
            Err(CalibrationError::NoFolder) => return unknown(format!("; {COMMAND}")),
            Err(error) => return unknown(format!(": {error}; {COMMAND}")),
        };
        match store.of(runtime.device, libtorch()) {
            Ok(calibration) => Hours::by(calibration, plan, progress, runtime)
                .unwrap_or_else(|| unknown(format!("; {COMMAND}"))),
            Err(Unknown::Never) => unknown(format!("; {COMMAND}")),
            Err(Unknown::Changed(what)) => unknown(format!(", since {what}; {COMMAND}")),
        }
    }

    fn by(calibration: &Calibration, plan: &Plan, progress: &Progress, runtime: &Runtime) -> Option<Hours> {
        let fitting = || Fitting::of(plan.variants.iter().map(|variant| &variant.config), Room::shared());
        let slots = Slots::choose(runtime, plan.runs().count(), fitting);
        let is_left = |state: &State| !matches!(state, State::Done | State::Failed | State::Diverged);
        let left = progress.count(|state| is_left(&state));
        let workers = slots.jobs.min(left).max(1);
        let mut estimator = Estimator::new(calibration.rates(workers, slots.threads)?);
        let seconds: Vec<Option<f64>> = plan
            .variants
            .iter()
            .map(|variant| Some(estimator.run_seconds(&variant.config, steps(&variant.config)?)))
            .collect();
        let counts =
            progress.states.iter().map(|states| states.iter().filter(|state| is_left(state)).count());
        let uncounted =
            counts.clone().zip(&seconds).filter(|(count, each)| *count > 0 && each.is_none()).count();
        let queue = counts.zip(&seconds).flat_map(|(count, each)| each.iter().copied().cycle().take(count));
        let all = (uncounted == 0).then(|| time_in_slots(queue, workers) / 3600.0);
        let mut precisions = plan.variants.iter().map(|variant| variant.config.training.precision);
        let unmeasured = precisions.find(|precision| !estimator.rates().measured(*precision));
        let mut remark = match all {
            Some(hours) if left > 0 => format!("hours: {}", left_text(hours, left, workers)),
            Some(_) => "hours: nothing is left".to_owned(),
            None => format!(
                "hours: unknown for {uncounted} of {} variants: training.epochs counts images that are known once the \
                 data set is read",
                plan.variants.len()
            ),
        };
        remark.extend(unmeasured.map(unmeasured_text));
        remark.extend(calibration.history().map(|history| format!("; {history}")));
        let runs = seconds.into_iter().map(|seconds| Some(seconds? / 3600.0)).collect();
        Some(Hours { runs, all, remark })
    }

    /// The cells of a column, where there is one that says something.
    pub(crate) fn cells(&self) -> Option<Vec<String>> {
        let cell = |hours: &Option<f64>| hours.map_or_else(|| "-".to_owned(), text);
        self.runs.iter().any(Option::is_some).then(|| self.runs.iter().map(cell).collect())
    }
}

fn left_text(hours: f64, left: usize, workers: usize) -> String {
    let runs = if left == 1 { "the run".to_owned() } else { format!("the {left} runs") };
    let beside = if workers == 1 { String::new() } else { format!(", {workers} at a time") };
    format!("{} for {runs} left{beside}", text(hours))
}

fn unmeasured_text(precision: Precision) -> String {
    format!("; \"{}\" was not measured and counts as its nearest precision", precision.name())
}

/// Optimizer steps, where they are known without a look at the images.
fn steps(config: &Config) -> Option<u64> {
    let training = &config.training;
    if let Some(steps) = training.steps {
        return Some(steps);
    }
    if config.data.dataset == Dataset::Folder {
        return None;
    }
    let catalogue = Catalogue::built_in();
    let name = config.data.dataset.name();
    let published = catalogue.entries().iter().find(|entry| entry.name == name)?.train?;
    let held_out = (config.data.validation_fraction * published as f64).round() as u64;
    let images = (published - held_out).min(config.data.limit.map_or(u64::MAX, |limit| limit as u64));
    Some(training.epochs?.saturating_mul(images).div_ceil(training.batch_size as u64))
}

/// Two digits that say something, three from one hour on: `0.012`, `0.35`, `3.21`, `12.4`, `230`.
pub(crate) fn text(hours: f64) -> String {
    let decimals = match hours {
        hours if hours >= 100.0 => 0,
        hours if hours >= 10.0 => 1,
        hours if hours >= 1.0 => 2,
        hours if hours > 0.0 => (1.0 - hours.log10().floor()).clamp(2.0, 6.0) as usize,
        _ => 0,
    };
    format!("{hours:.decimals$}")
}

/// The version that would train.
pub(crate) fn libtorch() -> Option<&'static str> {
    #[cfg(feature = "torch")]
    return Some(crate::train::libtorch_version());
    #[cfg(not(feature = "torch"))]
    None
}

#[cfg(test)]
#[path = "hours_tests.rs"]
mod tests;
