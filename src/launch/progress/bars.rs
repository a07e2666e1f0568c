//! Progress on a terminal: a bar for each running run and one for the sweep.

use std::collections::BTreeMap;
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::{Ended, Job};
use super::spark::History;
use super::tally::Tally;
use super::{Progress, duration, end_line, joined, loss, speed};
use crate::rundir::Status;

const LABEL_WIDTH: usize = 44;
/// Blocks of a run's loss curve.
const CURVE_WIDTH: usize = 16;

pub(super) struct Bars {
    tally: Tally,
    begun: Instant,
    screen: MultiProgress,
    sweep: ProgressBar,
    runs: BTreeMap<usize, Running>,
    width: usize,
}

struct Running {
    bar: ProgressBar,
    losses: History,
}

impl Bars {
    pub(super) fn new(jobs: &[Job], done_before: usize, slots: usize) -> Bars {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let tally = Tally::new(jobs, done_before, slots);
        let width = jobs.iter().map(|job| job.label.len()).max().unwrap_or(0).min(LABEL_WIDTH);
        let sweep = screen.add(ProgressBar::new(tally.total as u64));
        sweep.set_style(style("{prefix} {bar:18} {pos}/{len} runs  {wide_msg}"));
        sweep.set_prefix(fit("sweep", width));
        sweep.set_position(done_before as u64);
        Bars { tally, begun: Instant::now(), screen, sweep, runs: BTreeMap::new(), width }
    }

    fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn draw_sweep(&self) {
        let failed = (self.tally.failed > 0).then(|| format!("{} failed", self.tally.failed));
        let left = self.tally.left(self.now()).map(|seconds| format!("about {} left", duration(seconds)));
        self.sweep.set_position(self.tally.ended_count() as u64);
        self.sweep.set_message(joined([failed, left]));
    }
}

impl Progress for Bars {
    fn started(&mut self, index: usize, job: &Job) {
        self.tally.started(index);
        let bar = self.screen.insert_before(&self.sweep, ProgressBar::new(job.total_steps));
        bar.set_style(style("{prefix} {bar:18} {percent:>3}%  {wide_msg}"));
        bar.set_prefix(fit(&job.label, self.width));
        bar.set_message("starting");
        self.runs.insert(index, Running { bar, losses: History::default() });
        self.draw_sweep();
    }

    fn advanced(&mut self, index: usize, _job: &Job, status: &Status) {
        let now = self.now();
        self.tally.advanced(index, now, status.step, status.total_steps);
        let Some(Running { bar, losses }) = self.runs.get_mut(&index) else { return };
        status.loss.into_iter().for_each(|loss| losses.push(loss));
        bar.set_length(status.total_steps);
        bar.set_position(status.step);
        let left = self.tally.left_of(index, now).map(|seconds| format!("{} left", duration(seconds)));
        let steps = format!("{}/{}", status.step, status.total_steps);
        let curve = Some(losses.spark(CURVE_WIDTH)).filter(|curve| !curve.is_empty());
        // The time left stands before what a narrow terminal cuts off, the curve behind.
        bar.set_message(joined([Some(steps), left, loss(status), speed(status), curve]));
    }

    fn ended(&mut self, job: &Job, ended: &Ended) {
        self.tally.ended(ended.index, ended.end);
        if let Some(Running { bar, .. }) = self.runs.remove(&ended.index) {
            bar.finish_and_clear();
            self.screen.remove(&bar);
        }
        self.note(&end_line(job, ended));
        self.draw_sweep();
    }

    fn note(&mut self, text: &str) {
        // A terminal that went away must not end the training it shows.
        let _ = self.screen.println(text);
    }

    fn tick(&mut self) {
        self.draw_sweep();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.sweep.abandon();
    }
}

/// How a bar looks. Templates are constants; one that does not parse falls back to indicatif's own.
pub(crate) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

/// The end of a name tells variants apart (id and seed), so a long one loses its beginning.
fn fit(label: &str, width: usize) -> String {
    let length = label.chars().count();
    let shown = if length > width {
        let tail: String = label.chars().skip(length + 1 - width).collect();
        format!("…{tail}")
    } else {
        label.to_owned()
    };
    format!("{shown:width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(fit("abcdef", 4), "…def");
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(fit("", 0), "");
    }
}
