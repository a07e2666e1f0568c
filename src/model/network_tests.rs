//! The counts held to the network that is built: for any configuration that passes every check, each tensor that the
//! list of layers names is there with its shape, and no other; and the network maps an image to an image.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::convert::Infallible;

use burn::tensor::Tensor;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::config::{Config, Experiment, Request, keys};
use crate::ops::testing::host;
use crate::sizing::{self, Layer};

/// Configurations that pass every check.
const CASES: u32 = 1_000;

/// Keys that decide how large a network is, and how it works.
const VARIED: [&str; 17] = [
    "data.image_size",
    "data.in_channels",
    "model.base_channels",
    "model.channel_multipliers",
    "model.num_res_blocks",
    "model.attention_resolutions",
    "model.num_attention_heads",
    "model.attention_head_dim",
    "model.dropout",
    "model.time_embed_dim",
    "model.norm_groups",
    "model.norm_eps",
    "model.mid_attention",
    "model.init",
    "model.downsample_padding",
    "model.freq_shift",
    "model.flip_sin_to_cos",
];

/// A value for each of [`VARIED`], none where a key is left to its default; levels fit the image, what else has to fit
/// may not.
fn settings() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let shape = (1_usize..=4, 1_usize..=3, any::<[bool; 4]>(), prop::collection::vec(1_usize..=3, 4));
    let widths =
        (prop::sample::select(vec![4_usize, 6, 8, 12, 16]), 1_usize..=3, prop::option::of(8_usize..=64));
    let heads = prop::sample::select(vec![
        ("model.num_attention_heads", "1"),
        ("model.num_attention_heads", "2"),
        ("model.num_attention_heads", "3"),
        ("model.attention_head_dim", "2"),
        ("model.attention_head_dim", "4"),
        ("model.attention_head_dim", "64"),
    ]);
    let rest = (prop::option::of(prop::sample::select(vec![1_usize, 2, 4])), any::<[bool; 6]>());
    (shape, widths, heads, rest).prop_map(|(shape, widths, heads, (groups, either))| {
        let (levels, lowest, attended, multipliers) = shape;
        let (base, blocks, embedding) = widths;
        let size = lowest << (levels - 1);
        let attention = (0..levels).filter(|level| attended[*level]).map(|level| size >> level);
        let pick =
            |place: usize, first: &str, second: &str| (if either[place] { first } else { second }).to_owned();
        let mut settings = vec![
            ("data.image_size", size.to_string()),
            ("data.in_channels", pick(0, "1", "3")),
            ("model.base_channels", base.to_string()),
            ("model.channel_multipliers", format!("{:?}", &multipliers[..levels])),
            ("model.num_res_blocks", blocks.to_string()),
            ("model.attention_resolutions", format!("{:?}", attention.collect::<Vec<_>>())),
            (heads.0, heads.1.to_owned()),
            ("model.dropout", pick(5, "0.0", "0.3")),
            ("model.norm_eps", pick(5, "1e-5", "1e-6")),
            ("model.mid_attention", pick(1, "true", "false")),
            ("model.init", pick(2, "\"torch\"", "\"ddpm\"")),
            ("model.downsample_padding", pick(3, "1", "0")),
            ("model.freq_shift", pick(4, "0.0", "1.0")),
            ("model.flip_sin_to_cos", pick(5, "true", "false")),
        ];
        settings.extend(embedding.map(|width| ("model.time_embed_dim", width.to_string())));
        settings.extend(groups.map(|groups| ("model.norm_groups", groups.to_string())));
        settings
    })
}

/// The configuration of these settings, or none where a check refuses it.
fn checked(settings: &[(&str, String)]) -> Option<Config> {
    let folder = tempfile::tempdir().unwrap();
    let experiment = folder.path().join("x.toml");
    std::fs::write(&experiment, "").unwrap();
    let set = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let loaded = Experiment::load(&Request { experiment, set, ..Request::default() }).ok()?;
    Some(loaded.base().clone())
}

/// Names and shapes of the network as it is built, after it has mapped an image.
fn built(config: &Config) -> Vec<(String, Vec<usize>)> {
    let (Config { model, data, .. }, device) = (config, host());
    let network = UNet::new::<Infallible>(model, data, &device, &mut |_, shape, _| {
        Ok(vec![0.01; shape.iter().product()])
    });
    let Ok(network) = network;
    let image = [1, data.in_channels, data.image_size, data.image_size];
    let out = network.forward(Tensor::ones(image, &device), Tensor::ones([1], &device), Mode::Eval);
    assert_eq!(out.dims(), image);
    let mut tensors = parameter_names(&network);
    tensors.sort();
    tensors
}

#[test]
fn every_tensor_that_is_counted_is_built_and_no_other() {
    let (held, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let config = ProptestConfig {
        cases: CASES,
        max_global_rejects: 1 << 16,
        failure_persistence: None,
        ..Default::default()
    };
    let property = |settings: Vec<(&'static str, String)>| {
        let Some(config) = checked(&settings) else {
            refused.set(refused.get() + 1);
            return Err(TestCaseError::reject("a check refuses it"));
        };
        let (model, data) = (&config.model, &config.data);
        let layers = sizing::layers(model, data);
        let mut counted: Vec<(String, Vec<usize>)> =
            layers.iter().flat_map(Layer::tensors).map(|tensor| (tensor.name, tensor.shape)).collect();
        counted.sort();
        let built = built(&config);
        let values: usize = built.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        prop_assert_eq!(sizing::parameters(model, data), values as u64);
        prop_assert_eq!(counted, built);
        held.set(held.get() + 1);
        Ok(())
    };
    TestRunner::new(config).run(&settings(), property).unwrap();
    assert_eq!(held.get(), CASES);
    println!(
        "{} random networks hold what is counted; {} more were refused by a check",
        held.get(),
        refused.get()
    );
}

#[test]
fn the_property_varies_every_key_of_a_network() {
    let of_network = |path: &&str| path.starts_with("model.") || VARIED.contains(path);
    let all: BTreeSet<&str> = keys::KEYS.iter().map(|key| key.path).filter(of_network).collect();
    assert_eq!(all, BTreeSet::from(VARIED));
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let drawn = settings().new_tree(&mut runner).unwrap().current();
        seen.extend(drawn.into_iter().map(|(key, _)| key));
    }
    assert_eq!(seen, BTreeSet::from(VARIED));
}
