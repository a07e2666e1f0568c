//! What this machine was measured to do, kept in the user's cache folder: from it a plan tells its hours.
//!
//! In: prices of work from `ablate bench --calibrate` ([`Calibration`]), later how long real runs took. Out: seconds of a
//! run beside others, and how right earlier estimates were. `machine` says what a measurement is of and what makes it
//! another's, `store` is the file, `slots` fills slots with runs as the launcher does.

#[cfg(test)]
pub(crate) mod fixture;
mod machine;
mod slots;
mod store;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::rundir::RunDirError;
use crate::sizing::{NetworkWork, Rates};

pub use machine::Machine;
pub use slots::time_in_slots;
pub use store::{Store, path};

/// Runs whose estimates are remembered.
const RUNS_KEPT: usize = 20;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// Nobody says where the user's cache is.
    #[error("there is no folder for the measurement: neither XDG_CACHE_HOME nor HOME is an absolute path")]
    NoFolder,
    /// The file or its folder.
    #[error(transparent)]
    File(#[from] RunDirError),
}

/// Why there is no measurement to go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// This device of this machine was never measured.
    Never,
    /// It was, and then something changed; how.
    Changed(String),
}

/// One measurement of one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What was measured.
    pub machine: Machine,
    /// Whether this is what `runtime.device = "auto"` was then.
    pub is_auto: bool,
    /// When.
    pub measured: DateTime<Utc>,
    /// One worker with every thread; on a CPU with several cores also many workers with few.
    pub layouts: Vec<Layout>,
    /// Runs that were estimated by this measurement and went through, oldest first.
    #[serde(default)]
    pub runs: Vec<FinishedRun>,
}

/// Prices with so many workers side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Processes that worked at the same time.
    pub workers: usize,
    /// Threads of each.
    pub threads: usize,
    /// What work took.
    pub rates: Rates,
    /// The networks it was measured on.
    pub networks: Vec<MeasuredNetwork>,
}

/// One measured network, and what would be said of it had it not been measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredNetwork {
    /// Its name in the list of networks.
    pub name: String,
    /// Seconds of a step.
    pub step_seconds: f64,
    /// Seconds of a forward pass of its images.
    pub forward_seconds: f64,
    /// Relative error of the estimate that the other networks give for the step, and for the forward pass.
    pub left_out_errors: [f64; 2],
}

/// How long a real run took beside its estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinishedRun {
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// Its name for people.
    pub label: String,
    /// What was said of it.
    pub estimated_seconds: f64,
    /// What it took.
    pub actual_seconds: f64,
}

impl FinishedRun {
    /// 1.1 where it took a tenth longer than was said.
    pub fn ratio(&self) -> f64 {
        self.actual_seconds / self.estimated_seconds
    }
}

/// Least and greatest of what runs took over what was said of them: `0.95-1.08`, or one number where they agree.
pub fn ratios(runs: &[FinishedRun]) -> Option<String> {
    let ratios = || runs.iter().map(FinishedRun::ratio);
    let (least, most) = (ratios().min_by(f64::total_cmp)?, ratios().max_by(f64::total_cmp)?);
    let [least, most] = [least, most].map(|ratio| format!("{ratio:.2}"));
    Some(if least == most { least } else { format!("{least}-{most}") })
}

impl Calibration {
    /// Prices where so many workers train at the same time, each with so many threads.
    ///
    /// On a GPU workers take turns. On a CPU a time is A + B/threads (Amdahl's law), drawn through the measured numbers of
    /// threads; what is beyond them is taken to be as at the nearest.
    pub fn rates(&self, workers: usize, threads: usize) -> Option<Rates> {
        let first = self.layouts.first()?;
        if self.machine.is_accelerator() {
            return Some(first.rates.times(workers.max(1) as f64));
        }
        let by_threads = |layout: &&Layout| layout.threads;
        let (few, many) =
            (self.layouts.iter().min_by_key(by_threads)?, self.layouts.iter().max_by_key(by_threads)?);
        if few.threads == many.threads {
            return Some(few.rates.clone());
        }
        let inverse = |threads: usize| 1.0 / threads.max(1) as f64;
        let share =
            (inverse(few.threads) - inverse(threads)) / (inverse(few.threads) - inverse(many.threads));
        Some(few.rates.between(&many.rates, share.clamp(0.0, 1.0)))
    }

    /// Keeps how long runs took; the oldest are forgotten.
    pub fn remember(&mut self, runs: impl IntoIterator<Item = FinishedRun>) {
        self.runs.extend(runs);
        let forgotten = self.runs.len().saturating_sub(RUNS_KEPT);
        self.runs.drain(..forgotten);
    }

    /// `the last 5 runs took 0.95-1.08 of their estimates`.
    pub fn history(&self) -> Option<String> {
        let ratios = ratios(&self.runs)?;
        Some(match self.runs.len() {
            1 => format!("the last run took {ratios} of its estimate"),
            runs => format!("the last {runs} runs took {ratios} of their estimates"),
        })
    }
}

/// Seconds of runs, one network counted once for as long as the following have the same.
#[derive(Debug)]
pub struct Estimator {
    rates: Rates,
    known: Option<(Config, NetworkWork)>,
}

impl Estimator {
    /// By these prices.
    pub fn new(rates: Rates) -> Estimator {
        Estimator { rates, known: None }
    }

    /// Prices in use.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Seconds of a run of so many steps, from the start of its process to its end.
    pub fn run_seconds(&mut self, config: &Config, steps: u64) -> f64 {
        let same =
            |known: &(Config, NetworkWork)| known.0.model == config.model && known.0.data == config.data;
        let known = self.known.take().filter(same);
        let known = known.unwrap_or_else(|| (config.clone(), NetworkWork::of(config)));
        let seconds = self.rates.run_seconds_of(&known.1, config, steps);
        self.known = Some(known);
        seconds
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
