//! Traces values back to what the user wrote.
//!
//! In: a key, or a broken rule, and the layers. Out: file and line, or the setting that caused it.

use std::collections::BTreeSet;

use toml::Value;

use super::check::Finding;
use super::keys::{self, KEYS};
use super::merge::{Origin, Slots};
use super::problem::{Location, Problem, SWEEP_POINT};
use super::source::join;
use super::stack::Stack;

/// Keys about which no rule can speak yet: set to something unusable, or swept.
pub(super) fn unsure_keys(stack: &Stack) -> BTreeSet<String> {
    let refused = stack.all().flat_map(|layer| &layer.refused).map(|&key| KEYS[key].path.to_owned());
    let mut unsure: BTreeSet<String> = refused.collect();
    for axes in stack.sweep.iter().flat_map(|sweep| sweep.values()) {
        collect_keys("", axes, &mut unsure);
    }
    unsure
}

/// Every known key below a table of axes, quoted or nested.
fn collect_keys(prefix: &str, axes: &Value, found: &mut BTreeSet<String>) {
    match axes {
        Value::Table(table) => {
            for (key, inner) in table {
                let path = join(prefix, key);
                if keys::find(&path).is_some() {
                    found.extend(keys::rival(&path).map(str::to_owned));
                    found.insert(path);
                } else {
                    collect_keys(&path, inner, found);
                }
            }
        }
        Value::Array(tables) => tables.iter().for_each(|table| collect_keys(prefix, table, found)),
        _ => {}
    }
}

/// Adds to a broken rule where the key in the highest layer was written: that one caused it.
pub(super) fn locate(stack: &Stack, slots: &Slots<'_>, finding: Finding) -> Problem {
    let origin = |path: &str| Some(slots[keys::index(path)?].as_ref()?.origin);
    // `max_by_key` takes the last of equals; the subject comes first and should win.
    let cause = finding.keys.iter().rev().max_by_key(|path| origin(path));
    let mut problem = Problem::new(finding.message).with_help(finding.help);
    if let Some((path, origin)) = cause.and_then(|path| Some((*path, origin(path)?))) {
        problem.key = (path != finding.keys[0]).then(|| path.into());
        let layer = match origin {
            Origin::Derived => return problem,
            Origin::Point => {
                return problem.at(point_location(stack, path)).in_layer(Some(SWEEP_POINT.to_owned()));
            }
            Origin::Below(rank) => &stack.below[rank],
            Origin::Pin => &stack.pins,
            Origin::Set => &stack.set,
        };
        return problem.at(layer.location(path)).in_layer(layer.words(path));
    }
    problem
}

/// Where a value comes from, in the fewest words.
pub(super) fn origin_words(stack: &Stack, path: &str, origin: Origin) -> String {
    let layer = match origin {
        Origin::Derived => return "derived".to_owned(),
        Origin::Point => return SWEEP_POINT.to_owned(),
        Origin::Below(rank) => &stack.below[rank],
        Origin::Pin => &stack.pins,
        Origin::Set => &stack.set,
    };
    match layer.location(path) {
        Some(place) => place.to_string(),
        None => layer.words(path).unwrap_or_default(),
    }
}

/// Where the axis of a swept key was written.
pub(super) fn point_location(stack: &Stack, path: &str) -> Option<Location> {
    sweep_location(stack, &format!("sweep.grid.{path}"))
}

/// Where a path below `[sweep]` was written.
pub(super) fn sweep_location(stack: &Stack, path: &str) -> Option<Location> {
    let layer = stack.below.iter().find(|layer| layer.is_experiment)?;
    layer.location(path).filter(|location| location.line.is_some() || layer.lines.is_empty())
}
