//! The points of a sweep, each resolved and checked before any is launched.
//!
//! In: an experiment and its sweep. Out: a [`Candidate`] per point, in order, or every problem of every point,
//! each told once.

use std::collections::HashMap;

use serde_json::Value;

use super::facts::{Facts, FactsBook};
use super::first_weights::FirstWeights;
use super::sweep::{Point, Sweep};
use super::variant::value_of;
use crate::config::{self, Config, Experiment, Problem, Problems};

/// A point that passed every check.
pub(crate) struct Candidate {
    /// Its settings.
    pub(crate) point: Point,
    /// The configuration they lead to.
    pub(crate) config: Config,
    /// What is known about it beforehand.
    pub(crate) facts: Facts,
    /// Its identity, in hexadecimal.
    pub(crate) identity: String,
    /// What each axis's key is in the configuration.
    pub(crate) values: Vec<Value>,
}

/// Resolves every point, on all cores where there are many, and keeps their order.
///
/// # Errors
/// Everything that is wrong with any point.
pub(crate) fn resolve(experiment: &Experiment, sweep: &Sweep) -> Result<Vec<Candidate>, Problems> {
    /// Fewer points than this are resolved before a thread has started.
    const WORTH_A_THREAD: usize = 256;
    let mut points: Vec<Point> = sweep.points().collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = points.len().div_ceil(threads).max(WORTH_A_THREAD);
    let mut shares = Vec::new();
    while points.len() > share {
        let rest = points.split_off(share);
        shares.push(std::mem::replace(&mut points, rest));
    }
    let weights = FirstWeights::default();
    let resolve = |share| resolve_share(experiment, sweep, &weights, share);
    let resolved: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = shares.into_iter().map(|share| scope.spawn(|| resolve(share))).collect();
        let last = resolve(points);
        let joined = others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.chain([last]).flatten().collect()
    });
    let mut collector = Collector::default();
    let mut candidates = Vec::with_capacity(resolved.len());
    for result in resolved {
        match result {
            Ok(candidate) => candidates.push(candidate),
            Err((point, problems)) => collector.add(problems, sweep, &point),
        }
    }
    collector.into_result().map(|()| candidates)
}

fn resolve_share(
    experiment: &Experiment,
    sweep: &Sweep,
    weights: &FirstWeights,
    points: Vec<Point>,
) -> Vec<Result<Candidate, (Point, Problems)>> {
    let mut book = FactsBook::default();
    let mut resolve = |point: Point| {
        let checked = experiment.resolve(&point).and_then(|mut config| {
            let facts = book.facts(&config).map_err(|reason| schedule_problem(experiment, reason))?;
            // A typed configuration always serialises: its keys are strings and its numbers finite.
            let written = serde_json::to_value(&config).unwrap_or_default();
            weights.settle(experiment, &mut config)?;
            Ok((config, facts, written))
        });
        match checked {
            Ok((config, facts, json)) => {
                let identity = config::identity(&config);
                let values = sweep.axes.iter().map(|axis| value_of(&json, &axis.key)).collect();
                Ok(Candidate { point, config, facts, identity, values })
            }
            Err(problems) => Err((point, problems)),
        }
    };
    points.into_iter().map(&mut resolve).collect()
}

fn schedule_problem(experiment: &Experiment, reason: String) -> Problems {
    let key = "diffusion.timesteps";
    let swept = experiment.location(&format!("sweep.grid.{key}"));
    Problem::new(reason).at(swept.or_else(|| experiment.location(key))).into()
}

/// Problems of all points, each told once.
#[derive(Default)]
struct Collector {
    problems: Vec<Problem>,
    /// Place in `problems` and number of further points, by the problem without its variant.
    seen: HashMap<String, (usize, usize)>,
}

impl Collector {
    fn add(&mut self, problems: Problems, sweep: &Sweep, point: &Point) {
        for problem in problems.0 {
            let text = problem.to_string();
            if let Some((_, others)) = self.seen.get_mut(&text) {
                *others += 1;
                continue;
            }
            self.seen.insert(text, (self.problems.len(), 0));
            self.problems.push(match sweep.axes.is_empty() {
                true => problem,
                false => problem.in_variant(sweep.label(point)),
            });
        }
    }

    fn into_result(mut self) -> Result<(), Problems> {
        for (place, others) in self.seen.into_values().filter(|(_, others)| *others > 0) {
            let (noun, verb) = if others == 1 { ("variant", "has") } else { ("variants", "have") };
            let also = format!("{others} more {noun} {verb} this problem");
            let problem = &mut self.problems[place];
            problem.help = Some(match problem.help.take() {
                Some(help) => format!("{help}; {also}"),
                None => also,
            });
        }
        Problems(self.problems).into_result()
    }
}
