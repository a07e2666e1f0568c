//! Whether numbers may be put side by side, and what a reader must know about them.
//!
//! In: loaded runs and the rows made of them. Out: a refusal with its reason, or notes.

use std::collections::{BTreeMap, BTreeSet};

use super::error::CompareError;
use super::format::number;
use super::gaps::gaps;
use super::load::{Loaded, RunRow};
use super::metric::{Log, Metric};
use super::point::{At, Budget};
use super::query::{Query, Split};
use super::row::Row;
use super::varying::compact;
use super::verdict::list;

/// Settings that decide which images a held-out metric is measured on.
const IMAGE_KEYS: [&str; 3] = ["data.dataset", "data.image_size", "data.in_channels"];

/// Settings that change what a raw loss means.
const LOSS_KEYS: [&str; 14] = [
    "data.dataset",
    "data.image_size",
    "data.in_channels",
    "diffusion.beta_end",
    "diffusion.beta_start",
    "diffusion.huber_delta",
    "diffusion.loss_type",
    "diffusion.loss_weighting",
    "diffusion.min_snr_gamma",
    "diffusion.noise_schedule",
    "diffusion.prediction_type",
    "diffusion.rescale_betas",
    "diffusion.timesteps",
    "diffusion.zero_terminal_snr",
];

/// Settings that move the bound of a chain whatever the network does.
const CHAIN_KEYS: [&str; 6] = [
    "diffusion.beta_end",
    "diffusion.beta_start",
    "diffusion.noise_schedule",
    "diffusion.rescale_betas",
    "diffusion.timesteps",
    "diffusion.zero_terminal_snr",
];

/// Refuses a metric that no log has; runs without any log yet prove nothing.
pub(crate) fn check_column(runs: &[&RunRow], metric: &Metric) -> Result<(), CompareError> {
    let mut known = BTreeSet::new();
    for run in runs {
        if run.series.column(&metric.name).is_some() {
            return Ok(());
        }
        known.extend(run.series.columns.iter().map(String::as_str));
    }
    for column in ["step", "epoch", "weights", "images"] {
        known.remove(column);
    }
    if known.is_empty() {
        return Ok(());
    }
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(name, &metric.name), *name))
        .min()
        .filter(|(distance, name)| *distance <= name.len() / 2)
        .map(|(_, name)| name.to_owned());
    Err(CompareError::UnknownMetric {
        name: metric.name.clone(),
        file: metric.log.file(),
        known: known.into_iter().collect::<Vec<_>>().join(", "),
        nearest,
    })
}

/// Refuses values that were measured on different images.
pub(crate) fn check_settings(loaded: &Loaded, rows: &[Row], metric: &Metric) -> Result<(), CompareError> {
    if metric.log != Log::Eval {
        return Ok(());
    }
    let refuse = |what: &str, groups: Vec<(String, BTreeSet<String>)>| {
        let groups: Vec<String> = groups
            .into_iter()
            .map(|(value, variants)| {
                format!("{value} in {}", list(&variants.into_iter().collect::<Vec<_>>()))
            })
            .collect();
        CompareError::SettingsDiffer {
            metric: metric.to_string(),
            reason: format!("{what} differs: {}", groups.join("; ")),
        }
    };
    let mut by_count: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        for point in row.seeds.iter().filter_map(|seed| seed.point.as_ref().ok()) {
            by_count.entry(point.images.unwrap_or(0)).or_default().insert(row.variant.clone());
        }
    }
    if by_count.len() > 1 {
        let groups = by_count.into_iter().map(|(images, rows)| (images.to_string(), rows)).collect();
        return Err(refuse("the number of held-out images (evaluation.images)", groups));
    }
    for key in IMAGE_KEYS {
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        // Only variants with a value stand side by side.
        for row in rows.iter().filter(|row| row.summary.is_some()) {
            for value in row.members.iter().filter_map(|place| loaded.variants[*place].value(key)) {
                groups.entry(compact(Some(value))).or_default().insert(row.variant.clone());
            }
        }
        if groups.len() > 1 {
            return Err(refuse(key, groups.into_iter().collect()));
        }
    }
    Ok(())
}

/// Why raw losses of these variants cannot be ranked; `None` where they can or where `metric` is none.
pub(crate) fn incomparable_losses(loaded: &Loaded, metric: &Metric) -> Option<String> {
    if !metric.is_raw_loss() {
        return None;
    }
    let differing = differing(loaded, &LOSS_KEYS);
    (!differing.is_empty()).then(|| {
        format!(
            "{metric} means something else under each {}, so these numbers are not comparable; compare \
             --metric denoise_score, which is",
            differing.join(" and ")
        )
    })
}

/// Those of `keys` in which variants differ.
fn differing<'a>(loaded: &Loaded, keys: &[&'a str]) -> Vec<&'a str> {
    let differs =
        |key: &&str| loaded.variants.windows(2).any(|pair| pair[0].value(key) != pair[1].value(key));
    keys.iter().copied().filter(differs).collect()
}

/// What the table cannot say by itself.
pub(crate) fn notes(loaded: &Loaded, rows: &[Row], query: &Query) -> Vec<String> {
    let mut notes = gaps(loaded, rows, query);
    if query.at == Some(At::Best) {
        notes.push(match (query.metric.log, query.split) {
            (Log::Eval, Split::Val) => "each run's step was chosen on the split it is measured on (val), so \
                                        its value is a little too good"
                .to_owned(),
            (Log::Eval, _) => "each run's step was chosen on val".to_owned(),
            (Log::Metrics, _) => "each run's step was chosen on training batches".to_owned(),
        });
    }
    if let Some(At::Budget(budget)) = query.at {
        notes.extend(spent(rows, budget));
    }
    let of_the_chain = differing(loaded, &CHAIN_KEYS);
    if query.metric.is_of_the_chain() && !of_the_chain.is_empty() {
        notes.push(format!(
            "{} is a bound of each variant's own chain, which {} moves whatever the network learned; \
             denoise_score does not depend on it",
            query.metric,
            of_the_chain.join(" and "),
        ));
    }
    notes.extend(origins(loaded, rows));
    notes
}

/// Where the numbers come from, as far as it is not one and the same place.
fn origins(loaded: &Loaded, rows: &[Row]) -> Vec<String> {
    let mut notes = Vec::new();
    let inexact: Vec<String> = rows
        .iter()
        .filter(|row| row.seeds.iter().any(|seed| !seed.exact))
        .map(|row| row.variant.clone())
        .collect();
    if !inexact.is_empty() {
        notes.push(format!(
            "resumed under other conditions, so not the bytes of an uninterrupted run: {}",
            list(&inexact)
        ));
    }
    let dropped: Vec<String> = loaded
        .variants
        .iter()
        .filter(|variant| !variant.asked)
        .map(|variant| variant.label.clone())
        .collect();
    if !dropped.is_empty() {
        notes.push(format!("no longer asked for by the experiment file: {}", list(&dropped)));
    }
    let origins = || loaded.variants.iter().flat_map(|variant| &variant.runs).map(|run| &run.origin);
    let revisions: BTreeSet<&String> = origins().flat_map(|origin| &origin.revisions).collect();
    if revisions.len() > 1 {
        let revisions: Vec<String> = revisions.into_iter().cloned().collect();
        notes.push(format!("the runs come from different code revisions: {}", list(&revisions)));
    }
    let data: BTreeSet<&String> = origins().filter_map(|origin| origin.data.as_ref()).collect();
    if data.len() > 1 && !differs(loaded, |key| key.starts_with("data.")) {
        notes.push("the runs saw different images under the same data settings".to_owned());
    }
    notes
}

/// How far from the budget the rows lie that are compared under it.
fn spent(rows: &[Row], budget: Budget) -> Option<String> {
    let spent = rows.iter().flat_map(|row| &row.seeds).filter_map(|seed| seed.point.as_ref().ok()?.spent);
    let (least, most) = (spent.clone().min_by(f64::total_cmp)?, spent.max_by(f64::total_cmp)?);
    Some(format!(
        "under {budget} each run is read at its last row before; these lie at {} to {} {}, up to {:.1} % short",
        number(least),
        number(most),
        budget.unit,
        100.0 * (budget.amount - least) / budget.amount,
    ))
}

/// Whether the loaded variants differ in a key that `wanted` accepts.
fn differs(loaded: &Loaded, wanted: impl Fn(&str) -> bool) -> bool {
    let settings: Vec<_> = loaded.variants.iter().filter_map(|variant| variant.settings.as_ref()).collect();
    let chosen = |at: usize| settings[at].iter().filter(|(key, _)| wanted(key));
    (1..settings.len()).any(|at| !chosen(at - 1).eq(chosen(at)))
}
