//! What each setting changes by itself, as a page shows it.
//!
//! In: a comparison. Out: [`AxisEffect`]s with printable texts; the estimates are those of `compare --effects`.

use serde::Serialize;
use serde_json::Value;

use crate::guard::printable;
use crate::report::compare::Comparison;
use crate::report::effects::{Axis, Contrast, effects};
use crate::report::load::Loaded;
use crate::report::varying::compact;

/// One axis.
#[derive(Debug, Serialize)]
pub(super) struct AxisEffect {
    /// Keys that vary together.
    keys: Vec<String>,
    reference: String,
    /// Whether that is the base's value; else the first declared.
    reference_is_base: bool,
    contrasts: Vec<ContrastEffect>,
}

/// One value against the reference.
#[derive(Debug, Serialize)]
struct ContrastEffect {
    value: String,
    cells: usize,
    /// Pairs of runs of which one gave no value.
    missing: usize,
    seeds: usize,
    mean: Option<f64>,
    ci95: Option<(f64, f64)>,
    /// Standard error over the held-out images.
    image_se: Option<f64>,
    p_holm: Option<f64>,
    /// Whether it is told from 0 with all other contrasts considered.
    told: bool,
}

/// Every axis; none where values of different variants mean different things.
pub(super) fn axis_effects(loaded: &Loaded, comparison: &Comparison) -> Vec<AxisEffect> {
    if comparison.incomparable.is_some() {
        return Vec::new();
    }
    effects(loaded, comparison).axes.into_iter().map(axis).collect()
}

fn axis(axis: Axis) -> AxisEffect {
    AxisEffect {
        keys: axis.keys.iter().map(|key| printable(key)).collect(),
        reference: together(&axis.reference),
        reference_is_base: axis.reference_is_base,
        contrasts: axis.contrasts.into_iter().map(contrast).collect(),
    }
}

fn contrast(contrast: Contrast) -> ContrastEffect {
    let difference = contrast.difference;
    ContrastEffect {
        value: together(&contrast.value),
        cells: contrast.cells,
        missing: contrast.missing,
        seeds: difference.map_or(0, |difference| difference.seeds),
        mean: difference.map(|difference| difference.mean),
        ci95: difference.and_then(|difference| difference.ci95),
        image_se: difference.and_then(|difference| difference.image_se),
        p_holm: difference.and_then(|difference| difference.p_holm),
        told: difference.is_some_and(|difference| difference.leaves_out_zero()),
    }
}

/// The values of keys that vary together.
fn together(values: &[Option<Value>]) -> String {
    let texts: Vec<String> = values.iter().map(|value| compact(value.as_ref())).collect();
    printable(&texts.join(", "))
}
