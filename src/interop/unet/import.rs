//! A network of diffusers as `[model]` and `[data]` describe it.
//!
//! In: the fields of `unet/config.json`; an absent one means what diffusers takes then (0.36.0). Out: keys of our
//! configuration, or a problem for every field in which the network is one that we do not have.

use serde_json::{Value, json};

use super::{DOWN, DOWN_ATTENTION, UP, UP_ATTENTION};
use crate::config::Problem;
use crate::interop::fields::{Fields, integer};

/// Fields with a single value for which our network is the same: values, and why others are refused.
const FIXED: [(&str, &[&str], &str); 12] = [
    ("center_input_sample", &["false"], "the network's input is used as it is"),
    ("time_embedding_type", &["\"positional\""], "the time embedding is sinusoidal"),
    ("mid_block_type", &["\"UNetMidBlock2D\""], "the network has a middle block of resnets and attention"),
    ("mid_block_scale_factor", &["1"], "the outputs of the middle block are not scaled"),
    ("downsample_type", &["\"conv\""], "levels are halved by a convolution"),
    ("upsample_type", &["\"conv\""], "levels are doubled by a convolution"),
    // Two names of one function there.
    ("act_fn", &["\"silu\"", "\"swish\""], "the network's activation is silu"),
    ("resnet_time_scale_shift", &["\"default\""], "the time embedding is added, it does not scale"),
    ("class_embed_type", &["null"], "the network has no class embedding"),
    ("num_class_embeds", &["null"], "the network has no class embedding"),
    ("_class_name", &["\"UNet2DModel\""], "only this kind of network can be imported"),
    // Used by a learned time embedding alone.
    ("num_train_timesteps", &[], ""),
];

/// Why any other field is refused.
const UNKNOWN: &str = "UNet2DModel of diffusers 0.36.0 has no such field, and what it changes is not known";

/// Attention of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Plain,
    Attention,
}

/// Takes every field and gives the keys it means, with what is wrong.
pub(in crate::interop) fn import(mut fields: Fields) -> (Vec<(&'static str, toml::Value)>, Vec<Problem>) {
    fixed(&mut fields);
    let size = sample_size(&mut fields);
    let in_channels = fields.whole("in_channels", 3);
    same_channels(&mut fields, in_channels);
    let channels = channels(&mut fields);
    let levels = attention(&mut fields, channels.len());
    let mid_attention = fields.bool("add_attention", true);
    let heads = heads(&mut fields, &channels, &levels, mid_attention);
    let groups = groups(&mut fields);
    let base = common(&channels);
    let multipliers = channels.iter().map(|width| integer(width / base)).collect();
    let attended = levels.iter().enumerate().filter(|(_, block)| **block == Block::Attention);
    let resolutions = attended.map(|(level, _)| integer(size >> level.min(63))).collect();
    let time = fields.take_some("time_embedding_dim").filter(|value| *value != json!(0));
    let time = match time.as_ref().map(Value::as_u64) {
        None => channels[0].saturating_mul(4),
        Some(Some(width)) => width,
        Some(None) => {
            fields.refuse("time_embedding_dim", &time.unwrap_or_default(), "it is no whole number");
            1
        }
    };
    let keys = vec![
        ("data.image_size", integer(size)),
        ("data.in_channels", integer(in_channels)),
        ("model.base_channels", integer(base)),
        ("model.channel_multipliers", toml::Value::Array(multipliers)),
        ("model.num_res_blocks", integer(fields.whole("layers_per_block", 2))),
        ("model.attention_resolutions", toml::Value::Array(resolutions)),
        ("model.attention_head_dim", integer(heads)),
        ("model.dropout", fields.number("dropout", 0.0).into()),
        ("model.time_embed_dim", integer(time)),
        ("model.norm_groups", integer(groups)),
        ("model.norm_eps", fields.number("norm_eps", 1e-5).into()),
        ("model.mid_attention", mid_attention.into()),
        ("model.downsample_padding", integer(fields.whole("downsample_padding", 1))),
        ("model.freq_shift", fields.number("freq_shift", 0.0).into()),
        ("model.flip_sin_to_cos", fields.bool("flip_sin_to_cos", true).into()),
    ];
    (keys, fields.end(UNKNOWN))
}

fn fixed(fields: &mut Fields) {
    for (key, fine, reason) in FIXED {
        if fine.is_empty() {
            fields.take(key);
        } else {
            fields.only(key, fine, reason);
        }
    }
}

/// The side of a square image.
fn sample_size(fields: &mut Fields) -> u64 {
    const NONE: u64 = 32;
    let Some(value) = fields.take_some("sample_size") else {
        let problem = Problem::new("sample_size: the folder does not say how large its images are");
        fields.problem(problem.with_help("write sample_size into the file, in pixels"));
        return NONE;
    };
    let side = match value.as_array().map(Vec::as_slice) {
        Some([height, width]) if height == width => height.as_u64(),
        Some(_) => None,
        None => value.as_u64(),
    };
    side.filter(|side| *side <= i64::MAX as u64).unwrap_or_else(|| {
        fields.refuse("sample_size", &value, "images are square here, their side a whole number of pixels");
        NONE
    })
}

fn same_channels(fields: &mut Fields, in_channels: u64) {
    let out = fields.whole("out_channels", 3);
    if out != in_channels {
        let reason =
            format!("the network gives back as many channels as it is given, in_channels = {in_channels}");
        fields.refuse("out_channels", &json!(out), &reason);
    }
}

/// Widths of the levels, at least one, none of them 0.
fn channels(fields: &mut Fields) -> Vec<u64> {
    const DEFAULT: [u64; 4] = [224, 448, 672, 896];
    let channels = fields.wholes("block_out_channels", &DEFAULT);
    if channels.is_empty() || channels.contains(&0) {
        fields.refuse("block_out_channels", &json!(channels), "every level needs channels");
        return DEFAULT.to_vec();
    }
    channels
}

/// Which levels have attention; the same ones must have it on the way up.
fn attention(fields: &mut Fields, levels: usize) -> Vec<Block> {
    let down = blocks(
        fields,
        "down_block_types",
        &[DOWN, DOWN_ATTENTION, DOWN_ATTENTION, DOWN_ATTENTION],
        [DOWN, DOWN_ATTENTION],
        levels,
    );
    let up = blocks(
        fields,
        "up_block_types",
        &[UP_ATTENTION, UP_ATTENTION, UP_ATTENTION, UP],
        [UP, UP_ATTENTION],
        levels,
    );
    if let (Some((down, _)), Some((up, written))) = (&down, &up)
        && !down.iter().eq(up.iter().rev())
    {
        fields.refuse(
            "up_block_types",
            written,
            "attention must be at the same levels on the way down and up",
        );
    }
    down.map(|(blocks, _)| blocks).unwrap_or_default()
}

fn blocks(
    fields: &mut Fields,
    key: &str,
    default: &[&str],
    [plain, attention]: [&str; 2],
    levels: usize,
) -> Option<(Vec<Block>, Value)> {
    let words = fields.words(key, default);
    let written = json!(words);
    // Early files prefix the name.
    let kind = |word: &String| match word.strip_prefix("UNetRes").unwrap_or(word) {
        word if word == plain => Some(Block::Plain),
        word if word == attention => Some(Block::Attention),
        _ => None,
    };
    let Some(blocks) = words.iter().map(kind).collect::<Option<Vec<_>>>() else {
        fields.refuse(key, &written, &format!("the network's blocks are {plain} and {attention}"));
        return None;
    };
    if blocks.len() != levels {
        fields.refuse(key, &written, &format!("block_out_channels has {levels} levels"));
        return None;
    }
    Some((blocks, written))
}

/// The width of a head. diffusers divides each level's width by it and drops the rest.
fn heads(fields: &mut Fields, channels: &[u64], levels: &[Block], middle: bool) -> u64 {
    let widest = channels.iter().copied().max().unwrap_or(1);
    let levels = channels.iter().zip(levels).filter(|(_, block)| **block == Block::Attention);
    let middle = channels.last().filter(|_| middle);
    let attended: Vec<u64> = levels.map(|(width, _)| width).chain(middle).copied().collect();
    let dim = match fields.take("attention_head_dim") {
        None => 8,
        // One head as wide as the level; ours is at most that.
        Some(Value::Null) => return attended.iter().copied().max().unwrap_or(widest),
        Some(value) => value.as_u64().filter(|dim| *dim > 0).unwrap_or_else(|| {
            fields.refuse("attention_head_dim", &value, "it is no number of channels");
            1
        }),
    };
    if let Some(width) = attended.iter().find(|width| **width % dim != 0) {
        let reason = format!("it does not divide {width}, the width of a level with attention");
        fields.refuse("attention_head_dim", &json!(dim), &reason);
        return 1;
    }
    // Where there is no attention it says nothing.
    if attended.is_empty() { dim.min(widest) } else { dim }
}

fn groups(fields: &mut Fields) -> u64 {
    let groups = fields.whole("norm_num_groups", 32);
    let of_attention = fields.take_some("attn_norm_num_groups");
    if let Some(value) = of_attention.filter(|value| value.as_u64() != Some(groups)) {
        let reason = format!("all group norms have as many groups, norm_num_groups = {groups}");
        fields.refuse("attn_norm_num_groups", &value, &reason);
    }
    groups
}

/// What the widths are multiples of: the first level's where it divides the others.
fn common(channels: &[u64]) -> u64 {
    fn gcd(a: u64, b: u64) -> u64 {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    channels.iter().copied().fold(0, gcd).max(1)
}
