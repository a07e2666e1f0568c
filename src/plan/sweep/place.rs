//! Where in `[sweep]` something stands: for the location of a problem, and for its words.
//!
//! In: a form's name and what was written under it. Out: each of its tables with its [`Place`].

use toml::{Table, Value};

use super::axis::shortened;
use crate::config::Problem;

/// Takes a problem and the dotted key in the file that it is about; empty where it is about none.
pub(super) type Report<'a> = dyn FnMut(&str, Problem) + 'a;

/// One table below `[sweep]`.
pub(super) struct Place {
    /// As a location: `sweep.zip[1]`.
    pub(super) path: String,
    /// As a message calls it: `sweep.zip`, or `sweep.zip 2` of several.
    pub(super) words: String,
}

impl Place {
    /// The location of a key in it.
    pub(super) fn below(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// A key in it, for a message.
    pub(super) fn words_of(&self, key: &str) -> String {
        let joint = if self.words.contains(' ') { ": " } else { "." };
        format!("{}{joint}{key}", self.words)
    }
}

/// The tables of `[[sweep.NAME]]`.
pub(super) fn tables<'a>(name: &str, value: &'a Value, report: &mut Report<'_>) -> Vec<(Place, &'a Table)> {
    let path = format!("sweep.{name}");
    let all: Option<Vec<&Table>> =
        value.as_array().and_then(|items| items.iter().map(Value::as_table).collect());
    let Some(all) = all else {
        let problem = match value {
            Value::Table(_) => Problem::new(format!("[{path}] is a single table; there may be several")),
            other => Problem::new(format!("{path} = {} is not a list of tables", shortened(other))),
        };
        report(&path, problem.with_help(format!("write [[{path}]] above the keys of each")));
        return Vec::new();
    };
    let several = all.len() > 1;
    let words = |index: usize| if several { format!("{path} {}", index + 1) } else { path.clone() };
    let place = |index: usize| Place { path: format!("{path}[{index}]"), words: words(index) };
    all.into_iter().enumerate().map(|(index, table)| (place(index), table)).collect()
}
