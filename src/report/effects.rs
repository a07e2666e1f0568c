//! What each setting changes by itself: every value of an axis against the base's, over cells that match in
//! everything else.
//!
//! In: a [`Comparison`]. Out: [`Effects`]: per contrast the mean difference with its interval over seeds. The
//! cells of one seed are averaged first and never count as replicates: they share that seed's luck.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::compare::Comparison;
use super::difference::{Difference, Pair, adjust};
use super::images::Images;
use super::load::Loaded;
use super::row::{Row, Seed};

/// The effect of every axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Effects {
    /// In column order.
    pub(crate) axes: Vec<Axis>,
    /// How many contrasts have a p value: what Holm's adjustment is over.
    pub(crate) contrasts: usize,
}

/// Keys that vary together: one, or those of a zip, which nothing can tell apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Axis {
    /// In column order.
    pub(crate) keys: Vec<String>,
    /// What the values are held against; one entry per key, null where the configuration ignores it.
    pub(crate) reference: Vec<Option<Value>>,
    /// Whether the experiment's base has these values; else they are the first declared.
    pub(crate) reference_is_base: bool,
    /// One per other value, in declared order.
    pub(crate) contrasts: Vec<Contrast>,
}

/// One value of an axis against its reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Contrast {
    /// One entry per key of the axis.
    pub(crate) value: Vec<Option<Value>>,
    /// Settings of everything else that have a value on both sides of some seed.
    pub(crate) cells: usize,
    /// Pairs of runs that match and of which one or both gave no value: failed, diverged or not there.
    pub(crate) missing: usize,
    /// Value minus reference, averaged over cells within each seed, then over seeds; `None` without any pair.
    pub(crate) difference: Option<Difference>,
}

/// The effects of every axis of a comparison.
pub(crate) fn effects(loaded: &Loaded, comparison: &Comparison) -> Effects {
    let table = Table::of(loaded, comparison);
    let images = Images::read(comparison.cells().iter().flat_map(|row| &row.seeds));
    let axes = table.axes();
    let mut axes: Vec<Axis> = axes.iter().map(|columns| table.axis(loaded, &images, columns)).collect();
    let contrasts = axes.iter_mut().flat_map(|axis| &mut axis.contrasts);
    adjust(contrasts.filter_map(|contrast| contrast.difference.as_mut()));
    let contrasts = axes.iter().flat_map(|axis| &axis.contrasts);
    let contrasts = contrasts.filter(|contrast| contrast.difference.is_some_and(|d| d.p.is_some())).count();
    Effects { axes, contrasts }
}

/// The variants in declared order, each value of a column replaced by a number.
struct Table<'a> {
    keys: Vec<&'a str>,
    /// Per column, the values in declared order.
    values: Vec<Vec<Option<Value>>>,
    rows: Vec<&'a Row>,
    /// Per column, the number of each row's value.
    codes: Vec<Vec<usize>>,
}

/// The runs of one side of a match, by seed.
type Side<'a> = BTreeMap<u64, Vec<&'a Seed>>;

impl<'a> Table<'a> {
    fn of(loaded: &Loaded, comparison: &'a Comparison) -> Self {
        let mut rows: Vec<&Row> = comparison.cells().iter().collect();
        rows.sort_by_key(|row| row.members.first().copied().unwrap_or(loaded.variants.len()));
        // What was chosen as the best of its axis is no setting to be held constant.
        let columns = comparison
            .cell_keys()
            .iter()
            .enumerate()
            .filter(|(_, key)| comparison.best_over.as_ref() != Some(key));
        let mut table = Self { keys: Vec::new(), values: Vec::new(), rows, codes: Vec::new() };
        for (column, key) in columns {
            let (mut values, mut codes) = (Vec::new(), Vec::new());
            let mut known: BTreeMap<String, usize> = BTreeMap::new();
            for row in &table.rows {
                let value = row.overrides[column].clone();
                let text = value.as_ref().map_or(String::new(), Value::to_string);
                codes.push(*known.entry(text).or_insert_with(|| {
                    values.push(value);
                    values.len() - 1
                }));
            }
            if values.len() > 1 {
                table.keys.push(key);
                table.values.push(values);
                table.codes.push(codes);
            }
        }
        table
    }

    /// Columns that split the variants alike are one axis.
    fn axes(&self) -> Vec<Vec<usize>> {
        let mut axes: Vec<Vec<usize>> = Vec::new();
        for column in 0..self.keys.len() {
            // Values are numbered in the order they come, so equal splits have equal numbers.
            match axes.iter_mut().find(|axis| self.codes[axis[0]] == self.codes[column]) {
                Some(axis) => axis.push(column),
                None => axes.push(vec![column]),
            }
        }
        axes
    }

    fn axis(&self, loaded: &Loaded, images: &Images, columns: &[usize]) -> Axis {
        let first = columns[0];
        let at = |code: usize| -> Vec<Option<Value>> {
            let row = self.codes[first].iter().position(|found| *found == code);
            let row = row.expect("every number of a column stands in one of its rows");
            columns.iter().map(|column| self.values[*column][self.codes[*column][row]].clone()).collect()
        };
        let is_base = |values: &[Option<Value>]| {
            columns.iter().zip(values).all(|(column, value)| {
                value.is_some() && value.as_ref() == loaded.base.get(self.keys[*column])
            })
        };
        let values: Vec<Vec<Option<Value>>> = (0..self.values[first].len()).map(at).collect();
        let base = values.iter().position(|values| is_base(values));
        // A key that some variants ignore has its first value where it is not ignored.
        let declared = values.iter().position(|values| values.iter().all(Option::is_some)).unwrap_or(0);
        let reference = base.unwrap_or(declared);
        let others = self.others(columns);
        let contrasts = (0..values.len()).filter(|code| *code != reference).filter_map(|code| {
            let contrast = self.contrast((first, &others), (code, reference), &values, images);
            // Without the key nothing else can be equal: no such contrast was asked for.
            let ignored = values[code].iter().any(Option::is_none);
            (!ignored || contrast.difference.is_some()).then_some(contrast)
        });
        Axis {
            keys: columns.iter().map(|column| self.keys[*column].to_owned()).collect(),
            contrasts: contrasts.collect(),
            reference_is_base: base.is_some(),
            reference: values[reference].clone(),
        }
    }

    /// Per row its place among the different settings of every column but these.
    fn others(&self, columns: &[usize]) -> Vec<usize> {
        let mut places: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        let rest: Vec<usize> = (0..self.keys.len()).filter(|column| !columns.contains(column)).collect();
        (0..self.rows.len())
            .map(|row| {
                let settings = rest.iter().map(|column| self.codes[*column][row]).collect();
                let next = places.len();
                *places.entry(settings).or_insert(next)
            })
            .collect()
    }

    fn contrast(
        &self,
        (column, others): (usize, &[usize]),
        (code, reference): (usize, usize),
        values: &[Vec<Option<Value>>],
        images: &Images,
    ) -> Contrast {
        let (left, right) = (self.sides(column, others, code), self.sides(column, others, reference));
        let mut pairs: Vec<Pair> = Vec::new();
        let (mut cells, mut missing) = (0, 0);
        for (place, left) in &left {
            let Some(right) = right.get(place) else { continue };
            let before = pairs.len();
            let seeds: BTreeSet<u64> = left.keys().chain(right.keys()).copied().collect();
            for seed in seeds {
                let sides = [left, right].map(|side| side.get(&seed).into_iter().flatten().copied());
                match Pair::of(seed, sides) {
                    Some(pair) => pairs.push(pair),
                    None => missing += 1,
                }
            }
            cells += usize::from(pairs.len() > before);
        }
        Contrast {
            value: values[code].clone(),
            cells,
            missing,
            difference: Difference::of_pairs(&pairs, images),
        }
    }

    /// The runs that have one value of an axis, by the settings of everything else.
    fn sides(&self, column: usize, others: &[usize], code: usize) -> BTreeMap<usize, Side<'a>> {
        let mut sides: BTreeMap<usize, Side> = BTreeMap::new();
        for (at, row) in self.rows.iter().enumerate().filter(|(at, _)| self.codes[column][*at] == code) {
            let side = sides.entry(others[at]).or_default();
            for seed in &row.seeds {
                side.entry(seed.seed).or_default().push(seed);
            }
        }
        sides
    }
}

#[cfg(test)]
#[path = "effects_tests.rs"]
mod tests;
