//! The keys that `[sweep]` has, and what to say of any other.

use toml::Table;

use super::place::Report;
use crate::config::{Problem, keys};

const KEYS: [&str; 9] =
    ["seeds", "include_base", "max_runs", "on_invalid", "grid", "zip", "one_at_a_time", "variant", "exclude"];
const LATER_KEYS: [(&str, &str); 1] = [("random", "list the values under [sweep.grid] instead")];

/// Reports every key that is none of a sweep's.
pub(super) fn refuse(table: &Table, report: &mut Report<'_>) {
    for key in table.keys().map(String::as_str).filter(|key| !KEYS.contains(key)) {
        let problem = match LATER_KEYS.iter().find(|(later, _)| *later == key) {
            Some((_, instead)) => {
                Problem::new(format!("sweep.{key} comes with a later version")).with_help(*instead)
            }
            None => unknown_key(key),
        };
        report(&format!("sweep.{key}"), problem);
    }
}

fn unknown_key(key: &str) -> Problem {
    let nearest = KEYS
        .iter()
        .chain(LATER_KEYS.iter().map(|(later, _)| later))
        .map(|known| (strsim::jaro_winkler(known, key), *known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score > 0.8);
    let help = match nearest {
        Some((_, known)) => format!("did you mean sweep.{known}?"),
        None if keys::find(key).is_some() => {
            format!("axes go under [sweep.grid]: \"{key}\" = [...]")
        }
        None => format!("known: {}", KEYS.map(|known| format!("sweep.{known}")).join(", ")),
    };
    Problem::new(format!("unknown key sweep.{key}")).with_help(help)
}
