//! Every path of the run tree. In: a folder. Out: names in it; nothing is created here.
//!
//! ```text
//! runs/<experiment>/
//!   .lock                        the local launcher's
//!   request/                     every layer verbatim, numbered
//!   plan.json                    variants in order
//!   summary.csv                  one row a run
//!   <variant>/
//!     seed-<n>/
//!       .lock                    the worker's
//!       config.toml              resolved: the worker's only input
//!       provenance.json          code, libraries, device, host
//!       status.json              state, owner, step
//!       execution.json           whatever can change a bit; chosen once
//!       metrics.csv timing.csv eval.csv levels.csv images.csv
//!       metrics.rewound-<attempt>.csv   rows a resume moved out
//!       evals/<fingerprint>.csv
//!       checkpoints/step-00001000/{...,manifest.json}
//!       samples/step-00001000.png
//!       tensorboard/             what the CSVs and samples say, for TensorBoard
//!       log.jsonl stdout.log stderr.log
//! ```

use std::path::{Path, PathBuf};

use super::RunDirError;
use crate::guard::printable;

const SEED_PREFIX: &str = "seed-";

/// One run: the folder of one variant and seed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunDir {
    path: PathBuf,
}

macro_rules! paths {
    ($($(#[$doc:meta])* $function:ident => $name:literal;)*) => {
        $($(#[$doc])* pub fn $function(&self) -> PathBuf { self.path.join($name) })*
    };
}

impl RunDir {
    /// The run in this folder, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> RunDir {
        RunDir { path: path.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    paths! {
        /// The resolved configuration.
        config_path => "config.toml";
        /// Code, libraries, device and host.
        provenance_path => "provenance.json";
        /// State, owner, step.
        status_path => "status.json";
        /// What can change a bit, chosen by the first attempt.
        execution_path => "execution.json";
        /// Training rows, deterministic columns only.
        metrics_path => "metrics.csv";
        /// Training rows, clock and memory.
        timing_path => "timing.csv";
        /// Held-out evaluation.
        eval_path => "eval.csv";
        /// The held-out denoising curve.
        levels_path => "levels.csv";
        /// What each held-out image has in `eval.csv`.
        images_path => "images.csv";
        /// Later evaluations, one file a fingerprint.
        evals_path => "evals";
        /// All checkpoints.
        checkpoints_path => "checkpoints";
        /// Sample grids.
        samples_path => "samples";
        /// What the logs and grids say, for TensorBoard.
        tensorboard_path => "tensorboard";
        /// Structured log of all attempts.
        log_path => "log.jsonl";
        /// What the attempts printed.
        stdout_path => "stdout.log";
        /// What the attempts printed as errors.
        stderr_path => "stderr.log";
        /// The worker's lock.
        lock_path => ".lock";
    }

    /// The checkpoint of a step.
    pub fn checkpoint_path(&self, step: u64) -> PathBuf {
        self.checkpoints_path().join(step_name(step))
    }

    /// The sample grid of a step.
    pub fn sample_path(&self, step: u64) -> PathBuf {
        self.samples_path().join(format!("{}.png", step_name(step)))
    }

    /// The seed in the folder's name.
    pub fn seed(&self) -> Option<u64> {
        parse_seed(self.path.file_name()?.to_str()?)
    }

    /// The variant: the parent folder's name.
    pub fn variant(&self) -> Option<&str> {
        self.path.parent()?.file_name()?.to_str()
    }

    /// The experiment this run lies in.
    pub fn experiment(&self) -> Option<ExperimentDir> {
        Some(ExperimentDir::at(self.path.parent()?.parent()?))
    }

    /// `<variant>/seed-<n>`, for people.
    pub fn label(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        printable(&match self.variant() {
            Some(variant) => format!("{variant}/{name}"),
            None => name.into_owned(),
        })
    }
}

/// `step-00001000`; eight digits or more.
pub fn step_name(step: u64) -> String {
    format!("step-{step:08}")
}

/// The step of a name that [`step_name`] made, and of no other.
pub fn parse_step(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (step_name(step) == name).then_some(step)
}

pub(super) fn parse_seed(name: &str) -> Option<u64> {
    let seed: u64 = name.strip_prefix(SEED_PREFIX)?.parse().ok()?;
    (format!("{SEED_PREFIX}{seed}") == name).then_some(seed)
}

/// Whether a name may become a folder: `[A-Za-z0-9._-]`, no leading dot, 1 to 128 bytes.
pub fn is_safe_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=128).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed)
}

/// As [`is_safe_name`], with the error to show.
pub fn check_name(name: &str) -> Result<(), RunDirError> {
    if is_safe_name(name) { Ok(()) } else { Err(RunDirError::Name { name: printable(name) }) }
}

/// One experiment: the folder that holds its variants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExperimentDir {
    path: PathBuf,
}

impl ExperimentDir {
    /// The experiment in this folder, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> ExperimentDir {
        ExperimentDir { path: path.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    paths! {
        /// Every configuration layer, verbatim.
        request_path => "request";
        /// The variants in order.
        plan_path => "plan.json";
        /// One row a run.
        summary_path => "summary.csv";
        /// The page `report` writes.
        report_path => "report.html";
        /// The local launcher's lock.
        lock_path => ".lock";
    }

    /// The folder's name.
    pub fn name(&self) -> String {
        printable(&self.path.file_name().unwrap_or_default().to_string_lossy())
    }

    /// The folder of a variant.
    pub fn variant_path(&self, variant: &str) -> PathBuf {
        self.path.join(variant)
    }

    /// The run of a variant and seed.
    pub fn run(&self, variant: &str, seed: u64) -> RunDir {
        RunDir::at(self.variant_path(variant).join(format!("{SEED_PREFIX}{seed}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_names_sort_by_number_and_read_back() {
        assert_eq!(step_name(1000), "step-00001000");
        assert_eq!(parse_step("step-00001000"), Some(1000));
        assert_eq!(parse_step("step-123456789"), Some(123_456_789));
        for wrong in ["step-1000", "step-0000100x", ".tmp-step-00001000", "step-+0001000"] {
            assert_eq!(parse_step(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_outside_the_allow_list_are_refused() {
        for safe in ["cm1-2-4_attn16-8_T1000_cosine-1f3a9c02", "a"] {
            assert!(is_safe_name(safe));
        }
        for unsafe_name in ["", ".hidden", "..", "a/b", "a b", "a\n", "é", &"x".repeat(129)] {
            assert!(!is_safe_name(unsafe_name), "{unsafe_name:?}");
        }
    }
}
