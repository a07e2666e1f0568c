//! One run, from its folder to its exit code.
//!
//! In: a run folder with `config.toml`. Out: the run trained as far as it could be, `status.json` telling so,
//! and one of the documented exit codes.

mod shortage;
mod stop;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use thiserror::Error;

use crate::config::{self, Config};
use crate::memory;
use crate::rundir::provenance::{Attempt, Provenance};
use crate::rundir::{Disk, Held, Owner, RunDir, RunDirError, RunLock, State, Status, files, format};
use crate::train::precision::Refusal;
use crate::train::{self, Execution, Job, Outcome, Prepared};

pub use stop::Stop;

/// How a worker was started.
pub struct Request {
    /// The run.
    pub run: RunDir,
    /// Threads for a run that has no recorded choice yet.
    pub threads: usize,
    /// Why this machine cannot train in the run's precision, where it was asked and cannot.
    pub refusal: Option<Refusal>,
    /// Asked for by a signal: finish the step, checkpoint, stop.
    pub stop: Arc<Stop>,
}

/// Why a worker could not even begin, or had to give up.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// Somebody else is at work here.
    #[error(transparent)]
    Held(#[from] Held),
    /// The run's configuration.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// The run folder.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// Training.
    #[error(transparent)]
    Train(#[from] train::Error),
    /// The machine.
    #[error("{0}; {help}", help = .0.help())]
    Precision(#[from] Refusal),
    /// The images are not those the run began with.
    #[error(
        "the data of {} changed: fingerprint {found}, the run began with {recorded}; \
         restore the data, or delete the run's folder to train it again",
        run.display()
    )]
    Data {
        /// The run folder.
        run: std::path::PathBuf,
        /// Fingerprint now.
        found: String,
        /// Fingerprint at the first attempt.
        recorded: String,
    },
    /// Not enough memory, told in one sentence.
    #[error("{0}")]
    Memory(String),
    /// A bug or libtorch's complaint.
    #[error("{0}")]
    Panic(String),
}

impl WorkerError {
    /// The exit code of the contract.
    pub fn exit_code(&self) -> u8 {
        match self {
            WorkerError::Held(Held::By { .. }) => 4,
            WorkerError::Held(Held::Unusable(error)) if error.is_storage() => 74,
            WorkerError::RunDir(error) if error.is_storage() => 74,
            WorkerError::Train(error) if error.is_storage() => 74,
            WorkerError::Config(error) if error.is_storage() => 74,
            WorkerError::Held(Held::Unusable(_)) | WorkerError::RunDir(_) | WorkerError::Config(_) => 3,
            WorkerError::Precision(_)
            | WorkerError::Data { .. }
            | WorkerError::Train(_)
            | WorkerError::Memory(_)
            | WorkerError::Panic(_) => 1,
        }
    }

    /// Itself, or the lack of memory that it tells of.
    fn or_shortage(self, config: &Config) -> WorkerError {
        shortage::explain(&self.to_string(), config).map_or(self, WorkerError::Memory)
    }

    fn state(&self) -> State {
        match self {
            WorkerError::Train(error) if error.diverged_at().is_some() => State::Diverged,
            error if error.exit_code() == 74 => State::Interrupted,
            _ => State::Failed,
        }
    }
}

/// Trains a run and returns its exit code: 0 done, 75 stopped.
///
/// # Errors
/// Everything else; the run's status says so too, unless another process owns it.
pub fn run(request: &Request) -> Result<u8, WorkerError> {
    let run = &request.run;
    let _lock = RunLock::acquire(run)?;
    // Before the first write: what a newer version left is not for this one to change.
    format::refuse_newer_run(run)?;
    let config = config::read_run_config(&run.config_path())?;
    // A damaged status holds nothing that training needs; whoever has the lock may replace it.
    let earlier = Status::read(run).ok().flatten();
    if earlier.as_ref().is_some_and(|status| status.state == State::Done) {
        return Ok(0);
    }
    let mut status = earlier.unwrap_or_else(|| Status::planned(0)).next_attempt();
    status.write(run)?;
    shortage::watch();
    let ended = catch_unwind(AssertUnwindSafe(|| attempt(request, &config, &mut status)))
        .unwrap_or_else(|panic| Err(WorkerError::Panic(message_of(panic.as_ref()))))
        .map_err(|error| error.or_shortage(&config));
    let code = conclude(&mut status, &ended);
    status.write(run)?;
    ended.map(|_| code)
}

fn attempt(request: &Request, config: &Config, status: &mut Status) -> Result<Outcome, WorkerError> {
    let run = &request.run;
    if let Some(refusal) = &request.refusal {
        return Err(refusal.clone().into());
    }
    let execution = execution(run, config, request.threads)?;
    let stopped = |status: &Status| Ok(Outcome::Stopped { step: status.step });
    let Some(prepared) = request.stop.while_preparing(run, status, || Prepared::open(config)) else {
        return stopped(status);
    };
    let prepared = prepared?;
    let facts = Attempt {
        attempt: status.attempt,
        device: prepared.device_name.to_string(),
        libtorch: train::libtorch_version().to_string(),
        threads: execution.threads,
        data_fingerprint: prepared.data_fingerprint().to_string(),
        ..Attempt::of_this_process()
    };
    let inexact = execution.inexact_on(prepared.device_name);
    check_provenance(run, facts, inexact, status)?;
    status.total_steps = prepared.total_steps(config);
    status.write(run)?;
    // Only a step ends with a checkpoint, and none is worth beginning.
    if request.stop.is_asked() {
        return stopped(status);
    }
    let owner = Owner::of(config);
    let attempt = status.attempt;
    let mut report = |progress: train::Progress| {
        status.step = progress.step;
        status.loss = progress.loss.or(status.loss);
        status.images_per_second = progress.images_per_second.or(status.images_per_second);
        Ok(status.write_progress(run)?)
    };
    let job = Job { run, config, owner, execution, attempt, stop: request.stop.flag(), report: &mut report };
    Ok(prepared.train(job)?)
}

/// The recorded choices of the first attempt; they are made now where there are none.
fn execution(run: &RunDir, config: &Config, threads: usize) -> Result<Execution, WorkerError> {
    if let Some(recorded) = Execution::read(run)? {
        return Ok(recorded);
    }
    let mut chosen = Execution::choose(config, threads);
    // The same on every machine, so that runs do not differ by where they began.
    let at_a_time = memory::images_at_a_time(config, None);
    (chosen.evaluation_batch, chosen.sampling_batch) = (at_a_time, at_a_time);
    let text = serde_json::to_string_pretty(&chosen).expect("plain numbers and words serialize");
    files::replace(&Disk, &run.execution_path(), (text + "\n").as_bytes())?;
    Ok(chosen)
}

/// Records this attempt; other data than the first attempt's is an error; another machine or program, or a way of
/// executing that does not repeat, makes a resumed run inexact.
fn check_provenance(
    run: &RunDir,
    facts: Attempt,
    inexact: Option<String>,
    status: &mut Status,
) -> Result<(), WorkerError> {
    let mut provenance = Provenance::read(run)?;
    if let Some(recorded) = provenance.other_data(&facts.data_fingerprint) {
        let (run, recorded) = (run.path().to_path_buf(), recorded.to_owned());
        return Err(WorkerError::Data { run, found: facts.data_fingerprint, recorded });
    }
    if let Some(first) = provenance.attempts.first()
        && let Some(reason) = first.difference(&facts).or(inexact)
    {
        tracing::warn!(reason, "continuing, but the result may differ in its last bits");
        status.exact = false;
        status.inexact_reason = Some(reason);
    }
    provenance.attempts.push(facts);
    provenance.write(run)?;
    Ok(())
}

/// Puts the end of an attempt into the status and gives the exit code.
fn conclude(status: &mut Status, ended: &Result<Outcome, WorkerError>) -> u8 {
    match ended {
        Ok(Outcome::Done) => {
            status.state = State::Done;
            status.step = status.total_steps;
            0
        }
        Ok(Outcome::Stopped { step }) => {
            status.state = State::Interrupted;
            status.step = *step;
            stop::INTERRUPTED
        }
        Err(error) => {
            if let WorkerError::Train(error) = error
                && let Some(step) = error.diverged_at()
            {
                status.step = step;
            }
            status.state = error.state();
            status.error = Some(error.to_string());
            error.exit_code()
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked without a message").to_string()
}
