//! What two runs were trained with besides their configurations: code, libraries, machine, and how it was executed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::side::Run;
use crate::rundir::provenance::Attempt;
use crate::rundir::{Disk, files};

const SIZE_LIMIT: u64 = 1 << 20;

/// Keys of `execution.json` that are told elsewhere, or tell nothing.
const TOLD: [&str; 2] = ["format", "threads"];

/// Something that is not the same in two runs.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Condition {
    /// `code` or `environment`.
    pub(super) group: &'static str,
    pub(super) name: String,
    /// As each attempt had it, one after another where it changed between them.
    pub(super) first: String,
    pub(super) second: String,
}

/// A fact that every attempt records.
type Fact = (&'static str, &'static str, fn(&Attempt) -> String);

const FACTS: [Fact; 9] = [
    ("code", "version", |attempt| attempt.version.clone()),
    ("code", "revision", |attempt| {
        format!("{}{}", attempt.code_revision, if attempt.code_dirty { "+changes" } else { "" })
    }),
    ("code", "binary", |attempt| attempt.binary.clone()),
    ("environment", "libtorch", |attempt| attempt.libtorch.clone()),
    ("environment", "device", |attempt| attempt.device.clone()),
    ("environment", "cpu", |attempt| attempt.cpu.clone()),
    ("environment", "threads", |attempt| attempt.threads.to_string()),
    ("environment", "host", |attempt| attempt.host.clone()),
    ("environment", "data", |attempt| attempt.data_fingerprint.clone()),
];

/// Whether both have begun, so that there is something to compare.
pub(super) fn are_known(first: &Run, second: &Run) -> bool {
    !first.attempts.is_empty() && !second.attempts.is_empty()
}

/// Everything that differs; nothing where one of them has not begun.
pub(super) fn differing(first: &Run, second: &Run) -> Vec<Condition> {
    if !are_known(first, second) {
        return Vec::new();
    }
    let fact = |(group, name, of): Fact| {
        let [first, second] = [first, second].map(|run| one_after_another(&run.attempts, of));
        Condition { group, name: name.to_owned(), first, second }
    };
    let mut found: Vec<Condition> = FACTS.into_iter().map(fact).collect();
    let (first, second) = (execution(first), execution(second));
    let names: std::collections::BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let told =
        |of: &BTreeMap<String, String>, name: &str| of.get(name).cloned().unwrap_or_else(|| "-".to_owned());
    found.extend(names.into_iter().map(|name| Condition {
        group: "environment",
        name: name.clone(),
        first: told(&first, name),
        second: told(&second, name),
    }));
    found.retain(|condition| condition.first != condition.second);
    found
}

fn one_after_another(attempts: &[Attempt], of: fn(&Attempt) -> String) -> String {
    let mut values: Vec<String> = attempts.iter().map(of).collect();
    values.dedup();
    values.join(" then ")
}

/// The choices that a run's first attempt made; none where they cannot be read.
fn execution(run: &Run) -> BTreeMap<String, String> {
    let text = files::read_text(&Disk, &run.dir.execution_path(), SIZE_LIMIT).ok().flatten();
    let value: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
    let Some(Value::Object(choices)) = value else { return BTreeMap::new() };
    let choices = choices.into_iter().filter(|(name, _)| !TOLD.contains(&name.as_str()));
    choices
        .map(|(name, value)| match value {
            Value::String(text) => (name, text),
            value => (name, value.to_string()),
        })
        .collect()
}
