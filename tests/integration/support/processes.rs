//! Processes under test: who they are, whether they live, and their ends.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Ran, Workplace};

/// Longer than anything here takes on a machine that does several things at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);
const TICK: Duration = Duration::from_millis(2);

/// Polls until something is there.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {within:?} for {what}");
        std::thread::sleep(TICK);
    }
}

/// A program started in the background; killed with its workers when a test gives up on it.
pub(crate) struct Background {
    child: Option<Child>,
}

impl Background {
    /// Starts the program in a workplace; what it says goes to files there, so that no pipe can fill up.
    pub(crate) fn start(place: &Workplace, arguments: &[&str]) -> Background {
        Background::of(place, place.command(arguments))
    }

    /// Starts a command of a workplace that was made ready otherwise.
    pub(crate) fn of(place: &Workplace, mut command: Command) -> Background {
        let log = |name: &str| fs::File::create(place.path(name)).unwrap();
        command.stdin(Stdio::null()).stdout(log("stdout.txt")).stderr(log("stderr.txt"));
        Background { child: Some(command.spawn().unwrap()) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn send(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> ExitStatus {
        // It stays in its place meanwhile, to be killed where it is waited for in vain.
        let child = self.child.as_mut().unwrap();
        let pid = child.id();
        let status = wait_for(&format!("process {pid} to end"), PATIENCE, || child.try_wait().unwrap());
        self.child = None;
        status
    }

    /// Whether it has ended by now.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Its workers end with it.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a background program said so far.
pub(crate) fn said(place: &Workplace, code: Option<i32>) -> Ran {
    Ran { code, stdout: place.read("stdout.txt"), stderr: place.read("stderr.txt") }
}

/// Whether programs started from here begin with a signal ignored, as a shell's background jobs do.
pub(crate) fn is_ignored(signal: Signal) -> bool {
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let mask = own.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() >> (signal.as_raw() - 1) & 1 == 1
}

/// Sends a signal; a process that has ended already is fine.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = kill_process(pid, signal);
}

/// Every process that runs in a workplace now: launchers, workers, and what is about to become one.
pub(crate) fn living_in(place: &Workplace) -> Vec<u32> {
    let folder = fs::canonicalize(place.path("")).unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let here = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder);
    pids.filter(|pid| here(pid) && is_alive(*pid)).collect()
}

/// Has a process die of a fault. Rust's own handler of SIGSEGV and SIGBUS steps aside at the first and expects the
/// faulting instruction to be tried again; nothing is when the signal comes from outside, so it is sent again.
pub(crate) fn crash(pid: u32, signal: Signal) {
    send(pid, signal);
    if matches!(signal, Signal::SEGV | Signal::BUS) {
        std::thread::sleep(Duration::from_millis(50));
        send(pid, signal);
    }
}

/// The workers of a launcher that live now.
pub(crate) fn workers_of(launcher: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| life(pid).is_some_and(|(_, parent)| parent == launcher) && is_alive(pid)).collect()
}

/// Whether a process runs; one that only waits to be reaped does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    life(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// State and parent of a process.
fn life(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Both follow the name, which is in parentheses and may contain anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
