//! The `[sweep]` table, read without touching anything else.
//!
//! In: the table as written, the base's seed, the pins, and the keys set with `-s`. Out: a [`Sweep`], or
//! everything that is wrong with the table at once. The product is counted before any point is built.

use std::collections::HashSet;

use toml::{Table, Value};

use super::axis::{self, Axis};
use super::sweep::Sweep;
use crate::config::{Location, Problem, keys};

/// A plan of more runs than this is refused unless `sweep.max_runs` allows it.
const DEFAULT_MAX_RUNS: u64 = 1_000;
/// The highest `sweep.max_runs`: what a plan still fits into memory with.
const HIGHEST_MAX_RUNS: u64 = 1_000_000;
const SEED_KEY: &str = "training.seed";

const KEYS: [&str; 4] = ["seeds", "include_base", "max_runs", "grid"];
const LATER_KEYS: [(&str, &str); 6] = [
    ("zip", "write the combinations as an axis of [sweep.grid], or as separate experiments"),
    ("one_at_a_time", "write one experiment per key, each with that key alone under [sweep.grid]"),
    ("variant", "write named variants as separate experiments that extend this one"),
    ("exclude", "narrow the axes of [sweep.grid] instead"),
    ("random", "list the values under [sweep.grid] instead"),
    ("on_invalid", "every point must be valid; narrow the axes of [sweep.grid]"),
];

/// What a table's meaning depends on besides the table.
pub(crate) struct Context<'a> {
    /// `training.seed` of the base: the only seed where the sweep names none.
    pub(crate) base_seed: u64,
    /// `--pin KEY=VALUE`, in order.
    pub(crate) pins: &'a [(String, Value)],
    /// Keys set with `-s`.
    pub(crate) set_keys: &'a [String],
    /// Where a dotted key was written.
    pub(crate) locate: &'a dyn Fn(&str) -> Option<Location>,
}

/// Reads and checks the table; without one the base alone is planned.
///
/// # Errors
/// Everything that is wrong with the table, the pins and the `-s` settings of swept keys.
pub(crate) fn read(table: Option<&Table>, context: &Context) -> Result<Sweep, Vec<Problem>> {
    let empty = Table::new();
    let mut reader = Reader { context, problems: Vec::new() };
    let sweep = reader.sweep(table.unwrap_or(&empty), table.is_some());
    if reader.problems.is_empty() { Ok(sweep) } else { Err(reader.problems) }
}

struct Reader<'a> {
    context: &'a Context<'a>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn sweep(&mut self, table: &Table, written: bool) -> Sweep {
        self.unknown_keys(table);
        let include_base = self.include_base(table);
        let mut sweep = Sweep {
            seeds: self.seeds(table),
            axes: self.grid(table),
            // A file without a sweep plans its base.
            include_base: include_base || !written,
        };
        self.pins(&mut sweep, table);
        self.swept_keys_set(&sweep, table);
        let max_runs = self.max_runs(table);
        if self.problems.is_empty() {
            self.count(&sweep, max_runs, table.contains_key("max_runs"));
        }
        sweep
    }

    fn unknown_keys(&mut self, table: &Table) {
        for key in table.keys().map(String::as_str).filter(|key| !KEYS.contains(key)) {
            let problem = match LATER_KEYS.iter().find(|(later, _)| *later == key) {
                Some((_, instead)) => {
                    Problem::new(format!("sweep.{key} comes with a later version")).with_help(*instead)
                }
                None => unknown_key(key),
            };
            self.report(&format!("sweep.{key}"), problem);
        }
    }

    fn seeds(&mut self, table: &Table) -> Vec<u64> {
        let Some(value) = table.get("seeds") else { return vec![self.context.base_seed] };
        let help = "write distinct whole numbers from 0 on, as in seeds = [0, 1, 2]";
        let mut refuse = |message: String| {
            self.report("sweep.seeds", Problem::new(message).with_help(help));
            Vec::new()
        };
        let Some(values) = value.as_array() else {
            return refuse(format!("sweep.seeds = {} is not a list", axis::shortened(value)));
        };
        if values.is_empty() {
            return refuse("sweep.seeds is empty".into());
        }
        let mut seen = HashSet::new();
        for value in values {
            match value.as_integer().and_then(|seed| u64::try_from(seed).ok()) {
                None => return refuse(format!("sweep.seeds: {} is not a seed", axis::shortened(value))),
                Some(seed) if !seen.insert(seed) => return refuse(format!("sweep.seeds names {seed} twice")),
                Some(_) => {}
            }
        }
        values.iter().filter_map(Value::as_integer).filter_map(|seed| u64::try_from(seed).ok()).collect()
    }

    fn include_base(&mut self, table: &Table) -> bool {
        let Some(value) = table.get("include_base") else { return false };
        value.as_bool().unwrap_or_else(|| {
            let text = axis::shortened(value);
            self.report(
                "sweep.include_base",
                Problem::new(format!("sweep.include_base = {text} is neither true nor false")),
            );
            false
        })
    }

    fn max_runs(&mut self, table: &Table) -> u64 {
        let Some(value) = table.get("max_runs") else { return DEFAULT_MAX_RUNS };
        let limit = value.as_integer().and_then(|limit| u64::try_from(limit).ok());
        limit.filter(|limit| (1..=HIGHEST_MAX_RUNS).contains(limit)).unwrap_or_else(|| {
            let text = axis::shortened(value);
            let message =
                format!("sweep.max_runs = {text} is not a whole number from 1 to {HIGHEST_MAX_RUNS}");
            self.report("sweep.max_runs", Problem::new(message));
            DEFAULT_MAX_RUNS
        })
    }

    fn grid(&mut self, table: &Table) -> Vec<Axis> {
        match table.get("grid") {
            None => Vec::new(),
            Some(Value::Table(grid)) => axis::read(grid, &mut |key, problem| self.report(key, problem)),
            Some(value) => {
                let text = axis::shortened(value);
                let problem = Problem::new(format!("sweep.grid = {text} is not a table")).with_help(
                    "write each axis as a key and its values: [sweep.grid] \"model.dropout\" = [0.0, 0.1]",
                );
                self.report("sweep.grid", problem);
                Vec::new()
            }
        }
    }

    /// Collapses the pinned axes; a pin of anything else is a mistake.
    fn pins(&mut self, sweep: &mut Sweep, table: &Table) {
        for (key, value) in self.context.pins {
            if let Some(axis) = sweep.axes.iter_mut().find(|axis| axis.key == *key) {
                axis.values = vec![value.clone()];
            } else if key == SEED_KEY && table.contains_key("seeds") {
                match value.as_integer().and_then(|seed| u64::try_from(seed).ok()) {
                    Some(seed) => sweep.seeds = vec![seed],
                    None => self
                        .problems
                        .push(Problem::new(format!("--pin {key}={value}: {value} is not a seed"))),
                }
            } else if !self.declares_axis(table, key) {
                let axes: Vec<&str> = sweep.axes.iter().map(|axis| axis.key.as_str()).collect();
                let axes = if axes.is_empty() { "there is none".into() } else { axes.join(", ") };
                let problem =
                    Problem::new(format!("--pin {key}={value}: {key} is not an axis of this sweep"))
                        .with_help(format!("set any other key with -s {key}={value}; axes: {axes}"));
                self.problems.push(problem);
            }
        }
    }

    /// Whether the grid names an axis that was refused, so that its pin is not reported besides.
    fn declares_axis(&self, table: &Table, key: &str) -> bool {
        let Some(Value::Table(grid)) = table.get("grid") else { return false };
        axis::declared(grid).any(|(path, _)| path == key)
    }

    /// A swept key, or one whose presence removes it, cannot be set for all points at once.
    fn swept_keys_set(&mut self, sweep: &Sweep, table: &Table) {
        let seeds = table.contains_key("seeds").then_some(SEED_KEY);
        let swept: Vec<&str> = sweep.axes.iter().map(|axis| axis.key.as_str()).chain(seeds).collect();
        for key in self.context.set_keys {
            let hit = |swept: &&&str| **swept == key || keys::rival(swept) == Some(key);
            let Some(swept) = swept.iter().find(hit) else { continue };
            let written =
                if *swept == SEED_KEY { "sweep.seeds".into() } else { format!("sweep.grid.{swept}") };
            let effect = if *swept == key { "is swept by" } else { "would override" };
            let problem = Problem::new(format!("-s {key}: {key} {effect} {written}"))
                .with_help(format!("--pin {swept}=VALUE plans one value instead of the axis"));
            self.report(&written, problem);
        }
    }

    fn count(&mut self, sweep: &Sweep, max_runs: u64, max_runs_written: bool) {
        let points = sweep.point_count();
        if points == 0 {
            let problem = Problem::new("the sweep plans nothing: it has neither a grid nor the base")
                .with_help("add a [sweep.grid], or include_base = true to replicate the base over the seeds");
            return self.report("sweep", problem);
        }
        let runs = points.saturating_mul(sweep.seeds.len() as u128);
        if runs > u128::from(max_runs) {
            let axes: Vec<String> = sweep.axes.iter().map(|axis| axis.values.len().to_string()).collect();
            let problem = Problem::new(format!(
                "the sweep plans {} runs ({} points x {} {}), and sweep.max_runs is {max_runs}{}",
                count_text(runs),
                count_text(points),
                sweep.seeds.len(),
                if sweep.seeds.len() == 1 { "seed" } else { "seeds" },
                if max_runs_written { "" } else { " by default" },
            ))
            .with_help(format!(
                "axis lengths are {}; drop values, or raise sweep.max_runs (at most {HIGHEST_MAX_RUNS})",
                axes.join(" x ")
            ));
            self.report("sweep.grid", problem);
        }
    }

    fn report(&mut self, key: &str, problem: Problem) {
        self.problems.push(problem.at((self.context.locate)(key)));
    }
}

fn unknown_key(key: &str) -> Problem {
    let nearest = KEYS
        .iter()
        .chain(LATER_KEYS.iter().map(|(later, _)| later))
        .map(|known| (strsim::jaro_winkler(known, key), *known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score > 0.8);
    let help = match nearest {
        Some((_, known)) => format!("did you mean sweep.{known}?"),
        None if keys::find(key).is_some() => {
            format!("axes go under [sweep.grid]: \"{key}\" = [...]")
        }
        None => format!("known: {}", KEYS.map(|known| format!("sweep.{known}")).join(", ")),
    };
    Problem::new(format!("unknown key sweep.{key}")).with_help(help)
}

/// A count in full with thousands apart, or its order of magnitude where that would be unreadable.
fn count_text(count: u128) -> String {
    if count >= u128::from(u64::MAX) {
        return "more than 10^19".into();
    }
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
#[path = "sweep_table_tests.rs"]
mod tests;
