//! What a sweep names and its plan leaves out, for people: equal points, excluded ones, invalid ones.
//!
//! In: a [`Plan`]. Out: remarks with counts and examples, or every point with its reason, or one line.

use std::fmt::Write;

use crate::cli::wording::{counted, wrapped};
use crate::guard::printable;
use crate::plan::{Excluded, Plan};

/// Points named in a remark.
const EXAMPLES: usize = 3;

/// One remark a kind, each after an empty line: how many and why, with examples.
pub(super) fn brief(plan: &Plan) -> String {
    let mut text = String::new();
    let mut remark = |words: String| {
        text.push('\n');
        text.push_str(&wrapped(&printable(&words)));
    };
    if let Some(first) = plan.duplicates.first() {
        let example = format!("{} is {}", first.point, first.variant);
        remark(match plan.duplicates.len() {
            1 => format!("note: 1 point of the sweep equals another and is planned once: {example}"),
            count => format!(
                "note: {count} points of the sweep equal others and are planned once: {example}, for one"
            ),
        });
    }
    for (first, points) in by_rule(&plan.excluded) {
        let names = examples(points.iter().map(|excluded| excluded.point.as_str()));
        remark(format!("excluded: {}, {}: {names}", counted(points.len(), "point"), why(first)));
    }
    if let Some(first) = plan.invalid.first() {
        let reason = first.reasons.first().map_or("", String::as_str);
        let others = match plan.invalid.len() - 1 {
            0 => String::new(),
            others => format!("; {others} more, all listed by --verbose"),
        };
        let count = counted(plan.invalid.len(), "point");
        remark(format!("invalid: {count} skipped: {}: {reason}{others}", first.point));
    }
    text
}

/// Every point with its reason, a line each, and an empty line where there is any.
pub(super) fn full(plan: &Plan) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        let _ = writeln!(text, "{}", printable(&words));
    };
    for duplicate in &plan.duplicates {
        line(format!("planned once: {} is {}", duplicate.point, duplicate.variant));
    }
    for excluded in &plan.excluded {
        line(format!("excluded: {}, {}", excluded.point, why(excluded)));
    }
    for invalid in &plan.invalid {
        line(format!("invalid: {}: {}", invalid.point, invalid.reasons.join("; ")));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// `3 points excluded, 1 invalid point skipped, 2 points equal others`; nothing where all is planned.
pub(in crate::cli) fn line(plan: &Plan) -> Option<String> {
    let parts = [
        (plan.excluded.len(), "excluded"),
        (plan.invalid.len(), "invalid and skipped"),
        (plan.duplicates.len(), "equal to others and planned once"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let points = plan.excluded.len() + plan.invalid.len() + plan.duplicates.len();
    (points > 0).then(|| format!("{} of the sweep left out: {}", counted(points, "point"), parts.join(", ")))
}

/// Excluded points by what excludes them, in the order of the points.
fn by_rule(excluded: &[Excluded]) -> Vec<(&Excluded, Vec<&Excluded>)> {
    let mut rules: Vec<(&Excluded, Vec<&Excluded>)> = Vec::new();
    for point in excluded {
        match rules.iter_mut().find(|(first, _)| first.rule == point.rule && first.reason == point.reason) {
            Some((_, points)) => points.push(point),
            None => rules.push((point, vec![point])),
        }
    }
    rules
}

/// `undertrained (diffusion.timesteps lt 500)`, or the conditions alone.
fn why(excluded: &Excluded) -> String {
    match &excluded.reason {
        Some(reason) => format!("{reason} ({})", excluded.rule),
        None => excluded.rule.clone(),
    }
}

fn examples<'a>(points: impl ExactSizeIterator<Item = &'a str>) -> String {
    let others = points.len().saturating_sub(EXAMPLES);
    let named = points.take(EXAMPLES).collect::<Vec<_>>().join(", ");
    if others == 0 { named } else { format!("{named} and {others} more") }
}
