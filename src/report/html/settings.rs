//! What each variant sets differently from the others.
//!
//! In: the resolved settings of all variants. Out: per variant the keys in which it leaves the base. What the plan does
//! not say of the base (keys that follow from swept ones, or older plans) is taken to be what most variants have, and of
//! equally frequent values that of the variant planned first.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::guard::printable;
use crate::report::load::Loaded;
use crate::report::varying::{Settings, compact};

/// One key.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    key: String,
    base: String,
    value: String,
}

/// Per variant, in their order; `None` where no run has a readable configuration.
pub(super) fn differences(loaded: &Loaded) -> Vec<Option<Vec<Difference>>> {
    let known: Vec<&Settings> =
        loaded.variants.iter().filter_map(|variant| variant.settings.as_ref()).collect();
    let keys: BTreeSet<&String> = known.iter().flat_map(|settings| settings.keys()).collect();
    let varying: Vec<(&String, Option<&Value>)> = keys
        .into_iter()
        .filter(|key| known.windows(2).any(|pair| pair[0].get(*key) != pair[1].get(*key)))
        .map(|key| (key, loaded.base.get(key).filter(|value| !value.is_null()).or(common(&known, key))))
        .collect();
    let of = |settings: &Settings| {
        varying
            .iter()
            .filter(|(key, base)| settings.get(*key) != *base)
            .map(|(key, base)| Difference {
                key: printable(key),
                base: printable(&compact(*base)),
                value: printable(&compact(settings.get(*key))),
            })
            .collect()
    };
    loaded.variants.iter().map(|variant| variant.settings.as_ref().map(of)).collect()
}

/// The most frequent value; `None` where most variants have no use for the key.
fn common<'a>(known: &[&'a Settings], key: &str) -> Option<&'a Value> {
    let mut counts: Vec<(Option<&Value>, usize)> = Vec::new();
    for settings in known {
        let value = settings.get(key);
        match counts.iter_mut().find(|(other, _)| *other == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    // `max_by_key` would keep the last of equals.
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most)?.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::Tree;
    use crate::report::load::load;
    use crate::report::metric::Log;

    #[test]
    fn a_variant_shows_where_it_leaves_what_the_base_or_most_have() {
        let tree = Tree::new();
        tree.plan(&[("a-1", &[0]), ("b-2", &[0]), ("c-3", &[0]), ("d-4", &[0])]);
        tree.run("a-1", 0).config(|_| {}).done(1);
        tree.run("b-2", 0).config(|config| config.model.dropout = 0.5).done(1);
        tree.run("c-3", 0).config(|config| config.training.batch_size = 4).done(1);
        let loaded = load(&[tree.experiment().path().to_owned()], Log::Eval).unwrap();
        let shown: Vec<Option<Vec<String>>> = differences(&loaded)
            .into_iter()
            .map(|variant| {
                let row = |row: Difference| format!("{} {} {}", row.key, row.base, row.value);
                variant.map(|rows| rows.into_iter().map(row).collect())
            })
            .collect();
        let one = |row: &str| Some(vec![row.to_owned()]);
        let expected = [Some(vec![]), one("model.dropout 0.0 0.5"), one("training.batch_size 8 4"), None];
        assert_eq!(shown, expected);
    }
}
