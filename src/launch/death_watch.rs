//! A worker's half of "no orphan survives": when its launcher dies, however, the worker dies too.
//!
//! Only for a worker started with `--die-with-parent`: a batch job's stdin is closed from the start.

use std::io::{ErrorKind, Read, Write};

use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group, kill_process};

/// Asks the kernel for SIGKILL when the thread that started us ends, and watches stdin, the launcher's
/// pipe, for its end: the first does not exist everywhere, and comes too late if the launcher died before
/// this call. Run first thing in the worker. Where one of the two is refused, the other still stands.
pub fn start() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        warn(&format!("no parent-death signal: {error}"));
    }
    if let Err(error) = std::thread::Builder::new().name("death-watch".to_owned()).spawn(watch) {
        warn(&format!("stdin is not watched for the launcher's end: {error}"));
    }
}

/// Standard error is a file of the run, on a disk that may be full: that must not end the worker.
fn warn(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "warning: {text}");
}

fn watch() {
    let mut stdin = std::io::stdin().lock();
    let mut byte = [0; 64];
    loop {
        match stdin.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    // SIGKILL, not a tidy end: whatever the main thread is stuck in cannot hold this up, and every file
    // survives a kill at any instant anyway. Only a group of our own is ours to kill.
    let _ = if getpgrp() == getpid() {
        kill_current_process_group(Signal::KILL)
    } else {
        kill_process(getpid(), Signal::KILL)
    };
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    const AS_WORKER: &str = "ABLATE_TEST_DEATH_WATCH";

    /// The worker's part of the test below; nothing when run by itself.
    #[test]
    fn plays_a_worker_that_is_stuck() {
        if std::env::var_os(AS_WORKER).is_some() {
            super::start();
            println!("watching");
            std::thread::sleep(Duration::from_secs(60));
        }
    }

    #[test]
    fn a_worker_dies_when_its_launchers_pipe_closes() {
        let mut worker = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "launch::death_watch::tests::plays_a_worker_that_is_stuck", "--nocapture"])
            .env(AS_WORKER, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(worker.try_wait().unwrap(), None, "it lives while the pipe is open");
        drop(worker.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        let exit = loop {
            if let Some(exit) = worker.try_wait().unwrap() {
                break exit;
            }
            assert!(Instant::now() < deadline, "an orphan survived");
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(exit.signal(), Some(9));
    }
}
