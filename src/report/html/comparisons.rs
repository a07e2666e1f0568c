//! The comparison of the variants under every metric whose direction is known.
//!
//! In: the loaded logs. Out: one [`Ranking`] a metric and kind of weights, the default one first, each with the
//! verdict and notes that `compare` prints, or the reason why there is none.

use std::collections::BTreeSet;

use serde::Serialize;

use super::curves::{columns, runs, tracks_of};
use super::effects::{AxisEffect, axis_effects};
use crate::guard::printable;
use crate::report::compare::{self, Comparison, Query, Row};
use crate::report::cost::{Cost, costs};
use crate::report::format;
use crate::report::load::Loaded;
use crate::report::metric::{DEFAULT_METRIC, Log, Metric};
use crate::report::point::Weights;
use crate::report::verdict::Verdict;
use crate::rundir::State;

/// One metric over all variants.
#[derive(Debug, Serialize)]
pub(super) struct Ranking {
    /// `eval.denoise_score:ema`, `loss`.
    id: String,
    /// For people.
    title: String,
    /// `min` or `max`.
    goal: &'static str,
    /// What the numbers are, in words.
    caption: String,
    verdict: Judged,
    /// Best first.
    rows: Vec<RankedRow>,
    /// Of every axis; none where values of different variants mean different things.
    effects: Vec<AxisEffect>,
    notes: Vec<String>,
}

/// What a variant costs; each is absent where nothing says it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Costs {
    parameters: Option<f64>,
    /// Of training up to the compared step; mean over seeds.
    seconds: Option<f64>,
    /// The greatest amount in use up to it; mean over seeds.
    memory_bytes: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Judged {
    /// `winner`, `tie`, `unknown` or `refused`.
    kind: &'static str,
    /// One sentence.
    text: String,
    /// Places of the variants it names.
    variants: Vec<usize>,
    margin: Option<f64>,
    ci95: Option<(f64, f64)>,
}

#[derive(Debug, Serialize)]
struct RankedRow {
    /// The variant's place.
    variant: usize,
    n: usize,
    mean: Option<f64>,
    std: Option<f64>,
    ci95: Option<(f64, f64)>,
    seeds: Vec<RankedSeed>,
}

#[derive(Debug, Serialize)]
struct RankedSeed {
    seed: u64,
    value: Option<f64>,
    step: Option<u64>,
    state: State,
    exact: bool,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<String>,
}

impl Ranking {
    /// Places of the variants, best first.
    pub(super) fn order(&self) -> Vec<usize> {
        self.rows.iter().map(|row| row.variant).collect()
    }

    /// The conclusion, in one sentence.
    pub(super) fn verdict(&self) -> &str {
        &self.verdict.text
    }

    /// Whether no variant has a value.
    fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.n == 0)
    }
}

/// The costs of every variant at the compared steps of the default metric; none where that is refused.
pub(super) fn all_costs(loaded: &Loaded) -> Vec<Costs> {
    let mut all = vec![Costs::default(); loaded.variants.len()];
    let default: Option<Metric> = DEFAULT_METRIC.parse().ok();
    let Some(comparison) = default.and_then(|metric| compare::compare(loaded, &Query::of(metric)).ok())
    else {
        return all;
    };
    let of = |cost| costs(loaded, &comparison, cost);
    let (parameters, seconds, memory) = (of(Cost::Parameters), of(Cost::Seconds), of(Cost::Memory));
    for (place, row) in comparison.cells().iter().enumerate() {
        if let Some(costs) = row.members.first().and_then(|member| all.get_mut(*member)) {
            *costs =
                Costs { parameters: parameters[place], seconds: seconds[place], memory_bytes: memory[place] };
        }
    }
    all
}

/// Every ranking there is; those without any value are left out, but for the first.
pub(super) fn rankings(eval: &Loaded, training: &Loaded) -> Vec<Ranking> {
    let tracks: BTreeSet<&str> =
        runs(eval).flat_map(|run| &run.series.rows).map(|row| row.weights.as_str()).collect();
    let mut words: Vec<String> = vec![DEFAULT_METRIC.to_owned()];
    words.extend(columns(eval).into_iter().map(|column| format!("eval.{column}")));
    let mut queries: Vec<(Query, &'static str)> = Vec::new();
    for metric in words.iter().filter_map(|word| word.parse::<Metric>().ok()) {
        let tracks = tracks_of(&tracks);
        let tracks = if tracks.is_empty() { vec![("ema", Weights::FirstEma)] } else { tracks };
        for (word, weights) in tracks {
            let query = Query { weights, ..Query::of(metric.clone()) };
            if !queries.iter().any(|(known, track)| known.metric == query.metric && *track == word) {
                queries.push((query, word));
            }
        }
    }
    let held_out = queries.iter().map(|(query, word)| ranking(eval, query, Some(*word)));
    let trained = columns(training).into_iter().filter_map(|column| {
        let metric: Metric = format!("metrics.{column}").parse().ok()?;
        Some(ranking(training, &Query::of(metric), None))
    });
    let all = held_out.chain(trained).enumerate();
    all.filter(|(place, ranking)| *place == 0 || !ranking.is_empty()).map(|(_, ranking)| ranking).collect()
}

fn ranking(loaded: &Loaded, query: &Query, track: Option<&str>) -> Ranking {
    let name = printable(&query.metric.name);
    let (id, title) = match (query.metric.log, track) {
        (Log::Eval, Some(track)) => (format!("eval:{name}:{track}"), format!("{name} (held-out, {track})")),
        _ => (format!("train:{name}"), format!("{name} (training)")),
    };
    let goal = query.metric.goal.name();
    match compare::compare(loaded, query) {
        Ok(comparison) => Ranking {
            id,
            title,
            goal,
            caption: format::caption(&comparison),
            verdict: judged(loaded, &comparison),
            rows: comparison.rows.iter().filter_map(ranked).collect(),
            effects: axis_effects(loaded, &comparison),
            notes: comparison.notes.iter().map(|note| printable(note)).collect(),
        },
        Err(error) => {
            let text = printable(&format!("no comparison: {error}"));
            let verdict = Judged { kind: "refused", text, variants: vec![], margin: None, ci95: None };
            Ranking { id, title, goal, caption: name, verdict, rows: vec![], effects: vec![], notes: vec![] }
        }
    }
}

fn place(loaded: &Loaded, label: &str) -> Option<usize> {
    loaded.variants.iter().position(|variant| variant.label == label)
}

fn judged(loaded: &Loaded, comparison: &Comparison) -> Judged {
    let text = printable(&comparison.verdict.to_string());
    let places = |labels: &[String]| labels.iter().filter_map(|label| place(loaded, label)).collect();
    match &comparison.verdict {
        Verdict::Winner { variant, runner_up, margin, ci95, .. } => Judged {
            kind: "winner",
            text,
            variants: places(&[variant.clone(), runner_up.clone()]),
            margin: Some(*margin),
            ci95: Some(*ci95),
        },
        Verdict::Tie { variants, margin, ci95, .. } => {
            Judged { kind: "tie", text, variants: places(variants), margin: Some(*margin), ci95: Some(*ci95) }
        }
        Verdict::Unknown { .. } => {
            Judged { kind: "unknown", text, variants: vec![], margin: None, ci95: None }
        }
    }
}

fn ranked(row: &Row) -> Option<RankedRow> {
    let seeds = row.seeds.iter().map(|seed| RankedSeed {
        seed: seed.seed,
        value: seed.value(),
        step: seed.point.as_ref().ok().map(|point| point.step),
        state: seed.state,
        exact: seed.exact,
        gap: seed.point.as_ref().err().map(|gap| printable(&gap.to_string())),
    });
    Some(RankedRow {
        variant: *row.members.first()?,
        n: row.summary.map_or(0, |summary| summary.n),
        mean: row.summary.map(|summary| summary.mean),
        std: row.summary.and_then(|summary| summary.std),
        ci95: row.summary.and_then(|summary| summary.ci95),
        seeds: seeds.collect(),
    })
}
