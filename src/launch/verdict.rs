//! From a dead worker to a state: the table of exit codes and signals, and the status of a worker that
//! could not write its own.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};

use super::End;
use crate::rundir::{Held, Process, RunDir, RunDirError, RunLock, State, Status};

/// Exit codes of `ablate worker`.
pub(super) mod code {
    pub(super) const DONE: i32 = 0;
    pub(super) const HELD: i32 = 4;
    pub(super) const STORAGE: i32 = 74;
    /// Whoever is started again goes on; the launcher's own code too.
    pub(in crate::launch) const INTERRUPTED: i32 = 75;
    pub(super) const PANIC: i32 = 101;
    pub(super) const KILLED: i32 = 130;
}

/// A worker killed sooner than this was hit by chance; a network too large for the memory takes longer.
const SETTLED: Duration = Duration::from_secs(10);

/// Everything known about a death.
pub(super) struct Death<'a> {
    pub(super) exit: ExitStatus,
    pub(super) pid: u32,
    /// `status.json` as it stands now.
    pub(super) status: Option<&'a Status>,
    pub(super) last_error: Option<String>,
    /// The launcher had asked this worker to stop, or killed it.
    pub(super) asked: bool,
    /// Why memory is to blame, if it is.
    pub(super) shortage: Option<String>,
    pub(super) lived: Duration,
    /// Step at which the attempt before was killed unasked.
    pub(super) killed_before: Option<u64>,
}

/// What a death means.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) end: End,
    pub(super) error: Option<String>,
    /// The state to write; `None` where the worker wrote its own.
    pub(super) write: Option<State>,
    /// To remember in the status: killed here, and nobody asked.
    pub(super) killed_at: Option<u64>,
}

pub(super) fn judge(death: &Death<'_>) -> Verdict {
    if death.exit.code() == Some(code::HELD) {
        return Verdict { end: End::Held, error: death.last_error.clone(), write: None, killed_at: None };
    }
    if let Some(verdict) = own_words(death) {
        return verdict;
    }
    match (death.exit.code(), death.exit.signal()) {
        (Some(code::STORAGE), _) => written(death, End::Storage, "storage error"),
        (Some(code::INTERRUPTED | code::KILLED), _) => written(death, End::Interrupted, "interrupted"),
        (None, Some(SIGINT | SIGTERM | SIGHUP | SIGUSR1 | SIGUSR2 | SIGQUIT | SIGXCPU)) => {
            written(death, End::Interrupted, "ended by a signal before its first checkpoint")
        }
        _ if death.shortage.is_some() => Verdict {
            end: End::Failed,
            error: death.shortage.clone(),
            write: Some(State::Failed),
            killed_at: None,
        },
        (Some(code::DONE), _) => written(death, End::Failed, "the worker ended without finishing"),
        (Some(code::PANIC), _) => written(death, End::Failed, "the worker panicked"),
        (Some(other), _) => refused(death, other),
        (None, Some(SIGKILL)) => killed(death),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("an unknown signal");
            written(death, End::Failed, &format!("the worker died of {name}"))
        }
    }
}

/// A worker that wrote a final state knew best, even if it then stumbled on its way out.
fn own_words(death: &Death<'_>) -> Option<Verdict> {
    let status =
        death.status.filter(|status| status.owner.pid == death.pid || status.state == State::Done)?;
    let end = match status.state {
        State::Done => End::Done,
        State::Failed => End::Failed,
        State::Diverged => End::Diverged,
        State::Interrupted | State::Paused if death.exit.code() == Some(code::STORAGE) => End::Storage,
        State::Interrupted | State::Paused => End::Interrupted,
        State::Running | State::Planned | State::Submitted => return None,
    };
    let error =
        if end == End::Done { None } else { status.error.clone().or_else(|| death.last_error.clone()) };
    Some(Verdict { end, error, write: None, killed_at: None })
}

fn killed(death: &Death<'_>) -> Verdict {
    if death.asked {
        return written(death, End::Interrupted, "killed on request");
    }
    let step = death.status.map_or(0, |status| status.step);
    let settled = death.lived >= SETTLED;
    if settled && death.killed_before == Some(step) {
        let error = format!("killed (SIGKILL) at step {step} for the second time; is it short of memory?");
        return Verdict { end: End::Failed, error: Some(error), write: Some(State::Failed), killed_at: None };
    }
    Verdict {
        end: End::Interrupted,
        error: Some("killed (SIGKILL)".to_owned()),
        write: Some(State::Interrupted),
        killed_at: settled.then_some(step),
    }
}

/// A worker that gave up before its first status: what it printed is the reason.
fn refused(death: &Death<'_>, code: i32) -> Verdict {
    let silent = format!("the worker ended with exit code {code}");
    let error = Some(death.last_error.clone().unwrap_or(silent));
    Verdict { end: End::Failed, error, write: Some(State::Failed), killed_at: None }
}

fn written(death: &Death<'_>, end: End, reason: &str) -> Verdict {
    let state = match end {
        End::Interrupted | End::Storage => State::Interrupted,
        _ => State::Failed,
    };
    let error = match &death.last_error {
        Some(line) if !death.asked => format!("{reason}: {line}"),
        _ => reason.to_owned(),
    };
    Verdict { end, error: Some(error), write: Some(state), killed_at: None }
}

/// Writes the status that a dead worker could not. Whoever has the run's lock by now knows better, so then
/// nothing is written.
pub(super) fn record(
    run: &RunDir,
    pid: u32,
    attempts_before: u32,
    total_steps: u64,
    verdict: &Verdict,
) -> Result<(), RunDirError> {
    let Some(state) = verdict.write else { return Ok(()) };
    let _lock = match RunLock::acquire(run) {
        Ok(lock) => lock,
        Err(Held::By { .. }) => return Ok(()),
        Err(Held::Unusable(error)) => return Err(error),
    };
    let mut status = match Status::read(run) {
        Ok(Some(status)) => status,
        Ok(None) | Err(RunDirError::Malformed { .. }) => Status::planned(total_steps),
        Err(error) => return Err(error),
    };
    if status.owner.pid != pid {
        // It died before its first word: this attempt is in the file under the owner of the one before.
        status.attempt = attempts_before.saturating_add(1);
        status.owner = Process { pid, pid_started: None, ..Process::current() };
    }
    status.state = state;
    status.error = verdict.error.clone();
    status.killed_at = verdict.killed_at;
    status.write(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: State, step: u64) -> Status {
        let mut status = Status::planned(100).next_attempt();
        status.owner.pid = 7;
        status.state = state;
        status.step = step;
        status
    }

    fn death(wait_status: i32, status: Option<&Status>) -> Death<'_> {
        Death {
            exit: ExitStatus::from_raw(wait_status),
            pid: 7,
            status,
            last_error: Some("last line".to_owned()),
            asked: false,
            shortage: None,
            lived: Duration::from_secs(60),
            killed_before: None,
        }
    }

    fn exit(code: i32, status: Option<&Status>) -> Verdict {
        judge(&death(code << 8, status))
    }

    #[test]
    fn the_workers_own_words_come_first() {
        assert_eq!(exit(0, Some(&status(State::Done, 100))).end, End::Done);
        assert_eq!(exit(1, Some(&status(State::Diverged, 3))).end, End::Diverged);
        assert_eq!(exit(75, Some(&status(State::Interrupted, 3))).write, None);
        assert_eq!(exit(74, Some(&status(State::Interrupted, 3))).end, End::Storage);
        assert_eq!(judge(&death(11, Some(&status(State::Done, 100)))).end, End::Done, "died on its way out");
    }

    #[test]
    fn a_silent_death_is_judged_by_its_exit() {
        let running = status(State::Running, 3);
        let cases = [
            (0, End::Failed, State::Failed),
            (1, End::Failed, State::Failed),
            (3, End::Failed, State::Failed),
            (74, End::Storage, State::Interrupted),
            (75, End::Interrupted, State::Interrupted),
            (130, End::Interrupted, State::Interrupted),
            (101, End::Failed, State::Failed),
        ];
        for (code, end, state) in cases {
            let verdict = exit(code, Some(&running));
            assert_eq!((verdict.end, verdict.write), (end, Some(state)), "exit {code}");
        }
        assert_eq!(exit(4, Some(&running)).write, None, "the other runner's status is not ours to change");
    }

    #[test]
    fn a_silent_death_is_judged_by_its_signal() {
        for signal in [SIGKILL, SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGXCPU] {
            assert_eq!(judge(&death(signal, None)).end, End::Interrupted, "signal {signal}");
        }
        for (signal, name) in [(6, "SIGABRT"), (11, "SIGSEGV"), (4, "SIGILL"), (7, "SIGBUS")] {
            let verdict = judge(&death(signal, None));
            assert_eq!(verdict.end, End::Failed);
            assert_eq!(verdict.error.unwrap(), format!("the worker died of {name}: last line"));
        }
    }

    #[test]
    fn a_kill_for_memory_is_a_failure() {
        let shortage = Some("out of memory: …".to_owned());
        for signal in [SIGKILL, 6] {
            let verdict = judge(&Death { shortage: shortage.clone(), ..death(signal, None) });
            assert_eq!((verdict.end, verdict.write), (End::Failed, Some(State::Failed)));
            assert_eq!(verdict.error, shortage);
        }
        let stopped = judge(&Death { shortage, ..death(code::INTERRUPTED << 8, None) });
        assert_eq!(stopped.end, End::Interrupted);
    }

    #[test]
    fn two_kills_at_the_same_step_are_a_failure() {
        let running = status(State::Running, 3);
        let first = judge(&death(SIGKILL, Some(&running)));
        assert_eq!((first.end, first.killed_at), (End::Interrupted, Some(3)));
        let again = Death { killed_before: first.killed_at, ..death(SIGKILL, Some(&running)) };
        assert_eq!(judge(&again).end, End::Failed);
        assert_eq!(judge(&Death { killed_before: Some(2), ..again }).end, End::Interrupted);
        let young = Death { lived: Duration::from_secs(1), ..death(SIGKILL, Some(&running)) };
        assert_eq!(judge(&young).killed_at, None, "killed by chance while starting");
        let asked = Death { asked: true, killed_before: Some(3), ..death(SIGKILL, Some(&running)) };
        assert_eq!(judge(&asked).end, End::Interrupted);
    }

    #[test]
    fn a_status_is_written_for_a_worker_that_said_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        record(&run, 7, 0, 100, &judge(&death(6, None))).unwrap();
        let found = Status::read(&run).unwrap().unwrap();
        assert_eq!((found.state, found.attempt, found.owner.pid), (State::Failed, 1, 7));
        assert_eq!(found.error.as_deref(), Some("the worker died of SIGABRT: last line"));
    }

    #[test]
    fn a_folder_taken_by_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        let _lock = RunLock::acquire(&run).unwrap();
        record(&run, 7, 0, 100, &judge(&death(6, None))).unwrap();
        assert_eq!(Status::read(&run).unwrap(), None);
    }
}
