//! The `[sweep]` table, read form by form in written order.
//!
//! In: the table as written, what the base has, the pins, and the keys set with `-s`. Out: a [`Sweep`], or
//! everything that is wrong with the table at once. The points are counted before any is built.

use std::collections::HashSet;

use serde_json::Value as Json;
use toml::{Table, Value};

use super::axis::{self, Axis};
use super::place::{Place, Report, tables};
use super::points::{Form, Sweep};
use super::rule::Rule;
use super::{exclude, limits, named, pin, unknown, zip};
use crate::config::{Location, Misfit, Problem, keys};
use crate::plan::variant::value_of;

/// What a table's meaning depends on besides the table.
pub(crate) struct Context<'a> {
    /// The base as JSON: its seed is the only one where the sweep names none, and one_at_a_time steps from it.
    pub(crate) base: &'a Json,
    /// `--pin KEY=VALUE`, in order.
    pub(crate) pins: &'a [(String, Value)],
    /// Keys set with `-s`.
    pub(crate) set_keys: &'a [String],
    /// Where a dotted key was written.
    pub(crate) locate: &'a dyn Fn(&str) -> Option<Location>,
    /// What a configuration has for a key where a value is written.
    pub(crate) normal: &'a dyn Fn(&str, &Value) -> Result<Json, Misfit>,
}

/// Reads and checks the table; without one the base alone is planned.
///
/// # Errors
/// Everything that is wrong with the table, the pins and the `-s` settings of swept keys.
pub(crate) fn read(table: Option<&Table>, context: &Context<'_>) -> Result<Sweep, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut report = |key: &str, problem: Problem| problems.push(problem.at((context.locate)(key)));
    let empty = Table::new();
    let written = table.is_some();
    let table = table.unwrap_or(&empty);

    unknown::refuse(table, &mut report);
    let base_seed = value_of(context.base, pin::SEED_KEY).as_u64().unwrap_or_default();
    let (mut forms, rules) = forms(table, context, &mut report);
    // A file without a sweep plans its base.
    if limits::include_base(table, &mut report) || !written {
        include_base(&mut forms);
    }
    let mut sweep = Sweep {
        seeds: limits::seeds(table, base_seed, &mut report),
        keys: unique_keys(&forms),
        forms,
        rules,
        on_invalid: limits::on_invalid(table, &mut report),
        pinned: false,
        warnings: Vec::new(),
    };
    pin::apply(&mut sweep, table, context, &mut report);
    pin::refuse_set(&sweep, table.contains_key("seeds"), context, &mut report);
    let max_runs = limits::max_runs(table, &mut report);
    leave_base_out(&mut sweep.forms, context);
    if problems.is_empty() {
        let mut report = |key: &str, problem: Problem| problems.push(problem.at((context.locate)(key)));
        limits::check(&sweep, max_runs, table.contains_key("max_runs"), &mut report);
    }
    if problems.is_empty() { Ok(sweep) } else { Err(problems) }
}

/// Every form in written order; grid and zips are one, where the first of them stands.
fn forms(table: &Table, context: &Context<'_>, report: &mut Report<'_>) -> (Vec<Form>, Vec<Rule>) {
    let mut forms: Vec<Form> = Vec::new();
    let mut product: Option<usize> = None;
    let mut axes: Vec<Axis> = Vec::new();
    let mut rules = Vec::new();
    for (name, value) in table {
        match name.as_str() {
            "grid" | "zip" => {
                product.get_or_insert_with(|| {
                    forms.push(Form::Product(Vec::new()));
                    forms.len() - 1
                });
                match name.as_str() {
                    "grid" => axes.extend(single_axes(name, value, report)),
                    _ => axes.extend(
                        tables(name, value, report)
                            .into_iter()
                            .filter_map(|(place, table)| zip::read(table, &place, report)),
                    ),
                }
            }
            "one_at_a_time" if value.is_table() => {
                forms.push(Form::OneAtATime(single_axes(name, value, report)));
            }
            "one_at_a_time" => drop(single_axes(name, value, report)),
            "variant" => forms.push(Form::Variants(named::read(tables(name, value, report), report))),
            "exclude" => rules.extend(
                tables(name, value, report)
                    .into_iter()
                    .filter_map(|(place, table)| exclude::read(table, &place, context, report)),
            ),
            _ => {}
        }
    }
    if let Some(place) = product {
        check_product(&axes, report);
        forms[place] = Form::Product(axes);
    }
    (forms, rules)
}

/// A table of axes with one key each.
fn single_axes(name: &str, value: &Value, report: &mut Report<'_>) -> Vec<Axis> {
    let path = format!("sweep.{name}");
    match value {
        Value::Table(table) => axis::read(table, &Place { words: path.clone(), path }, report),
        other => {
            let text = format!("{path} = {} is not a table", axis::shortened(other));
            let help =
                format!("write each axis as a key and its values: [{path}] \"model.dropout\" = [0.0, 0.1]");
            report(&path, Problem::new(text).with_help(help));
            Vec::new()
        }
    }
}

/// A point of the product has one value of a key, and one of two keys that exclude each other.
fn check_product(axes: &[Axis], report: &mut Report<'_>) {
    let mut earlier: Vec<(&str, &str)> = Vec::new();
    for axis in axes {
        let table = axis.table.as_str();
        for key in &axis.keys {
            let written = format!("{table}.{key}");
            if let Some((_, first)) = earlier.iter().find(|(known, _)| known == key) {
                let problem = Problem::new(format!("{key} is an axis twice: of {first} and of {table}"));
                report(&written, problem.with_help("a point has one value of a key; keep one"));
            }
            if let Some((rival, _)) = earlier.iter().find(|(known, _)| keys::rival(key) == Some(known)) {
                let text = format!("{key} and {rival} exclude each other, so they cannot both be axes");
                report(&written, Problem::new(text).with_help("sweep one of them"));
            }
            earlier.push((key, table));
        }
    }
}

/// Plans the base after the product, unless one_at_a_time has it already.
fn include_base(forms: &mut Vec<Form>) {
    if forms.iter().any(|form| matches!(form, Form::OneAtATime(_))) {
        return;
    }
    let product = forms.iter().position(|form| matches!(form, Form::Product(_)));
    forms.insert(product.map_or(0, |place| place + 1), Form::Base);
}

/// one_at_a_time includes the base: a value that the base has is no step away from it.
fn leave_base_out(forms: &mut [Form], context: &Context<'_>) {
    for form in forms {
        let Form::OneAtATime(axes) = form else { continue };
        for axis in axes.iter_mut() {
            // Such an axis has one key.
            let key = &axis.keys[0];
            let base = value_of(context.base, key);
            axis.rows.retain(|row| !(context.normal)(key, &row[0]).is_ok_and(|normal| normal == base));
        }
        axes.retain(|axis| !axis.rows.is_empty());
    }
}

fn unique_keys(forms: &[Form]) -> Vec<String> {
    let mut seen = HashSet::new();
    forms.iter().flat_map(Form::keys).filter(|key| seen.insert(*key)).map(str::to_owned).collect()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "forms_tests.rs"]
mod forms_tests;
