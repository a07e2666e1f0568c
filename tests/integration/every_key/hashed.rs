//! Every hashed key changes the training.

use std::collections::{BTreeMap, BTreeSet};

use super::{keys, tensors, train, workplace};
use crate::support::Workplace;
use crate::support::tier::Tier;
use crate::support::training::runs_of;

/// A key with its new value, and what has to be set for it to matter; of a pair the first is the key's.
struct Row {
    change: &'static [&'static str],
    given: &'static [&'static str],
}

const fn row(change: &'static [&'static str]) -> Row {
    Row { change, given: &[] }
}

impl Row {
    const fn given(self, given: &'static [&'static str]) -> Row {
        Row { given, ..self }
    }

    fn key(&self) -> &'static str {
        self.change[0].split_once('=').unwrap().0
    }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(&["data.dataset=folder", "data.root=pictures"]),
    row(&["data.image_size=16", "model.attention_resolutions=[8]"]),
    row(&["data.in_channels=3"]),
    row(&["data.horizontal_flip=true"]),
    row(&["data.validation_fraction=0.2"]),
    row(&["data.limit=40"]),
    row(&["model.base_channels=16"]),
    row(&["model.channel_multipliers=[1, 2]"]),
    row(&["model.num_res_blocks=2"]),
    row(&["model.attention_resolutions=[]"]),
    row(&["model.num_attention_heads=2"]),
    row(&["model.attention_head_dim=4"]),
    row(&["model.dropout=0.5"]),
    row(&["model.time_embed_dim=16"]),
    row(&["model.norm_groups=4"]),
    row(&["model.norm_eps=0.01"]),
    row(&["model.mid_attention=false"]),
    row(&["model.init=ddpm"]),
    row(&["model.downsample_padding=0"]),
    row(&["model.freq_shift=1"]),
    row(&["model.flip_sin_to_cos=false"]),
    row(&["diffusion.timesteps=500"]),
    row(&["diffusion.noise_schedule=cosine"]),
    row(&["diffusion.noise_schedule=scaled_linear"]),
    row(&["diffusion.noise_schedule=sigmoid"]),
    row(&["diffusion.beta_start=2e-4"]),
    row(&["diffusion.beta_end=0.01"]),
    row(&["diffusion.rescale_betas=false"]).given(&["diffusion.timesteps=500"]),
    row(&["diffusion.zero_terminal_snr=true"]).given(&["diffusion.prediction_type=v"]),
    row(&["diffusion.prediction_type=v"]),
    row(&["diffusion.prediction_type=x0"]),
    row(&["diffusion.loss_type=l1"]),
    row(&["diffusion.loss_type=huber"]),
    row(&["diffusion.huber_delta=1"]).given(&["diffusion.loss_type=huber"]),
    row(&["diffusion.loss_weighting=min_snr"]),
    row(&["diffusion.min_snr_gamma=1"]).given(&["diffusion.loss_weighting=min_snr"]),
    row(&["diffusion.timestep_sampler=stratified"]),
    row(&["training.steps=7"]),
    row(&["training.epochs=1"]),
    row(&["training.batch_size=4"]),
    row(&["training.gradient_accumulation=2"]),
    row(&["training.learning_rate=1e-3"]),
    row(&["training.warmup_steps=0"]),
    row(&["training.lr_schedule=cosine"]),
    row(&["training.lr_schedule=linear"]),
    row(&["training.optimizer=adam"]),
    row(&["training.betas=[0.5, 0.9]"]),
    row(&["training.eps=1e-3"]),
    row(&["training.weight_decay=0.5"]),
    row(&["training.grad_clip=0.01"]),
    row(&["ema.kind=power"]),
    row(&["ema.decay=0.05"]),
    row(&["ema.decay=[0.999, 0.05]"]),
    row(&["ema.sigma_rel=0.1"]).given(&["ema.kind=power"]),
    row(&["ema.warmup=false"]),
    row(&["ema.every=2"]),
];

/// Rows that need more than a setting: another run's weights, a processor that may lack the number format, and what
/// changes the rounding at most.
const ELSEWHERE: [&str; 4] = [
    "training.initial_weights",
    "training.initial_weights_blake3",
    "training.precision",
    "training.recompute",
];

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// How far the weights moved, as a share of their norm; in words where they are other tensors altogether.
fn difference(before: &Tensors, after: &Tensors) -> Option<String> {
    let shapes = |tensors: &Tensors, file: &str| -> Vec<(String, Vec<usize>)> {
        let of_file = tensors.iter().filter(|(name, _)| name.starts_with(file));
        of_file.map(|(name, (shape, _))| (name.clone(), shape.clone())).collect()
    };
    if shapes(before, "model/") != shapes(after, "model/") {
        return Some("another network".into());
    }
    for (file, what) in [("model/", "weights"), ("ema", "average")] {
        if shapes(before, file) != shapes(after, file) {
            return Some("another average".into());
        }
        let (mut moved, mut norm) = (0.0, 0.0);
        for (name, (_, values)) in before.iter().filter(|(name, _)| name.starts_with(file)) {
            for (a, b) in values.iter().zip(&after[name].1) {
                moved += f64::from(a - b).powi(2);
                norm += f64::from(*a).powi(2);
            }
        }
        if moved > 0.0 {
            return Some(format!("{what} by {:.1e}", (moved / norm).sqrt()));
        }
    }
    None
}

/// What was trained, by its settings: one row's change may be what another is given.
#[derive(Default)]
struct Trained(BTreeMap<Vec<&'static str>, Tensors>);

impl Trained {
    fn under(&mut self, place: &Workplace, settings: &[&'static str]) -> Tensors {
        let train = || tensors(&train(place, settings));
        self.0.entry(settings.to_vec()).or_insert_with(train).clone()
    }
}

#[test]
fn every_hashed_key_changes_what_is_trained() {
    if Tier::asked().leaves_out(Tier::Standard, "a training for every hashed key") {
        return;
    }
    let place = workplace();
    let mut trained = Trained::default();
    for row in ROWS {
        let base = trained.under(&place, row.given);
        let changed = trained.under(&place, &[row.change, row.given].concat());
        let difference = difference(&base, &changed)
            .unwrap_or_else(|| panic!("{:?} given {:?} changes nothing", row.change, row.given));
        println!("{:45} {:34} {difference}", row.change.join(" "), row.given.join(" "));
    }
    println!("{}", initial_weights(&place, &trained.under(&place, &[])));
    println!("{}", precision(&place));
    println!(
        "{}",
        recompute(&trained.under(&place, &[]), &trained.under(&place, &["training.recompute=true"]))
    );
    let tried: BTreeSet<&str> = ROWS.iter().map(Row::key).chain(ELSEWHERE).collect();
    assert_eq!(tried, keys(true), "a key has no row, or a row no key");
}

/// Starting from another run's weights is another training; the hash of the weights is part of its identity.
fn initial_weights(place: &Workplace, base: &Tensors) -> String {
    let source = train(place, &["training.steps=3"]);
    let path = source.path.display();
    let from_source = format!("training.initial_weights={path}");
    let started = train(place, &[&from_source]);
    let difference = difference(base, &tensors(&started)).expect("other first weights");
    let hash = "training.initial_weights_blake3";
    let line = started.read("config.toml").lines().find(|line| line.contains("blake3")).unwrap().to_owned();
    let wrong = format!("{hash}={}", "0".repeat(64));
    let refused = place.ablate(&["plan", "x.toml", "-s", &from_source, "-s", &wrong]).exits(2);
    assert!(refused.stderr.contains(hash), "{}", refused.stderr);
    format!("training.initial_weights=RUN {difference}\n{hash}: recorded as {line}; a wrong one is refused")
}

/// Feature maps that are computed again are the same but for rounding.
fn recompute(base: &Tensors, again: &Tensors) -> String {
    let (mut moved, mut norm) = (0.0, 0.0);
    for (name, (shape, values)) in base.iter().filter(|(name, _)| name.starts_with("model/")) {
        let (found, others) = &again[name];
        assert_eq!(found, shape, "{name}");
        moved += values.iter().zip(others).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        norm += values.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>();
    }
    let share = (moved / norm).sqrt();
    assert!(share <= 1e-4, "another training: weights by {share:.1e}");
    format!("training.recompute=true weights by {share:.1e}")
}

/// Another number format is another training, or refused where the processor cannot do it.
fn precision(place: &Workplace) -> String {
    let base = tensors(&train(place, &["training.steps=4"]));
    let settings = ["training.steps=4", "training.precision=bf16"];
    let ran = place.ablate(&["run", "x.toml", "--quiet", "-s", settings[0], "-s", settings[1]]);
    if ran.code == Some(2) {
        assert!(ran.stderr.contains("training.precision"), "{}", ran.stderr);
        return "training.precision=bf16 is refused on this processor".into();
    }
    ran.exits(0);
    let difference = runs_of(place)
        .into_iter()
        .find(|run| run.read("config.toml").contains("precision = \"bf16\""))
        .and_then(|run| difference(&base, &tensors(&run)))
        .expect("rounded numbers");
    format!("training.precision=bf16 {difference}")
}
