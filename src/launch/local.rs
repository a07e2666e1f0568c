//! Workers on this machine: slots filled in order, ends noticed at once, signals passed on.
//!
//! In: jobs. Out: how each ended. One thread a worker waits for its end and sends a message; the loop here
//! is the only one that starts, signals and reaps, so no signal can reach a reused process number.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGKILL};

use super::memory_kill::MemoryKills;
use super::signals::Listener;
use super::verdict::{Death, judge, record};
use super::worker_process::{WorkerCommand, WorkerProcess, recorded_threads, wait_for_end};
use super::{End, Ended, Job, LaunchError, Launcher, Outcome, Progress, Slots, Stop};
use crate::rundir::Status;

/// Between looks at the status files, which are small.
const POLL: Duration = Duration::from_millis(200);
/// How long workers may take over their last checkpoint before people are told what is going on.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) enum Message {
    /// The worker of this job has ended and waits to be reaped.
    Ended(usize),
    Signal(i32),
}

/// Runs directories as processes on this machine.
#[derive(Debug, Clone)]
pub struct Local {
    worker: WorkerCommand,
    slots: Slots,
    fail_fast: bool,
}

impl Local {
    /// A launcher that starts `program arguments… DIR --threads N --die-with-parent` for each run.
    pub fn new(program: PathBuf, arguments: &[&str], slots: Slots, fail_fast: bool) -> Local {
        let arguments = arguments.iter().map(OsString::from).collect();
        Local { worker: WorkerCommand { program, arguments }, slots, fail_fast }
    }

    fn run(
        &self,
        jobs: &[Job],
        progress: &mut dyn Progress,
        sender: Sender<Message>,
        messages: &Receiver<Message>,
    ) -> Result<Outcome, LaunchError> {
        let running = Vec::new();
        let outcome = Outcome::default();
        let mut round = Round {
            local: self,
            jobs,
            next: 0,
            running,
            outcome,
            asked: None,
            interrupts: 0,
            told: false,
            kills: MemoryKills::start(),
            progress,
            sender,
        };
        let result = round.drive(messages);
        if result.is_err() {
            // Nothing of ours stays behind: workers write their checkpoint and end.
            round.ask_all();
            while !round.running.is_empty() && round.step(messages).is_ok() {}
            round.running.iter().for_each(WorkerProcess::kill);
        }
        round.outcome.not_started = jobs.len() - round.next;
        result.map(|()| round.outcome)
    }
}

impl Launcher for Local {
    fn launch(&self, jobs: &[Job], progress: &mut dyn Progress) -> Result<Outcome, LaunchError> {
        let (sender, messages) = channel();
        let _listener = Listener::start(sender.clone())?;
        self.run(jobs, progress, sender, &messages)
    }
}

/// One pass over the jobs.
struct Round<'a> {
    local: &'a Local,
    jobs: &'a [Job],
    next: usize,
    running: Vec<WorkerProcess>,
    outcome: Outcome,
    /// When the workers were asked to stop.
    asked: Option<Instant>,
    /// How often SIGINT came.
    interrupts: usize,
    told: bool,
    kills: MemoryKills,
    progress: &'a mut dyn Progress,
    sender: Sender<Message>,
}

impl Round<'_> {
    fn drive(&mut self, messages: &Receiver<Message>) -> Result<(), LaunchError> {
        loop {
            self.fill()?;
            if self.running.is_empty() {
                return Ok(());
            }
            self.step(messages)?;
        }
    }

    fn step(&mut self, messages: &Receiver<Message>) -> Result<(), LaunchError> {
        match messages.recv_timeout(POLL) {
            Ok(Message::Ended(index)) => self.finish(index),
            Ok(Message::Signal(signal)) => {
                self.on_signal(signal);
                Ok(())
            }
            // The round holds a sender itself, so the channel cannot be disconnected.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                self.look();
                Ok(())
            }
        }
    }

    /// Starts jobs while there is room for the next one.
    fn fill(&mut self) -> Result<(), LaunchError> {
        while self.outcome.stop.is_none() && self.next < self.jobs.len() {
            let job = &self.jobs[self.next];
            let threads = recorded_threads(&job.run).unwrap_or(self.local.slots.threads);
            let in_use = self.running.iter().map(|worker| worker.threads).sum();
            if !self.local.slots.has_room(self.running.len(), in_use, threads) {
                return Ok(());
            }
            let index = self.next;
            self.next += 1;
            self.progress.started(index, job);
            match WorkerProcess::start(&self.local.worker, job, index, threads) {
                Ok(worker) => self.watch(worker)?,
                Err(LaunchError::RunDir(error)) => {
                    self.close(Ended {
                        index,
                        end: if error.is_storage() { End::Storage } else { End::Failed },
                        error: Some(error.to_string()),
                        seconds: 0.0,
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn watch(&mut self, worker: WorkerProcess) -> Result<(), LaunchError> {
        let (pid, index, sender) = (worker.pid(), worker.index, self.sender.clone());
        self.running.push(worker);
        std::thread::Builder::new()
            .name(format!("wait-{pid}"))
            .stack_size(64 << 10)
            .spawn(move || {
                wait_for_end(pid);
                // The receiver is gone only when the launch is over.
                let _ = sender.send(Message::Ended(index));
            })
            .map(drop)
            .map_err(|source| LaunchError::System { action: "start a thread", source })
    }

    fn look(&mut self) {
        self.kills.look();
        for worker in &mut self.running {
            worker.look();
            let job = &self.jobs[worker.index];
            // Until the worker's first word the file is the attempt's before; a damaged one says nothing.
            if let Ok(Some(status)) = Status::read(&job.run)
                && status.owner.pid == worker.pid()
            {
                self.progress.advanced(worker.index, job, &status);
            }
        }
        if !self.told && self.asked.is_some_and(|asked| asked.elapsed() > PATIENCE) {
            self.told = true;
            let names: Vec<_> = self.running.iter().map(|w| self.jobs[w.index].label.as_str()).collect();
            let names = names.join(", ");
            self.progress.note(&format!("still waiting for {names}; Ctrl-C again ends at once"));
        }
        self.progress.tick();
    }

    fn finish(&mut self, index: usize) -> Result<(), LaunchError> {
        let Some(place) = self.running.iter().position(|worker| worker.index == index) else {
            return Ok(());
        };
        let mut worker = self.running.swap_remove(place);
        let exit = worker.reap()?;
        let job = &self.jobs[index];
        let status = Status::read(&job.run).ok().flatten();
        if let Some(status) = status.as_ref().filter(|status| status.owner.pid == worker.pid()) {
            self.progress.advanced(index, job, status);
        }
        // A kill of ours is no riddle.
        let unasked = exit.signal() == Some(SIGKILL) && self.outcome.stop != Some(Stop::Killed);
        let by_kernel = unasked && self.kills.claim();
        let told = by_kernel || exit.signal() != Some(SIGKILL) && !exit.success();
        let verdict = judge(&Death {
            exit,
            pid: worker.pid(),
            status: status.as_ref(),
            last_error: if exit.success() { None } else { worker.last_error_line(&job.run) },
            asked: self.asked.is_some(),
            shortage: if told { worker.shortage(&job.run, by_kernel) } else { None },
            lived: worker.started.elapsed(),
            killed_before: worker.killed_before,
        });
        let seconds = worker.started.elapsed().as_secs_f64();
        let recorded = record(&job.run, worker.pid(), worker.attempts_before, job.total_steps, &verdict);
        let (end, error) = match recorded {
            Ok(()) => (verdict.end, verdict.error),
            Err(error) if error.is_storage() => (End::Storage, Some(error.to_string())),
            Err(error) => (End::Failed, Some(error.to_string())),
        };
        self.close(Ended { index, end, error, seconds });
        Ok(())
    }

    fn close(&mut self, ended: Ended) {
        self.progress.ended(&self.jobs[ended.index], &ended);
        match ended.end {
            End::Storage if self.outcome.stop.is_none() => self.outcome.stop = Some(Stop::Storage),
            End::Failed | End::Diverged if self.local.fail_fast && self.outcome.stop.is_none() => {
                self.outcome.stop = Some(Stop::FailFast);
                self.ask_all();
            }
            _ => {}
        }
        self.outcome.ended.push(ended);
    }

    fn on_signal(&mut self, signal: i32) {
        let name = signal_hook::low_level::signal_name(signal).unwrap_or("signal");
        self.interrupts += usize::from(signal == SIGINT);
        if self.interrupts > 1 && self.outcome.stop != Some(Stop::Killed) {
            self.outcome.stop = Some(Stop::Killed);
            self.progress.note("second SIGINT: ending all workers at once");
            self.running.iter().for_each(WorkerProcess::kill);
        } else if self.outcome.stop != Some(Stop::Killed) && self.outcome.stop != Some(Stop::Asked) {
            self.outcome.stop = Some(Stop::Asked);
            self.progress.note(&format!("{name}: workers finish their step and write a checkpoint"));
            self.ask_all();
        }
    }

    fn ask_all(&mut self) {
        self.asked.get_or_insert_with(Instant::now);
        self.running.iter().for_each(WorkerProcess::ask_to_stop);
    }
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
