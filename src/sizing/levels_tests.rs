//! Tests of the network by level: what stands where, and that nothing is lost between levels and the whole.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::config::{Precision, defaults};
use crate::sizing::fixture::{data, model};
use crate::sizing::{forward_flops_per_image, parameters, step_memory, train_flops_per_image};

/// Two blocks a level at 64, 128 and 256 channels, attention at 16 and 8 with heads of 64 channels.
fn config() -> Config {
    let model = Model { attention_head_dim: Some(64), ..model(&[64, 128, 256], &[16, 8]) };
    Config { model, data: data(32, 3), ..defaults() }
}

fn cifar10() -> Vec<Level> {
    levels(&config(), Place::Host)
}

fn named<'a>(levels: &'a [Level], name: &str) -> &'a Level {
    levels.iter().find(|level| level.name == name).unwrap()
}

#[test]
fn the_network_is_drawn_from_its_input_to_its_output() {
    let drawn: Vec<String> = cifar10()
        .iter()
        .map(|level| {
            let Level { name, multiplier, resolution, channels, blocks, attentions, .. } = level;
            let heads = match (level.heads, level.head_dim()) {
                (Some(heads), Some(width)) => format!("{attentions} of {heads} x {width}"),
                _ => "-".into(),
            };
            let place = multiplier.map_or("-".into(), |place| place.to_string());
            format!(
                "{name} {place}: {resolution} px, {channels} channels, {blocks} blocks, attention {heads}"
            )
        })
        .collect();
    assert_eq!(
        drawn,
        [
            "conv_in -: 32 px, 64 channels, 0 blocks, attention -",
            "time_embedding -: 1 px, 256 channels, 0 blocks, attention -",
            "down_blocks.0 0: 32 px, 64 channels, 2 blocks, attention -",
            "down_blocks.1 1: 16 px, 128 channels, 2 blocks, attention 2 of 2 x 64",
            "down_blocks.2 2: 8 px, 256 channels, 2 blocks, attention 2 of 4 x 64",
            "mid_block 2: 8 px, 256 channels, 2 blocks, attention 1 of 4 x 64",
            "up_blocks.0 2: 8 px, 256 channels, 3 blocks, attention 3 of 4 x 64",
            "up_blocks.1 1: 16 px, 128 channels, 3 blocks, attention 3 of 2 x 64",
            "up_blocks.2 0: 32 px, 64 channels, 3 blocks, attention -",
            "conv_out -: 32 px, 3 channels, 0 blocks, attention -",
        ]
    );
}

#[test]
fn a_level_costs_what_its_layers_cost() {
    let levels = cifar10();
    let first = named(&levels, "conv_in").cost();
    let parameters = 3 * 64 * 9 + 64;
    // Two a multiply-accumulate; the gradient of the image is not asked for.
    let flops = 2 * 1024 * 3 * 64 * 9;
    assert_eq!(
        first,
        Cost { parameters, forward_flops: flops, train_flops: 2 * flops, kept_bytes: 4 * 64 * 1024 }
    );
    let attention = named(&levels, "mid_block").part(Part::Attention);
    let (maps, products) = (4 * 2 * 64 * 256 * 256, 2 * 2 * 64 * 64 * 256);
    assert_eq!(attention.parameters, 2 * 256 + 4 * (256 * 256 + 256));
    assert_eq!((attention.forward_flops, attention.train_flops), (maps + products, 3 * (maps + products)));
    assert_eq!(attention.kept_bytes, 4 * 6 * 64 * 256);
    let last = named(&levels, "conv_out");
    assert_eq!(last.part(Part::Norm).parameters, 2 * 64);
    assert_eq!(last.part(Part::Embedding), Cost::default());
}

#[test]
fn scores_take_a_matrix_a_head_or_a_number_a_row() {
    let mut config = config();
    let (blocks, heads, positions) = (2, 2, 256);
    for (precision, width) in [(Precision::F32, 4), (Precision::Bf16, 2)] {
        config.training.precision = precision;
        for place in [Place::Host, Place::Accelerator] {
            let levels = levels(&config, place);
            let level = named(&levels, "down_blocks.1");
            assert_eq!(level.fused_score_bytes, 4 * blocks * heads * positions);
            assert_eq!(level.materialised_score_bytes, width * blocks * heads * positions * positions);
        }
    }
    let without = named(&cifar10(), "down_blocks.0").clone();
    assert_eq!((without.materialised_score_bytes, without.fused_score_bytes), (0, 0));
}

#[test]
fn what_waits_for_the_way_up_is_left_by_the_way_down() {
    let waiting: Vec<(String, u64)> = cifar10()
        .into_iter()
        .filter(|level| level.skip_bytes > 0)
        .map(|level| (level.name, level.skip_bytes))
        .collect();
    let expected = [
        ("conv_in", 64 * 1024),
        ("down_blocks.0", 2 * 64 * 1024 + 64 * 256),
        ("down_blocks.1", 2 * 128 * 256 + 128 * 64),
        ("down_blocks.2", 2 * 256 * 64),
    ];
    assert_eq!(waiting, expected.map(|(name, values)| (name.to_owned(), 4 * values)));
}

/// Read once: a temporary folder a case would take longer than all the rest.
static BASE: LazyLock<Config> = LazyLock::new(|| {
    let mut config = defaults();
    (config.training.gradient_accumulation, config.training.recompute) = (1, false);
    config
});

prop_compose! {
    /// Any network whose lowest level has a pixel: no rule of groups or heads matters to a sum.
    fn network()(
        multipliers in prop::collection::vec(1_usize..6, 1..6),
        base in 1_usize..40,
        lowest in 1_usize..6,
        blocks in 1_usize..4,
        attended in prop::collection::vec(any::<bool>(), 5),
        mid_attention in any::<bool>(),
        embedding in 1_usize..300,
        image_channels in 1_usize..4,
        head_dim in 1_usize..70,
        dropout in prop::sample::select(vec![0.0, 0.1]),
        precision in prop::sample::select(vec![Precision::F32, Precision::Bf16]),
        batch in 1_usize..5,
    ) -> Config {
        let size = lowest << (multipliers.len() - 1);
        let attention: BTreeSet<usize> =
            (0..multipliers.len()).filter(|level| attended[*level]).map(|level| size >> level).collect();
        let model = Model {
            base_channels: base,
            channel_multipliers: multipliers,
            num_res_blocks: blocks,
            attention_resolutions: attention.into_iter().rev().collect(),
            attention_head_dim: Some(head_dim),
            mid_attention,
            dropout,
            time_embed_dim: embedding,
            ..model(&[1], &[])
        };
        let mut config = Config { model, data: data(size, image_channels), ..BASE.clone() };
        (config.training.precision, config.training.batch_size) = (precision, batch);
        config
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn levels_and_their_parts_add_up_to_the_network(config in network()) {
        let Config { model, data, training, .. } = &config;
        for place in [Place::Host, Place::Accelerator] {
            let levels = levels(&config, place);
            let whole: Cost = levels.iter().map(Level::cost).sum();
            prop_assert_eq!(whole.parameters, parameters(model, data));
            prop_assert_eq!(whole.forward_flops, forward_flops_per_image(model, data));
            prop_assert_eq!(whole.train_flops, train_flops_per_image(model, data));
            let activations = step_memory(&config, place).activations;
            prop_assert_eq!(whole.kept_bytes * training.batch_size as u64, activations);
            let by_part: Cost =
                Part::ALL.iter().flat_map(|part| levels.iter().map(|level| level.part(*part))).sum();
            prop_assert_eq!(by_part, whole);
            let names: BTreeSet<&str> = levels.iter().map(|level| level.name.as_str()).collect();
            prop_assert_eq!(names.len(), 2 * model.channel_multipliers.len() + 4, "each level once");
            let blocks: usize = levels.iter().map(|level| level.blocks).sum();
            prop_assert_eq!(blocks, model.channel_multipliers.len() * (2 * model.num_res_blocks + 1) + 2);
        }
    }
}
