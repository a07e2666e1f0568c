//! `plan.json`: what was asked for, over all invocations.
//!
//! In: a [`Plan`] and the file that an earlier invocation left. Out: their union, replaced by rename: the
//! variants of this plan in order, then those no longer asked for, marked `asked: false`. A damaged older
//! file is replaced, and the caller told; a newer format is refused.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::build::Plan;
use super::variant::Variant;
use crate::rundir::{Disk, ExperimentDir, Overrides, RunDirError, files};

/// Version of `plan.json`.
const PLAN_FORMAT: u32 = 1;
/// Far above a plan of 10,000 variants.
const SIZE_LIMIT: u64 = 1 << 28;

#[derive(Serialize)]
struct PlanFile<'a> {
    format: u32,
    experiment: &'a str,
    varying: &'a [String],
    variants: Vec<Recorded>,
}

/// One variant as the file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Recorded {
    name: String,
    id: String,
    #[serde(default)]
    identity: String,
    /// Whether the latest invocation plans it.
    #[serde(default = "yes")]
    asked: bool,
    #[serde(default)]
    overrides: Overrides,
    /// Replicates that the latest invocation with this variant planned.
    #[serde(default)]
    seeds: Vec<u64>,
    /// Replicates that only earlier invocations planned.
    #[serde(default)]
    dropped_seeds: Vec<u64>,
    #[serde(default)]
    parameters: u64,
    #[serde(default)]
    train_flops_per_image: u64,
}

fn yes() -> bool {
    true
}

/// Writes `plan.json` of the plan's folder, which must exist. Returns what was wrong with the older file,
/// in words; it is then replaced.
///
/// # Errors
/// The file cannot be written, or a newer version of the program wrote the older one.
pub fn write_record(plan: &Plan) -> Result<Vec<String>, RunDirError> {
    let experiment = plan.experiment_dir();
    let (older, warnings) = read(&experiment)?;
    let file = PlanFile {
        format: PLAN_FORMAT,
        experiment: &plan.experiment,
        varying: &plan.varying,
        variants: union(plan, older),
    };
    let path = experiment.plan_path();
    let mut bytes = serde_json::to_vec_pretty(&file)
        .map_err(|error| RunDirError::Malformed { path: path.clone(), reason: error.to_string() })?;
    bytes.push(b'\n');
    files::replace(&Disk, &path, &bytes)?;
    Ok(warnings)
}

/// Identity by folder name, as far as a readable `plan.json` tells.
pub(crate) fn identities(experiment: &ExperimentDir) -> HashMap<String, String> {
    let (recorded, _) = read(experiment).unwrap_or_default();
    let known = recorded.into_iter().filter(|variant| !variant.identity.is_empty());
    known.map(|variant| (variant.name, variant.identity)).collect()
}

fn union(plan: &Plan, older: Vec<Recorded>) -> Vec<Recorded> {
    let mut older_by_id: HashMap<String, Recorded> =
        older.iter().map(|variant| (variant.id.clone(), variant.clone())).collect();
    let mut variants: Vec<Recorded> =
        plan.variants.iter().map(|variant| recorded(variant, older_by_id.remove(&variant.id))).collect();
    let mut told = HashSet::new();
    let dropped = older.into_iter().filter(|variant| {
        // An id that a damaged file repeats is kept once.
        older_by_id.contains_key(&variant.id) && told.insert(variant.id.clone())
    });
    variants.extend(dropped.map(|variant| Recorded { asked: false, ..variant }));
    variants
}

fn recorded(variant: &Variant, older: Option<Recorded>) -> Recorded {
    let mut dropped_seeds: Vec<u64> =
        older.into_iter().flat_map(|older| older.seeds.into_iter().chain(older.dropped_seeds)).collect();
    dropped_seeds.retain(|seed| !variant.seeds.contains(seed));
    dropped_seeds.sort_unstable();
    dropped_seeds.dedup();
    Recorded {
        name: variant.name.clone(),
        id: variant.id.clone(),
        identity: variant.identity.clone(),
        asked: true,
        overrides: Overrides(variant.overrides.clone()),
        seeds: variant.seeds.clone(),
        dropped_seeds,
        parameters: variant.parameters,
        train_flops_per_image: variant.train_flops_per_image,
    }
}

/// The older variants, and what could not be read.
fn read(experiment: &ExperimentDir) -> Result<(Vec<Recorded>, Vec<String>), RunDirError> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    /// A variant, or something that is none.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry {
        Variant(Recorded),
        Other(serde::de::IgnoredAny),
    }
    #[derive(Deserialize)]
    struct Older {
        variants: Vec<Entry>,
    }

    let path = experiment.plan_path();
    let damaged = |reason: String| {
        (Vec::new(), vec![format!("{} was damaged and is replaced: {reason}", path.display())])
    };
    let text = match files::read_text(&Disk, &path, SIZE_LIMIT) {
        Ok(None) => return Ok(Default::default()),
        Ok(Some(text)) => text,
        Err(RunDirError::Malformed { reason, .. }) => return Ok(damaged(reason)),
        Err(error) => return Err(error),
    };
    match serde_json::from_str::<Versioned>(&text) {
        Ok(Versioned { format }) if format > PLAN_FORMAT => {
            return Err(RunDirError::Newer { path, what: "plan", found: format, known: PLAN_FORMAT });
        }
        Ok(_) => {}
        Err(error) => return Ok(damaged(error.to_string())),
    }
    let older: Older = match serde_json::from_str(&text) {
        Ok(older) => older,
        Err(error) => return Ok(damaged(error.to_string())),
    };
    let count = older.variants.len();
    let variants: Vec<Recorded> = older
        .variants
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Variant(variant) => Some(variant),
            Entry::Other(_) => None,
        })
        .collect();
    let lost = count - variants.len();
    let warning = (lost > 0)
        .then(|| format!("{}: {lost} of {count} variants were damaged and are left out", path.display()));
    Ok((variants, warning.into_iter().collect()))
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
