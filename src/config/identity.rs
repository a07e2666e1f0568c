//! A configuration's identity: what two runs must share to be the same experiment.
//!
//! In: a resolved [`Config`]. Out: canonical JSON of the keys that decide what is trained, and its BLAKE3
//! hash. Reordered keys, other spellings of a number and keys that the chosen kinds ignore change nothing.

use serde_json::{Number, Value};

use super::keys::KEYS;
use super::schema::{Config, EmaKind, LossType, LossWeighting, NoiseSchedule};

/// The keys that identity depends on, with their values.
pub fn identity_value(config: &Config) -> Value {
    // A typed configuration always serializes: its keys are strings and its numbers finite.
    let mut root = serde_json::to_value(config).unwrap_or_default();
    let unhashed = KEYS.iter().filter(|key| !key.hashed).map(|key| key.path);
    for path in unhashed.chain(ignored(config)) {
        remove(&mut root, path, |_| true);
    }
    for (path, value) in KEYS.iter().filter_map(|key| Some((key.path, key.introduced_as?))) {
        let value = serde_json::to_value(value.to_toml()).unwrap_or_default();
        remove(&mut root, path, |found| *found == value);
    }
    // A section without a hashed key leaves no trace.
    if let Some(sections) = root.as_object_mut() {
        sections.retain(|_, keys| keys.as_object().is_none_or(|keys| !keys.is_empty()));
    }
    root
}

/// Takes a key out if its value is unwanted.
fn remove(root: &mut Value, path: &str, unwanted: impl FnOnce(&Value) -> bool) {
    let (section, leaf) = path.split_once('.').unwrap_or(("", path));
    let section = if section.is_empty() { Some(root) } else { root.get_mut(section) };
    if let Some(keys) = section.and_then(Value::as_object_mut)
        && keys.get(leaf).is_some_and(unwanted)
    {
        keys.remove(leaf);
    }
}

/// Keys that change nothing, given the others.
fn ignored(config: &Config) -> Vec<&'static str> {
    let mut ignored = Vec::new();
    let (model, diffusion) = (&config.model, &config.diffusion);
    if diffusion.noise_schedule == NoiseSchedule::Cosine {
        ignored.extend(["diffusion.beta_start", "diffusion.beta_end", "diffusion.rescale_betas"]);
    }
    if diffusion.loss_type != LossType::Huber {
        ignored.push("diffusion.huber_delta");
    }
    if diffusion.loss_weighting != LossWeighting::MinSnr {
        ignored.push("diffusion.min_snr_gamma");
    }
    match config.ema.kind {
        EmaKind::Decay => ignored.push("ema.sigma_rel"),
        EmaKind::Power => ignored.extend(["ema.decay", "ema.warmup"]),
    }
    // The weights count, not where they lie; without their hash the path is all there is to tell them by.
    if config.training.initial_weights_blake3.is_some() {
        ignored.push("training.initial_weights");
    }
    // At 1000 timesteps the factor is 1.
    if diffusion.timesteps == 1000 {
        ignored.push("diffusion.rescale_betas");
    }
    if model.attention_resolutions.is_empty() && !model.mid_attention {
        ignored.extend(["model.num_attention_heads", "model.attention_head_dim"]);
    }
    // A single level has no down-sampling.
    if model.channel_multipliers.len() == 1 {
        ignored.push("model.downsample_padding");
    }
    ignored
}

/// The identity: BLAKE3 of the canonical JSON, in hexadecimal.
pub fn identity(config: &Config) -> String {
    blake3::hash(canonical_json(&identity_value(config)).as_bytes()).to_hex().to_string()
}

/// JSON with sorted keys, no spaces, and one spelling for every number.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
        Value::Number(number) => out.push_str(&canonical_number(number)),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
    }
}

/// The shortest decimal that reads back as the same number, without exponent: `1`, `0.0001`.
///
/// The standard library's own formatting, not a crate's: an upgrade must not rename every run.
fn canonical_number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            // Minus zero is zero.
            let float = if float == 0.0 { 0.0 } else { float };
            format!("{float}")
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::Folder;

    fn config(text: &str) -> Config {
        let folder = Folder::with("x.toml", text);
        folder.load("x.toml").unwrap().base().clone()
    }

    fn id(text: &str) -> String {
        identity(&config(text))
    }

    /// Every hashed key, so that no edit of a default moves the hashes below.
    const COMPLETE: &str = r#"
        [data]
        dataset = "shapes"
        image_size = 32
        in_channels = 3
        validation_fraction = 0.05
        [model]
        base_channels = 64
        channel_multipliers = [1, 2, 4]
        num_res_blocks = 2
        attention_resolutions = [16, 8]
        attention_head_dim = 64
        dropout = 0.0
        time_embed_dim = 256
        norm_groups = 16
        norm_eps = 1e-5
        mid_attention = true
        downsample_padding = 1
        freq_shift = 0.0
        flip_sin_to_cos = true
        [diffusion]
        timesteps = 1000
        noise_schedule = "linear"
        beta_start = 1e-4
        beta_end = 0.02
        rescale_betas = false
        prediction_type = "epsilon"
        loss_type = "mse"
        [training]
        steps = 10000
        batch_size = 64
        gradient_accumulation = 1
        learning_rate = 2e-4
        warmup_steps = 500
        lr_schedule = "constant"
        optimizer = "adamw"
        betas = [0.9, 0.999]
        eps = 1e-8
        weight_decay = 0.01
        grad_clip = 1.0
        precision = "f32"
        [ema]
        kind = "decay"
        decay = 0.999
        warmup = true
        every = 1
    "#;

    /// These hashes name the folders of runs that exist: they may never change for the same settings. A key
    /// added later is left out of identity while it equals its first default.
    #[test]
    fn golden_identities() {
        let golden = [
            (
                "steps = 10000",
                "steps = 10000",
                "05d006e22e1c98fe328826e4565699f48f7f2c0d55aaef31d4ce67867992609d",
            ),
            (
                "steps = 10000",
                "epochs = 25",
                "7dbcfbfeab39db603d7ed6c2c6d613b8fb45c6d1b2be8d8171a8c52d74db5acc",
            ),
            ("\"linear\"", "\"cosine\"", "2ace30a4f7cf1683a74a54ff77f7d9577e0453051f34c315da7f1b0ce39d9f78"),
            (
                "timesteps = 1000",
                "timesteps = 250",
                "80467893fa50e63f058def9e001620b0543c5067e93b58ccd70da7918752420d",
            ),
            (
                "attention_head_dim = 64",
                "num_attention_heads = 4",
                "256eb57309479db7a4bbc3e62510e19e8251b7c478723ea5c7b7635b31adf77a",
            ),
        ];
        let identities: Vec<String> =
            golden.iter().map(|(from, to, _)| id(&COMPLETE.replacen(from, to, 1))).collect();
        assert_eq!(identities, golden.map(|(.., expected)| expected));
    }

    #[test]
    fn the_canonical_form_is_sorted_and_spells_each_number_one_way() {
        assert_eq!(
            canonical_json(&identity_value(&config(&COMPLETE.replacen("[data]", "[data]\nlimit = 5", 1)))),
            concat!(
                r#"{"data":{"dataset":"shapes","image_size":32,"in_channels":3,"limit":5,"validation_fraction":0.05},"#,
                r#""diffusion":{"beta_end":0.02,"beta_start":0.0001,"loss_type":"mse","noise_schedule":"linear","#,
                r#""prediction_type":"epsilon","timesteps":1000},"#,
                r#""ema":{"decay":0.999,"every":1,"kind":"decay","warmup":true},"#,
                r#""model":{"attention_head_dim":64,"attention_resolutions":[16,8],"base_channels":64,"#,
                r#""channel_multipliers":[1,2,4],"downsample_padding":1,"dropout":0,"flip_sin_to_cos":true,"#,
                r#""freq_shift":0,"mid_attention":true,"norm_eps":0.00001,"norm_groups":16,"num_res_blocks":2,"#,
                r#""time_embed_dim":256},"#,
                r#""training":{"batch_size":64,"betas":[0.9,0.999],"eps":0.00000001,"grad_clip":1,"#,
                r#""gradient_accumulation":1,"learning_rate":0.0002,"lr_schedule":"constant","optimizer":"adamw","#,
                r#""precision":"f32","steps":10000,"warmup_steps":500,"weight_decay":0.01}}"#,
            )
        );
    }

    #[test]
    fn spelling_order_and_unhashed_keys_change_nothing() {
        let plain = id("");
        for same in [
            "name = \"other\"\ndescription = \"words\"",
            "training.seed = 7\ntraining.log_every = 1",
            "data.root = \"elsewhere\"",
            "[checkpoint]\nevery = 1\n[sampling]\neta = 1\n[runtime]\njobs = 3",
            "diffusion.beta_start = 0.0001",
            "diffusion.beta_start = 1e-4",
            "model.freq_shift = 0\nmodel.dropout = -0.0",
            "model.attention_resolutions = [8, 16, 16]",
            "model.norm_groups = 16\nmodel.time_embed_dim = 256",
            "diffusion.rescale_betas = true",
            "diffusion.huber_delta = 3\ndiffusion.min_snr_gamma = 1",
            "ema.decay = [0.999]",
            "data.skip_corrupt = true",
            "[training]\nsteps = 10000\nbatch_size = 64\n[model]\nbase_channels = 64",
        ] {
            assert_eq!(id(same), plain, "{same}");
        }
    }

    #[test]
    fn every_hashed_setting_changes_the_identity() {
        let plain = id("");
        let mut seen = std::collections::HashSet::from([plain]);
        for other in [
            "model.dropout = 0.1",
            "training.steps = 9999",
            "training.epochs = 10000",
            "training.gradient_accumulation = 2",
            "training.recompute = true",
            "ema.decay = 0.99",
            "data.limit = 5",
            "diffusion.prediction_type = \"v\"",
            "diffusion.noise_schedule = \"cosine\"",
            "diffusion.beta_end = 0.01",
            "diffusion.timesteps = 500",
            "diffusion.timesteps = 500\ndiffusion.rescale_betas = false",
            "model.mid_attention = false",
            "model.num_attention_heads = 2",
            "model.init = \"ddpm\"",
            "data.horizontal_flip = true",
            "diffusion.loss_type = \"huber\"",
            "diffusion.loss_type = \"huber\"\ndiffusion.huber_delta = 1",
            "diffusion.loss_weighting = \"min_snr\"",
            "diffusion.timestep_sampler = \"stratified\"",
            "ema.decay = [0.999, 0.99]",
            "ema.kind = \"power\"",
            "ema.kind = \"power\"\nema.sigma_rel = [0.05, 0.1]",
            "training.initial_weights = \"elsewhere\"",
        ] {
            assert!(seen.insert(id(other)), "{other}");
        }
    }

    #[test]
    fn keys_that_the_chosen_kind_ignores_are_left_out() {
        let same = |a: &str, b: &str| assert_eq!(id(a), id(b), "{a} | {b}");
        let cosine = "diffusion.noise_schedule = \"cosine\"\ndiffusion.timesteps = 500\n";
        same(cosine, &format!("{cosine}diffusion.beta_end = 0.5\ndiffusion.rescale_betas = false"));
        let plain = "model.attention_resolutions = []\nmodel.mid_attention = false\n";
        same(plain, &format!("{plain}model.num_attention_heads = 3"));
        same("ema.kind = \"power\"", "ema.kind = \"power\"\nema.decay = 0.5\nema.warmup = false");
        same("diffusion.noise_schedule = \"sqrt\"", "diffusion.noise_schedule = \"scaled_linear\"");
        let hash = format!("training.initial_weights_blake3 = \"{}\"\n", "07".repeat(32));
        same(
            &format!("{hash}training.initial_weights = \"here\""),
            &format!("{hash}training.initial_weights = \"there\""),
        );
        let single = "model.channel_multipliers = [2]\nmodel.attention_resolutions = []\n";
        same(single, &format!("{single}model.downsample_padding = 0"));
    }

    #[test]
    fn ten_thousand_identities_take_less_than_a_second() {
        let config = config("");
        let started = std::time::Instant::now();
        for _ in 0..10_000 {
            std::hint::black_box(identity(std::hint::black_box(&config)));
        }
        println!("{:.1} us an identity", started.elapsed().as_secs_f64() * 100.0);
        assert!(started.elapsed().as_secs_f64() < if cfg!(debug_assertions) { 20.0 } else { 1.0 });
    }
}
