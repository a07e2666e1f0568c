//! The launcher's signals, as messages on the channel its loop reads.

use std::sync::mpsc::Sender;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};

use super::LaunchError;
use super::local::Message;

/// Listens until dropped.
pub(super) struct Listener {
    handle: Handle,
}

impl Listener {
    pub(super) fn start(messages: Sender<Message>) -> Result<Listener, LaunchError> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1])
            .map_err(|source| LaunchError::System { action: "listen for signals", source })?;
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
        Ok(Listener { handle })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
    }
}
