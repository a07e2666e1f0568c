//! Real runs held against what was said of them beforehand.
//!
//! In: the runs of a launch, before it and after it. Out: how long complete runs took over their estimates, kept beside
//! the measurement that the estimates came from, and told in a sentence.

use chrono::Utc;

use super::Entry;
use crate::calibration::{Calibration, CalibrationError, Estimator, FinishedRun, Store, ratios};
use crate::cli::plan::hours::libtorch;
use crate::config::Device;
use crate::launch::{End, Outcome, Slots};
use crate::rundir::Status;

/// Runs shorter than this are mostly their start, and say little of longer ones.
const SHORTEST_SECONDS: f64 = 10.0;

/// What is known before a launch.
pub(super) struct Estimates {
    calibration: Calibration,
    estimator: Estimator,
    /// Which of the launched runs begin at their beginning.
    fresh: Vec<bool>,
}

impl Estimates {
    /// For runs about to be launched; `None` where this machine was not measured, or runs go to several devices.
    pub(super) fn before(entries: &[&Entry], slots: &Slots) -> Option<Estimates> {
        let device = only_device(entries)?;
        // What is wrong with the file is said by `plan`; training does without.
        let calibration = Store::read().ok()?.of(device, libtorch()).ok()?.clone();
        let workers = slots.jobs.min(entries.len()).max(1);
        let estimator = Estimator::new(calibration.rates(workers, slots.threads)?);
        let started =
            |entry: &Entry| Status::read(&entry.run).ok().flatten().is_some_and(|status| status.attempt > 0);
        let fresh = entries.iter().map(|entry| !started(entry)).collect();
        Some(Estimates { calibration, estimator, fresh })
    }

    /// Keeps what the runs that went through took; the sentence for people, where there is one.
    pub(super) fn after(
        &mut self,
        entries: &[&Entry],
        outcome: &Outcome,
    ) -> Result<Option<String>, CalibrationError> {
        let runs = self.finished(entries, outcome);
        if runs.is_empty() {
            return Ok(None);
        }
        Store::change(false, |store| store.remember(&self.calibration, &runs))?;
        Ok(sentence(&runs))
    }

    /// Runs that were neither resumed nor interrupted.
    fn finished(&mut self, entries: &[&Entry], outcome: &Outcome) -> Vec<FinishedRun> {
        let ended = outcome.ended.iter().filter(|ended| ended.end == End::Done && self.fresh[ended.index]);
        let mut runs = vec![];
        for ended in ended.filter(|ended| ended.seconds >= SHORTEST_SECONDS) {
            let entry = entries[ended.index];
            let Some(status) = Status::read(&entry.run).ok().flatten() else { continue };
            let estimated_seconds = self.estimator.run_seconds(&entry.config, status.total_steps);
            if estimated_seconds > 0.0 {
                runs.push(FinishedRun {
                    ended: Utc::now(),
                    label: entry.label.clone(),
                    estimated_seconds,
                    actual_seconds: ended.seconds,
                });
            }
        }
        runs
    }
}

/// `4 runs took 0.95-1.08 of their estimates`.
fn sentence(runs: &[FinishedRun]) -> Option<String> {
    let ratios = ratios(runs)?;
    Some(match runs.len() {
        1 => format!("the run took {ratios} of its estimate"),
        count => format!("{count} runs took {ratios} of their estimates"),
    })
}

fn only_device(entries: &[&Entry]) -> Option<Device> {
    let device = |entry: &&Entry| entry.config.runtime.device;
    let first = device(entries.first()?);
    entries.iter().all(|entry| device(entry) == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::Machine;
    use crate::calibration::fixture::{calibration, finished};
    use crate::config::defaults;
    use crate::launch::Ended;
    use crate::rundir::{RunDir, State};

    fn entry(folder: &std::path::Path, name: &str, steps: u64) -> Entry {
        let run = RunDir::at(folder.join(name));
        std::fs::create_dir_all(run.path()).unwrap();
        let mut status = Status::planned(steps);
        status.state = State::Done;
        status.write(&run).unwrap();
        Entry::found(run, defaults())
    }

    #[test]
    fn only_runs_that_went_through_from_their_beginning_are_held_against_their_estimates() {
        let folder = tempfile::tempdir().unwrap();
        let entries: Vec<Entry> = ["a", "b", "c", "d"].map(|name| entry(folder.path(), name, 50)).into();
        let entries: Vec<&Entry> = entries.iter().collect();
        let calibration = calibration(Machine::here("cpu", None));
        let rates = calibration.rates(2, 1).unwrap();
        let mut known = Estimates {
            calibration,
            estimator: Estimator::new(rates.clone()),
            fresh: vec![true, false, true, true],
        };
        let estimated = {
            let mut config = defaults();
            config.training.steps = Some(50);
            rates.run_seconds(&config).unwrap()
        };
        let ended = |index, end, seconds| Ended { index, end, error: None, seconds };
        let outcome = Outcome {
            ended: vec![
                ended(0, End::Done, 1.25 * estimated),
                ended(1, End::Done, estimated),
                ended(2, End::Interrupted, estimated),
                ended(3, End::Done, 2.0),
            ],
            ..Outcome::default()
        };
        let runs = known.finished(&entries, &outcome);
        assert_eq!(runs.len(), 1, "the second was resumed, the third interrupted, the fourth short");
        assert!((runs[0].ratio() - 1.25).abs() < 1e-9, "steps are those of the run, not of its file");
    }

    #[test]
    fn the_sentence_gives_the_least_and_the_most() {
        assert_eq!(sentence(&[finished(1.04)]).unwrap(), "the run took 1.04 of its estimate");
        let several = [finished(0.95), finished(1.2), finished(1.0)];
        assert_eq!(sentence(&several).unwrap(), "3 runs took 0.95-1.20 of their estimates");
        assert_eq!(sentence(&[]), None);
    }

    #[test]
    fn runs_on_several_devices_have_no_estimate() {
        let folder = tempfile::tempdir().unwrap();
        let (first, mut second) = (entry(folder.path(), "a", 1), entry(folder.path(), "b", 1));
        assert_eq!(only_device(&[&first, &second]), Some(first.config.runtime.device));
        second.config.runtime.device = Device::Cuda(1);
        assert_eq!(only_device(&[&first, &second]), None);
        assert_eq!(only_device(&[]), None);
    }
}
