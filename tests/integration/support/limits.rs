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
    pub(crate) took: Duration,
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
pub(crate) fn measured_command(mut command: Command, name: &str, limit: Duration) -> Measured {
    // Files cannot fill up as pipes do while nobody reads them.
    let said = tempfile::tempdir().unwrap();
    let paths = ["stdout", "stderr"].map(|name| said.path().join(name));
    command.stdout(File::create(&paths[0]).unwrap()).stderr(File::create(&paths[1]).unwrap());
    let started = Instant::now();
    let child = command.spawn().unwrap();
    let end = wait(child.id(), started + limit);
    let took = started.elapsed();
    let [stdout, stderr] = paths.map(|path| fs::read(path).unwrap());
    for text in [&stdout, &stderr] {
        let odd = text.iter().find(|&&byte| byte != b'\n' && (byte < 0x20 || byte == 0x7f));
        assert_eq!(odd, None, "{name}: a raw control byte in {}", String::from_utf8_lossy(text));
    }
    let text = |bytes| String::from_utf8(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(!stderr.contains("panicked at"), "{name} panicked:\n{stderr}");
    let Some((code, peak_bytes)) = end else {
        panic!("{name} did not end within {limit:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    };
    assert!(code.is_some(), "{name} was ended by a signal\nstderr:\n{stderr}");
    Measured { ran: Ran { code, stdout, stderr }, took, peak_bytes }
}

/// Waits until the process has ended: its exit code and peak memory. Kills it at the deadline and gives `None`.
fn wait(pid: u32, deadline: Instant) -> Option<(Option<i32>, u64)> {
    let pid = i32::try_from(pid).unwrap();
    let mut killed = false;
    loop {
        let mut status = 0;
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: both pointers are to values of their types that live across the call; the process is this one's
        // child and is not waited for anywhere else.
        let found = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, usage.as_mut_ptr()) };
        if found == pid {
            // SAFETY: wait4 filled it in, and zeros are a value of it too.
            let usage = unsafe { usage.assume_init() };
            let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
            // In KiB, except on macOS.
            let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
            return (!killed).then(|| (code, u64::try_from(usage.ru_maxrss).unwrap() * unit));
        }
        if !killed && Instant::now() > deadline {
            killed = true;
            // It may have ended just now.
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
