//! What the scheduler costs, for people.

use std::fmt::Write;

use super::scheduler::Scheduling;
use crate::cli::grid::grid;

/// The plan, the launches, and the bare process that launches stand beside.
pub(super) fn text(found: &Scheduling) -> String {
    let mut text = format!("{}\n\n", found.machine.line());
    let plan = &found.plan;
    let _ = writeln!(
        text,
        "plan of {} points: {:.3} s (experiment {:.3}, variants {:.3}, states {:.3})\n",
        plan.points, plan.total_seconds, plan.load_seconds, plan.build_seconds, plan.states_seconds
    );
    let milliseconds = |seconds: f64| format!("{:.2}", seconds * 1e3);
    let rows = found.launches.iter().map(|launch| {
        let parts =
            [launch.prepare_seconds, launch.launch_seconds, launch.summary_seconds, launch.total_seconds];
        let [prepare, start, summary, total] = parts.map(milliseconds);
        [launch.runs.to_string(), launch.slots.to_string(), prepare, start, summary, total]
    });
    let header = ["runs", "at a time", "prepare", "launch", "summary", "ms a run"];
    text.push_str(&grid(header, rows, |_| true));
    let bare = milliseconds(found.bare_process_seconds);
    let _ = writeln!(text, "\nworkers do nothing; starting and ending such a process alone takes {bare} ms");
    text
}
