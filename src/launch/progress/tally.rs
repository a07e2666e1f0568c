//! The arithmetic behind progress: how many runs are where, and how much time is left.
//!
//! In: events with the time in seconds since the launch. Out: counts and estimates.

use std::collections::BTreeMap;

use super::super::{End, Job};

/// Counts and pace of one launch.
pub(super) struct Tally {
    jobs: Vec<(f64, u64)>,
    slots: usize,
    running: BTreeMap<usize, Pace>,
    waiting_cost: f64,
    finished_cost: f64,
    finished_seconds: f64,
    pub(super) total: usize,
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) other: usize,
}

/// The part of a run that this launch has seen.
#[derive(Default)]
struct Pace {
    first: Option<(f64, u64)>,
    last: Option<(f64, u64)>,
    total_steps: u64,
}

impl Pace {
    /// Seconds a step takes, once two different steps have been seen.
    fn seconds_per_step(&self) -> Option<f64> {
        let ((then, from), (now, to)) = (self.first?, self.last?);
        (to > from).then(|| (now - then) / (to - from) as f64)
    }

    fn steps_left(&self) -> u64 {
        self.total_steps.saturating_sub(self.last.map_or(0, |(_, step)| step))
    }
}

impl Tally {
    pub(super) fn new(jobs: &[Job], done_before: usize, slots: usize) -> Tally {
        Tally {
            jobs: jobs.iter().map(|job| (job.cost, job.total_steps)).collect(),
            slots: slots.max(1),
            running: BTreeMap::new(),
            waiting_cost: jobs.iter().map(|job| job.cost).sum(),
            finished_cost: 0.0,
            finished_seconds: 0.0,
            total: jobs.len() + done_before,
            done: done_before,
            failed: 0,
            other: 0,
        }
    }

    pub(super) fn started(&mut self, index: usize) {
        let (cost, total_steps) = self.jobs[index];
        self.waiting_cost = (self.waiting_cost - cost).max(0.0);
        self.running.insert(index, Pace { total_steps, ..Pace::default() });
    }

    pub(super) fn advanced(&mut self, index: usize, now: f64, step: u64, total_steps: u64) {
        let Some(pace) = self.running.get_mut(&index) else { return };
        if total_steps > 0 {
            pace.total_steps = total_steps;
        }
        // A resume begins at a checkpoint, below the step that the attempt before had reached.
        if pace.last.is_some_and(|(_, last)| step < last) {
            (pace.first, pace.last) = (None, None);
        }
        pace.first.get_or_insert((now, step));
        if pace.last.is_none_or(|(_, last)| step > last) {
            pace.last = Some((now, step));
        }
    }

    pub(super) fn ended(&mut self, index: usize, end: End) {
        let pace = self.running.remove(&index);
        match end {
            End::Done => {
                self.done += 1;
                // A resumed run did only a part of its cost here; its pace stands for the whole.
                if let Some((seconds, cost)) = pace.and_then(|pace| self.whole(index, &pace)) {
                    self.finished_seconds += seconds;
                    self.finished_cost += cost;
                }
            }
            End::Failed | End::Diverged => self.failed += 1,
            End::Interrupted | End::Storage | End::Held => self.other += 1,
        }
    }

    /// Runs that need no more attention from this launch.
    pub(super) fn ended_count(&self) -> usize {
        self.done + self.failed + self.other
    }

    /// Seconds and cost of a whole run, at the pace seen.
    fn whole(&self, index: usize, pace: &Pace) -> Option<(f64, f64)> {
        Some((pace.seconds_per_step()? * pace.total_steps as f64, self.jobs[index].0))
    }

    /// Seconds until a running run is done.
    pub(super) fn left_of(&self, index: usize, now: f64) -> Option<f64> {
        let pace = self.running.get(&index)?;
        let since = pace.last.map_or(0.0, |(then, _)| now - then);
        Some((pace.seconds_per_step()? * pace.steps_left() as f64 - since).max(0.0))
    }

    /// Seconds until all is done: what is left, shared by the slots, and at least the longest run.
    pub(super) fn left(&self, now: f64) -> Option<f64> {
        if self.ended_count() == self.total {
            return None;
        }
        let known: Vec<_> =
            self.running.iter().filter_map(|(&index, pace)| self.whole(index, pace)).collect();
        let seconds = self.finished_seconds + known.iter().map(|(seconds, _)| seconds).sum::<f64>();
        let cost = self.finished_cost + known.iter().map(|(_, cost)| cost).sum::<f64>();
        let per_cost = (cost > 0.0).then_some(seconds / cost)?;
        let of_running = self.running.keys().map(|&index| {
            // One that has not shown its pace yet: all of it is left, at everybody's pace.
            self.left_of(index, now).unwrap_or(self.jobs[index].0 * per_cost)
        });
        let of_running: Vec<_> = of_running.collect();
        let longest = of_running.iter().copied().fold(0.0, f64::max);
        let together = of_running.iter().sum::<f64>() + self.waiting_cost * per_cost;
        Some(longest.max(together / self.slots as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rundir::RunDir;

    fn jobs(costs: &[f64]) -> Vec<Job> {
        let job = |&cost: &f64| {
            let (run, label) = (RunDir::at("x"), "x".to_owned());
            Job { run, label, total_steps: 100, cost, environment: vec![] }
        };
        costs.iter().map(job).collect()
    }

    #[test]
    fn nothing_is_promised_before_a_pace_is_seen() {
        let mut tally = Tally::new(&jobs(&[1.0, 1.0]), 0, 1);
        assert_eq!(tally.left(0.0), None);
        tally.started(0);
        tally.advanced(0, 1.0, 0, 100);
        assert_eq!(tally.left(1.0), None);
    }

    #[test]
    fn waiting_runs_take_their_share_of_cost_at_the_pace_seen() {
        let mut tally = Tally::new(&jobs(&[1.0, 3.0]), 2, 1);
        tally.started(0);
        tally.advanced(0, 10.0, 0, 100);
        tally.advanced(0, 15.0, 50, 100);
        assert_eq!(tally.left_of(0, 15.0), Some(5.0));
        assert_eq!(tally.left(15.0), Some(5.0 + 30.0));
        tally.ended(0, End::Done);
        assert_eq!((tally.done, tally.total), (3, 4));
        assert_eq!(tally.left(20.0), Some(30.0));
    }

    #[test]
    fn two_slots_share_the_work_and_the_longest_run_is_the_least() {
        let mut tally = Tally::new(&jobs(&[1.0, 1.0]), 0, 2);
        for index in [0, 1] {
            tally.started(index);
            tally.advanced(index, 0.0, 0, 100);
        }
        tally.advanced(0, 10.0, 10, 100);
        tally.advanced(1, 10.0, 90, 100);
        assert_eq!(tally.left(10.0), Some(90.0));
    }

    #[test]
    fn a_resumed_run_is_judged_by_its_pace_not_by_its_start() {
        let mut tally = Tally::new(&jobs(&[1.0]), 0, 1);
        tally.started(0);
        tally.advanced(0, 0.0, 95, 100);
        tally.advanced(0, 0.0, 80, 100);
        tally.advanced(0, 5.0, 90, 100);
        assert_eq!(tally.left_of(0, 5.0), Some(5.0));
        assert_eq!(tally.left_of(0, 7.0), Some(3.0));
    }
}
