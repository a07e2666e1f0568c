//! One worker process: started in its own process group, watched, ended.

use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use super::{Job, LaunchError};
use crate::config;
use crate::guard::{self, printable};
use crate::memory::{self, Cause, Room};
use crate::rundir::{Disk, RunDir, RunDirError, Status, files};

/// How to start a worker: the program and what comes before the directory.
#[derive(Debug, Clone)]
pub(super) struct WorkerCommand {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

/// A worker that has not been reaped: its number is still its own.
pub(super) struct WorkerProcess {
    child: Child,
    // The death watch: the worker ends itself when this end of the pipe closes.
    _stdin: Option<ChildStdin>,
    pub(super) index: usize,
    pub(super) threads: usize,
    pub(super) started: Instant,
    /// Step at which the attempt before this one was killed unasked.
    pub(super) killed_before: Option<u64>,
    /// Attempts before this one.
    pub(super) attempts_before: u32,
    stderr_start: u64,
    /// Most memory it held when last looked at.
    held: Option<u64>,
}

impl WorkerProcess {
    /// Starts a worker. Call from a thread that outlives it: the kernel's parent-death signal is tied to
    /// the thread, not to the process.
    pub(super) fn start(
        command: &WorkerCommand,
        job: &Job,
        index: usize,
        threads: usize,
    ) -> Result<WorkerProcess, LaunchError> {
        let stdout = files::open_log(&job.run.stdout_path())?;
        let stderr_path = job.run.stderr_path();
        let stderr = files::open_log(&stderr_path)?;
        let stderr_start = stderr.metadata().map_err(|source| io_error("read", &stderr_path, source))?.len();
        let before = Status::read(&job.run).ok().flatten();
        let mut child = Command::new(&command.program);
        die_with_this_thread(&mut child);
        let mut child = child
            .args(&command.arguments)
            .arg(job.run.path())
            .arg("--threads")
            .arg(threads.to_string())
            .arg("--die-with-parent")
            // Thread pools read these when libtorch is loaded, before any call of ours could size them.
            .env("OMP_NUM_THREADS", threads.to_string())
            .env("MKL_NUM_THREADS", threads.to_string())
            .envs(job.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .map_err(|source| LaunchError::Spawn { program: command.program.clone(), source })?;
        Ok(WorkerProcess {
            _stdin: child.stdin.take(),
            child,
            index,
            threads,
            started: Instant::now(),
            killed_before: before.as_ref().and_then(|status| status.killed_at),
            attempts_before: before.map_or(0, |status| status.attempt),
            stderr_start,
            held: None,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks for a checkpoint and an end.
    pub(super) fn ask_to_stop(&self) {
        // An error means that it has ended: the exit is on its way.
        let _ = kill_process(raw(self.pid()), Signal::TERM);
    }

    /// Ends the worker and all it started.
    pub(super) fn kill(&self) {
        let _ = kill_process_group(raw(self.pid()), Signal::KILL);
    }

    /// Collects the exit status of a worker that has ended.
    pub(super) fn reap(&mut self) -> Result<ExitStatus, LaunchError> {
        self.child.wait().map_err(|source| LaunchError::System { action: "wait for a worker", source })
    }

    /// Looks at its memory; to be called every now and then.
    pub(super) fn look(&mut self) {
        self.held = memory::peak_of(self.pid()).or(self.held);
    }

    /// The last thing this attempt had to say on stderr.
    pub(super) fn last_error_line(&self, run: &RunDir) -> Option<String> {
        last_line(&tail(&run.stderr_path(), self.stderr_start)?)
    }

    /// Why memory is to blame for its death, if it is: the kernel killed it for that, or it said so and died.
    pub(super) fn shortage(&self, run: &RunDir, killed_by_kernel: bool) -> Option<String> {
        let cause = if killed_by_kernel {
            Cause::Killed(self.held)
        } else {
            Cause::Refused(memory::recognise(&tail(&run.stderr_path(), self.stderr_start)?)?)
        };
        // A configuration that cannot be read says nothing about the memory it would need.
        let config = config::read_run_config(&run.config_path()).ok();
        Some(memory::explain(cause, Room::afterwards(), config.as_ref()))
    }
}

/// Blocks until the process has ended, and leaves it unreaped: its number stays taken, so a signal that is
/// sent meanwhile cannot reach a stranger.
pub(super) fn wait_for_end(pid: u32) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(raw(pid)), options) {}
}

/// The number of threads an earlier attempt recorded: a resumed run keeps it, whatever the slots are now.
pub(super) fn recorded_threads(run: &RunDir) -> Option<usize> {
    let text = files::read_text(&Disk, &run.execution_path(), 1 << 20).ok()??;
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    usize::try_from(value.get("threads")?.as_u64()?).ok().filter(|&threads| threads > 0)
}

fn raw(pid: u32) -> Pid {
    // The kernel hands out positive numbers below 2^22; 1 could only be init, which is never our child.
    i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap_or(Pid::INIT)
}

/// Has the kernel end the worker when this thread ends, from before the worker's first instruction: one that hangs
/// while its libraries are loaded, or was stopped there, cannot look after itself.
fn die_with_this_thread(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let launcher = rustix::process::getpid();
        let arrange = move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // Had it died before that call, nobody would tell.
            if rustix::process::getppid() == Some(launcher) {
                Ok(())
            } else {
                Err(io::Error::from(rustix::io::Errno::SRCH))
            }
        };
        // SAFETY: between fork and exec the closure makes two system calls and neither allocates nor locks.
        unsafe {
            command.pre_exec(arrange);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

fn io_error(action: &'static str, path: &Path, source: std::io::Error) -> LaunchError {
    RunDirError::Io { action, path: path.to_path_buf(), source }.into()
}

/// The end of a log, from a place on. libtorch prints many lines about where it was.
fn tail(path: &Path, from: u64) -> Option<String> {
    const TAIL: u64 = 256 << 10;
    let mut file = guard::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL)))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last error, or else the last line that says something: our own errors have help below them, and
/// Rust ends a panic with a note about backtraces.
fn last_line(text: &str) -> Option<String> {
    let lines = || text.lines().rev().map(str::trim);
    let error = lines().find_map(|line| line.strip_prefix("error: "));
    let line = error.or_else(|| lines().find(|line| !line.is_empty() && !line.starts_with("note: ")))?;
    Some(printable(&line.chars().take(500).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_this_attempts_and_not_the_backtrace_note() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stderr.log");
        std::fs::write(&path, "an earlier attempt\n").unwrap();
        let last_line = |from| last_line(&tail(&path, from).unwrap());
        assert_eq!(last_line(19), None);
        let panic = "an earlier attempt\nthread 'main' panicked at src/x.rs:1:2:\nno \x1b[1msuch tensor\nnote: run with `RUST_BACKTRACE=1`\n\n";
        std::fs::write(&path, panic).unwrap();
        assert_eq!(last_line(19).as_deref(), Some(r"no \u{1b}[1msuch tensor"));
        std::fs::write(&path, "error: no images\n  set in a.toml:3\n  help: fetch them\n").unwrap();
        assert_eq!(last_line(0).as_deref(), Some("no images"));
    }

    #[test]
    fn threads_of_an_earlier_attempt_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        assert_eq!(recorded_threads(&run), None);
        std::fs::write(run.execution_path(), r#"{"threads": 3, "other": true}"#).unwrap();
        assert_eq!(recorded_threads(&run), Some(3));
    }
}
