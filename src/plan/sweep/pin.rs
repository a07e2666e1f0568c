//! `--pin KEY=VALUE`, which holds a swept key at one value, and `-s`, which may not set one.
//!
//! A pin lies over every point, so a form keeps only what agrees with it: an axis of the grid becomes the one
//! value, whether it names it or not; a zip keeps the rows that have the value; one_at_a_time steps from a base
//! that has it; a named variant that sets another value is left out, and the user told. Rules stay as they
//! are. Setting a key's rival disagrees with any value of the key.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::axis::{self, Axis};
use super::place::Report;
use super::points::{Form, Sweep};
use super::table::Context;
use crate::config::{Problem, keys};

/// The key that `sweep.seeds` stands for.
pub(super) const SEED_KEY: &str = "training.seed";

/// A key held at a value.
struct Pin<'a> {
    key: &'a str,
    value: &'a Value,
    /// The value as a configuration has it.
    normal: Json,
    context: &'a Context<'a>,
}

/// Collapses what is pinned; a pin of anything else is a mistake.
pub(super) fn apply(sweep: &mut Sweep, table: &Table, context: &Context<'_>, report: &mut Report<'_>) {
    for (key, value) in context.pins {
        if key == SEED_KEY && table.contains_key("seeds") {
            match value.as_integer().and_then(|seed| u64::try_from(seed).ok()) {
                Some(seed) => sweep.seeds = vec![seed],
                None => report("", Problem::new(format!("--pin {key}={value}: {value} is not a seed"))),
            }
            continue;
        }
        if !sweep.forms.iter().any(|form| form.keys().any(|swept| swept == key)) {
            // A key whose axis was refused is not reported besides.
            if !names(table, key) {
                report("", not_an_axis(sweep, key, value));
            }
            continue;
        }
        sweep.pinned = true;
        // A value that does not fit was refused with the other settings of the command line.
        let normal = (context.normal)(key, value).unwrap_or_default();
        let pin = Pin { key, value, normal, context };
        let mut left_out = Vec::new();
        for form in &mut sweep.forms {
            match form {
                Form::Product(axes) => axes.iter_mut().for_each(|axis| pin.collapse(axis, report)),
                Form::OneAtATime(axes) => {
                    axes.iter_mut().for_each(|axis| axis.rows = pin.agreeing(axis));
                    axes.retain(|axis| !axis.rows.is_empty());
                }
                Form::Base => {}
                Form::Variants(variants) => variants.retain(|variant| {
                    let agrees = variant.settings.iter().all(|(key, value)| pin.agrees(key, value));
                    if !agrees {
                        left_out.push(variant.name.clone());
                    }
                    agrees
                }),
            }
        }
        if !left_out.is_empty() {
            let names = left_out.join(", ");
            sweep.warnings.push(format!("--pin {key}={value} leaves out what sets another value: {names}"));
        }
    }
}

impl Pin<'_> {
    fn agrees(&self, key: &str, value: &Value) -> bool {
        match key == self.key {
            true => (self.context.normal)(key, value).is_ok_and(|normal| normal == self.normal),
            false => keys::rival(key) != Some(self.key),
        }
    }

    fn agreeing(&self, axis: &Axis) -> Vec<Vec<Value>> {
        let agrees =
            |row: &&Vec<Value>| axis.keys.iter().zip(*row).all(|(key, value)| self.agrees(key, value));
        axis.rows.iter().filter(agrees).cloned().collect()
    }

    /// Narrows an axis of the product.
    fn collapse(&self, axis: &mut Axis, report: &mut Report<'_>) {
        if axis.keys == [self.key] {
            axis.rows = vec![vec![self.value.clone()]];
            return;
        }
        let rows = self.agreeing(axis);
        if !rows.is_empty() {
            axis.rows = rows;
            return;
        }
        let (key, value) = (self.key, self.value);
        let problem = match axis.keys.iter().position(|swept| swept == key) {
            Some(column) => {
                let known: Vec<String> = axis.rows.iter().map(|row| axis::shortened(&row[column])).collect();
                Problem::new(format!("--pin {key}={value} agrees with no point of its zip"))
                    .with_help(format!("there, {key} is one of {}", known.join(", ")))
            }
            None => {
                let rival = keys::rival(key).unwrap_or_default();
                Problem::new(format!("--pin {key}={value} would override the axis {rival}"))
                    .with_help(format!("the two exclude each other; pin {rival}"))
            }
        };
        report(&format!("{}.{key}", axis.table), problem);
    }
}

/// Whether some form as written names the key.
fn names(table: &Table, key: &str) -> bool {
    let in_table = |table: &Table| axis::declared(table).iter().any(|(path, _)| path == key);
    table.iter().filter(|(form, _)| *form != "exclude").any(|(_, form)| match form {
        Value::Table(table) => in_table(table),
        Value::Array(tables) => tables.iter().filter_map(Value::as_table).any(in_table),
        _ => false,
    })
}

fn not_an_axis(sweep: &Sweep, key: &str, value: &Value) -> Problem {
    let axes = if sweep.keys.is_empty() { "there is none".into() } else { sweep.keys.join(", ") };
    Problem::new(format!("--pin {key}={value}: {key} is not an axis of this sweep"))
        .with_help(format!("set any other key with -s {key}={value}; axes: {axes}"))
}

/// A swept key, or one whose presence removes it, cannot be set for all points at once.
pub(super) fn refuse_set(sweep: &Sweep, seeds: bool, context: &Context<'_>, report: &mut Report<'_>) {
    for key in context.set_keys {
        let hit = |swept: &str| swept == key || keys::rival(swept) == Some(key);
        let found = sweep.forms.iter().find_map(|form| match form {
            Form::Base => None,
            Form::Product(axes) | Form::OneAtATime(axes) => axes.iter().find_map(|axis| {
                let swept = axis.keys.iter().find(|swept| hit(swept))?;
                let words = axis.table.split('[').next().unwrap_or_default();
                let help = format!("--pin {swept}=VALUE plans one value instead of the axis");
                Some((swept.as_str(), format!("{}.{swept}", axis.table), format!("{words}.{swept}"), help))
            }),
            Form::Variants(variants) => variants.iter().find_map(|variant| {
                let (swept, _) = variant.settings.iter().find(|(swept, _)| hit(swept))?;
                let words = format!("sweep.variant {:?}", variant.name);
                let help = format!("--pin {swept}=VALUE plans only the variants that agree with it");
                Some((swept.as_str(), format!("{}.{swept}", variant.table), words, help))
            }),
        });
        let seed = || {
            let help = format!("--pin {SEED_KEY}=VALUE plans one value instead of the axis");
            (seeds && key == SEED_KEY).then(|| (SEED_KEY, "sweep.seeds".into(), "sweep.seeds".into(), help))
        };
        if let Some((swept, written, words, help)) = found.or_else(seed) {
            let effect = if swept == key { "is swept by" } else { "would override" };
            report(&written, Problem::new(format!("-s {key}: {key} {effect} {words}")).with_help(help));
        }
    }
}
