//! Feature maps that training keeps, counted from the list of layers.
//!
//! The backward pass needs what each operation's own looks at: norms, convolutions and attention keep their inputs, so
//! that each output that another layer reads is kept once; a shortcut's goes into a sum that nobody looks back at. Where
//! operations run in libtorch's plain form ([`Form::Plain`]), they keep more.

use std::collections::BTreeMap;

use super::layers::{Layer, layers};
use crate::config::{Data, Model};

/// Bytes of a 32-bit float.
pub(super) const FLOAT: u64 = 4;

/// How the operations of a network are done, as far as that decides what they keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In host memory and 32 bits: our own kernels, which keep their inputs alone.
    Own,
    /// Elsewhere: libtorch's. A norm keeps what it normalised before silu, joined maps and enlarged maps are made.
    /// Attention is fused here too, and keeps its inputs and what they come to.
    Plain {
        /// Bytes of a number in the network.
        width: u64,
    },
}

impl Form {
    /// Bytes of a number in the network.
    pub(super) fn width(self) -> u64 {
        match self {
            Form::Own => FLOAT,
            Form::Plain { width } => width,
        }
    }
}

/// Values of one image that are alive when the backward pass begins, `recompute` as in `training.recompute`.
pub fn kept_values_per_image(model: &Model, data: &Data, recompute: bool) -> u64 {
    (kept_bytes(model, &layers(model, data), recompute, Form::Own) / FLOAT).saturating_add(given(data))
}

/// Bytes of one image that are alive when the backward pass begins, without those of [`given`].
pub(super) fn kept_bytes(model: &Model, layers: &[Layer], recompute: bool, form: Form) -> u64 {
    let count = Count { model, form, layers };
    match recompute {
        true => count.handed().saturating_add(count.widest_level()),
        false => count.all(),
    }
}

/// The same layer by layer, without recomputation.
pub(super) fn kept_bytes_by_layer(model: &Model, layers: &[Layer], form: Form) -> Vec<u64> {
    let count = Count { model, form, layers };
    (0..layers.len()).map(|index| count.bytes(index)).collect()
}

/// The image, its noise, their mixture and what is to be predicted: values of one image, always in 32 bits.
pub(super) fn given(data: &Data) -> u64 {
    (data.in_channels as u64).saturating_mul(square(data.image_size)).saturating_mul(4)
}

/// Whether a layer's output, or one of the same size after it, waits for the way up.
pub(super) fn is_skip(name: &str) -> bool {
    name == "conv_in"
        || name.starts_with("down_blocks.")
            && (name.ends_with(".conv2") || name.ends_with(".downsamplers.0.conv"))
}

struct Count<'a> {
    model: &'a Model,
    form: Form,
    layers: &'a [Layer],
}

impl Count<'_> {
    fn all(&self) -> u64 {
        (0..self.layers.len()).map(|index| self.bytes(index)).fold(0, u64::saturating_add)
    }

    /// What levels hand to each other: everything the way up reads, whose gradients wait for the way down too, and the
    /// output of each level there.
    fn handed(&self) -> u64 {
        let mut last: BTreeMap<&str, &Layer> = BTreeMap::new();
        for layer in self.layers {
            last.insert(level(&layer.name), layer);
        }
        let ends = last.into_values().filter(|layer| !layer.name.starts_with("down_blocks."));
        let skips = self.layers.iter().filter(|layer| is_skip(&layer.name));
        let values = ends.chain(skips.clone()).chain(skips).map(kept).fold(0, u64::saturating_add);
        values.saturating_mul(self.form.width())
    }

    /// All that is kept of the level that keeps most.
    fn widest_level(&self) -> u64 {
        let mut levels: BTreeMap<&str, u64> = BTreeMap::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let bytes = levels.entry(level(&layer.name)).or_default();
            *bytes = bytes.saturating_add(self.bytes(index));
        }
        levels.into_values().max().unwrap_or(0)
    }

    /// What is kept because of one layer.
    fn bytes(&self, index: usize) -> u64 {
        let layer = &self.layers[index];
        let values = kept(layer).saturating_add(self.masked(layer));
        match self.form {
            Form::Own => values.saturating_mul(FLOAT),
            Form::Plain { width } => values.saturating_add(self.extra(index)).saturating_mul(width),
        }
    }

    /// Which values dropout keeps.
    fn masked(&self, layer: &Layer) -> u64 {
        if self.model.dropout > 0.0 && layer.name.ends_with(".norm2") { kept(layer) } else { 0 }
    }

    /// What libtorch's forms keep beside the outputs of layers.
    fn extra(&self, index: usize) -> u64 {
        let layer = &self.layers[index];
        let name = layer.name.as_str();
        if name.ends_with(".upsamplers.0.conv") {
            // The enlarged map instead of the small one.
            return input(layer) / 4 * 3;
        }
        let before_silu =
            [".norm1", ".norm2"].iter().any(|end| name.ends_with(end)) || name == "conv_norm_out";
        if !before_silu {
            return 0;
        }
        // The map that is joined to a skip is in the joined map, and gone; the skip is there twice.
        let joined = name.starts_with("up_blocks.") && name.ends_with(".norm1") && index > 0;
        let skip = if joined { layer.inputs.saturating_sub(self.layers[index - 1].outputs) } else { 0 };
        kept(layer).saturating_add((skip as u64).saturating_mul(layer.positions as u64))
    }
}

/// The first two words of a name: `down_blocks.0` of `down_blocks.0.resnets.1.conv2`.
fn level(name: &str) -> &str {
    name.match_indices('.').nth(1).map_or(name, |(end, _)| &name[..end])
}

/// Values that wait for the backward pass because of a layer, in our own form.
pub(super) fn kept(layer: &Layer) -> u64 {
    if layer.name.ends_with(".conv_shortcut") {
        return 0;
    }
    (layer.outputs as u64).saturating_mul(layer.positions as u64)
}

fn input(layer: &Layer) -> u64 {
    (layer.inputs as u64).saturating_mul(layer.positions as u64)
}

fn square(side: usize) -> u64 {
    (side as u64).saturating_mul(side as u64)
}

#[cfg(test)]
#[path = "activations_tests.rs"]
mod tests;
