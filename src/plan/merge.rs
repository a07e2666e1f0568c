//! Candidates become variants: those of equal identity merge, and what is left is named by what varies.
//!
//! In: checked points and the experiment's folder. Out: variants in order, the keys that vary, and what was
//! merged.

use std::collections::HashMap;

use serde_json::Value;

use super::build::Duplicate;
use super::facts::Facts;
use super::folders::Folders;
use super::resolve::Candidate;
use super::sweep::Sweep;
use super::variant::Variant;
use super::{identity, name};
use crate::rundir::ExperimentDir;

/// Variants, the keys that vary, merged points.
pub(crate) type Merged = (Vec<Variant>, Vec<String>, Vec<Duplicate>);

/// Merges points of equal identity, then names what is left by what varies.
pub(crate) fn merge(sweep: &Sweep, candidates: Vec<Candidate>, experiment: &ExperimentDir) -> Merged {
    let mut first_by_identity: HashMap<String, usize> = HashMap::with_capacity(candidates.len());
    let mut kept: Vec<Candidate> = Vec::with_capacity(candidates.len());
    let mut merged: Vec<(String, usize)> = Vec::new();
    for candidate in candidates {
        match first_by_identity.get(&candidate.identity) {
            Some(&place) => merged.push((sweep.label(&candidate.point), place)),
            None => {
                first_by_identity.insert(candidate.identity.clone(), kept.len());
                kept.push(candidate);
            }
        }
    }
    let columns = columns(sweep, &kept);
    let varying: Vec<String> =
        columns.iter().filter(|column| column.varies).map(|column| column.key.clone()).collect();
    let variants = name_all(kept, &columns, &sweep.seeds, &Folders::of(experiment));
    let duplicates = merged
        .into_iter()
        .map(|(point, place)| Duplicate { point, variant: variants[place].name.clone() })
        .collect();
    (variants, varying, duplicates)
}

/// One axis over all variants.
struct Column {
    key: String,
    /// Its value in each variant.
    values: Vec<Value>,
    varies: bool,
}

fn columns(sweep: &Sweep, kept: &[Candidate]) -> Vec<Column> {
    let mut columns: Vec<Column> = sweep
        .axes
        .iter()
        .map(|axis| Column { key: axis.key.clone(), values: Vec::with_capacity(kept.len()), varies: false })
        .collect();
    for candidate in kept {
        for (column, value) in columns.iter_mut().zip(&candidate.values) {
            column.values.push(value.clone());
        }
    }
    for column in &mut columns {
        column.varies = column.values.iter().any(|value| *value != column.values[0]);
    }
    columns
}

fn name_all(kept: Vec<Candidate>, columns: &[Column], seeds: &[u64], folders: &Folders) -> Vec<Variant> {
    let identities: Vec<&str> = kept.iter().map(|candidate| candidate.identity.as_str()).collect();
    let ids = identity::ids(&identities);
    let nothing_varies = !columns.iter().any(|column| column.varies);
    kept.into_iter()
        .zip(ids)
        .enumerate()
        .map(|(place, (candidate, id))| {
            let identity = candidate.identity;
            let (id, name) = match folders.find(&identity, &id) {
                Some((id, name)) => (id.to_owned(), name.to_owned()),
                None => {
                    // A sole variant that is not the base is named by its axes all the same.
                    let named = columns.iter().filter(|column| column.varies || nothing_varies);
                    let label = name::label(named.map(|column| (column.key.as_str(), &column.values[place])));
                    let id = folders.free_id(&identity, &id);
                    (id.to_owned(), name::folder(&label, id))
                }
            };
            let varying = columns.iter().filter(|column| column.varies);
            let overrides =
                varying.map(|column| (column.key.clone(), column.values[place].clone())).collect();
            let Facts { parameters, train_flops_per_image, schedule, notes } = candidate.facts;
            Variant {
                name,
                id,
                identity,
                overrides,
                config: candidate.config,
                seeds: seeds.to_vec(),
                parameters,
                train_flops_per_image,
                schedule,
                notes,
            }
        })
        .collect()
}
