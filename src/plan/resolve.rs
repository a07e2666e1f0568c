//! The points of a sweep, each resolved and checked before any is launched.
//!
//! In: an experiment and its sweep. Out: a [`Resolved`] per point, in order, and which exclude rules matched
//! any. What is wrong with points is an error, each problem told once, unless the sweep asks to skip them.

use std::thread;

use serde_json::Value as Json;

use super::facts::{Facts, FactsBook};
use super::first_weights::FirstWeights;
use super::problems::Collector;
use super::sweep::{OnInvalid, Origin, Point, Rule, Sweep};
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
    /// What each swept key is in the configuration, in the sweep's order.
    pub(crate) values: Vec<Json>,
}

/// What became of a point.
pub(crate) enum Resolved {
    /// It is planned, unless it equals another.
    Valid(Box<Candidate>),
    /// A rule leaves it out.
    Excluded {
        /// Its settings.
        point: Point,
        /// What each swept key is in the configuration, in the sweep's order.
        values: Vec<Json>,
        /// The first rule that does, by its place.
        rule: usize,
    },
    /// It is wrong.
    Invalid {
        /// Its settings.
        point: Point,
        /// Why.
        problems: Problems,
    },
}

/// Resolves every point, on all cores where there are many, and keeps their order.
///
/// # Errors
/// Everything that is wrong with any point, and rules that leave nothing or everything out.
pub(crate) fn resolve(experiment: &Experiment, sweep: &mut Sweep) -> Result<Vec<Resolved>, Problems> {
    /// Fewer points than this are resolved before a thread has started.
    const WORTH_A_THREAD: usize = 256;
    let mut points: Vec<Point> = sweep.points().collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = points.len().div_ceil(threads).max(WORTH_A_THREAD);
    let mut shares = Vec::new();
    while points.len() > share {
        let rest = points.split_off(share);
        shares.push(std::mem::replace(&mut points, rest));
    }
    let (shared, weights) = (&*sweep, &FirstWeights::default());
    let results: Vec<Share> = thread::scope(|scope| {
        let start = |points| scope.spawn(move || Share::resolve(experiment, shared, weights, points));
        let others: Vec<_> = shares.into_iter().map(start).collect();
        let last = Share::resolve(experiment, shared, weights, points);
        let joined = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.chain([last]).collect()
    });
    let matched = |rule: usize| results.iter().any(|share| share.matched[rule]);
    let idle: Vec<Problem> = (0..sweep.rules.len())
        .filter(|&rule| !matched(rule))
        .map(|rule| idle_problem(experiment, &sweep.rules[rule]))
        .collect();
    let resolved = results.into_iter().flat_map(|share| share.resolved).collect();
    verdict(experiment, sweep, resolved, idle)
}

/// Refuses what cannot be planned.
fn verdict(
    experiment: &Experiment,
    sweep: &mut Sweep,
    resolved: Vec<Resolved>,
    idle: Vec<Problem>,
) -> Result<Vec<Resolved>, Problems> {
    let nothing = !resolved.iter().any(|point| matches!(point, Resolved::Valid(_)));
    let mut collector = Collector::default();
    // Where all points are wrong, skipping them would only hide why.
    if sweep.on_invalid == OnInvalid::Fail || nothing {
        for point in &resolved {
            if let Resolved::Invalid { point, problems } = point {
                collector.add(problems, sweep, point, experiment);
            }
        }
    }
    let mut problems = collector.into_problems();
    if nothing && problems.is_empty() {
        let text = "the sweep plans nothing: its exclude rules leave out every point";
        problems.push(Problem::new(text).at(experiment.location("sweep.exclude")));
    }
    if sweep.pinned {
        sweep.warnings.extend(idle.into_iter().map(|problem| problem.message));
    } else {
        problems.extend(idle);
    }
    Problems(problems).into_result().map(|()| resolved)
}

fn idle_problem(experiment: &Experiment, rule: &Rule) -> Problem {
    Problem::new(format!("{} matches no point: {}", rule.words, rule.text()))
        .at(experiment.location(&rule.table).or_else(|| experiment.location("sweep.exclude")))
        .with_help("a rule that leaves nothing out is a mistake; correct it, or remove it")
}

/// Points that one thread resolves.
struct Share<'a> {
    experiment: &'a Experiment,
    sweep: &'a Sweep,
    weights: &'a FirstWeights,
    book: FactsBook,
    /// Whether each rule matched a point.
    matched: Vec<bool>,
    resolved: Vec<Resolved>,
}

impl<'a> Share<'a> {
    fn resolve(
        experiment: &'a Experiment,
        sweep: &'a Sweep,
        weights: &'a FirstWeights,
        points: Vec<Point>,
    ) -> Share<'a> {
        let matched = vec![false; sweep.rules.len()];
        let resolved = Vec::with_capacity(points.len());
        let mut share = Share { experiment, sweep, weights, book: FactsBook::default(), matched, resolved };
        for point in points {
            let resolved = share.point(point);
            share.resolved.push(resolved);
        }
        share
    }

    fn point(&mut self, point: Point) -> Resolved {
        match self.experiment.resolve(&point.settings) {
            Ok(config) => {
                let json = json(&config);
                if let Some(rule) = self.rule(&point, &json) {
                    return Resolved::Excluded { values: self.values(&json), point, rule };
                }
                match self.settled(&point, config) {
                    Ok((config, facts)) => {
                        let (identity, values) = (config::identity(&config), self.values(&json));
                        Resolved::Valid(Box::new(Candidate { point, config, facts, identity, values }))
                    }
                    Err(problems) => Resolved::Invalid { point, problems },
                }
            }
            Err(problems) => {
                // A rule may say which combinations make no sense, so it comes before the checks.
                let rules_apply = !self.sweep.rules.is_empty();
                let unchecked = rules_apply.then(|| self.experiment.resolve_unchecked(&point.settings).ok());
                let json = unchecked.flatten().map(|config| json(&config));
                match json.and_then(|json| Some((self.rule(&point, &json)?, json))) {
                    Some((rule, json)) => Resolved::Excluded { values: self.values(&json), point, rule },
                    None => Resolved::Invalid { point, problems },
                }
            }
        }
    }

    /// The first rule that leaves a point out.
    fn rule(&mut self, point: &Point, config: &Json) -> Option<usize> {
        if matches!(point.origin, Origin::Variant(_)) {
            return None;
        }
        let mut first = None;
        for (place, rule) in self.sweep.rules.iter().enumerate() {
            if rule.matches(config) {
                self.matched[place] = true;
                first = first.or(Some(place));
            }
        }
        first
    }

    fn values(&self, config: &Json) -> Vec<Json> {
        self.sweep.keys.iter().map(|key| value_of(config, key)).collect()
    }

    /// A checked configuration with its first weights found, and its facts.
    fn settled(&mut self, point: &Point, mut config: Config) -> Result<(Config, Facts), Problems> {
        let (sweep, experiment) = (self.sweep, self.experiment);
        let locate = |key: &str| {
            let swept = sweep.written(point, key).and_then(|written| experiment.location(&written));
            swept.or_else(|| experiment.location(key))
        };
        let facts = self
            .book
            .facts(&config)
            .map_err(|reason| Problems::from(Problem::new(reason).at(locate("diffusion.timesteps"))))?;
        self.weights.settle(&mut config, &locate)?;
        Ok((config, facts))
    }
}

/// A typed configuration always serializes: its keys are strings and its numbers finite.
fn json(config: &Config) -> Json {
    serde_json::to_value(config).unwrap_or_default()
}
