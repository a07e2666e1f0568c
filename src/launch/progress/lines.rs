//! Progress without a terminal: plain lines that read well in a log file.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use super::super::{Ended, Job};
use super::tally::Tally;
use super::{Progress, duration, end_line, joined, loss, speed};
use crate::rundir::Status;

/// Between two lines about the same run: this long, or a tenth of its steps, whichever comes later; never
/// more than a minute apart.
const SECONDS_BETWEEN: f64 = 10.0;
const SECONDS_AT_MOST: f64 = 60.0;

pub(super) struct Lines {
    tally: Tally,
    begun: Instant,
    said: BTreeMap<usize, (f64, u64)>,
}

impl Lines {
    pub(super) fn new(jobs: &[Job], done_before: usize, slots: usize) -> Lines {
        Lines { tally: Tally::new(jobs, done_before, slots), begun: Instant::now(), said: BTreeMap::new() }
    }

    fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn say(&self, line: &str) {
        // A log that cannot be written (a closed pipe) must not end the training it reports on.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

impl Progress for Lines {
    fn started(&mut self, index: usize, job: &Job) {
        self.tally.started(index);
        self.said.insert(index, (self.now(), 0));
        self.say(&format!("start  {}", job.label));
    }

    fn advanced(&mut self, index: usize, job: &Job, status: &Status) {
        let now = self.now();
        self.tally.advanced(index, now, status.step, status.total_steps);
        let Some(&(then, step)) = self.said.get(&index) else { return };
        let step = step.min(status.step);
        let tenth = status.step >= step.saturating_add(status.total_steps.div_ceil(10).max(1));
        let due = now - then >= SECONDS_BETWEEN && tenth || now - then >= SECONDS_AT_MOST;
        if !due || status.step == step || status.step >= status.total_steps {
            return;
        }
        self.said.insert(index, (now, status.step));
        let left = self.tally.left_of(index, now).map(|seconds| format!("{} left", duration(seconds)));
        let percent = 100 * u128::from(status.step) / u128::from(status.total_steps.max(1));
        let steps = format!("step {}/{} ({percent}%)", status.step, status.total_steps);
        let facts = joined([Some(steps), loss(status), speed(status), left]);
        self.say(&format!("train  {}  {facts}", job.label));
    }

    fn ended(&mut self, job: &Job, ended: &Ended) {
        self.tally.ended(ended.index, ended.end);
        self.said.remove(&ended.index);
        self.say(&end_line(job, ended));
        let (done, total) = (self.tally.done, self.tally.total);
        let failed = (self.tally.failed > 0).then(|| format!("{} failed", self.tally.failed));
        let left = self.tally.left(self.now());
        let left = left.map(|seconds| format!("about {} left", duration(seconds)));
        self.say(&format!("sweep  {}", joined([Some(format!("{done}/{total} done")), failed, left])));
    }

    fn note(&mut self, text: &str) {
        self.say(text);
    }

    fn tick(&mut self) {}
}
