//! Which death by SIGKILL was the kernel's, for want of memory.
//!
//! SIGKILL does not say who sent it. The control group counts its out-of-memory kills, of any process in it: so a
//! count that rose a moment before a worker was found killed belongs to that worker, and to no other; one that
//! rose long before, while the worker went on training, was somebody else's.

use std::time::{Duration, Instant};

use crate::memory;

/// From a kill to its being noticed: a process with much memory takes a while to be gone.
const WINDOW: Duration = Duration::from_secs(10);

/// The control group's kills that no worker's death accounts for.
#[derive(Debug)]
pub(super) struct MemoryKills {
    /// The count when last looked at; `None` where nobody counts.
    counted: Option<u64>,
    /// When each was noticed, oldest first.
    open: Vec<Instant>,
}

impl MemoryKills {
    pub(super) fn start() -> MemoryKills {
        MemoryKills { counted: memory::kills(), open: Vec::new() }
    }

    /// Notices new kills; to be called every now and then.
    pub(super) fn look(&mut self) {
        self.note(memory::kills(), Instant::now());
    }

    /// Whether a worker that was just found killed may account for one.
    pub(super) fn claim(&mut self) -> bool {
        self.look();
        self.open.pop().is_some()
    }

    fn note(&mut self, count: Option<u64>, now: Instant) {
        self.open.retain(|noticed| now.duration_since(*noticed) < WINDOW);
        if let (Some(before), Some(after)) = (self.counted, count) {
            self.open.extend((before..after).map(|_| now));
        }
        self.counted = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kills(count: Option<u64>) -> MemoryKills {
        MemoryKills { counted: count, open: Vec::new() }
    }

    #[test]
    fn one_kill_accounts_for_one_death() {
        let now = Instant::now();
        let mut kills = kills(Some(4));
        kills.note(Some(5), now);
        assert_eq!(kills.open.len(), 1);
        kills.open.pop();
        kills.note(Some(5), now);
        assert!(kills.open.is_empty(), "the second worker was killed by somebody else");
    }

    #[test]
    fn a_kill_of_long_ago_was_somebody_elses() {
        let now = Instant::now();
        let mut kills = kills(Some(0));
        kills.note(Some(1), now);
        kills.note(Some(1), now + WINDOW);
        assert!(kills.open.is_empty());
    }

    #[test]
    fn without_a_count_nobody_is_accused() {
        let now = Instant::now();
        let mut kills = kills(None);
        kills.note(Some(7), now);
        assert!(kills.open.is_empty(), "what was counted before we looked");
        kills.note(None, now);
        kills.note(Some(9), now);
        assert!(kills.open.is_empty());
    }
}
