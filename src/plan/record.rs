//! `plan.json`: what was asked for, over all invocations.
//!
//! In: a [`Plan`] and the file that an earlier invocation left. Out: their union, replaced by rename: the
//! variants of this plan in order, then those no longer asked for, marked `asked: false`. A damaged older
//! file is replaced, and the caller told; a newer format is refused.

use std::collections::{HashMap, HashSet};

use super::build::Plan;
use super::variant::Variant;
use crate::rundir::format::PLAN_FORMAT;
use crate::rundir::plan_file::{PlanFile, Recorded};
use crate::rundir::{ExperimentDir, Overrides, RunDirError};

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
        experiment: plan.experiment.clone(),
        varying: plan.varying.clone(),
        base: Overrides(plan.base.clone()),
        variants: union(plan, older),
        lost: 0,
    };
    file.write(&experiment)?;
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
    let path = experiment.plan_path();
    let older = match PlanFile::read(experiment) {
        Ok(older) => older,
        Err(RunDirError::Malformed { reason, .. }) => {
            return Ok((vec![], vec![format!("{} was damaged and is replaced: {reason}", path.display())]));
        }
        Err(error) => return Err(error),
    };
    let Some(PlanFile { variants, lost, .. }) = older else { return Ok(Default::default()) };
    let count = variants.len() + lost;
    let warning = (lost > 0)
        .then(|| format!("{}: {lost} of {count} variants were damaged and are left out", path.display()));
    Ok((variants, warning.into_iter().collect()))
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
