//! Starting workers: in, run directories; out, how each ended.
//!
//! A launcher says only "run this directory" and learns everything else from the directory itself. The
//! local one gives each run a process of its own: libtorch may abort and the kernel may kill, and neither
//! takes the sweep with it.

pub mod death_watch;
mod local;
mod memory_kill;
pub mod progress;
mod signals;
mod slots;
mod standing;
mod verdict;
mod worker_process;

use thiserror::Error;

use crate::rundir::RunDir;

pub use local::Local;
pub use progress::Progress;
pub use signals::{end_at_once_until_launched, signals_to_stop};
pub use slots::Slots;
pub(crate) use slots::on_accelerator;
pub use standing::{Standing, standing};

/// One directory to run, and what progress needs to know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The directory; it holds a `config.toml`.
    pub run: RunDir,
    /// Its name for people.
    pub label: String,
    /// Optimizer steps of the whole run; 0 where unknown.
    pub total_steps: u64,
    /// Work of the whole run in any unit that is the same for all jobs, to share out the time left.
    pub cost: f64,
    /// Variables its worker is started with, beside the launcher's own.
    pub environment: Vec<(String, String)>,
}

/// How one run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Trained to its last step.
    Done,
    /// Ended by an error that would repeat.
    Failed,
    /// The loss stopped being finite.
    Diverged,
    /// Ended from outside; resumable.
    Interrupted,
    /// The disk refused; resumable.
    Storage,
    /// Another live process has the directory.
    Held,
}

/// One run that was started.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Its place in the list of jobs.
    pub index: usize,
    /// How it ended.
    pub end: End,
    /// The last error line.
    pub error: Option<String>,
    /// Wall-clock seconds of this attempt.
    pub seconds: f64,
}

/// Why a launch stopped before its list was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A signal asked for it; workers had time for a checkpoint.
    Asked,
    /// A second SIGINT: workers were killed.
    Killed,
    /// A run failed under `--fail-fast`.
    FailFast,
    /// The disk refused a write; more workers would meet the same.
    Storage,
}

/// What a launch came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Every run that was started, in the order of their ends.
    pub ended: Vec<Ended>,
    /// Jobs that were never started.
    pub not_started: usize,
    /// Why it stopped early, if it did.
    pub stop: Option<Stop>,
}

/// An error of the launcher itself; what happens to a run is an [`End`].
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The worker program could not be started.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// The program.
        program: std::path::PathBuf,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A file of a run could not be used.
    #[error(transparent)]
    RunDir(#[from] crate::rundir::RunDirError),
    /// The operating system refused signal handlers or a thread.
    #[error("cannot {action}")]
    System {
        /// What was attempted.
        action: &'static str,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
}

/// Anything that can run directories.
pub trait Launcher {
    /// Runs every directory of the list, in its order as far as there is room, and returns when all have
    /// ended or a stop was asked for.
    fn launch(&self, jobs: &[Job], progress: &mut dyn Progress) -> Result<Outcome, LaunchError>;
}
