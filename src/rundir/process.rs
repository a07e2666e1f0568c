//! Which process owns a folder, told apart from a later one with the same number.
//!
//! In: nothing, or a record read from a file. Out: whether that very process still lives.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A process: host, boot, number and start time together never repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process number; 0: none.
    #[serde(default)]
    pub pid: u32,
    /// Host name.
    #[serde(default)]
    pub host: String,
    /// Identity of the machine's boot; empty where the system has none.
    #[serde(default)]
    pub boot_id: String,
    /// Start time in clock ticks since boot; absent where the system does not tell.
    #[serde(default)]
    pub pid_started: Option<u64>,
}

impl Process {
    /// This process.
    pub fn current() -> Process {
        let pid = std::process::id();
        Process {
            pid,
            host: host().to_owned(),
            boot_id: boot_id().to_owned(),
            pid_started: stat(pid).map(|stat| stat.started),
        }
    }

    /// Whether the record was made on this machine (or container).
    pub fn is_local(&self) -> bool {
        self.host == host()
    }

    /// Whether it lives, for a process of this host; `None` where only its own host could tell.
    pub fn is_alive(&self) -> Option<bool> {
        if self.pid == 0 {
            return Some(false);
        }
        if !self.is_local() {
            return None;
        }
        if self.boot_id != boot_id() {
            return Some(false);
        }
        Some(match self.pid_started {
            Some(started) => stat(self.pid).is_some_and(|now| now.started == started && now.state != 'Z'),
            None => answers(self.pid),
        })
    }
}

/// This machine's name.
fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    })
}

struct Stat {
    state: char,
    started: u64,
}

/// Fields 3 and 22 of `/proc/<pid>/stat`; the name in field 2 may hold anything, so it is skipped from its end.
fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some(Stat { state, started })
}

/// Without `/proc`: whether any process has that number; one of another user counts.
fn answers(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        return false;
    };
    !matches!(rustix::process::test_kill_process(pid), Err(error) if error == rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive() {
        assert_eq!(Process::current().is_alive(), Some(true));
        assert_eq!(Process::default().is_alive(), Some(false));
    }

    #[test]
    fn another_process_with_the_same_number_is_not_the_owner() {
        let mut process = Process::current();
        process.pid_started = process.pid_started.map(|ticks| ticks + 1);
        assert_eq!(process.is_alive(), Some(false));
    }

    #[test]
    fn an_earlier_boot_is_dead_and_another_host_is_unknown() {
        let mut process = Process::current();
        process.boot_id = "earlier".to_owned();
        assert_eq!(process.is_alive(), Some(false));
        process.host = "elsewhere".to_owned();
        assert_eq!(process.is_alive(), None);
    }

    #[test]
    fn a_reaped_child_is_dead_and_a_zombie_too() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let record = Process {
            pid: child.id(),
            pid_started: stat(child.id()).map(|stat| stat.started),
            ..Process::current()
        };
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(record.is_alive(), Some(false), "a zombie owns nothing");
        child.wait().unwrap();
        assert_eq!(record.is_alive(), Some(false));
    }
}
