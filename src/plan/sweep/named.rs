//! `[[sweep.variant]]`: points that a user names.
//!
//! In: the tables. Out: [`Named`] points. A name goes into a folder's, so it has to be safe there, and whole:
//! it is never cut.

use std::collections::HashSet;

use toml::{Table, Value};

use super::axis;
use super::place::{Place, Report};
use super::points::Settings;
use crate::config::{Problem, keys};

/// A named point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Named {
    /// The table it was written in: `sweep.variant[0]`.
    pub(crate) table: String,
    /// A word that is safe in a folder's name.
    pub(crate) name: String,
    /// In written order; none makes it the base under another name.
    pub(crate) settings: Settings,
}

/// Longest name: with the longest id it still fits a folder's name.
const LONGEST: usize = 63;
/// What the base is called.
const BASE: &str = "base";

/// Reads the tables.
pub(super) fn read(tables: Vec<(Place, &Table)>, report: &mut Report<'_>) -> Vec<Named> {
    let mut named: Vec<Named> = Vec::new();
    let mut names = HashSet::new();
    for (place, table) in tables {
        let name = match name(table) {
            Ok(name) => name,
            Err(problem) => {
                report(&place.below("name"), problem.opening(&place.words));
                continue;
            }
        };
        if !names.insert(name.clone()) {
            let problem = Problem::new(format!("sweep.variant: two variants are named {name:?}"));
            report(&place.below("name"), problem.with_help("rename one of them"));
        }
        let place = Place { words: format!("sweep.variant {name:?}"), ..place };
        let mut table = table.clone();
        table.remove("name");
        let settings = axis::owned(axis::settings(&table, &place, report));
        check_rivals(&settings, &place, report);
        named.push(Named { table: place.path, name, settings });
    }
    named
}

/// Why a variant has no usable name.
struct Unnamed {
    message: String,
    help: String,
}

impl Unnamed {
    fn opening(self, words: &str) -> Problem {
        Problem::new(format!("{words}{}", self.message)).with_help(self.help)
    }
}

fn name(table: &Table) -> Result<String, Unnamed> {
    let rule = format!(
        "it becomes part of a folder's name: at most {LONGEST} letters, digits, \".\", \"_\" and \"-\", a letter \
         or digit at either end"
    );
    let name = match table.get("name") {
        None => {
            let help = "write a name, such as name = \"no-attention\"".to_owned();
            return Err(Unnamed { message: " has no name".into(), help });
        }
        Some(Value::String(name)) => name,
        Some(other) => {
            let message = format!(": name = {} is not a text", axis::shortened(other));
            return Err(Unnamed { message, help: rule });
        }
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let shown = axis::shortened(&Value::String(name.clone()));
    let (reason, help) = if name.is_empty() {
        ("is empty".to_owned(), rule)
    } else if let Some(bad) = name.chars().find(|&c| !allowed(c)) {
        (format!("contains {bad:?}"), rule)
    } else if name.len() > LONGEST {
        (format!("is {} bytes long", name.len()), rule)
    } else if !ends(name.chars().next()) || !ends(name.chars().next_back()) {
        ("begins or ends with a mark".to_owned(), rule)
    } else if name == BASE {
        ("is what the base is called".to_owned(), "choose another, such as \"baseline\"".to_owned())
    } else {
        return Ok(name.clone());
    };
    Err(Unnamed { message: format!(": name = {shown} {reason}"), help })
}

/// A point has one of a pair that excludes each other.
fn check_rivals(settings: &Settings, place: &Place, report: &mut Report<'_>) {
    for (first, second) in keys::RIVALS {
        let set = |wanted: &str| settings.iter().any(|(key, _)| key == wanted);
        if set(first) && set(second) {
            let problem = Problem::new(format!("{} sets {first} and {second}", place.words));
            report(&place.below(second), problem.with_help("each excludes the other; keep one"));
        }
    }
}
