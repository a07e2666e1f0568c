//! What stands below the main table: differences from a baseline, effects, quality against cost.
//!
//! In: a comparison and what was worked out from it. Out: a caption and a [`Grid`] each.

use serde_json::Value;

use super::cells::{Names, Naming};
use super::grid::{Column, Grid};
use super::{Shown, decimals, fixed, number};
use crate::report::baseline::Baseline;
use crate::report::compare::Comparison;
use crate::report::cost::Cost;
use crate::report::difference::Difference;
use crate::report::effects::{Contrast, Effects};
use crate::report::metric::Goal;
use crate::report::pareto::Pareto;
use crate::report::varying::{compact, titles};

/// A table with a sentence above it.
pub(super) struct Section {
    pub(super) caption: String,
    pub(super) grid: Grid,
}

/// Every section that was asked for, in the order of the options' help.
pub(super) fn sections(shown: &Shown<'_>, naming: Naming) -> Vec<Section> {
    let comparison = shown.comparison;
    let names = Names::of(comparison, naming);
    let baseline = comparison.baseline.as_ref().map(|found| baseline(comparison, found, &names));
    let effects = shown.effects.map(|found| effects(comparison, found));
    let pareto = shown.pareto.map(|found| pareto(found, &names));
    [baseline, effects, pareto].into_iter().flatten().collect()
}

fn baseline(comparison: &Comparison, baseline: &Baseline, names: &Names) -> Section {
    let with_images = over_images(baseline.differences.iter().flatten());
    let columns = [(names.title.to_owned(), Column::Name)].into_iter().chain(difference_columns(with_images));
    let mut grid = Grid::new(columns);
    for (row, difference) in comparison.rows.iter().zip(&baseline.differences) {
        if row.variant != baseline.variant {
            let name = names.name(&row.variant, &row.id).to_owned();
            let cells = difference_cells(*difference, comparison.metric.goal, with_images);
            grid.push([name].into_iter().chain(cells));
        }
    }
    let caption = format!("{} minus that of {}, paired by seed", comparison.metric, baseline.variant);
    Section { caption: holm(caption, baseline.differences.iter().flatten()), grid }
}

fn effects(comparison: &Comparison, effects: &Effects) -> Section {
    let words = ["setting", "value", "against"].map(|title| (title.to_owned(), Column::Name));
    let contrasts = || effects.axes.iter().flat_map(|axis| &axis.contrasts);
    let with_images = over_images(contrasts().filter_map(|contrast| contrast.difference.as_ref()));
    let columns = words.into_iter().chain(difference_columns(with_images));
    let counts = ["seeds", "cells"].map(|title| (title.to_owned(), Column::Words));
    let mut grid = Grid::new(columns.chain(counts));
    for axis in &effects.axes {
        let setting = titles(&axis.keys).join(", ");
        for contrast in &axis.contrasts {
            let cells = [setting.clone(), values(&contrast.value), values(&axis.reference)];
            let mut difference = difference_cells(contrast.difference, comparison.metric.goal, with_images);
            // The seeds have a column here, and the interval says how much they differ.
            if let Some(found) = contrast.difference {
                difference[0] = fixed(found.mean, places(&found));
            }
            let seeds = contrast.difference.map_or(0, |difference| difference.seeds);
            grid.push(cells.into_iter().chain(difference).chain([seeds.to_string(), matches(contrast)]));
        }
    }
    let caption = format!(
        "effect of each setting on {}, over cells that match in everything else{}; cells are averaged within a \
         seed, seeds alone are replicates",
        comparison.metric,
        match &comparison.best_over {
            Some(key) => format!(", each at its best {key}"),
            None => String::new(),
        },
    );
    Section { caption: holm(caption, contrasts().filter_map(|contrast| contrast.difference.as_ref())), grid }
}

fn pareto(pareto: &Pareto, names: &Names) -> Section {
    let title = match pareto.cost {
        Cost::Memory => "memory, MiB".to_owned(),
        cost => cost.to_string(),
    };
    let mut grid = Grid::new([
        (names.title.to_owned(), Column::Name),
        (title, Column::Number),
        (pareto.metric.to_string(), Column::Number),
        ("frontier".to_owned(), Column::Words),
    ]);
    for point in &pareto.points {
        let cost = match pareto.cost {
            Cost::Memory => format!("{:.0}", point.cost / f64::from(1 << 20)),
            Cost::Parameters => format!("{:.0}", point.cost),
            Cost::Seconds => number(point.cost),
        };
        let beaten = || format!("beaten by {}", crate::report::verdict::list(&point.dominated_by));
        let frontier = if point.frontier { "yes".to_owned() } else { beaten() };
        grid.push([names.name(&point.variant, &point.id).to_owned(), cost, number(point.mean), frontier]);
    }
    let mut caption = format!("{} against {}, cheapest first", pareto.metric, pareto.cost);
    if !pareto.left_out.is_empty() {
        let left_out = crate::report::verdict::list(&pareto.left_out);
        caption.push_str(&format!("; without a value or a cost: {left_out}"));
    }
    Section { caption, grid }
}

/// Whether any of these knows its images.
fn over_images<'a>(mut differences: impl Iterator<Item = &'a Difference>) -> bool {
    differences.any(|difference| difference.image_se.is_some())
}

fn difference_columns(with_images: bool) -> impl Iterator<Item = (String, Column)> {
    [
        Some(("difference", Column::Number)),
        Some(("95% interval", Column::Number)),
        with_images.then_some(("se over images", Column::Number)),
        Some(("p", Column::Number)),
        Some(("apart", Column::Words)),
    ]
    .into_iter()
    .flatten()
    .map(|(title, layout)| (title.to_owned(), layout))
}

fn difference_cells(difference: Option<Difference>, goal: Goal, with_images: bool) -> Vec<String> {
    let Some(difference) = difference else {
        let gaps = std::iter::repeat_n("-", 3 + usize::from(with_images));
        return gaps.chain(["no pair"]).map(str::to_owned).collect();
    };
    let better = match goal {
        Goal::Min => difference.mean < 0.0,
        Goal::Max => difference.mean > 0.0,
    };
    let apart = match (difference.p, difference.leaves_out_zero(), better) {
        (None, ..) => "one seed",
        (_, false, _) => "no",
        (_, true, true) => "better",
        (_, true, false) => "worse",
    };
    let places = places(&difference);
    let mean = fixed(difference.mean, places);
    let image_se = with_images.then(|| match difference.image_se {
        Some(se) => fixed(se, places),
        None => "-".to_owned(),
    });
    let shown = [
        Some(match difference.std {
            Some(std) => format!("{mean} ± {} ({})", fixed(std, places), difference.seeds),
            None => format!("{mean} (1 seed)"),
        }),
        Some(match difference.ci95 {
            Some((low, high)) => format!("{} to {}", fixed(low, places), fixed(high, places)),
            None => "-".to_owned(),
        }),
        image_se,
        Some(difference.p_holm.map_or("-".to_owned(), p_value)),
        Some(apart.to_owned()),
    ];
    shown.into_iter().flatten().collect()
}

/// Decimals that give the widest number of a difference five digits: its mean may be next to nothing.
fn places(difference: &Difference) -> Option<usize> {
    let (low, high) = difference.ci95.unwrap_or((difference.mean, difference.mean));
    decimals(difference.mean.abs().max(low.abs()).max(high.abs()))
}

/// Four decimals, and never a p of 0.
fn p_value(p: f64) -> String {
    if p < 0.0001 { "<0.0001".to_owned() } else { format!("{p:.4}") }
}

/// `4`, or `4; 2 pairs without a value`.
fn matches(contrast: &Contrast) -> String {
    match contrast.missing {
        0 => contrast.cells.to_string(),
        missing => format!("{}; {missing} pairs without a value", contrast.cells),
    }
}

fn values(values: &[Option<Value>]) -> String {
    values.iter().map(|value| compact(value.as_ref())).collect::<Vec<_>>().join(", ")
}

/// Adds what the p values are adjusted over, where there is more than one.
fn holm<'a>(caption: String, differences: impl Iterator<Item = &'a Difference>) -> String {
    match differences.filter(|difference| difference.p.is_some()).count() {
        0 | 1 => caption,
        contrasts => format!("{caption}; p adjusted by Holm's method over {contrasts} contrasts"),
    }
}
