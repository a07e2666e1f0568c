//! How many workers that train on a CPU a machine has room for.
//!
//! In: configurations, and the room on the machine. Out: a number of workers. What one holds is estimated in `sizing`.

use super::need::plural;
use super::{Room, human};
use crate::config::Config;
use crate::sizing::{Place, peak_bytes};

/// What other programs and the system are left of a machine.
const SHARE_TO_USE: f64 = 0.9;

/// How many workers fit, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fitting {
    /// Side by side; at least one.
    pub workers: usize,
    /// Bytes of the largest, by estimate.
    pub each: u64,
    /// What they share.
    pub room: Room,
}

impl Fitting {
    /// For workers of these configurations, any of which may run beside any other. `None` where the system does not
    /// tell what there is, or there are none.
    pub fn of<'a>(configs: impl IntoIterator<Item = &'a Config>, room: Option<Room>) -> Option<Fitting> {
        let room = room?;
        let each = configs.into_iter().map(|config| peak_bytes(config, Place::Host)).max()?;
        let workers = (room.total as f64 * SHARE_TO_USE / each as f64) as usize;
        Some(Fitting { workers: workers.max(1), each, room })
    }

    /// Why there are no more, and how to have more.
    pub fn sentence(&self) -> String {
        let workers = self.workers;
        format!(
            "{workers} worker{} at a time: one may need {}, and {}; runtime.jobs = N takes as many as you say",
            plural(workers as u64),
            human(self.each),
            self.room.sentence()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Bound;
    use crate::sizing::fixture::network;

    #[test]
    fn the_largest_of_the_workers_decides_how_many_fit() {
        let room = |total| Some(Room { free: None, total, bound: Bound::Machine });
        let (small, large) = (network(1), network(64));
        let each = peak_bytes(&large, Place::Host);
        let fitting = Fitting::of([&small, &large], room(10 * each)).unwrap();
        assert_eq!((fitting.workers, fitting.each), (9, each), "a tenth is left to others");
        assert_eq!(Fitting::of([&large], room(1)).unwrap().workers, 1, "one is tried in any case");
        assert_eq!(Fitting::of([&large], None), None);
        assert_eq!(Fitting::of([], room(1)), None);
    }

    #[test]
    fn the_sentence_has_the_numbers_and_the_way_out() {
        let room = Room { free: None, total: 24 << 30, bound: Bound::Machine };
        assert_eq!(
            Fitting { workers: 3, each: 7 << 30, room }.sentence(),
            "3 workers at a time: one may need 7.00 GiB, and this machine has 24.00 GiB; runtime.jobs = N takes as many \
             as you say"
        );
    }
}
