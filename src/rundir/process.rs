//! Which process owns a folder, told apart from a later one with the same number and from another container's.
//!
//! In: nothing, or a record read from a file. Out: whether that very process still lives.

use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::guard::printable;

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
    /// In which numbering of processes `pid` counts: containers on one machine have their own. Absent where the
    /// system has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<u64>,
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
            pid_namespace: pid_namespace(),
        }
    }

    /// Whether its number means the same process here: this machine under whatever name, and the same container.
    pub fn is_local(&self) -> bool {
        let same_machine = self.host == host() || !boot_id().is_empty() && self.boot_id == boot_id();
        same_machine && !self.is_contained()
    }

    /// Whether it lives, for a process of this host; `None` where only its own host or container could tell.
    pub fn is_alive(&self) -> Option<bool> {
        if self.pid == 0 {
            return Some(false);
        }
        if self.host == host() && self.boot_id != boot_id() {
            return Some(false);
        }
        if !self.is_local() {
            return None;
        }
        Some(match self.pid_started {
            Some(started) => stat(self.pid).is_some_and(|now| now.started == started && now.state != 'Z'),
            None => answers(self.pid),
        })
    }

    /// Whether it counts in another container's numbers.
    fn is_contained(&self) -> bool {
        let (recorded, here) = (self.pid_namespace, pid_namespace());
        recorded.is_some() && here.is_some() && recorded != here
    }
}

/// As messages name an owner.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on host {}", self.pid, printable(&self.host))
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

/// The kernel's number for the set of processes that this one's number counts in: `pid:[4026531836]`.
fn pid_namespace() -> Option<u64> {
    static NAMESPACE: OnceLock<Option<u64>> = OnceLock::new();
    *NAMESPACE.get_or_init(|| {
        let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
        link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
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
    fn a_machine_that_was_renamed_knows_its_processes() {
        if boot_id().is_empty() {
            eprintln!("skipped: this system does not number its boots");
            return;
        }
        let renamed = Process { host: "as-it-was-called".to_owned(), ..Process::current() };
        assert!(renamed.is_local());
        assert_eq!(renamed.is_alive(), Some(true));
    }

    #[test]
    fn a_number_of_another_container_says_nothing_here() {
        let Some(here) = pid_namespace() else {
            eprintln!("skipped: this system has one numbering of processes");
            return;
        };
        let elsewhere = Process { pid_namespace: Some(here + 1), ..Process::current() };
        assert_eq!((elsewhere.is_local(), elsewhere.is_alive()), (false, None));
        let unrecorded = Process { pid_namespace: None, ..Process::current() };
        assert_eq!(unrecorded.is_alive(), Some(true), "records of earlier versions have none");
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
