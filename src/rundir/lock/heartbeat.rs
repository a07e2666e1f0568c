//! A sign of life for other hosts: the time of a held lock file's last change.
//!
//! In: the file. Out: nothing; its time is moved to now again and again until dropped. "Now" is the file server's,
//! so that the clocks of two hosts need not agree. A status tells less: an evaluation may take longer than
//! anybody would wait for the next report.

use std::fs::File;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};

const INTERVAL: Duration = Duration::from_secs(60);

/// Beats until dropped.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// `None` only while dropping.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    pub(super) fn start(file: &File) -> io::Result<Heartbeat> {
        Heartbeat::every(INTERVAL, file)
    }

    fn every(interval: Duration, file: &File) -> io::Result<Heartbeat> {
        let file = file.try_clone()?;
        let (stop, stopped) = channel();
        let work = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // Without it the owner looks dead to other hosts after a while; its lock still holds.
                let _ = futimens(&file, &now());
            }
        };
        let thread =
            std::thread::Builder::new().name("heartbeat".to_owned()).stack_size(64 << 10).spawn(work)?;
        Ok(Heartbeat { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It has a handle on the lock: only after its end is the lock given back.
            let _ = thread.join();
        }
    }
}

fn now() -> Timestamps {
    let special = |nanoseconds| Timespec { tv_sec: 0, tv_nsec: nanoseconds };
    Timestamps { last_access: special(UTIME_OMIT), last_modification: special(UTIME_NOW) }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;

    #[test]
    fn a_held_file_stays_young_and_is_let_go_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let file = File::create(&path).unwrap();
        file.try_lock().unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        file.set_modified(long_ago).unwrap();
        let heartbeat = Heartbeat::every(Duration::from_millis(10), &file).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while file.metadata().unwrap().modified().unwrap() <= long_ago {
            assert!(Instant::now() < deadline, "no beat");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(heartbeat);
        drop(file);
        File::open(&path).unwrap().try_lock().unwrap();
    }
}
