//! Tests of the network's mapping: every field there and back, and each refusal.

use std::path::Path;

use serde_json::{Value, json};

use super::{export, import};
use crate::config::{Config, Data, Given, Model, defaults, imported};
use crate::interop::fields::Fields;
use crate::sizing::{self, Layer};

/// Fields whose values decide about others.
const FIELDS: [&str; 12] = [
    "sample_size",
    "in_channels",
    "out_channels",
    "block_out_channels",
    "down_block_types",
    "up_block_types",
    "layers_per_block",
    "attention_head_dim",
    "norm_num_groups",
    "time_embedding_dim",
    "add_attention",
    "freq_shift",
];

/// Values that some of them take and others do not.
const VALUES: [&str; 18] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "3",
    "-1",
    "8",
    "9223372036854775807",
    "18446744073709551615",
    "1e308",
    "0.5",
    "\"x\"",
    "[]",
    "[1]",
    "[32, 48]",
    "[\"DownBlock2D\", \"AttnDownBlock2D\"]",
    "[\"AttnUpBlock2D\", \"UpBlock2D\"]",
];

fn read(value: Value) -> (Vec<(&'static str, toml::Value)>, Vec<String>) {
    let Value::Object(object) = value else { panic!("an object") };
    let (keys, problems) = import(Fields::new(Path::new("config.json"), object));
    (keys, problems.iter().map(ToString::to_string).collect())
}

/// The configuration that a network's fields make.
fn config(value: Value) -> Config {
    let (keys, problems) = read(value);
    assert!(problems.is_empty(), "{problems:?}");
    let given = |(key, value)| Given { key, value, file: "config.json".into(), is_default: false };
    let mut given: Vec<Given> = keys.into_iter().map(given).collect();
    given.push(Given { key: "name", value: "x".into(), file: "x".into(), is_default: false });
    imported(&given, &[], vec![]).unwrap_or_else(|problems| panic!("{problems}")).0
}

/// What is wrong with a network that differs from diffusers' smallest one by these fields.
fn refusals(changes: Value) -> Vec<String> {
    let mut network = json!({"sample_size": 32});
    network.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let text = read(network).1.into_iter();
    text.map(|text| text.trim_start_matches("error: ").trim_end_matches("\n  set in config.json").to_owned())
        .collect()
}

fn shape(model: Model) -> (Model, Data) {
    (model, Data { image_size: 32, in_channels: 3, ..defaults().data })
}

#[test]
fn every_field_comes_back_as_it_was() {
    let base = Model {
        base_channels: 32,
        channel_multipliers: vec![1, 2, 3],
        time_embed_dim: 128,
        ..defaults().model
    };
    let variations: [fn(&mut Model); 12] = [
        |_| {},
        |model| model.num_res_blocks = 3,
        |model| model.attention_resolutions = vec![32, 8],
        |model| (model.attention_resolutions, model.attention_head_dim) = (vec![], Some(96)),
        |model| model.attention_head_dim = Some(16),
        |model| model.dropout = 0.25,
        |model| model.time_embed_dim = 200,
        |model| model.norm_groups = 8,
        |model| model.norm_eps = 1e-6,
        |model| model.mid_attention = false,
        |model| (model.downsample_padding, model.freq_shift, model.flip_sin_to_cos) = (0, 1.0, false),
        |model| {
            (model.base_channels, model.channel_multipliers) = (16, vec![2, 3, 6]);
            model.attention_head_dim = Some(16);
        },
    ];
    for change in variations {
        let mut model = Model { attention_head_dim: Some(32), ..base.clone() };
        change(&mut model);
        let (model, data) = shape(model);
        let exported = export(&model, &data).unwrap();
        let found = config(exported.clone());
        assert_eq!((&found.model, &found.data), (&model, &data));
        assert_eq!(export(&found.model, &found.data).unwrap(), exported);
    }
}

#[test]
fn heads_are_one_width_or_one_head_a_level_or_refused_with_the_key() {
    let heads = |count: Option<usize>, width: Option<usize>, levels: &[usize], middle: bool| {
        let model = Model {
            base_channels: 32,
            channel_multipliers: levels.to_vec(),
            attention_resolutions: vec![32, 16],
            num_attention_heads: count,
            attention_head_dim: width,
            mid_attention: middle,
            ..defaults().model
        };
        let (model, data) = shape(model);
        export(&model, &data)
            .map(|value| value["attention_head_dim"].clone())
            .map_err(|problem| problem.to_string())
    };
    // Every level as wide as the head, or wider by whole heads.
    assert_eq!(heads(None, Some(32), &[1, 2, 4], true), Ok(json!(32)));
    // Each level narrower: one head as wide as the level.
    assert_eq!(heads(None, Some(512), &[1, 2, 4], true), Ok(json!(null)));
    assert_eq!(heads(Some(1), None, &[1, 2, 4], true), Ok(json!(null)));
    assert_eq!(heads(Some(4), None, &[2, 2, 2], true), Ok(json!(16)));
    assert_eq!(heads(Some(4), None, &[2, 2, 4], false), Ok(json!(16)));
    let mixed = heads(None, Some(64), &[1, 2, 4], true).unwrap_err();
    assert!(
        mixed.starts_with(
            "error: model.attention_head_dim = 64 cannot be exported: diffusers knows one width of a head for all levels, \
             and here they are 32 of 32 channels, 64 of 64 channels, 64 of 128 channels\n  help: networks that are"
        ),
        "{mixed}"
    );
    let counted = heads(Some(4), None, &[1, 2, 2], true).unwrap_err();
    assert!(counted.starts_with("error: model.num_attention_heads = 4 cannot be exported:"), "{counted}");
}

#[test]
fn an_absent_field_means_what_diffusers_takes_then() {
    let found = config(json!({"sample_size": 64}));
    assert_eq!(found.model.channels(), [224, 448, 672, 896]);
    assert_eq!(found.model.attention_resolutions, [32, 16, 8]);
    assert_eq!(found.model.attention_head_dim, Some(8));
    assert_eq!((found.data.image_size, found.data.in_channels), (64, 3));
    assert_eq!((found.model.norm_groups, found.model.norm_eps), (32, 1e-5));
    assert_eq!((found.model.freq_shift, found.model.flip_sin_to_cos), (0.0, true));
    assert_eq!((found.model.downsample_padding, found.model.num_res_blocks), (1, 2));
    assert_eq!((found.model.time_embed_dim, found.model.dropout), (896, 0.0));
    assert!(found.model.mid_attention);
    // Null is not absent.
    let single = config(json!({"sample_size": [64, 64], "attention_head_dim": null}));
    assert_eq!(single.model.attention_head_dim, Some(896));
}

#[test]
fn the_published_cifar10_network_has_the_published_tensors() {
    let early = json!({
        "_class_name": "UNet2DModel", "_diffusers_version": "0.0.4", "act_fn": "silu", "attention_head_dim": null,
        "block_out_channels": [128, 256, 256, 256], "center_input_sample": false,
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
        "downsample_padding": 0, "flip_sin_to_cos": false, "freq_shift": 1, "in_channels": 3, "layers_per_block": 2,
        "mid_block_scale_factor": 1, "norm_eps": 1e-06, "norm_num_groups": 32, "out_channels": 3, "sample_size": 32,
        "time_embedding_type": "positional",
        "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"]
    });
    let found = config(early);
    let layers = sizing::layers(&found.model, &found.data);
    let mut names: Vec<String> = layers
        .iter()
        .flat_map(Layer::tensors)
        .map(|tensor| format!("{} {:?}", tensor.name, tensor.shape))
        .collect();
    names.sort();
    let published = include_str!("../../tests/data/ddpm_cifar10_tensors.txt");
    assert_eq!(names, published.lines().collect::<Vec<_>>());
    assert_eq!(sizing::parameters(&found.model, &found.data), 35_746_307);
    assert_eq!((found.model.norm_eps, found.model.freq_shift), (1e-6, 1.0));
}

#[test]
fn everything_that_the_network_does_not_have_is_refused_by_name_and_value() {
    for (key, value, reason) in [
        ("act_fn", json!("gelu"), "the network's activation is silu"),
        ("center_input_sample", json!(true), "the network's input is used as it is"),
        ("time_embedding_type", json!("fourier"), "the time embedding is sinusoidal"),
        ("class_embed_type", json!("timestep"), "the network has no class embedding"),
        ("num_class_embeds", json!(10), "the network has no class embedding"),
        ("resnet_time_scale_shift", json!("scale_shift"), "the time embedding is added, it does not scale"),
        ("mid_block_type", json!(null), "the network has a middle block of resnets and attention"),
        ("mid_block_scale_factor", json!(1.5), "the outputs of the middle block are not scaled"),
        ("downsample_type", json!("resnet"), "levels are halved by a convolution"),
        ("upsample_type", json!("resnet"), "levels are doubled by a convolution"),
        ("_class_name", json!("UNet2DConditionModel"), "only this kind of network can be imported"),
        ("out_channels", json!(6), "the network gives back as many channels as it is given, in_channels = 3"),
        ("attn_norm_num_groups", json!(8), "all group norms have as many groups, norm_num_groups = 32"),
        ("sample_size", json!([32, 64]), "images are square here, their side a whole number of pixels"),
        ("norm_num_groups", json!(null), "it is no whole number"),
        ("block_out_channels", json!([32, 0, 32, 32]), "every level needs channels"),
        ("attention_head_dim", json!(100), "it does not divide 448, the width of a level with attention"),
        ("attention_head_dim", json!(0), "it is no number of channels"),
        ("dropout", json!("0.1"), "it is no number"),
        (
            "use_magic",
            json!({"a": 1}),
            "UNet2DModel of diffusers 0.36.0 has no such field, and what it changes is not known",
        ),
    ] {
        let mut changes = json!({});
        changes[key] = value.clone();
        assert_eq!(refusals(changes), [format!("{key} = {value}: {reason}")]);
    }
}

#[test]
fn levels_and_blocks_must_belong_together() {
    let plain = ["DownBlock2D", "DownBlock2D"];
    let up = ["UpBlock2D", "AttnUpBlock2D"];
    let two = json!({"block_out_channels": [32, 64], "down_block_types": plain, "up_block_types": up});
    assert_eq!(
        refusals(two),
        [
            "up_block_types = [\"UpBlock2D\",\"AttnUpBlock2D\"]: attention must be at the same levels on the way down and up"
        ]
    );
    let three =
        json!({"block_out_channels": [32, 64, 64], "down_block_types": plain, "up_block_types": plain});
    assert_eq!(
        refusals(three),
        [
            "down_block_types = [\"DownBlock2D\",\"DownBlock2D\"]: block_out_channels has 3 levels",
            "up_block_types = [\"DownBlock2D\",\"DownBlock2D\"]: the network's blocks are UpBlock2D and AttnUpBlock2D",
        ]
    );
    let named = json!({
        "block_out_channels": [32, 64], "down_block_types": ["UNetResDownBlock2D", "AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D", "UNetResUpBlock2D"]
    });
    assert!(refusals(named).is_empty());
}

#[test]
fn all_problems_of_a_network_are_told_in_one_go() {
    let changes = json!({"sample_size": null, "act_fn": "relu", "in_channels": 4, "norm_eps": true});
    let found = refusals(changes);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[1].starts_with("sample_size: the folder does not say"), "{found:?}");
}

#[test]
fn absurd_sizes_are_refused_and_not_computed_with() {
    let largest = i64::MAX as u64;
    let (keys, problems) = read(json!({
        "sample_size": largest, "in_channels": largest, "out_channels": largest, "layers_per_block": largest,
        "block_out_channels": vec![largest; 200], "down_block_types": vec!["DownBlock2D"; 200],
        "up_block_types": vec!["UpBlock2D"; 200], "add_attention": false, "norm_num_groups": 0
    }));
    assert!(problems.is_empty(), "{problems:?}");
    let given = |(key, value)| Given { key, value, file: "config.json".into(), is_default: false };
    let refused = imported(&keys.into_iter().map(given).collect::<Vec<_>>(), &[], vec![]).unwrap_err();
    assert!(refused.0.len() >= 6, "{refused}");
    assert_eq!(
        refusals(json!({"in_channels": u64::MAX}))[0],
        format!("in_channels = {}: it is no whole number", u64::MAX)
    );
}

proptest::proptest! {
    #[test]
    fn no_file_makes_a_panic(picks in proptest::collection::vec((0..FIELDS.len(), 0..VALUES.len()), 0..12)) {
        let values: Vec<Value> = VALUES.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let mut network = json!({"sample_size": 32});
        for (field, value) in picks {
            network[FIELDS[field]] = values[value].clone();
        }
        let (keys, problems) = read(network);
        if problems.is_empty() {
            let given = |(key, value)| Given { key, value, file: "config.json".into(), is_default: false };
            // Refused or made; never more.
            let _ = imported(&keys.into_iter().map(given).collect::<Vec<_>>(), &["name=x".into()], vec![]);
        }
    }
}
