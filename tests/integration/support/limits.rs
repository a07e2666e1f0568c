//! The program held to limits: it must end in time, within its memory, and say nothing that drives a terminal.

use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Ran, Workplace};

/// How a program ended, and what it took.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) ran: Ran,
    /// Time that it had a processor: on a busy machine the clock says more about the others.
    pub(crate) worked: Duration,
    /// The most memory it held at a time.
    pub(crate) peak_bytes: u64,
}

/// Runs the program in a workplace and kills it after `limit`, which fails the test.
#[track_caller]
pub(crate) fn measured(place: &Workplace, arguments: &[&str], limit: Duration) -> Measured {
    let command = place.command(arguments);
    measured_command(command, &arguments.join(" "), limit)
}

/// As [`measured`], of any command.
#[track_caller]
#[expect(clippy::zombie_processes, reason = "`wait` collects it, to learn what it used")]
pub(crate) fn measured_command(mut command: Command, name: &str, limit: Duration) -> Measured {
    // Files cannot fill up as pipes do while nobody reads them.
    let said = tempfile::tempdir().unwrap();
    let paths = ["stdout", "stderr"].map(|name| said.path().join(name));
    command.stdout(File::create(&paths[0]).unwrap()).stderr(File::create(&paths[1]).unwrap());
    let started = Instant::now();
    let child = command.spawn().unwrap();
    let end = wait(child.id(), started + limit);
    let [stdout, stderr] = paths.map(|path| fs::read(path).unwrap());
    for text in [&stdout, &stderr] {
        let odd = text.iter().find(|&&byte| byte != b'\n' && (byte < 0x20 || byte == 0x7f));
        assert_eq!(odd, None, "{name}: a raw control byte in {}", String::from_utf8_lossy(text));
    }
    let text = |bytes| String::from_utf8(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(!stderr.contains("panicked at"), "{name} panicked:\n{stderr}");
    let Some(End { code, worked, peak_bytes }) = end else {
        panic!("{name} did not end within {limit:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    };
    assert!(code.is_some(), "{name} was ended by a signal\nstderr:\n{stderr}");
    Measured { ran: Ran { code, stdout, stderr }, worked, peak_bytes }
}

struct End {
    code: Option<i32>,
    worked: Duration,
    peak_bytes: u64,
}

/// Waits until the process has ended. Kills it at the deadline and gives `None`.
fn wait(pid: u32, deadline: Instant) -> Option<End> {
    let pid = i32::try_from(pid).unwrap();
    let (mut killed, mut peak) = (false, None);
    loop {
        peak = peak.max(high_water(pid));
        let mut status = 0;
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: both pointers are to values of their types that live across the call; the process is this one's
        // child and is not waited for anywhere else.
        let found = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, usage.as_mut_ptr()) };
        if found == pid {
            // SAFETY: wait4 filled it in, and zeros are a value of it too.
            let usage = unsafe { usage.assume_init() };
            let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
            let time = |spent: libc::timeval| {
                Duration::from_secs(spent.tv_sec as u64) + Duration::from_micros(spent.tv_usec as u64)
            };
            let worked = time(usage.ru_utime) + time(usage.ru_stime);
            // In KiB, except on macOS.
            let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
            let peak_bytes = peak.unwrap_or(usage.ru_maxrss as u64 * unit);
            return (!killed).then_some(End { code, worked, peak_bytes });
        }
        if !killed && Instant::now() > deadline {
            killed = true;
            // It may have ended just now.
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The most memory a process has held so far, where the system tells. What `wait4` tells counts the memory of the
/// process that started it, too.
fn high_water(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}
