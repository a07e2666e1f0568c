//! How many workers at a time and how many threads each.
//!
//! In: what the configuration asks for, the size of the plan, what its workers need, the machine. Out: [`Slots`].

use std::path::Path;

use crate::config::{Device, Runtime};
use crate::memory::Fitting;

/// Room for workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Workers at a time.
    pub jobs: usize,
    /// Threads of a worker that runs for the first time; a resumed one keeps its own number.
    pub threads: usize,
    /// Threads of all workers together; `None` where the user chose the number of workers.
    pub thread_budget: Option<usize>,
    /// What there is memory for, where that is less than there are cores for.
    pub held_back: Option<Fitting>,
}

impl Slots {
    /// Chooses for a plan of `runs` runs; 0 in `runtime.jobs` or `runtime.threads` leaves the choice to us: on a
    /// GPU `runtime.slots_per_device` workers at a time, on a CPU one for each core, if memory has room for as many.
    ///
    /// One-thread workers side by side beat one worker with all cores (0.81 s against 0.89 s for two steps
    /// of a small network on two cores). The size of the *plan* and of the machine decide, not what is left of
    /// either: threads can change the last bit, and the same command run again must choose the same number.
    /// `fitting` is asked only where it decides: it looks at every variant.
    pub fn choose(runtime: &Runtime, runs: usize, fitting: impl FnOnce() -> Option<Fitting>) -> Slots {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let accelerator = on_accelerator(runtime.device);
        let fitting = if accelerator || runtime.jobs > 0 { None } else { fitting() };
        match fitting {
            Some(fitting) => Slots::within(fitting, runtime, cores, runs),
            None => Slots::on(accelerator, runtime, cores, runs),
        }
    }

    /// Fewer workers with more threads each, where memory has no room for one a core.
    fn within(fitting: Fitting, runtime: &Runtime, cores: usize, runs: usize) -> Slots {
        let wanted = Slots::on(false, runtime, cores, runs);
        let slots = Slots::on(false, runtime, cores, runs.min(fitting.workers));
        Slots { held_back: (slots.jobs < wanted.jobs).then_some(fitting), ..slots }
    }

    /// One worker, which has every core.
    pub fn alone(runtime: &Runtime) -> Slots {
        Slots::choose(runtime, 1, || None)
    }

    /// Workers of a GPU mostly wait for it, so there the cores set no limit.
    fn on(accelerator: bool, runtime: &Runtime, cores: usize, runs: usize) -> Slots {
        let jobs = match (runtime.jobs, accelerator) {
            (0, true) => runtime.slots_per_device.min(runs).max(1),
            (jobs, _) => jobs,
        };
        Slots::sized(jobs, runtime.threads, cores, runs)
    }

    fn sized(jobs: usize, threads: usize, cores: usize, runs: usize) -> Slots {
        let thread_budget = (jobs == 0).then_some(cores);
        let jobs = match (jobs, threads) {
            (0, 0) => cores.min(runs),
            (0, threads) => runs.min(cores / threads),
            (jobs, _) => jobs,
        }
        .max(1);
        let threads = if threads == 0 { (cores / jobs).max(1) } else { threads };
        Slots { jobs, threads, thread_budget, held_back: None }
    }

    /// Whether one more worker of `threads` fits beside those running now.
    pub(super) fn has_room(&self, running: usize, threads_in_use: usize, threads: usize) -> bool {
        running == 0
            || running < self.jobs
                && self.thread_budget.is_none_or(|budget| threads_in_use + threads <= budget)
    }
}

/// Whether workers share one GPU and its memory.
pub(crate) fn on_accelerator(device: Device) -> bool {
    match device {
        Device::Cpu => false,
        Device::Cuda(_) | Device::Mps => true,
        Device::Auto => cfg!(target_os = "macos") || Path::new("/dev/nvidia0").exists(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;
    use crate::memory::{Bound, Room};

    fn sized(jobs: usize, threads: usize, cores: usize, runs: usize) -> (usize, usize) {
        let slots = Slots::sized(jobs, threads, cores, runs);
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
    fn a_gpu_takes_as_many_workers_as_the_user_says_and_a_cpu_does_not_ask() {
        let mut runtime = defaults().runtime;
        let on = |accelerator, runtime: &Runtime, cores, runs| {
            let slots = Slots::on(accelerator, runtime, cores, runs);
            (slots.jobs, slots.threads)
        };
        assert_eq!(on(true, &runtime, 16, 100), (1, 16), "one, where nobody says more");
        runtime.slots_per_device = 3;
        assert_eq!(on(true, &runtime, 16, 100), (3, 5));
        assert_eq!(on(false, &runtime, 16, 100), (16, 1));
        assert_eq!(on(true, &runtime, 16, 2), (2, 8), "fewer runs than slots share the cores");
        assert_eq!(on(true, &runtime, 2, 0), (1, 2));
        runtime.threads = 4;
        assert_eq!(on(true, &runtime, 16, 100), (3, 4));
        runtime.jobs = 5;
        assert_eq!(on(true, &runtime, 16, 100), (5, 4), "runtime.jobs wins");
    }

    #[test]
    fn workers_that_memory_has_no_room_for_leave_their_cores_to_the_others() {
        let runtime = defaults().runtime;
        let room = Room { free: None, total: 64 << 30, bound: Bound::Machine };
        let fitting = Fitting { workers: 3, each: 18 << 30, room };
        let within = |runs, runtime: &Runtime| {
            let slots = Slots::within(fitting, runtime, 16, runs);
            (slots.jobs, slots.threads, slots.held_back.is_some())
        };
        assert_eq!(within(100, &runtime), (3, 5, true));
        assert_eq!(within(2, &runtime), (2, 8, false), "there are no more runs");
        let four_threads = Runtime { threads: 4, ..runtime.clone() };
        assert_eq!(within(100, &four_threads), (3, 4, true));
        let eight_threads = Runtime { threads: 8, ..runtime };
        assert_eq!(within(100, &eight_threads), (2, 8, false), "there are no more cores");
    }

    #[test]
    fn the_users_number_of_workers_is_not_held_back() {
        let runtime = Runtime { jobs: 40, device: Device::Cpu, ..defaults().runtime };
        let room = Room { free: None, total: 1, bound: Bound::Machine };
        let slots = Slots::choose(&runtime, 100, || Some(Fitting { workers: 1, each: 1, room }));
        assert_eq!((slots.jobs, slots.held_back), (40, None));
    }

    #[test]
    fn more_slots_on_a_gpu_than_cores_are_taken_at_their_word() {
        let mut runtime = defaults().runtime;
        runtime.slots_per_device = 4;
        let slots = Slots::on(true, &runtime, 2, 8);
        assert_eq!((slots.jobs, slots.threads), (4, 1));
        assert!(slots.has_room(3, 3, 1) && slots.has_room(1, 16, 16) && !slots.has_room(4, 4, 1));
    }

    #[test]
    fn resumed_workers_with_more_threads_take_more_room() {
        let slots = Slots::sized(0, 0, 4, 8);
        assert!(slots.has_room(0, 0, 9), "the first one always fits");
        assert!(slots.has_room(1, 2, 2));
        assert!(!slots.has_room(1, 3, 2));
        let chosen = Slots::sized(4, 1, 2, 8);
        assert!(chosen.has_room(3, 3, 1), "an explicit number of workers is taken at its word");
    }
}
