//! Whether numbers may be put side by side.
//!
//! In: loaded runs and the rows made of them. Out: a refusal with its reason.

use std::collections::{BTreeMap, BTreeSet};

use super::error::CompareError;
use super::load::{Loaded, RunRow};
use super::metric::{Log, Metric};
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

/// `16 in a, b; 64 in c`: which variants have which value.
pub(super) fn in_groups(groups: impl IntoIterator<Item = (String, BTreeSet<String>)>) -> String {
    let group = |(value, variants): (String, BTreeSet<String>)| {
        format!("{value} in {}", list(&variants.into_iter().collect::<Vec<_>>()))
    };
    groups.into_iter().map(group).collect::<Vec<_>>().join("; ")
}

/// Refuses values that were measured on different images.
pub(crate) fn check_settings(loaded: &Loaded, rows: &[Row], metric: &Metric) -> Result<(), CompareError> {
    if metric.log != Log::Eval {
        return Ok(());
    }
    let refuse = |what: &str, groups: Vec<(String, BTreeSet<String>)>| CompareError::SettingsDiffer {
        metric: metric.to_string(),
        reason: format!("{what} differs: {}", in_groups(groups)),
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
pub(super) fn differing<'a>(loaded: &Loaded, keys: &[&'a str]) -> Vec<&'a str> {
    let differs =
        |key: &&str| loaded.variants.windows(2).any(|pair| pair[0].value(key) != pair[1].value(key));
    keys.iter().copied().filter(differs).collect()
}
