//! Which settings differ between the loaded variants.
//!
//! In: the flattened identity of each variant. Out: the keys worth a column, in a stable order, and the
//! compact text of a value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::load::Loaded;

/// Settings of one variant, dotted key to value; a key its configuration ignores is absent.
pub(crate) type Settings = BTreeMap<String, Value>;

/// Keys whose defaults follow from other keys.
const DERIVED: [&str; 3] = ["diffusion.rescale_betas", "model.norm_groups", "model.time_embed_dim"];

/// Keys that some kinds ignore, so that they come and go with other keys.
const CONDITIONAL: [&str; 6] = [
    "diffusion.beta_end",
    "diffusion.beta_start",
    "diffusion.rescale_betas",
    "model.attention_head_dim",
    "model.downsample_padding",
    "model.num_attention_heads",
];

/// Flattens nested tables to dotted keys; arrays and scalars are values.
pub(crate) fn flatten(value: &Value) -> Settings {
    fn walk(prefix: &str, value: &Value, settings: &mut Settings) {
        match value {
            Value::Object(table) => {
                for (key, inner) in table {
                    let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    walk(&path, inner, settings);
                }
            }
            _ => {
                settings.insert(prefix.to_owned(), value.clone());
            }
        }
    }
    let mut settings = Settings::new();
    walk("", value, &mut settings);
    settings
}

/// The keys of what was loaded that are worth a column.
pub(super) fn columns(loaded: &Loaded) -> Vec<String> {
    let known: Vec<&Settings> =
        loaded.variants.iter().filter_map(|variant| variant.settings.as_ref()).collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut declared: Vec<String> = Vec::new();
    for (key, _) in loaded.variants.iter().flat_map(|variant| &variant.overrides) {
        let differs = || loaded.variants.windows(2).any(|pair| pair[0].value(key) != pair[1].value(key));
        if seen.insert(key) && differs() {
            declared.push(key.clone());
        }
    }
    varying_keys(&known, &declared)
}

/// The keys that vary: `declared` first, in that order (the caller knows that these vary), then the others
/// by name.
///
/// A key the user did not declare is left out where the columns before it determine it and it is either
/// [`DERIVED`], or [`CONDITIONAL`] with one value wherever it is present.
pub(crate) fn varying_keys(variants: &[&Settings], declared: &[String]) -> Vec<String> {
    let mut columns = declared.to_vec();
    let mut others = BTreeSet::new();
    for settings in variants {
        others.extend(settings.keys().map(String::as_str));
    }
    let (implied, plain): (Vec<&str>, Vec<&str>) = others.into_iter().partition(|key| {
        DERIVED.contains(key) || (CONDITIONAL.contains(key) && !differs_where_present(variants, key))
    });
    for key in plain {
        let differs = variants.windows(2).any(|pair| pair[0].get(key) != pair[1].get(key));
        if differs && !columns.iter().any(|column| column == key) {
            columns.push(key.to_owned());
        }
    }
    let explaining = columns.clone();
    for key in implied {
        let shown = columns.iter().any(|column| column == key);
        if !shown && !is_determined(variants, &explaining, key) {
            columns.push(key.to_owned());
        }
    }
    columns
}

fn differs_where_present(variants: &[&Settings], key: &str) -> bool {
    let mut values = variants.iter().filter_map(|settings| settings.get(key));
    let first = values.next();
    values.any(|value| Some(value) != first)
}

/// Whether variants that agree in `columns` also agree in `key`.
fn is_determined(variants: &[&Settings], columns: &[String], key: &str) -> bool {
    let mut seen: BTreeMap<Vec<String>, Option<&Value>> = BTreeMap::new();
    variants.iter().all(|settings| {
        let point = columns.iter().map(|column| compact(settings.get(column))).collect();
        let value = settings.get(key);
        *seen.entry(point).or_insert(value) == value
    })
}

/// A value in as few characters as say it: strings bare, lists without blanks, "-" where absent.
pub(crate) fn compact(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| compact(Some(item))).collect();
            format!("[{}]", items.join(","))
        }
        Some(other) => other.to_string(),
    }
}

/// Column titles: the last part of each key, or the whole key where two would read the same.
pub(crate) fn titles(keys: &[String]) -> Vec<String> {
    let short = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    keys.iter()
        .map(|key| {
            let title = short(key);
            let unique = keys.iter().filter(|other| short(other) == title).count() == 1;
            if unique { title } else { key.clone() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn keys(variants: &[Value], declared: &[&str]) -> Vec<String> {
        let settings: Vec<Settings> = variants.iter().map(flatten).collect();
        let declared: Vec<String> = declared.iter().map(|key| (*key).to_owned()).collect();
        varying_keys(&settings.iter().collect::<Vec<_>>(), &declared)
    }

    #[test]
    fn only_keys_that_vary_are_columns_and_declared_ones_lead() {
        let variants = [
            json!({"model": {"dropout": 0.0, "base_channels": 8}, "data": {"dataset": "shapes"}}),
            json!({"model": {"dropout": 0.1, "base_channels": 16}, "data": {"dataset": "shapes"}}),
        ];
        assert_eq!(keys(&variants, &["model.dropout"]), ["model.dropout", "model.base_channels"]);
        assert_eq!(keys(&variants[..1], &[]), Vec::<String>::new());
    }

    #[test]
    fn derived_keys_need_a_column_only_where_the_others_do_not_explain_them() {
        let cosine = json!({"diffusion": {"noise_schedule": "cosine"}});
        let linear = json!({"diffusion": {"noise_schedule": "linear", "beta_end": 0.02}});
        let steep = json!({"diffusion": {"noise_schedule": "linear", "beta_end": 0.04}});
        assert_eq!(keys(&[cosine.clone(), linear.clone()], &[]), ["diffusion.noise_schedule"]);
        assert_eq!(keys(&[cosine, linear, steep], &[]), ["diffusion.beta_end", "diffusion.noise_schedule"]);
    }

    #[test]
    fn two_ways_to_say_the_number_of_heads_are_both_columns() {
        let by_count = json!({"model": {"num_attention_heads": 4}});
        let by_width = json!({"model": {"attention_head_dim": 8}});
        assert_eq!(
            keys(&[by_count, by_width], &[]),
            ["model.attention_head_dim", "model.num_attention_heads"]
        );
    }

    #[test]
    fn values_are_compact_and_an_ignored_key_is_a_dash() {
        assert_eq!(compact(Some(&json!([1, 2, 4]))), "[1,2,4]");
        assert_eq!(compact(Some(&json!([]))), "[]");
        assert_eq!(compact(Some(&json!("cosine"))), "cosine");
        assert_eq!(compact(Some(&json!(0.0001))), "0.0001");
        assert_eq!(compact(None), "-");
    }

    #[test]
    fn titles_are_short_unless_two_would_read_the_same() {
        let keys = ["model.dropout".to_owned(), "sampling.steps".to_owned(), "training.steps".to_owned()];
        assert_eq!(titles(&keys), ["dropout", "sampling.steps", "training.steps"]);
    }
}
