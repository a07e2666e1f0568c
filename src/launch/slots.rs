//! How many workers at a time and how many threads each.
//!
//! In: what the configuration asks for, the size of the plan, the machine. Out: [`Slots`].

use std::path::Path;

use crate::config::Device;

/// Room for workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Workers at a time.
    pub jobs: usize,
    /// Threads of a worker that runs for the first time; a resumed one keeps its own number.
    pub threads: usize,
    /// Threads of all workers together; `None` where the user chose the number of workers.
    pub thread_budget: Option<usize>,
}

impl Slots {
    /// Chooses for a plan of `runs` runs; 0 in `jobs` or `threads` leaves the choice to us.
    ///
    /// One-thread workers side by side beat one worker with all cores (0.81 s against 0.89 s for two steps
    /// of a small network on two cores). The size of the *plan* decides, not what is left of it: threads
    /// can change the last bit, and the same command run again must choose the same number.
    pub fn choose(jobs: usize, threads: usize, device: Device, runs: usize) -> Slots {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let room = if on_accelerator(device) { 1 } else { cores };
        Slots::sized(jobs, threads, cores, room, runs)
    }

    fn sized(jobs: usize, threads: usize, cores: usize, room: usize, runs: usize) -> Slots {
        let thread_budget = (jobs == 0).then_some(cores);
        let jobs = match (jobs, threads) {
            (0, 0) => room.min(runs),
            (0, threads) => room.min(runs).min(cores / threads),
            (jobs, _) => jobs,
        }
        .max(1);
        let threads = if threads == 0 { (cores / jobs).max(1) } else { threads };
        Slots { jobs, threads, thread_budget }
    }

    /// Whether one more worker of `threads` fits beside those running now.
    pub(super) fn has_room(&self, running: usize, threads_in_use: usize, threads: usize) -> bool {
        running == 0
            || running < self.jobs
                && self.thread_budget.is_none_or(|budget| threads_in_use + threads <= budget)
    }
}

/// Whether workers share one GPU, so that several at a time would compete for its memory.
fn on_accelerator(device: Device) -> bool {
    match device {
        Device::Cpu => false,
        Device::Cuda(_) | Device::Mps => true,
        Device::Auto => cfg!(target_os = "macos") || Path::new("/dev/nvidia0").exists(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(jobs: usize, threads: usize, cores: usize, runs: usize) -> (usize, usize) {
        let slots = Slots::sized(jobs, threads, cores, cores, runs);
        (slots.jobs, slots.threads)
    }

    #[test]
    fn many_runs_get_one_thread_each() {
        assert_eq!(sized(0, 0, 2, 8), (2, 1));
        assert_eq!(sized(0, 0, 16, 100), (16, 1));
    }

    #[test]
    fn few_runs_share_all_cores() {
        assert_eq!(sized(0, 0, 16, 3), (3, 5));
        assert_eq!(sized(0, 0, 2, 1), (1, 2));
        assert_eq!(sized(0, 0, 2, 0), (1, 2));
    }

    #[test]
    fn explicit_numbers_win() {
        assert_eq!(sized(3, 0, 16, 100), (3, 5));
        assert_eq!(sized(0, 4, 16, 100), (4, 4));
        assert_eq!(sized(0, 32, 16, 100), (1, 32));
        assert_eq!(sized(5, 7, 2, 1), (5, 7));
    }

    #[test]
    fn a_gpu_takes_one_worker() {
        let slots = Slots::sized(0, 0, 16, 1, 100);
        assert_eq!((slots.jobs, slots.threads), (1, 16));
    }

    #[test]
    fn resumed_workers_with_more_threads_take_more_room() {
        let slots = Slots::sized(0, 0, 4, 4, 8);
        assert!(slots.has_room(0, 0, 9), "the first one always fits");
        assert!(slots.has_room(1, 2, 2));
        assert!(!slots.has_room(1, 3, 2));
        let chosen = Slots::sized(4, 1, 2, 2, 8);
        assert!(chosen.has_room(3, 3, 1), "an explicit number of workers is taken at its word");
    }
}
