//! The launcher's signals: an end at once while it only prepares, messages to its loop while workers run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals};

use super::LaunchError;
use super::local::Message;
use super::verdict::code;

/// Whether a signal ends this process at once.
static PREPARING: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(false)));

/// The signals that ask for a checkpoint and an end. Not SIGHUP where it was ignored from the start: `nohup` wants
/// its program to outlive the terminal.
pub fn signals_to_stop() -> Vec<i32> {
    let own = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut signals = vec![SIGINT, SIGTERM, SIGUSR1];
    if !ignores(&own, SIGHUP) {
        signals.push(SIGHUP);
    }
    signals
}

/// Reads the mask of ignored signals in `/proc/<pid>/status`.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// From now until a launch begins, a signal ends this process at once with exit code 75: whatever it does until
/// then can be done again.
///
/// # Errors
/// When the system refuses a signal handler.
pub fn end_at_once_until_launched() -> Result<(), LaunchError> {
    PREPARING.store(true, Ordering::Relaxed);
    for signal in signals_to_stop() {
        flag::register_conditional_shutdown(signal, code::INTERRUPTED, PREPARING.clone()).map_err(refused)?;
    }
    Ok(())
}

/// Listens until dropped.
pub(super) struct Listener {
    handle: Handle,
}

impl Listener {
    pub(super) fn start(messages: Sender<Message>) -> Result<Listener, LaunchError> {
        let mut signals = Signals::new(signals_to_stop()).map_err(refused)?;
        let handle = signals.handle();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    if messages.send(Message::Signal(signal)).is_err() {
                        break;
                    }
                }
            })
            .map_err(|source| LaunchError::System { action: "start a thread", source })?;
        PREPARING.store(false, Ordering::Relaxed);
        Ok(Listener { handle })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
    }
}

fn refused(source: std::io::Error) -> LaunchError {
    LaunchError::System { action: "listen for signals", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_was_ignored_from_the_start_is_known_by_its_bit() {
        let nohup = "Name:\tablate\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        assert!(ignores(nohup, SIGHUP));
        assert!(!ignores(nohup, SIGINT) && !ignores(nohup, SIGTERM));
        assert!(!ignores("", SIGHUP));
    }
}
