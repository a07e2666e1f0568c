//! The network of each variant for `plan --verbose`: drawn once, and named below variants that have the same.
//!
//! In: variants, one after the other. Out: text for each, and once for all what the columns mean.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::cli::plan::network_table::table;
use crate::cli::wording::wrapped;
use crate::guard::printable;
use crate::plan::Variant;
use crate::sizing::{self, Level, Place};

/// What the columns mean.
const MEANING: &str = "forward, training: floating-point operations on one image, two a multiply-accumulate of \
                       convolutions, linear maps and attention; training is forward and backward. share: of the \
                       forward ones. kept: feature maps of one image that wait for the backward pass. level: the way \
                       down, the way up, and at the lowest the middle.";
/// What the scores of attention are, where there are any.
const SCORES: &str = "scores: attention compares each position with each, in a matrix a head. Its fused kernels keep \
                      one number for each row (fused); with plain products the matrices would wait for the backward \
                      pass (materialised), and while one is made it takes as much again.";

/// Networks that were drawn.
pub(super) struct Networks {
    place: Place,
    /// With the name of the variant below which each stands.
    drawn: HashMap<Drawing, String>,
    attention: bool,
}

/// All that a table depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Drawing {
    pub(super) levels: Vec<Level>,
    pub(super) multipliers: Vec<usize>,
    /// Bytes of one image that are kept at a time where feature maps are computed again.
    pub(super) recomputed: Option<u64>,
}

impl Drawing {
    fn of(variant: &Variant, place: Place) -> Drawing {
        let mut config = variant.config.clone();
        (config.training.batch_size, config.training.gradient_accumulation) = (1, 1);
        Drawing {
            levels: sizing::levels(&config, place),
            multipliers: config.model.channel_multipliers.clone(),
            recomputed: config.training.recompute.then(|| sizing::step_memory(&config, place).activations),
        }
    }
}

impl Networks {
    /// For training in memory of that kind.
    pub(super) fn of(place: Place) -> Networks {
        Networks { place, drawn: HashMap::new(), attention: false }
    }

    /// The network of a variant, or the name of the one that has the same.
    pub(super) fn next(&mut self, variant: &Variant) -> String {
        let drawing = Drawing::of(variant, self.place);
        self.attention |= drawing.levels.iter().any(|level| level.attentions > 0);
        match self.drawn.entry(drawing) {
            Entry::Occupied(known) => format!("  {:<16} that of {}\n", "network", printable(known.get())),
            Entry::Vacant(new) => {
                let text = table(new.key());
                new.insert(variant.name.clone());
                text
            }
        }
    }

    /// What the columns mean; nothing where nothing was drawn.
    pub(super) fn legend(&self) -> String {
        let mut text = String::new();
        if !self.drawn.is_empty() {
            text.push_str(&wrapped(MEANING));
        }
        if self.attention {
            text.push_str(&wrapped(SCORES));
        }
        if text.is_empty() { text } else { text + "\n" }
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
