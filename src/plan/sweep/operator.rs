//! The operators of an exclude rule's conditions, and which keys each can look at.
//!
//! In: a key, an operator and its operand as written. Out: a [`Test`] with the operand in normal form, or why
//! the three do not go together.

use serde_json::Value as Json;
use toml::Value;

use super::axis::shortened;
use super::place::Place;
use super::rule::{Side, Test};
use super::table::Context;
use crate::config::keys::Key;
use crate::config::{Kind, Problem};
use crate::plan::variant::to_json;

const OPERATORS: [&str; 13] =
    ["eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "len_eq", "len_lt", "len_le", "len_gt", "len_ge"];

/// Why a condition cannot be used.
pub(super) type Refusal = Box<Problem>;

/// One operator of a key, as written.
pub(super) struct Written<'a> {
    pub(super) key: &'a Key,
    pub(super) operator: &'a str,
    pub(super) operand: &'a Value,
    pub(super) place: &'a Place,
    pub(super) context: &'a Context<'a>,
}

impl Written<'_> {
    /// Reads it.
    pub(super) fn read(&self) -> Result<Test, Refusal> {
        match self.operator {
            "eq" => Ok(Test::OneOf(vec![self.normal(self.operand)?])),
            "ne" => Ok(Test::Not(self.normal(self.operand)?)),
            "in" => self.one_of(),
            "contains" => self.contains(),
            operator => match (side(operator), operator.strip_prefix("len_").and_then(side)) {
                (Some(side), _) => self.number(side),
                (None, Some(side)) => self.length(side),
                (None, None) => Err(self.unknown()),
            },
        }
    }

    fn one_of(&self) -> Result<Test, Refusal> {
        let values = self.operand.as_array().filter(|values| !values.is_empty());
        let values = values.ok_or_else(|| {
            let help = format!("write the values of {} that are left out", self.key.path);
            self.refuse(format!("in = {} is not a list of values", shortened(self.operand)), help)
        })?;
        Ok(Test::OneOf(values.iter().map(|value| self.normal(value)).collect::<Result<_, _>>()?))
    }

    fn contains(&self) -> Result<Test, Refusal> {
        self.wants("looks into a list", !is_scalar(self.key.kind))?;
        element(self.operand).map(Test::Contains).ok_or_else(|| {
            let help = format!("write one element that {} may have", self.key.path);
            self.refuse(format!("contains = {} is not one element of a list", shortened(self.operand)), help)
        })
    }

    fn length(&self, side: Side) -> Result<Test, Refusal> {
        self.wants("compares the length of a list", !is_scalar(self.key.kind))?;
        let length = self.operand.as_integer().and_then(|length| usize::try_from(length).ok());
        length
            .map(|length| Test::Length(side, length))
            .ok_or_else(|| self.not_comparable("a whole number from 0 on"))
    }

    fn number(&self, side: Side) -> Result<Test, Refusal> {
        self.wants("compares numbers", is_number(self.key.kind))?;
        let number = number(self.operand);
        number.map(|number| Test::Number(side, number)).ok_or_else(|| self.not_comparable("a number"))
    }

    /// The operand as a configuration has it.
    fn normal(&self, value: &Value) -> Result<Json, Refusal> {
        (self.context.normal)(self.key.path, value).map_err(|misfit| {
            let problem = Problem::new(format!("{}: {}", self.place.words, misfit.message));
            Refusal::from(Problem { help: misfit.help, ..problem })
        })
    }

    /// Refuses an operator that can say nothing about the key.
    fn wants(&self, does: &str, fits: bool) -> Result<(), Refusal> {
        if fits {
            return Ok(());
        }
        let (key, kind) = (self.key.path, self.key.kind);
        let help = match (is_number(kind), is_scalar(kind)) {
            (true, _) => "use eq, ne, lt, le, gt, ge or in",
            (false, true) => "use eq, ne or in",
            (false, false) => "use eq, ne, in, contains or len_ge",
        };
        Err(self
            .refuse(format!("{} {does}, and {key} takes {}", self.operator, kind.describe()), help.into()))
    }

    fn not_comparable(&self, wanted: &str) -> Refusal {
        let what = if wanted == "a number" { "number" } else { "length" };
        let help = format!("write the {what} that {} is compared with", self.key.path);
        self.refuse(format!("{} = {} is not {wanted}", self.operator, shortened(self.operand)), help)
    }

    fn unknown(&self) -> Refusal {
        let text = format!("{} has an unknown operator {}", self.key.path, self.operator);
        self.refuse(text, format!("use one of {}", OPERATORS.join(", ")))
    }

    fn refuse(&self, text: String, help: String) -> Refusal {
        Problem::new(format!("{}: {text}", self.place.words)).with_help(help).into()
    }
}

/// The comparison of `lt`, of `len_lt`, and so on; `eq` is one of lengths alone.
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
