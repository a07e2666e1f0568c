//! What differs as aligned columns: the configuration, then the code, then the environment.

use super::Document;
use super::conditions::Condition;
use crate::cli::grid::grid;
use crate::guard::printable;

/// Digits of an identity that people are shown, as in a variant's name.
const ID_DIGITS: usize = 8;

/// The whole answer.
pub(super) fn table(document: &Document) -> String {
    let mut text = format!("A  {}\nB  {}\n\n", printable(&document.first), printable(&document.second));
    if !document.differences.is_empty() {
        text.push_str(&keys(document));
        text.push('\n');
    }
    for group in ["code", "environment"] {
        let rows: Vec<[String; 3]> =
            document.conditions.iter().filter(|condition| condition.group == group).map(row).collect();
        if !rows.is_empty() {
            text.push_str(&grid([group, "A", "B"], rows, |_| false));
            text.push('\n');
        }
    }
    text.push_str(&format!("{}\n", summary(document)));
    text
}

fn keys(document: &Document) -> String {
    let shown = |value: &Option<toml::Value>| match value {
        Some(value) => printable(&value.to_string().replace('\n', " ")),
        None => "-".to_owned(),
    };
    let origin = |origin: &Option<String>| origin.as_deref().map(printable).unwrap_or_default();
    let rows = document.differences.iter().map(|row| {
        let note = if row.hashed { "" } else { "not part of the variant" };
        [
            row.key.to_owned(),
            shown(&row.first),
            origin(&row.first_origin),
            shown(&row.second),
            origin(&row.second_origin),
            note.to_owned(),
        ]
    });
    grid(["configuration", "A", "set in", "B", "set in", ""], rows, |_| false)
}

fn row(condition: &Condition) -> [String; 3] {
    [printable(&condition.name), printable(&condition.first), printable(&condition.second)]
}

fn summary(document: &Document) -> String {
    let ids = document.identities.each_ref().map(|identity| identity.get(..ID_DIGITS).unwrap_or(identity));
    let variants = match document.identities[0] == document.identities[1] {
        true => format!("both train the same variant, {}", ids[0]),
        false => format!("A trains variant {}, B {}", ids[0], ids[1]),
    };
    let mut parts = Vec::new();
    if document.differences.is_empty() {
        parts.push("no key differs");
    }
    if document.ran && document.conditions.is_empty() {
        parts.push("code and environment were the same");
    }
    parts.push(&variants);
    parts.join("; ")
}
