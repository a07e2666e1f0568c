//! Rules of the network: resolutions, attention, groups and heads that fit each other.
//!
//! In: a typed [`Config`]. Out: [`Finding`]s for `check`.

use std::collections::BTreeSet;

use super::check::{Finding, around, either};
use super::schema::{Config, Model};

/// Widest level: beyond it one convolution alone needs more than 100 GB.
const MAX_WIDTH: usize = 65_536;

/// Applies every rule of the network.
pub(crate) fn findings(config: &Config, found: &mut Vec<Finding>) {
    let model = &config.model;
    image_size(config, found);
    attention_resolutions(config, found);
    if let Some(widest) = model.channels().into_iter().find(|&width| width > MAX_WIDTH) {
        found.push(Finding {
            message: format!(
                "model.base_channels = {} makes a level of {widest} channels; {MAX_WIDTH} is the most",
                model.base_channels
            ),
            keys: &["model.base_channels", "model.channel_multipliers"],
            help: "use fewer channels or smaller multipliers".to_owned(),
        });
    }
    norm_groups(model, found);
    heads(config, found);
    let half = (model.channels()[0] / 2) as f64;
    if model.freq_shift >= half {
        found.push(Finding {
            message: format!("model.freq_shift = {} leaves no frequencies", model.freq_shift),
            keys: &["model.freq_shift", "model.base_channels", "model.channel_multipliers"],
            help: format!("it must be below half the first level's channels, {half}"),
        });
    }
}

fn image_size(config: &Config, found: &mut Vec<Finding>) {
    let (size, levels) = (config.data.image_size, config.model.channel_multipliers.len());
    let unit = 1 << (levels - 1);
    if size % unit != 0 {
        let below = Some(size / unit * unit).filter(|&below| below > 0);
        let halvings = match levels - 1 {
            1 => "once".to_owned(),
            2 => "twice".to_owned(),
            times => format!("{times} times"),
        };
        found.push(Finding {
            message: format!("data.image_size = {size} is not divisible by {unit}"),
            keys: &["data.image_size", "model.channel_multipliers"],
            help: format!(
                "{levels} levels halve the image {halvings}; use {}",
                either(below, Some((size / unit + 1) * unit))
            ),
        });
    }
}

fn attention_resolutions(config: &Config, found: &mut Vec<Finding>) {
    let reachable = config.model.resolutions(config.data.image_size);
    // Where the image cannot be halved so often, its resolutions mean nothing yet.
    if !config.data.image_size.is_multiple_of(1 << (reachable.len() - 1)) {
        return;
    }
    let unreachable: Vec<String> = config
        .model
        .attention_resolutions
        .iter()
        .filter(|resolution| !reachable.contains(resolution))
        .map(ToString::to_string)
        .collect();
    if !unreachable.is_empty() {
        let reachable: Vec<String> = reachable.iter().map(ToString::to_string).collect();
        found.push(Finding {
            message: format!(
                "model.attention_resolutions has {}, which no level has",
                unreachable.join(" and ")
            ),
            keys: &["model.attention_resolutions", "data.image_size", "model.channel_multipliers"],
            help: format!(
                "an image of {} pixels and {} {} reach {}",
                config.data.image_size,
                reachable.len(),
                if reachable.len() == 1 { "level" } else { "levels" },
                reachable.join(", ")
            ),
        });
    }
}

/// Every channel count that some group norm sees.
///
/// On the way down and in the middle these are the levels' own widths. On the way up a residual block's
/// first norm sees its input joined with a skip: see the up blocks of `UNet2DModel`.
fn norm_widths(model: &Model) -> BTreeSet<usize> {
    let channels = model.channels();
    let reversed: Vec<usize> = channels.iter().rev().copied().collect();
    let mut widths: BTreeSet<usize> = channels.into_iter().collect();
    for (level, &out) in reversed.iter().enumerate() {
        let previous = if level == 0 { reversed[0] } else { reversed[level - 1] };
        let last_skip = reversed[(level + 1).min(reversed.len() - 1)];
        for block in 0..=model.num_res_blocks {
            let input = if block == 0 { previous } else { out };
            let skip = if block == model.num_res_blocks { last_skip } else { out };
            widths.insert(input + skip);
        }
    }
    widths
}

const NORM_KEYS: &[&str] = &["model.norm_groups", "model.base_channels", "model.channel_multipliers"];

fn norm_groups(model: &Model, found: &mut Vec<Finding>) {
    let widths = norm_widths(model);
    if widths.iter().any(|width| width % model.norm_groups != 0) {
        let list: Vec<String> = widths.iter().map(ToString::to_string).collect();
        found.push(Finding {
            message: format!(
                "model.norm_groups = {} does not divide every width: {}",
                model.norm_groups,
                list.join(", ")
            ),
            keys: NORM_KEYS,
            help: fitting_groups(&widths),
        });
    }
}

/// A group of one channel has the block's time embedding subtracted with its mean. What was trained so elsewhere can
/// still be sampled and measured.
pub(crate) fn one_channel_a_group(config: &Config) -> Option<Finding> {
    let (groups, widths) = (config.model.norm_groups, norm_widths(&config.model));
    let narrowest = widths.first().copied().unwrap_or(1);
    let divides = widths.iter().all(|width| width % groups == 0);
    (divides && groups >= narrowest).then(|| Finding {
        message: format!(
            "model.norm_groups = {groups} leaves one channel a group at width {narrowest}, which erases the time embedding"
        ),
        keys: NORM_KEYS,
        help: fitting_groups(&widths),
    })
}

fn fitting_groups(widths: &BTreeSet<usize>) -> String {
    let narrowest = widths.first().copied().unwrap_or(1);
    let divides = |groups: &usize| widths.iter().all(|width| width % groups == 0);
    let fitting: Vec<String> =
        (1..narrowest.min(1025)).filter(divides).map(|groups| groups.to_string()).collect();
    match fitting.is_empty() {
        true => "no number of groups fits; use more channels".to_owned(),
        false => format!("these fit: {}", fitting.join(", ")),
    }
}

fn heads(config: &Config, found: &mut Vec<Finding>) {
    let model = &config.model;
    let widths = attention_widths(config);
    if let Some(count) = model.num_attention_heads
        && let Some(width) = widths.iter().find(|&&width| width % count != 0)
    {
        let fitting: Vec<usize> =
            (1..=*width).filter(|count| widths.iter().all(|width| width % count == 0)).collect();
        let (below, above) = around(&fitting, count);
        found.push(Finding {
            message: format!(
                "model.num_attention_heads = {count} does not divide {width}, the width of a level with attention"
            ),
            keys: &[
                "model.num_attention_heads",
                "model.base_channels",
                "model.channel_multipliers",
                "model.attention_resolutions",
                "model.mid_attention",
            ],
            help: format!("use {}", either(below, above)),
        });
    }
    if let (None, Some(dim)) = (model.num_attention_heads, model.attention_head_dim)
        && let Some(width) = widths.iter().find(|&&width| width % dim.min(width) != 0)
    {
        let fitting: Vec<usize> =
            (1..=*width).filter(|&dim| widths.iter().all(|&width| width % dim.min(width) == 0)).collect();
        let (below, above) = around(&fitting, dim);
        found.push(Finding {
            message: format!(
                "model.attention_head_dim = {dim} does not divide {width}, the width of a level with attention"
            ),
            keys: &[
                "model.attention_head_dim",
                "model.base_channels",
                "model.channel_multipliers",
                "model.attention_resolutions",
                "model.mid_attention",
            ],
            help: format!("use {}", either(below, above)),
        });
    }
}

/// Widths of the levels with attention, the middle block's included, narrowest first.
fn attention_widths(config: &Config) -> BTreeSet<usize> {
    let model = &config.model;
    let channels = model.channels();
    let levels = model.resolutions(config.data.image_size).into_iter().zip(&channels);
    let attended = levels
        .filter(|(resolution, _)| model.attention_resolutions.contains(resolution))
        .map(|(_, &width)| width);
    let middle = channels.last().copied().filter(|_| model.mid_attention);
    attended.chain(middle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{Folder, refusal};

    #[test]
    fn the_image_must_halve_once_a_level() {
        assert_eq!(
            refusal("[data]\nimage_size = 36\n[model]\nchannel_multipliers = [1, 2, 2, 4]\n"),
            "error: data.image_size = 36 is not divisible by 8\n  set in x.toml:2\n  \
             help: 4 levels halve the image 3 times; use 32 or 40"
        );
    }

    #[test]
    fn an_unreachable_attention_resolution_lists_the_reachable_ones() {
        assert_eq!(
            refusal("preset = \"mnist\"\n[model]\nattention_resolutions = [4, 8, 7]\n"),
            "error: model.attention_resolutions has 8 and 4, which no level has\n  set in x.toml:3\n  \
             help: an image of 28 pixels and 3 levels reach 28, 14, 7"
        );
    }

    #[test]
    fn attention_resolutions_are_a_set() {
        let base = |list: &str| {
            let folder = Folder::with("x.toml", &format!("model.attention_resolutions = {list}\n"));
            folder.load("x.toml").unwrap().base().clone()
        };
        assert_eq!(base("[8, 16, 8]"), base("[16, 8]"));
        assert_eq!(base("[8, 16]").model.attention_resolutions, [16, 8]);
    }

    #[test]
    fn groups_must_divide_every_width_that_a_norm_sees() {
        assert_eq!(
            refusal(
                "[model]\nbase_channels = 48\nchannel_multipliers = [1, 2]\nnorm_groups = 32\n\
                     attention_resolutions = []\nmid_attention = false\n"
            ),
            "error: model.norm_groups = 32 does not divide every width: 48, 96, 144, 192\n  set in x.toml:4\n  \
             help: these fit: 1, 2, 3, 4, 6, 8, 12, 16, 24"
        );
        assert_eq!(
            refusal(
                "[model]\nbase_channels = 8\nchannel_multipliers = [1]\nnorm_groups = 8\n\
                     attention_resolutions = []\n"
            ),
            "error: model.norm_groups = 8 leaves one channel a group at width 8, which erases the time embedding\n  \
             set in x.toml:4\n  help: these fit: 1, 2, 4"
        );
    }

    #[test]
    fn the_up_path_joins_its_input_with_a_skip() {
        let folder = Folder::with("x.toml", "");
        let model = folder.load("x.toml").unwrap().base().model.clone();
        // 256+256, 256+128 | 256+128, 128+128, 128+64 | 128+64, 64+64.
        assert_eq!(norm_widths(&model).into_iter().collect::<Vec<_>>(), [64, 128, 192, 256, 384, 512]);
    }

    #[test]
    fn heads_must_divide_the_width_wherever_attention_is() {
        assert_eq!(
            refusal("[model]\nbase_channels = 96\nattention_head_dim = 40\n"),
            "error: model.attention_head_dim = 40 does not divide 192, the width of a level with attention\n  \
             set in x.toml:3\n  help: use 32 or 48"
        );
        assert_eq!(
            refusal("[model]\nnum_attention_heads = 3\n"),
            "error: model.num_attention_heads = 3 does not divide 128, the width of a level with attention\n  \
             set in x.toml:2\n  help: use 2 or 4"
        );
        // Only the middle block has attention here: 256 channels.
        assert!(
            refusal("[model]\nattention_resolutions = []\nnum_attention_heads = 3\n").contains("divide 256")
        );
        let none = "[model]\nattention_resolutions = []\nmid_attention = false\nnum_attention_heads = 3\n";
        assert!(Folder::with("x.toml", none).load("x.toml").is_ok());
        // A head is at most as wide as its level.
        assert!(Folder::with("x.toml", "model.attention_head_dim = 4096\n").load("x.toml").is_ok());
    }

    #[test]
    fn absurd_widths_and_empty_frequencies_are_refused() {
        assert!(
            refusal("[model]\nbase_channels = 65536\n")
                .contains("error: model.base_channels = 65536 makes a level of")
        );
        assert_eq!(
            refusal("[model]\nfreq_shift = 32\n"),
            "error: model.freq_shift = 32 leaves no frequencies\n  set in x.toml:2\n  \
             help: it must be below half the first level's channels, 32"
        );
    }
}
