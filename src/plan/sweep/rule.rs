//! Exclude rules: which points are left out.
//!
//! In: the value that each key has in a point's resolved configuration. Out: whether all conditions of a
//! rule hold. Values are compared as the typed configuration has them, so 1 and 1.0, two spellings of one
//! word and two orders of one set are equal.

use std::cmp::Ordering;

use serde_json::Value as Json;

use crate::plan::variant::value_of;

/// Conditions that must all hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    /// The table it was written in: `sweep.exclude[0]`.
    pub(crate) table: String,
    /// How a message calls it: `sweep.exclude`, or `sweep.exclude 2` of several.
    pub(crate) words: String,
    /// In written order, at least one.
    pub(crate) conditions: Vec<Condition>,
    /// Why, in the user's words.
    pub(crate) reason: Option<String>,
}

/// One test of one key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    /// Dotted path; it need not be swept.
    pub(crate) key: String,
    /// What is tested.
    pub(crate) test: Test,
    /// The test as written: `lt 500`.
    pub(crate) text: String,
}

/// A test of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// Is one of these.
    OneOf(Vec<Json>),
    /// Is anything else; so is a key that is not set.
    Not(Json),
    /// Is a number on one side of another.
    Number(Side, f64),
    /// Is a list that has this element.
    Contains(Json),
    /// Is a list whose length is on one side of a number.
    Length(Side, usize),
}

/// Where a number lies, seen from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// At it.
    Equal,
    /// Below.
    Less,
    /// Below or at it.
    AtMost,
    /// Above.
    Greater,
    /// Above or at it.
    AtLeast,
}

impl Rule {
    /// Whether a resolved configuration, written as JSON, is left out by this rule.
    pub(crate) fn matches(&self, config: &Json) -> bool {
        self.conditions.iter().all(|condition| condition.test.holds(&value_of(config, &condition.key)))
    }

    /// Its conditions: `diffusion.timesteps lt 500 and model.channel_multipliers len_ge 3`.
    pub(crate) fn text(&self) -> String {
        let conditions =
            self.conditions.iter().map(|condition| format!("{} {}", condition.key, condition.text));
        conditions.collect::<Vec<_>>().join(" and ")
    }
}

impl Test {
    /// A key that is not set is null, and neither a number nor a list.
    fn holds(&self, value: &Json) -> bool {
        let items = || value.as_array();
        match self {
            Test::OneOf(values) => values.contains(value),
            Test::Not(other) => value != other,
            Test::Number(side, other) => value
                .as_f64()
                .and_then(|number| number.partial_cmp(other))
                .is_some_and(|found| side.is(found)),
            Test::Contains(element) => {
                items().is_some_and(|items| items.iter().any(|item| same(item, element)))
            }
            Test::Length(side, length) => items().is_some_and(|items| side.is(items.len().cmp(length))),
        }
    }
}

impl Side {
    fn is(self, found: Ordering) -> bool {
        match self {
            Side::Equal => found.is_eq(),
            Side::Less => found.is_lt(),
            Side::AtMost => found.is_le(),
            Side::Greater => found.is_gt(),
            Side::AtLeast => found.is_ge(),
        }
    }
}

/// An element has no key of its own that would say whether its numbers are whole.
fn same(item: &Json, element: &Json) -> bool {
    match (item.as_f64(), element.as_f64()) {
        (Some(item), Some(element)) => item == element,
        _ => item == element,
    }
}
