//! How much memory this process may still have, and who says so.
//!
//! In: what the system tells of the machine, of our control group and of our own address space. Out: the tightest
//! of the three.

use super::{cgroup, human};

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The memory of the machine.
    Machine,
    /// A container's or a batch job's.
    ControlGroup,
    /// `ulimit -v`.
    AddressSpace,
}

/// Memory there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are free; absent where somebody else's were counted.
    pub free: Option<u64>,
    /// Bytes in all.
    pub total: u64,
    /// Who says so.
    pub bound: Bound,
}

impl Room {
    /// The tightest limit on this process, now; `None` where the system does not tell.
    pub fn here() -> Option<Room> {
        let found = [machine(&read("/proc/meminfo")?), cgroup::room(), address_space()];
        found.into_iter().flatten().min_by_key(|room| room.free)
    }

    /// The tightest limit on processes started from here, for one that has ended: what is free now was its own.
    pub fn afterwards() -> Option<Room> {
        let found = [machine(&read("/proc/meminfo")?), cgroup::room(), address_space()];
        let tightest = found.into_iter().flatten().min_by_key(|room| room.total)?;
        Some(Room { free: None, ..tightest })
    }

    /// The tightest limit on all processes started from here together.
    pub fn shared() -> Option<Room> {
        let found = [machine(&read("/proc/meminfo")?), cgroup::room()];
        let tightest = found.into_iter().flatten().min_by_key(|room| room.total)?;
        Some(Room { free: None, ..tightest })
    }

    /// What there is: "this machine has 24.00 GiB".
    pub(crate) fn sentence(&self) -> String {
        let total = human(self.total);
        match (self.free, self.bound) {
            (Some(free), Bound::Machine) => format!("{} of this machine's {total} are free", human(free)),
            (Some(free), Bound::ControlGroup) => {
                format!("{} of the control group's {total} are free", human(free))
            }
            (Some(free), Bound::AddressSpace) => {
                format!("{} of the {total} allowed by ulimit -v are free", human(free))
            }
            (None, Bound::Machine) => format!("this machine has {total}"),
            (None, Bound::ControlGroup) => format!("the control group may have {total}"),
            (None, Bound::AddressSpace) => format!("ulimit -v allows {total}"),
        }
    }
}

pub(super) fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// `MemAvailable` counts what the kernel would give back, such as cached files.
fn machine(meminfo: &str) -> Option<Room> {
    let (free, total) = (kibibytes(meminfo, "MemAvailable:")?, kibibytes(meminfo, "MemTotal:")?);
    Some(Room { free: Some(free), total, bound: Bound::Machine })
}

fn address_space() -> Option<Room> {
    let total = rustix::process::getrlimit(rustix::process::Resource::As).current?;
    let used = kibibytes(&read("/proc/self/status")?, "VmSize:")?;
    Some(Room { free: Some(total.saturating_sub(used)), total, bound: Bound::AddressSpace })
}

/// The bytes on a line like `MemTotal:  24684084 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Most memory that a process has held so far.
pub(crate) fn peak_of(pid: u32) -> Option<u64> {
    kibibytes(&read(&format!("/proc/{pid}/status"))?, "VmHWM:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_what_is_available() {
        let text = "MemTotal:       24684084 kB\nMemFree:        17166196 kB\nMemAvailable:   22672760 kB\n";
        let room = machine(text).unwrap();
        assert_eq!((room.free, room.total), (Some(22_672_760 << 10), 24_684_084 << 10));
        assert_eq!(machine("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn here_there_is_some() {
        if !std::path::Path::new("/proc/meminfo").exists() {
            eprintln!("skipped: no /proc here");
            return;
        }
        let room = Room::here().unwrap();
        assert!(room.free.unwrap() > 0 && room.free.unwrap() <= room.total, "{room:?}");
        let afterwards = Room::afterwards().unwrap();
        assert!(afterwards.free.is_none() && afterwards.total > 0);
        assert!(Room::shared().unwrap().total >= afterwards.total, "ulimit -v is each worker's own");
        assert!(peak_of(std::process::id()).unwrap() > 1 << 20);
    }
}
