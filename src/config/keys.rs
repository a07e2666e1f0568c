//! Every key of a configuration file: what it takes and whether a variant's identity depends on it.
//!
//! In: a dotted path. Out: its [`Key`], or the nearest one to what was typed. Keys and values that only
//! a later version accepts are listed too, so that they are refused by name instead of ignored.

use toml::Value;

use super::kind::{Kind, Range};

/// One key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// Dotted path: `model.base_channels`.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether a variant's identity depends on it; only such a key can be a sweep axis.
    pub hashed: bool,
    /// Whether `default.toml` gives it a value, and if not, why.
    pub default: DefaultValue,
    /// For a key that came later than the first version: the value that says "as before". A run's file that
    /// lacks the key means this value, and identity leaves the key out while it has it, whatever
    /// `default.toml` says by then, so that runs of earlier versions keep their identity.
    pub introduced_as: Option<Introduced>,
}

/// A value that a key was introduced with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Introduced {
    /// Off.
    False,
    /// On.
    True,
    /// One of its words.
    Word(&'static str),
    /// A number.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// A list of words.
    Words(&'static [&'static str]),
    /// A list with nothing in it.
    EmptyList,
}

impl Introduced {
    /// As a configuration file writes it.
    pub(crate) fn to_toml(self) -> Value {
        let word = |word: &str| Value::String(word.to_owned());
        match self {
            Introduced::False => Value::Boolean(false),
            Introduced::True => Value::Boolean(true),
            Introduced::Word(text) => word(text),
            Introduced::Number(number) => Value::Float(number),
            Introduced::Integer(integer) => Value::Integer(integer),
            Introduced::Words(words) => Value::Array(words.iter().map(|text| word(text)).collect()),
            Introduced::EmptyList => Value::Array(vec![]),
        }
    }
}

/// Where a key's default comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// `default.toml` has it.
    Written,
    /// Worked out from other keys.
    Derived,
    /// None: the key may be absent.
    Absent,
}

use DefaultValue::{Absent, Derived, Written};

const fn key(path: &'static str, kind: Kind) -> Key {
    Key { path, kind, hashed: true, default: Written, introduced_as: None }
}

impl Key {
    const fn unhashed(self) -> Key {
        Key { hashed: false, ..self }
    }

    const fn default(self, default: DefaultValue) -> Key {
        Key { default, ..self }
    }

    const fn introduced_as(self, value: Introduced) -> Key {
        Key { introduced_as: Some(value), ..self }
    }
}

const fn at_least(min: i64) -> Kind {
    Kind::Integer { min, max: i64::MAX }
}

const fn whole(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

const fn range(min: f64, with_min: bool, max: f64, with_max: bool) -> Range {
    Range { min, max, with_min, with_max }
}

/// From 0, below 1: a probability or a decay.
const FRACTION: Range = range(0.0, true, 1.0, false);
/// Above 0, below 1: a beta.
const OPEN_UNIT: Range = range(0.0, false, 1.0, false);
/// Above 0, at most 1: an epsilon.
const EPSILON: Range = range(0.0, false, 1.0, true);
/// Above 0, no upper end.
const POSITIVE: Range = range(0.0, false, f64::INFINITY, false);
/// Above 0, below 0.28: an average as wide as 1/√12 of the run would need γ = 0, no average at all.
const RELATIVE_WIDTH: Range = range(0.0, false, 0.28, false);
const NOT_NEGATIVE: Range = range(0.0, true, f64::INFINITY, false);

const fn words(now: &'static [&'static str], later: &'static [&'static str]) -> Kind {
    Kind::Choice { now, later }
}

const fn words_of(now: &'static [&'static str], later: &'static [&'static str]) -> Kind {
    Kind::Words { now, later }
}

/// Metrics of the held-out images.
const METRICS: &[&str] = &["loss", "denoise_score", "denoise_bits"];
/// Metrics that need samples.
const LATER_METRICS: &[&str] = &["sliced_wasserstein", "fid", "kid", "precision", "recall"];

/// Most levels of a network.
pub(crate) const MAX_LEVELS: usize = 6;

/// Every key this version accepts, in the order of `default.toml`.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("name", Kind::FolderName).unhashed().default(Derived),
    key("description", Kind::Text).unhashed(),
    key("data.dataset", words(&["shapes", "mnist", "fashion-mnist", "cifar10", "cifar100", "folder"], &[])),
    key("data.root", Kind::Path).unhashed().default(Absent),
    key("data.image_size", whole(8, 1024)),
    key("data.in_channels", Kind::IntegerChoice(&[1, 3])),
    key("data.horizontal_flip", Kind::Bool).introduced_as(Introduced::False),
    key("data.skip_corrupt", Kind::Bool).unhashed().introduced_as(Introduced::False),
    key("data.validation_fraction", Kind::Number(range(0.0, false, 0.5, true))),
    key("data.limit", at_least(1)).default(Absent),
    key("model.base_channels", whole(1, 65_536)),
    key("model.channel_multipliers", Kind::Integers { min: 1, max: 1024, len: (1, MAX_LEVELS) }),
    key("model.num_res_blocks", whole(1, 64)),
    key("model.attention_resolutions", Kind::Integers { min: 1, max: 1024, len: (0, 64) }),
    key("model.num_attention_heads", whole(1, 65_536)).default(Absent),
    key("model.attention_head_dim", whole(1, 65_536)),
    key("model.dropout", Kind::Number(FRACTION)),
    key("model.time_embed_dim", whole(1, 1_048_576)).default(Derived),
    key("model.norm_groups", whole(1, 65_536)).default(Derived),
    key("model.norm_eps", Kind::Number(EPSILON)),
    key("model.mid_attention", Kind::Bool),
    key("model.init", words(&["torch", "ddpm"], &[])).introduced_as(Introduced::Word("torch")),
    key("model.downsample_padding", Kind::IntegerChoice(&[0, 1])),
    key("model.freq_shift", Kind::Number(NOT_NEGATIVE)),
    key("model.flip_sin_to_cos", Kind::Bool),
    key("diffusion.timesteps", whole(2, 1_000_000)),
    key("diffusion.noise_schedule", words(&["linear", "cosine", "scaled_linear", "sqrt", "sigmoid"], &[])),
    key("diffusion.beta_start", Kind::Number(OPEN_UNIT)),
    key("diffusion.beta_end", Kind::Number(OPEN_UNIT)),
    key("diffusion.rescale_betas", Kind::Bool).default(Derived),
    key("diffusion.zero_terminal_snr", Kind::Bool).introduced_as(Introduced::False),
    key("diffusion.prediction_type", words(&["epsilon", "v", "x0"], &[])),
    key("diffusion.loss_type", words(&["mse", "l1", "huber"], &[])),
    key("diffusion.huber_delta", Kind::Number(POSITIVE)).introduced_as(Introduced::Number(0.1)),
    key("diffusion.loss_weighting", words(&["uniform", "min_snr"], &[])).introduced_as(Introduced::Word("uniform")),
    key("diffusion.min_snr_gamma", Kind::Number(POSITIVE)).introduced_as(Introduced::Number(5.0)),
    key("diffusion.timestep_sampler", words(&["uniform", "stratified"], &[])).introduced_as(Introduced::Word("uniform")),
    key("training.seed", at_least(0)).unhashed(),
    key("training.steps", at_least(1)),
    key("training.epochs", at_least(1)).default(Absent),
    key("training.batch_size", whole(1, 1_048_576)),
    key("training.gradient_accumulation", whole(1, 1_048_576)),
    key("training.recompute", Kind::Bool).introduced_as(Introduced::False),
    key("training.learning_rate", Kind::Number(POSITIVE)),
    key("training.warmup_steps", at_least(0)),
    key("training.lr_schedule", words(&["constant", "cosine", "linear"], &[])),
    key("training.optimizer", words(&["adamw", "adam"], &[])),
    key("training.betas", Kind::Pair(FRACTION)),
    key("training.eps", Kind::Number(EPSILON)),
    key("training.weight_decay", Kind::Number(NOT_NEGATIVE)),
    key("training.grad_clip", Kind::Number(NOT_NEGATIVE)),
    key("training.precision", words(&["f32", "tf32", "bf16", "f16"], &[])),
    key("training.initial_weights", Kind::Path).default(Absent),
    key("training.initial_weights_blake3", Kind::Hash).default(Absent),
    key("training.log_every", at_least(1)).unhashed(),
    key("ema.kind", words(&["decay", "power"], &[])),
    key("ema.decay", Kind::Numbers(FRACTION)),
    key("ema.sigma_rel", Kind::Numbers(RELATIVE_WIDTH)).introduced_as(Introduced::Number(0.05)),
    key("ema.warmup", Kind::Bool),
    key("ema.every", at_least(1)),
    key("checkpoint.every", at_least(0)).unhashed(),
    key("checkpoint.keep", at_least(1)).unhashed(),
    key("checkpoint.pin", Kind::Integers { min: 1, max: i64::MAX, len: (0, 10_000) }).unhashed().introduced_as(Introduced::EmptyList),
    key("evaluation.every", at_least(0)).unhashed(),
    key("evaluation.images", whole(4, 1_000_000)).unhashed(),
    key("evaluation.metrics", words_of(METRICS, LATER_METRICS)).unhashed().introduced_as(Introduced::Words(METRICS)),
    key("sampling.every", at_least(0)).unhashed(),
    key("sampling.num_samples", whole(0, 65_536)).unhashed(),
    key("sampling.sampler", words(&["ddim", "ddpm", "dpm_solver_pp", "euler", "heun"], &[])).unhashed(),
    key("sampling.steps", whole(1, 1_000_000)).unhashed(),
    key("sampling.eta", Kind::Number(range(0.0, true, 1.0, true))).unhashed(),
    key("sampling.timestep_spacing", words(&["leading", "linspace", "trailing"], &[])).unhashed().default(Derived),
    key("sampling.steps_offset", whole(0, 1_000_000)).unhashed(),
    key("sampling.clip_sample", Kind::Bool).unhashed(),
    key("sampling.clip_sample_range", Kind::Number(POSITIVE)).unhashed().introduced_as(Introduced::Number(1.0)),
    key("sampling.set_alpha_to_one", Kind::Bool).unhashed().introduced_as(Introduced::True),
    key("sampling.variance", words(&["fixed_small", "fixed_large"], &[])).unhashed().introduced_as(Introduced::Word("fixed_small")),
    key("runtime.device", Kind::Device).unhashed(),
    key("runtime.jobs", whole(0, 4096)).unhashed(),
    key("runtime.threads", whole(0, 4096)).unhashed(),
    key("runtime.slots_per_device", whole(1, 64)).unhashed().introduced_as(Introduced::Integer(1)),
    key("runtime.deterministic", Kind::Bool).unhashed().introduced_as(Introduced::False),
    key("runtime.tensorboard", Kind::Bool).unhashed().introduced_as(Introduced::False),
    key("runtime.runs_dir", Kind::Path).unhashed(),
    key("runtime.data_dir", Kind::Path).unhashed(),
    key("launcher.kind", words(&["local"], &["slurm"])).unhashed(),
];

/// Keys that say where other layers are; they are used up while reading.
pub(crate) const FILE_KEYS: &[&str] = &["preset", "extends", "sweep"];

/// Pairs of which only one may be set; a higher layer's choice removes the other from lower ones.
pub(crate) const RIVALS: &[(&str, &str)] =
    &[("training.steps", "training.epochs"), ("model.num_attention_heads", "model.attention_head_dim")];

/// The key that excludes this one.
pub(crate) fn rival(path: &str) -> Option<&'static str> {
    RIVALS.iter().find_map(|&(a, b)| match path {
        _ if path == a => Some(b),
        _ if path == b => Some(a),
        _ => None,
    })
}

/// The key of a dotted path.
pub fn find(path: &str) -> Option<&'static Key> {
    index(path).map(|index| &KEYS[index])
}

/// A key's place in [`KEYS`].
pub(crate) fn index(path: &str) -> Option<usize> {
    KEYS.iter().position(|key| key.path == path)
}

/// Whether a later version accepts this key: any of Slurm's words under `launcher`.
pub fn is_later(path: &str) -> bool {
    path.starts_with("launcher.") && find(path).is_none()
}

/// Whether a path is a section: the first part of some key.
pub(crate) fn is_section(path: &str) -> bool {
    section_keys(path).next().is_some()
}

/// Every section, in the order of `default.toml`.
pub(crate) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&str> =
        KEYS.iter().filter_map(|key| key.path.split_once('.')).map(|(section, _)| section).collect();
    sections.dedup();
    sections
}

/// The names of the keys in a section.
pub(crate) fn section_keys(section: &str) -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(move |key| key.path.strip_prefix(section)?.strip_prefix('.'))
}

/// The known key closest to what was typed, if any is close.
pub fn nearest(path: &str) -> Option<&'static str> {
    let known = KEYS.iter().map(|key| key.path).chain(FILE_KEYS.iter().copied());
    known
        .map(|known| (similarity(known, path), known))
        .filter(|&(score, _)| score >= 0.6)
        // The same name in several sections: the section that is spelt most alike.
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| likeness(a.1, path).total_cmp(&likeness(b.1, path))))
        .map(|(_, known)| known)
}

/// How alike two paths are, from 0 to 1: by their last parts, where a right name in another section
/// counts almost fully, or as a whole where a section is misspelt too.
fn similarity(known: &str, typed: &str) -> f64 {
    let split = |path: &'_ str| -> (usize, usize) { (path.rfind('.').unwrap_or(0), path.len()) };
    let part = |path: &str, (dot, end): (usize, usize)| path[dot..end].trim_start_matches('.').to_owned();
    let (known_at, typed_at) = (split(known), split(typed));
    let leaves = likeness(&part(known, known_at), &part(typed, typed_at));
    let same_section = known[..known_at.0] == typed[..typed_at.0];
    let whole = likeness(known, typed);
    let leaves = if same_section { leaves } else { 0.95 * leaves };
    if whole >= 0.8 { leaves.max(whole) } else { leaves }
}

fn likeness(a: &str, b: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(a, b)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::testing::Folder;

    /// The keys of `default.toml`; with those in comments, which have no fixed default.
    fn written(with_comments: bool) -> BTreeSet<String> {
        let mut section = String::new();
        let mut found = BTreeSet::new();
        for line in include_str!("default.toml").lines() {
            if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                section = format!("{header}.");
            }
            let line = if with_comments { line.trim_start_matches("# ") } else { line };
            if let Some((leaf, _)) = line.split_once(" = ")
                && leaf.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            {
                found.insert(format!("{section}{leaf}"));
            }
        }
        found
    }

    fn of_config(optional: &[(&str, i64)]) -> BTreeSet<String> {
        let folder = Folder::with(
            "x.toml",
            &format!(
                "data.root = \"r\"\ntraining.initial_weights = \"w\"\n\
             training.initial_weights_blake3 = \"{}\"\n",
                "0a".repeat(32)
            ),
        );
        let experiment = folder.load("x.toml").unwrap();
        let point: Vec<_> =
            optional.iter().map(|&(key, value)| (key.to_owned(), toml::Value::Integer(value))).collect();
        let json = serde_json::to_value(experiment.resolve(&point).unwrap()).unwrap();
        let mut found = BTreeSet::new();
        for (section, value) in json.as_object().unwrap() {
            match value.as_object() {
                Some(keys) => found.extend(keys.keys().map(|leaf| format!("{section}.{leaf}"))),
                None => drop(found.insert(section.clone())),
            }
        }
        found
    }

    #[test]
    fn the_table_the_typed_configuration_and_the_defaults_have_the_same_keys() {
        let table: BTreeSet<String> = KEYS.iter().map(|key| key.path.to_owned()).collect();
        assert_eq!(table, written(true));
        let rivals = [("training.epochs", 1), ("model.num_attention_heads", 4), ("data.limit", 9)];
        let typed: BTreeSet<String> = of_config(&rivals).union(&of_config(&[])).cloned().collect();
        assert_eq!(table, typed);
        let defaulted = KEYS.iter().filter(|key| key.default == Written).map(|key| key.path.to_owned());
        assert_eq!(defaulted.collect::<BTreeSet<_>>(), written(false));
    }

    #[test]
    fn the_nearest_key_is_found_by_spelling_and_by_its_last_part() {
        assert_eq!(nearest("data.image_sise"), Some("data.image_size"));
        assert_eq!(nearest("image_size"), Some("data.image_size"));
        assert_eq!(nearest("training.dropout"), Some("model.dropout"));
        assert_eq!(nearest("trainig.batch_size"), Some("training.batch_size"));
        assert_eq!(nearest("trainning.steps"), Some("training.steps"));
        assert_eq!(nearest("samplin.steps"), Some("sampling.steps"));
        assert_eq!(nearest("presets"), Some("preset"));
        assert_eq!(nearest("training.momentum"), None);
        assert_eq!(nearest("zzz"), None);
    }

    #[test]
    fn keys_of_a_later_version_are_known_by_name() {
        assert!(is_later("launcher.partition"));
        assert!(!is_later("launcher.kind") && !is_later("model.dropout") && !is_later("model.init"));
    }
}
