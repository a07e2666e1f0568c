//! What people see while runs train: bars on a terminal, plain lines elsewhere, nothing when asked.
//!
//! In: the launcher's events. Out: text on stderr; stdout stays free for results.

mod bars;
mod lines;
mod spark;
mod tally;

use std::io::IsTerminal;

use super::{End, Ended, Job};
use crate::rundir::Status;

pub(crate) use bars::style;

use bars::Bars;
use lines::Lines;

pub use spark::spark;

/// Receives the launcher's events.
pub trait Progress {
    /// A worker is being started for this job.
    fn started(&mut self, index: usize, job: &Job);
    /// The worker wrote a new status.
    fn advanced(&mut self, index: usize, job: &Job, status: &Status);
    /// The run ended.
    fn ended(&mut self, job: &Job, ended: &Ended);
    /// Something people should know.
    fn note(&mut self, text: &str);
    /// Time has passed.
    fn tick(&mut self);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn started(&mut self, _: usize, _: &Job) {}
    fn advanced(&mut self, _: usize, _: &Job, _: &Status) {}
    fn ended(&mut self, _: &Job, _: &Ended) {}
    fn note(&mut self, _: &str) {}
    fn tick(&mut self) {}
}

/// Bars where stderr is a terminal, lines where it is not, nothing when `quiet`. `done_before` runs of the
/// plan need nothing; `slots` is how many workers run at a time.
pub fn choose(quiet: bool, jobs: &[Job], done_before: usize, slots: usize) -> Box<dyn Progress> {
    if quiet {
        Box::new(Quiet)
    } else if std::io::stderr().is_terminal() {
        Box::new(Bars::new(jobs, done_before, slots))
    } else {
        Box::new(Lines::new(jobs, done_before, slots))
    }
}

/// A length of time as people say it: `12s`, `3m20s`, `1h02m`, `2d03h`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// `loss 0.0345`, with as many digits as help.
fn loss(status: &Status) -> Option<String> {
    status.loss.map(|loss| format!("loss {loss:.4}"))
}

fn speed(status: &Status) -> Option<String> {
    let speed = status.images_per_second?;
    Some(if speed < 10.0 { format!("{speed:.1} img/s") } else { format!("{speed:.0} img/s") })
}

fn joined(parts: impl IntoIterator<Item = Option<String>>) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// One line about an end.
fn end_line(job: &Job, ended: &Ended) -> String {
    let word = match ended.end {
        End::Done => "done",
        End::Failed => "FAILED",
        End::Diverged => "DIVERGED",
        End::Interrupted => "interrupted",
        End::Storage => "storage error",
        End::Held => "in use elsewhere",
    };
    let error = ended.error.as_ref().map(|error| format!(": {}", crate::guard::printable(error)));
    format!("{word}  {}  {}{}", job.label, duration(ended.seconds), error.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_clocks() {
        let shown = [0.4, 12.0, 60.0, 200.0, 3599.6, 3720.0, 90000.0].map(duration);
        assert_eq!(shown, ["0s", "12s", "1m00s", "3m20s", "1h00m", "1h02m", "1d01h"]);
    }
}
