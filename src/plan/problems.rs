//! What is wrong with the points of a sweep, each problem told once.
//!
//! In: the problems of each point. Out: every different one with its place in `[sweep]`, the first point that
//! has it, and how many others do.

use std::collections::HashMap;

use super::sweep::{Point, Sweep};
use crate::config::{Experiment, Problem, Problems};

/// Problems of all points.
#[derive(Default)]
pub(crate) struct Collector {
    problems: Vec<Problem>,
    /// Place in `problems` and number of further points, by the problem without its variant.
    seen: HashMap<String, (usize, usize)>,
}

impl Collector {
    /// Adds the problems of one point.
    pub(crate) fn add(&mut self, problems: &Problems, sweep: &Sweep, point: &Point, experiment: &Experiment) {
        for problem in &problems.0 {
            let problem = located(problem.clone(), sweep, point, experiment);
            let text = problem.to_string();
            if let Some((_, others)) = self.seen.get_mut(&text) {
                *others += 1;
                continue;
            }
            self.seen.insert(text, (self.problems.len(), 0));
            self.problems.push(match sweep.has_points_besides_base() {
                true => problem.in_variant(sweep.label(point)),
                false => problem,
            });
        }
    }

    /// Every problem, with how many others have it.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        for (place, others) in self.seen.into_values().filter(|(_, others)| *others > 0) {
            let (noun, verb) = if others == 1 { ("variant", "has") } else { ("variants", "have") };
            let also = format!("{others} more {noun} {verb} this problem");
            let problem = &mut self.problems[place];
            problem.help = Some(match problem.help.take() {
                Some(help) => format!("{help}; {also}"),
                None => also,
            });
        }
        self.problems
    }
}

/// A problem that a point's value caused, with where that value was written: a key may be swept in several
/// places.
fn located(mut problem: Problem, sweep: &Sweep, point: &Point, experiment: &Experiment) -> Problem {
    if !problem.is_of_sweep_point() {
        return problem;
    }
    let opening = || problem.message.split([' ', ':']).next().unwrap_or_default();
    let key = problem.key.as_deref().unwrap_or_else(opening);
    if let Some(location) = sweep.written(point, key).and_then(|written| experiment.location(&written)) {
        problem.location = Some(Box::new(location));
    }
    problem
}
