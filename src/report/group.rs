//! `--group-by KEY…`: variants that agree in these keys become one row.
//!
//! In: one row per variant. Out: one row per group. Within a seed the group's cells are averaged first; the seeds
//! alone are replicates.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::pick::{Gap, Point};
use super::row::{Row, Seed};
use super::varying::{compact, titles};
use crate::rundir::State;

/// Groups `rows` by the columns `by`; `keys` are all columns. Returns the groups in the order of their first
/// variant, and what a reader has to know.
pub(super) fn group(rows: &[Row], keys: &[String], by: &[usize]) -> (Vec<Row>, Vec<String>) {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        let settings: Vec<&Option<Value>> = by.iter().map(|column| &row.overrides[*column]).collect();
        // Settings are plain JSON.
        let place =
            *places.entry(serde_json::to_string(&settings).unwrap_or_default()).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(row);
    }
    let names: Vec<String> = by.iter().map(|column| keys[*column].clone()).collect();
    let titles = titles(&names);
    let notes = notes(&groups, keys, by);
    (groups.iter().map(|members| merged(members, &titles, by)).collect(), notes)
}

/// One group as a row.
fn merged(members: &[&Row], titles: &[String], by: &[usize]) -> Row {
    let overrides: Vec<Option<Value>> =
        by.iter().map(|column| members[0].overrides[*column].clone()).collect();
    let named = titles.iter().zip(&overrides).map(|(title, value)| {
        let value = compact(value.as_ref());
        format!("{title}={value}")
    });
    let name = named.collect::<Vec<_>>().join(" ");
    let mut by_seed: BTreeMap<u64, Vec<&Seed>> = BTreeMap::new();
    for seed in members.iter().flat_map(|row| &row.seeds) {
        by_seed.entry(seed.seed).or_default().push(seed);
    }
    let seeds = by_seed.into_iter().map(|(number, cells)| seed(number, &cells)).collect();
    Row {
        members: members.iter().flat_map(|row| row.members.iter().copied()).collect(),
        runs: members.iter().flat_map(|row| row.runs().iter().cloned()).collect(),
        ..Row::of(name, String::new(), overrides, seeds)
    }
}

/// One seed of a group: the mean over the cells that have a value.
fn seed(number: u64, cells: &[&Seed]) -> Seed {
    let points: Vec<&Point> = cells.iter().filter_map(|seed| seed.point.as_ref().ok()).collect();
    let alike = |images: Option<u64>| points.iter().all(|point| point.images == images);
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / points.len() as f64;
    let point = match points.first() {
        None => Err(cells.iter().find_map(|seed| seed.point.clone().err()).unwrap_or(Gap::Missing)),
        Some(first) => Ok(Point {
            step: points.iter().map(|point| point.step).max().unwrap_or(first.step),
            value: mean(&mut points.iter().map(|point| point.value)),
            images: first.images.filter(|images| alike(Some(*images))),
            spent: None,
        }),
    };
    // A group is as far as the run that keeps it back.
    let rank = |state: State| match state {
        State::Done => 0,
        State::Failed | State::Diverged => 2,
        _ => 1,
    };
    let state = cells.iter().map(|seed| seed.state).max_by_key(|state| rank(*state));
    Seed {
        seed: number,
        point,
        state: state.unwrap_or(State::Planned),
        found: cells.iter().any(|seed| seed.found),
        exact: cells.iter().all(|seed| seed.exact),
        shares: None,
    }
}

/// Where the means of groups are not over equals.
fn notes(groups: &[Vec<&Row>], keys: &[String], by: &[usize]) -> Vec<String> {
    let mut notes = Vec::new();
    let lacks = |row: &&Row| row.seeds.iter().any(|seed| seed.point.is_err());
    let lacking = groups.iter().flatten().filter(|row| lacks(row)).count();
    if lacking > 0 {
        notes.push(format!(
            "{lacking} of the grouped variants lack a value on some seed, which that seed's mean leaves out"
        ));
    }
    let rest: Vec<usize> = (0..keys.len()).filter(|column| !by.contains(column)).collect();
    let settings = |members: &Vec<&Row>| -> BTreeSet<String> {
        let of = |row: &&Row| {
            let rest: Vec<&Option<Value>> = rest.iter().map(|column| &row.overrides[*column]).collect();
            serde_json::to_string(&rest).unwrap_or_default()
        };
        members.iter().map(of).collect()
    };
    let mut sets = groups.iter().map(settings);
    let first = sets.next();
    if sets.any(|set| Some(&set) != first.as_ref()) {
        let rest: Vec<String> = rest.iter().map(|column| keys[*column].clone()).collect();
        notes.push(format!(
            "the groups are not made of the same {}, so their means differ by more than what they are grouped by; \
             --effects holds everything else equal",
            super::verdict::list(&rest)
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::fixture;

    fn row(variant: &str, schedule: &str, dropout: f64, values: &[f64]) -> Row {
        Row { overrides: vec![Some(json!(schedule)), Some(json!(dropout))], ..fixture::row(variant, values) }
    }

    fn keys() -> Vec<String> {
        ["diffusion.noise_schedule", "model.dropout"].map(str::to_owned).into()
    }

    #[test]
    fn cells_are_averaged_within_a_seed_before_seeds_are() {
        let rows = [
            row("a", "linear", 0.0, &[1.0, 2.0]),
            row("b", "linear", 0.1, &[3.0, 6.0]),
            row("c", "cosine", 0.0, &[1.0, 1.0]),
            row("d", "cosine", 0.1, &[1.0, 3.0]),
        ];
        let (groups, notes) = group(&rows, &keys(), &[0]);
        let names: Vec<&str> = groups.iter().map(|row| row.variant.as_str()).collect();
        assert_eq!(names, ["noise_schedule=linear", "noise_schedule=cosine"]);
        let values: Vec<f64> = groups[0].seeds.iter().filter_map(Seed::value).collect();
        assert_eq!(values, [2.0, 4.0]);
        // Two seeds are two replicates, whatever the number of cells.
        assert_eq!((groups[0].summary.unwrap().n, groups[0].runs().len()), (2, 4));
        assert_eq!(notes, Vec::<String>::new());
    }

    #[test]
    fn groups_of_other_cells_and_runs_without_a_value_are_said() {
        let mut failed = row("b", "linear", 0.1, &[3.0, 6.0]);
        failed.seeds[1].point = Err(Gap::Failed);
        failed.seeds[1].state = State::Failed;
        let rows = [row("a", "linear", 0.0, &[1.0, 2.0]), failed, row("c", "cosine", 0.0, &[1.0, 1.0])];
        let (groups, notes) = group(&rows, &keys(), &[0]);
        assert_eq!(groups[0].seeds[1].value(), Some(2.0));
        assert_eq!(groups[0].seeds[1].state, State::Failed);
        assert!(notes[0].starts_with("1 of the grouped variants lack a value"), "{notes:?}");
        assert!(notes[1].contains("not made of the same model.dropout"), "{notes:?}");
    }
}
