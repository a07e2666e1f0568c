//! The networks that are tried.
//!
//! In: an image size. Out: [`Network`]s, each a shape with its exact counts: parameters and operations, in all and by
//! level.

use std::collections::BTreeSet;

use crate::config::keys::MAX_LEVELS;
use crate::config::{Data, Model};
use crate::sizing::count::{layer_forward_flops, layer_parameters};
use crate::sizing::{Kind, layers};

/// Base widths: multiples of 32, and of 16 where nothing wider fits.
const BASES: [usize; 16] = [16, 32, 48, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 448, 512];
/// Blocks a level.
const BLOCKS: [usize; 3] = [1, 2, 3];
/// Resolutions from which attention may go down; 0: the middle alone.
const ATTENTION_FROM: [usize; 4] = [0, 8, 16, 32];
/// Multipliers of a level.
const MULTIPLIERS: [usize; 4] = [1, 2, 3, 4];
/// Head widths, the better first.
const HEADS: [usize; 3] = [64, 32, 16];

/// One network, counted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Network {
    /// Channels that a multiplier of 1 means.
    pub base: usize,
    /// One a level.
    pub multipliers: Vec<usize>,
    /// Residual blocks a level.
    pub blocks: usize,
    /// Resolutions with attention, the highest first.
    pub attention: Vec<usize>,
    /// Channels of a head.
    pub head: usize,
    /// Trainable parameters.
    pub parameters: u64,
    /// Operations of a forward pass over an image.
    pub forward_flops: u64,
    /// Parameters of each level, those of the time embedding left out.
    pub level_parameters: Vec<u64>,
    /// Operations of each level.
    pub level_flops: Vec<u64>,
    /// Operations of each level's attention and the maps between channels that belong to it.
    pub attention_flops: Vec<u64>,
}

/// Networks that differ in width alone, narrow to wide, none beyond these counts.
pub(super) struct Family {
    multipliers: Vec<usize>,
    blocks: usize,
    attention: Vec<usize>,
}

/// Whether a U-Net of at least two levels comes down to 16 pixels, or has as many levels as the program takes.
pub(super) fn can_be_halved(size: usize) -> bool {
    let resolutions = resolutions(size);
    let lowest = resolutions.last().copied().unwrap_or(0);
    resolutions.len() > 1 && (lowest <= 16 || resolutions.len() == MAX_LEVELS)
}

/// Every resolution that halving reaches, down to 4 pixels.
fn resolutions(size: usize) -> Vec<usize> {
    let mut found = vec![size];
    let mut last = size;
    while last.is_multiple_of(2) && last >= 8 && found.len() < MAX_LEVELS {
        last /= 2;
        found.push(last);
    }
    found
}

/// Numbers of levels: down to 8 pixels; images of 32 and below also once more, as Ho's at 32 goes to 4.
fn depths(size: usize) -> Vec<usize> {
    let reached = resolutions(size);
    let first = reached.iter().position(|&pixels| pixels <= 8).unwrap_or(reached.len() - 1).max(1);
    let more = (size <= 32 && first + 1 < reached.len()).then_some(first + 2);
    [first + 1].into_iter().chain(more).filter(|&levels| levels <= reached.len()).collect()
}

/// Every family of networks for images of a size.
pub(super) fn families(size: usize) -> Vec<Family> {
    let mut families = Vec::new();
    for levels in depths(size) {
        let reached = &resolutions(size)[..levels];
        let attention: BTreeSet<Vec<usize>> = ATTENTION_FROM
            .iter()
            .map(|&from| reached.iter().copied().filter(|&pixels| pixels <= from && pixels < size).collect())
            .collect();
        for multipliers in progressions(levels) {
            for blocks in BLOCKS {
                for attention in attention.clone() {
                    families.push(Family { multipliers: multipliers.clone(), blocks, attention });
                }
            }
        }
    }
    families
}

/// Multipliers that start at 1, never fall, and at most double.
fn progressions(levels: usize) -> Vec<Vec<usize>> {
    let mut found = vec![vec![1]];
    for _ in 1..levels {
        let longer = found.iter().flat_map(|start| {
            let last = start[start.len() - 1];
            let next = MULTIPLIERS.into_iter().filter(move |next| (last..=2 * last).contains(next));
            next.map(move |next| start.iter().copied().chain([next]).collect())
        });
        found = longer.collect();
    }
    found
}

impl Family {
    /// Its networks up to these counts.
    pub(super) fn networks(
        &self,
        model: &Model,
        data: &Data,
        most: impl Fn(&Network) -> bool,
    ) -> Vec<Network> {
        let mut found = Vec::new();
        for base in BASES {
            let Some(head) = self.head(base, data.image_size) else { continue };
            let network = self.counted(base, head, model, data);
            if !most(&network) {
                break;
            }
            found.push(network);
        }
        found
    }

    /// The best head width that divides every level with attention.
    fn head(&self, base: usize, size: usize) -> Option<usize> {
        let levels = self.multipliers.len();
        let attended = (0..levels)
            .filter(|level| *level + 1 == levels || self.attention.contains(&(size >> level)))
            .map(|level| base * self.multipliers[level]);
        let widths: Vec<usize> = attended.collect();
        HEADS.into_iter().find(|head| widths.iter().all(|width| width % head.min(width) == 0))
    }

    fn counted(&self, base: usize, head: usize, model: &Model, data: &Data) -> Network {
        let levels = self.multipliers.len();
        let mut network = Network {
            base,
            multipliers: self.multipliers.clone(),
            blocks: self.blocks,
            attention: self.attention.clone(),
            head,
            parameters: 0,
            forward_flops: 0,
            level_parameters: vec![0; levels],
            level_flops: vec![0; levels],
            attention_flops: vec![0; levels],
        };
        let mut model = model.clone();
        network.lay(&mut model);
        for layer in layers(&model, data) {
            let (parameters, flops) = (layer_parameters(&layer), layer_forward_flops(&layer));
            network.parameters = network.parameters.saturating_add(parameters);
            network.forward_flops = network.forward_flops.saturating_add(flops);
            let level = (0..levels).find(|&level| (data.image_size >> level).pow(2) == layer.positions);
            // Only the time embedding has no resolution.
            let Some(level) = level else { continue };
            network.level_parameters[level] += parameters;
            network.level_flops[level] += flops;
            if matches!(layer.kind, Kind::Attention | Kind::Linear) {
                network.attention_flops[level] += flops;
            }
        }
        network
    }
}

impl Network {
    /// Writes it into a configuration.
    pub(super) fn lay(&self, model: &mut Model) {
        model.base_channels = self.base;
        model.channel_multipliers.clone_from(&self.multipliers);
        model.num_res_blocks = self.blocks;
        model.attention_resolutions.clone_from(&self.attention);
        (model.num_attention_heads, model.attention_head_dim) = (None, Some(self.head));
        model.time_embed_dim = 4 * self.base * self.multipliers[0];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::fixture;
    use crate::sizing::{forward_flops_per_image, parameters};

    #[test]
    fn levels_go_down_to_eight_pixels_and_small_images_once_further() {
        let depths = |size| depths(size);
        assert_eq!(depths(28), [3]);
        assert_eq!(depths(32), [3, 4]);
        assert_eq!(depths(64), [4]);
        assert_eq!(depths(128), [5]);
        assert_eq!(depths(256), [6]);
        assert_eq!(depths(512), [6]);
        assert_eq!(depths(8), [2]);
        assert_eq!(depths(36), [3]);
    }

    #[test]
    fn the_progressions_of_published_networks_are_among_those_tried() {
        for published in [&[1, 2, 2, 2][..], &[1, 2, 3, 4], &[1, 2, 4], &[1, 1, 2, 3, 4], &[1, 1, 2, 2, 4, 4]]
        {
            assert!(progressions(published.len()).iter().any(|found| found == published), "{published:?}");
        }
        assert!(progressions(4).iter().all(|found| found[0] == 1 && found.is_sorted()));
    }

    #[test]
    fn the_counts_by_level_add_up_to_those_of_the_network() {
        let data = fixture::data(32, 3);
        let model = fixture::model(&[64], &[]);
        let family = Family { multipliers: vec![1, 2, 2, 2], blocks: 2, attention: vec![16] };
        let networks = family.networks(&model, &data, |network| network.base <= 128);
        let ho = networks.last().unwrap();
        assert_eq!((ho.base, ho.parameters, ho.head), (128, 35_746_307, 64));
        let mut laid = model;
        ho.lay(&mut laid);
        assert_eq!(ho.parameters, parameters(&laid, &data));
        assert_eq!(ho.forward_flops, forward_flops_per_image(&laid, &data));
        let levels: u64 = ho.level_flops.iter().sum();
        // The time embedding's two maps and one in each block.
        let time = ho.forward_flops - levels;
        assert!(time > 0 && time < ho.forward_flops / 1000, "{time}");
    }

    #[test]
    fn attention_is_never_at_full_size() {
        for size in [8, 16, 28, 32] {
            assert!(families(size).iter().all(|family| !family.attention.contains(&size)), "{size}");
        }
    }
}
