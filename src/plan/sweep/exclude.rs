//! `[[sweep.exclude]]`: reading the rules that leave points out.
//!
//! In: one of the tables. Out: a [`Rule`] whose operands fit their keys and are in normal form. Everything
//! that is wrong with it is reported.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::axis::{declared, shortened, unknown_problem};
use super::rule::{Condition, Rule, Side, Test};
use super::table::{Context, Place, Report};
use crate::config::keys::{self, Key};
use crate::config::{Kind, Problem};
use crate::plan::variant::to_json;

const OPERATORS: [&str; 13] =
    ["eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "len_eq", "len_lt", "len_le", "len_gt", "len_ge"];
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

type Refusal = Box<Problem>;

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
        let test = read_test(known, operator, operand, place, context)?;
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

fn read_test(
    key: &Key,
    operator: &str,
    operand: &Value,
    place: &Place,
    context: &Context<'_>,
) -> Result<Test, Refusal> {
    let refuse = |text: String, help: String| {
        Refusal::from(Problem::new(format!("{}: {text}", place.words)).with_help(help))
    };
    let normal = |value: &Value| {
        (context.normal)(key.path, value).map_err(|misfit| {
            let problem = Problem::new(format!("{}: {}", place.words, misfit.message));
            Refusal::from(Problem { help: misfit.help, ..problem })
        })
    };
    if let Some(side) = operator.strip_prefix("len_").and_then(side) {
        if is_scalar(key.kind) {
            let text = format!(
                "{operator} compares the length of a list, and {} takes {}",
                key.path,
                key.kind.describe()
            );
            return Err(refuse(text, "use eq, ne, lt, le, gt, ge or in".into()));
        }
        let length = operand.as_integer().and_then(|length| usize::try_from(length).ok());
        return length.map(|length| Test::Length(side, length)).ok_or_else(|| {
            let text = format!("{operator} = {} is not a whole number from 0 on", shortened(operand));
            refuse(text, format!("write the length that {} is compared with", key.path))
        });
    }
    match operator {
        "eq" => Ok(Test::OneOf(vec![normal(operand)?])),
        "ne" => Ok(Test::Not(normal(operand)?)),
        "in" => {
            let Some(values) = operand.as_array().filter(|values| !values.is_empty()) else {
                let text = format!("in = {} is not a list of values", shortened(operand));
                return Err(refuse(text, format!("write the values of {} that are left out", key.path)));
            };
            Ok(Test::OneOf(values.iter().map(normal).collect::<Result<_, _>>()?))
        }
        "contains" if is_scalar(key.kind) => {
            let text = format!("contains looks into a list, and {} takes {}", key.path, key.kind.describe());
            Err(refuse(text, "use eq, ne, lt, le, gt, ge or in".into()))
        }
        "contains" => element(operand).map(Test::Contains).ok_or_else(|| {
            let text = format!("contains = {} is not one element of a list", shortened(operand));
            refuse(text, format!("write one element that {} may have", key.path))
        }),
        _ => {
            let Some(side) = side(operator).filter(|_| operator != "eq") else {
                return Err(unknown_operator(key.path, operator, place));
            };
            if !is_number(key.kind) {
                let text =
                    format!("{operator} compares numbers, and {} takes {}", key.path, key.kind.describe());
                let help = if is_scalar(key.kind) {
                    "use eq, ne or in"
                } else {
                    "use eq, ne, in, contains or len_ge"
                };
                return Err(refuse(text, help.into()));
            }
            number(operand).map(|number| Test::Number(side, number)).ok_or_else(|| {
                let text = format!("{operator} = {} is not a number", shortened(operand));
                refuse(text, format!("write the number that {} is compared with", key.path))
            })
        }
    }
}

fn side(operator: &str) -> Option<Side> {
    Some(match operator {
        "eq" => Side::Equal,
        "lt" => Side::Less,
        "le" => Side::AtMost,
        "gt" => Side::Greater,
        "ge" => Side::AtLeast,
        _ => return None,
    })
}

fn unknown_operator(key: &str, operator: &str, place: &Place) -> Refusal {
    let problem = Problem::new(format!("{}: {key} has an unknown operator {operator}", place.words));
    problem.with_help(format!("use one of {}", OPERATORS.join(", "))).into()
}

/// Whether a key never has a list.
fn is_scalar(kind: Kind) -> bool {
    let whole = matches!(kind, Kind::Integer { .. } | Kind::IntegerChoice(_) | Kind::Number(_));
    whole || is_word(kind)
}

fn is_number(kind: Kind) -> bool {
    !kind.is_list() && !is_word(kind)
}

fn is_word(kind: Kind) -> bool {
    use Kind::{Bool, Choice, Device, FolderName, Hash, Path, Text};
    matches!(kind, Bool | Text | FolderName | Path | Choice { .. } | Hash | Device)
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Integer(integer) => *integer as f64,
        Value::Float(float) => *float,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

fn element(value: &Value) -> Option<Json> {
    match value {
        Value::Integer(_) | Value::Float(_) => number(value).map(Json::from),
        Value::String(_) => Some(to_json(value)),
        _ => None,
    }
}
