//! Folder names of variants: what varies, short enough to read, then the id.
//!
//! In: the varying keys with their values, in declared order. Out: `cm1-2-4_attn16-8_T1000_cosine`, and
//! with the id `cm1-2-4_attn16-8_T1000_cosine-1f3a9c02`: `[A-Za-z0-9._-]`, at most 80 bytes. A name is for
//! people; a run is found by its id alone.

use serde_json::Value;

/// Longest folder name in bytes, id included.
const LONGEST: usize = 80;

/// What stands before a key's value. Empty: the value says enough by itself.
const ALIASES: &[(&str, &str)] = &[
    ("data.dataset", ""),
    ("data.image_size", "px"),
    ("data.in_channels", "ch"),
    ("data.horizontal_flip", "hflip"),
    ("data.validation_fraction", "val"),
    ("data.limit", "n"),
    ("model.base_channels", "bc"),
    ("model.channel_multipliers", "cm"),
    ("model.num_res_blocks", "rb"),
    ("model.attention_resolutions", "attn"),
    ("model.num_attention_heads", "heads"),
    ("model.attention_head_dim", "hd"),
    ("model.dropout", "drop"),
    ("model.time_embed_dim", "temb"),
    ("model.norm_groups", "gn"),
    ("model.norm_eps", "gneps"),
    ("model.mid_attention", "mid"),
    ("model.init", "init-"),
    ("model.downsample_padding", "dpad"),
    ("model.freq_shift", "fshift"),
    ("model.flip_sin_to_cos", "flip"),
    ("diffusion.timesteps", "T"),
    ("diffusion.noise_schedule", ""),
    ("diffusion.beta_start", "b1-"),
    ("diffusion.beta_end", "bT-"),
    ("diffusion.rescale_betas", "rescale"),
    ("diffusion.zero_terminal_snr", "zsnr"),
    ("diffusion.prediction_type", ""),
    ("diffusion.loss_type", ""),
    ("diffusion.huber_delta", "huber"),
    ("diffusion.loss_weighting", ""),
    ("diffusion.min_snr_gamma", "gamma"),
    ("diffusion.timestep_sampler", ""),
    ("training.steps", "steps"),
    ("training.epochs", "ep"),
    ("training.batch_size", "bs"),
    ("training.gradient_accumulation", "acc"),
    ("training.recompute", "recompute"),
    ("training.learning_rate", "lr"),
    ("training.warmup_steps", "warm"),
    ("training.lr_schedule", "lr"),
    ("training.optimizer", ""),
    ("training.betas", "betas"),
    ("training.eps", "eps"),
    ("training.weight_decay", "wd"),
    ("training.grad_clip", "clip"),
    ("training.precision", ""),
    ("training.initial_weights", "from-"),
    ("training.initial_weights_blake3", "from"),
    ("ema.kind", "ema"),
    ("ema.decay", "ema"),
    ("ema.sigma_rel", "emasigma"),
    ("ema.warmup", "emawarm"),
    ("ema.every", "emaevery"),
];

/// The readable part of a name, without the id: `base` where nothing varies.
pub(crate) fn label<'a>(overrides: impl IntoIterator<Item = (&'a str, &'a Value)>) -> String {
    let parts: Vec<String> = overrides.into_iter().filter_map(|(key, value)| part(key, value)).collect();
    if parts.is_empty() { "base".into() } else { parts.join("_") }
}

/// The folder's name. A label that is too long loses its end, whole parts where possible.
pub(crate) fn folder(label: &str, id: &str) -> String {
    let room = LONGEST.saturating_sub(id.len() + 1);
    let kept = match label.len() > room {
        false => label,
        true => {
            let cut = &label[..room];
            cut.rfind('_').map_or(cut, |end| &cut[..end])
        }
    };
    // A leading dash would read as an option on a command line.
    let kept = kept.trim_matches(['-', '_', '.']);
    format!("{}-{id}", if kept.is_empty() { "variant" } else { kept })
}

/// A number for people: `2e-4` for 0.0002, `0.1` for 0.1.
pub(crate) fn short_float(value: f64) -> String {
    let plain = value.to_string();
    let scientific = format!("{value:e}");
    if scientific.len() < plain.len() { scientific } else { plain }
}

/// One key's part; nothing for a key that this variant does not set.
fn part(key: &str, value: &Value) -> Option<String> {
    let alias = ALIASES.iter().find(|(known, _)| *known == key).map(|(_, alias)| *alias);
    let alias = alias.unwrap_or_else(|| key.rsplit('.').next().unwrap_or(key));
    let (joint, text) = match value {
        Value::Null => return None,
        Value::Bool(true) => ("-", "on".into()),
        Value::Bool(false) => ("-", "off".into()),
        Value::Array(values) if values.is_empty() => ("-", "none".into()),
        Value::Array(values) => ("", values.iter().map(scalar).collect::<Vec<_>>().join("-")),
        Value::String(text) => ("-", text.clone()),
        other => ("", scalar(other)),
    };
    let joint = if alias.is_empty() { "" } else { joint };
    Some(safe(&format!("{alias}{joint}{text}")))
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => number.as_f64().map(short_float).unwrap_or_default(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Replaces whatever the allow-list does not name.
fn safe(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.chars().map(|c| if allowed(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::KEYS;
    use proptest::prelude::*;
    use serde_json::json;

    fn labelled(overrides: &[(&str, Value)]) -> String {
        label(overrides.iter().map(|(key, value)| (*key, value)))
    }

    #[test]
    fn a_name_lists_what_varies_in_declared_order() {
        let label = labelled(&[
            ("model.channel_multipliers", json!([1, 2, 4])),
            ("model.attention_resolutions", json!([16, 8])),
            ("diffusion.timesteps", json!(1000)),
            ("diffusion.noise_schedule", json!("cosine")),
        ]);
        assert_eq!(folder(&label, "1f3a9c02"), "cm1-2-4_attn16-8_T1000_cosine-1f3a9c02");
    }

    #[test]
    fn lists_switches_and_floats_read_well() {
        let cases = [
            (("model.attention_resolutions", json!([])), "attn-none"),
            (("training.learning_rate", json!(2e-4)), "lr2e-4"),
            (("training.learning_rate", json!(0.00025)), "lr2.5e-4"),
            (("model.dropout", json!(0.1)), "drop0.1"),
            (("model.dropout", json!(0.0)), "drop0"),
            (("ema.decay", json!(0.9999)), "ema0.9999"),
            (("ema.decay", json!([0.99, 0.9999])), "ema0.99-0.9999"),
            (("diffusion.beta_end", json!(0.02)), "bT-0.02"),
            (("model.mid_attention", json!(false)), "mid-off"),
            (("training.betas", json!([0.9, 0.999])), "betas0.9-0.999"),
            (("training.lr_schedule", json!("cosine")), "lr-cosine"),
            (("diffusion.prediction_type", json!("v")), "v"),
        ];
        for ((key, value), expected) in cases {
            assert_eq!(labelled(&[(key, value)]), expected);
        }
    }

    #[test]
    fn nothing_varying_is_the_base() {
        assert_eq!(labelled(&[]), "base");
        assert_eq!(labelled(&[("training.epochs", Value::Null)]), "base");
    }

    #[test]
    fn a_long_label_loses_whole_parts_and_never_the_id() {
        let label = ["cm1-2-4-8-16-32"; 8].join("_");
        let name = folder(&label, "1f3a9c02");
        assert_eq!(name, format!("{}-1f3a9c02", ["cm1-2-4-8-16-32"; 4].join("_")));
        assert!(folder(&"x".repeat(500), "1f3a9c021f3a9c02").len() == LONGEST);
    }

    #[test]
    fn every_key_that_can_be_an_axis_has_an_alias_and_every_alias_a_key() {
        let axes: Vec<&str> = KEYS.iter().filter(|key| key.hashed).map(|key| key.path).collect();
        let aliased: Vec<&str> = ALIASES.iter().map(|(key, _)| *key).collect();
        assert_eq!(axes, aliased);
    }

    /// Any value that a key may have, and some that it may not.
    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            "\\PC{0,40}".prop_map(Value::from),
            prop::collection::vec(any::<u16>(), 0..9).prop_map(Value::from),
            prop::collection::vec(0.0..1.0, 0..4).prop_map(Value::from),
            Just(Value::Null),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_values_make_a_name_of_the_allow_list(
            values in prop::collection::vec((0..ALIASES.len(), value()), 0..8),
            id in "[0-9a-f]{8}([0-9a-f]{8})?",
        ) {
            let overrides: Vec<(&str, Value)> =
                values.into_iter().map(|(place, value)| (ALIASES[place].0, value)).collect();
            let name = folder(&labelled(&overrides), &id);
            prop_assert!(name.len() <= LONGEST && name.ends_with(&format!("-{id}")), "{}", name);
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            prop_assert!(!name.starts_with(['.', '-']) && name.chars().all(allowed), "{}", name);
            prop_assert!(name.len() > id.len() + 1, "something is readable: {}", name);
        }
    }
}
