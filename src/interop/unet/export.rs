//! Our network as diffusers describes it.
//!
//! In: `[model]` and `[data]`. Out: `unet/config.json`, every field stated, or the key that diffusers has no word for.

use serde_json::{Value, json};

use super::{CLASS, DOWN, DOWN_ATTENTION, MIDDLE, UP, UP_ATTENTION};
use crate::config::{Data, Model, Problem};
use crate::interop::VERSION;

/// The configuration of the same network in diffusers.
///
/// # Errors
/// Its attention heads are not one width everywhere, nor one head everywhere.
pub(in crate::interop) fn export(model: &Model, data: &Data) -> Result<Value, Problem> {
    let channels = model.channels();
    let attended: Vec<bool> = model
        .resolutions(data.image_size)
        .iter()
        .map(|resolution| model.attention_resolutions.contains(resolution))
        .collect();
    let blocks = |with: &'static str, without: &'static str| -> Vec<&'static str> {
        attended.iter().map(|attended| if *attended { with } else { without }).collect()
    };
    let up: Vec<&str> = blocks(UP_ATTENTION, UP).into_iter().rev().collect();
    // What diffusers takes where nothing is said.
    let time_embedding = Some(model.time_embed_dim).filter(|width| *width != 4 * channels[0]);
    Ok(json!({
        "_class_name": CLASS,
        "_diffusers_version": VERSION,
        "act_fn": "silu",
        "add_attention": model.mid_attention,
        "attention_head_dim": head_dim(model, &channels, &attended)?,
        "attn_norm_num_groups": null,
        "block_out_channels": channels,
        "center_input_sample": false,
        "class_embed_type": null,
        "down_block_types": blocks(DOWN_ATTENTION, DOWN),
        "downsample_padding": model.downsample_padding,
        "downsample_type": "conv",
        "dropout": model.dropout,
        "flip_sin_to_cos": model.flip_sin_to_cos,
        "freq_shift": number(model.freq_shift),
        "in_channels": data.in_channels,
        "layers_per_block": model.num_res_blocks,
        "mid_block_scale_factor": 1,
        "mid_block_type": MIDDLE,
        "norm_eps": model.norm_eps,
        "norm_num_groups": model.norm_groups,
        "num_class_embeds": null,
        "num_train_timesteps": null,
        "out_channels": data.in_channels,
        "resnet_time_scale_shift": "default",
        "sample_size": data.image_size,
        "time_embedding_dim": time_embedding,
        "time_embedding_type": "positional",
        "up_block_types": up,
        "upsample_type": "conv",
    }))
}

/// diffusers fixes the width of a head, or gives each level one head as wide as itself (null).
fn head_dim(model: &Model, channels: &[usize], attended: &[bool]) -> Result<Option<usize>, Problem> {
    let middle = channels.last().filter(|_| model.mid_attention);
    let levels = channels.iter().zip(attended).filter(|(_, attended)| **attended).map(|(width, _)| width);
    let widths: Vec<usize> = levels.chain(middle).copied().collect();
    let heads: Vec<usize> = widths.iter().map(|&width| model.head_dim(width)).collect();
    match heads.as_slice() {
        // Without attention it says nothing.
        [] => Ok(None),
        [first, rest @ ..] if rest.iter().all(|head| head == first) => Ok(Some(*first)),
        _ if heads == widths => Ok(None),
        _ => Err(unequal(model, &widths, &heads)),
    }
}

fn unequal(model: &Model, widths: &[usize], heads: &[usize]) -> Problem {
    let key = match (model.num_attention_heads, model.attention_head_dim) {
        (Some(count), _) => format!("model.num_attention_heads = {count}"),
        (None, width) => format!("model.attention_head_dim = {}", width.unwrap_or_default()),
    };
    let mut each: Vec<String> =
        widths.iter().zip(heads).map(|(width, head)| format!("{head} of {width} channels")).collect();
    each.dedup();
    Problem::new(format!(
        "{key} cannot be exported: diffusers knows one width of a head for all levels, and here they are {}",
        each.join(", ")
    ))
    .with_help(
        "networks that are to be exported need an attention_head_dim that is at most the width of every level with \
         attention, or at least the width of each; --to safetensors writes the weights alone",
    )
}

/// A whole number as one: diffusers annotates it so.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}
