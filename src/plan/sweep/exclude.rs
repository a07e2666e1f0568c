//! `[[sweep.exclude]]`: reading the rules that leave points out.
//!
//! In: one of the tables. Out: a [`Rule`] whose operands fit their keys and are in normal form. Everything
//! that is wrong with it is reported.

use toml::{Table, Value};

use super::axis::{declared, shortened, unknown_problem};
use super::operator::{Refusal, Written};
use super::place::{Place, Report};
use super::rule::{Condition, Rule};
use super::table::Context;
use crate::config::{Problem, keys};

const EXAMPLE: &str = "write when = { \"diffusion.timesteps\" = { lt = 500 } }";

/// Reads one table.
pub(super) fn read(
    table: &Table,
    place: &Place,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Rule> {
    for key in table.keys().filter(|key| !["when", "reason"].contains(&key.as_str())) {
        let problem = Problem::new(format!("{}: unknown key {key}", place.words));
        report(&place.below(key), problem.with_help("a rule has when and reason"));
    }
    let reason = match table.get("reason") {
        None => None,
        Some(Value::String(reason)) => Some(reason.clone()),
        Some(other) => {
            let text = format!("{}: reason = {} is not a text", place.words, shortened(other));
            report(&place.below("reason"), Problem::new(text));
            None
        }
    };
    let when = match table.get("when") {
        Some(Value::Table(when)) => declared(when),
        Some(other) => {
            let text = format!("{}: when = {} is not a table", place.words, shortened(other));
            report(&place.below("when"), Problem::new(text).with_help(EXAMPLE));
            return None;
        }
        None => Vec::new(),
    };
    if when.is_empty() {
        let text = format!("{} has no condition: it would leave every point out", place.words);
        report(&place.path, Problem::new(text).with_help(EXAMPLE));
        return None;
    }
    let mut conditions = Vec::new();
    for (key, value) in when {
        match read_conditions(&key, value, place, context) {
            Ok(found) => conditions.extend(found),
            Err(problem) => report(&place.below(&format!("when.{key}")), *problem),
        }
    }
    Some(Rule { table: place.path.clone(), words: place.words.clone(), conditions, reason })
}

/// The conditions on one key: a value it must equal, or a table of operators.
fn read_conditions(
    key: &str,
    value: &Value,
    place: &Place,
    context: &Context<'_>,
) -> Result<Vec<Condition>, Refusal> {
    let Some(known) = keys::find(key) else { return Err(unknown_problem(key, &place.words).into()) };
    if key == "training.seed" {
        let text =
            format!("{}: training.seed is no part of a variant: it is planned for every seed", place.words);
        return Err(Problem::new(text).with_help("choose the seeds with sweep.seeds").into());
    }
    let condition = |operator: &str, operand: &Value, text: String| {
        let test = Written { key: known, operator, operand, place, context }.read()?;
        Ok(Condition { key: key.to_owned(), test, text })
    };
    match value {
        Value::Table(operators) if operators.is_empty() => {
            let text = format!("{}: {key} has no condition", place.words);
            Err(Problem::new(text).with_help(EXAMPLE).into())
        }
        Value::Table(operators) => operators
            .iter()
            .map(|(operator, operand)| {
                condition(operator, operand, format!("{operator} {}", shortened(operand)))
            })
            .collect(),
        value => Ok(vec![condition("eq", value, format!("= {}", shortened(value)))?]),
    }
}
