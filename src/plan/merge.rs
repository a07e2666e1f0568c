//! Resolved points become a plan: those of equal identity merge, and what is left is named by what varies.
//!
//! In: resolved points and the experiment's folder. Out: variants in order, the keys that vary, and every
//! point that is no variant of its own.

use std::collections::HashMap;

use serde_json::Value;

use super::facts::Facts;
use super::folders::Folders;
use super::left_out::{Duplicate, Excluded, Invalid};
use super::resolve::{Candidate, Resolved};
use super::sweep::{Origin, Point, Sweep};
use super::variant::{Variant, to_json};
use super::{identity, name};
use crate::rundir::ExperimentDir;

/// What became of the points: each is in one of the lists.
#[derive(Default)]
pub(crate) struct Merged {
    pub(crate) variants: Vec<Variant>,
    /// The swept keys whose value differs between variants.
    pub(crate) varying: Vec<String>,
    pub(crate) duplicates: Vec<Duplicate>,
    pub(crate) excluded: Vec<Excluded>,
    pub(crate) invalid: Vec<Invalid>,
}

/// A variant in the making.
struct Kept {
    candidate: Candidate,
    /// The name a user gave it, or one of the points merged into it.
    title: Option<String>,
}

/// Merges points of equal identity, then names what is left by what varies.
pub(crate) fn merge(sweep: &Sweep, resolved: Vec<Resolved>, experiment: &ExperimentDir) -> Merged {
    let mut first_by_identity: HashMap<String, usize> = HashMap::with_capacity(resolved.len());
    let mut kept: Vec<Kept> = Vec::with_capacity(resolved.len());
    let mut repeated: Vec<(String, usize)> = Vec::new();
    let mut merged = Merged::default();
    for point in resolved {
        match point {
            Resolved::Valid(candidate) => {
                let title = match &candidate.point.origin {
                    Origin::Variant(name) => Some(name.clone()),
                    _ => None,
                };
                if let Some(&place) = first_by_identity.get(&candidate.identity) {
                    repeated.push((label(sweep, &candidate.point, &candidate.values), place));
                    kept[place].title = kept[place].title.take().or(title);
                } else {
                    first_by_identity.insert(candidate.identity.clone(), kept.len());
                    kept.push(Kept { candidate: *candidate, title });
                }
            }
            Resolved::Excluded { point, values, rule } => merged.excluded.push(Excluded {
                point: label(sweep, &point, &values),
                overrides: settings(&point, |key, _| value_at(sweep, &values, key)),
                rule: sweep.rules[rule].text(),
                reason: sweep.rules[rule].reason.clone(),
            }),
            Resolved::Invalid { point, problems } => merged.invalid.push(Invalid {
                point: sweep.label(&point),
                overrides: settings(&point, |_, raw| to_json(raw)),
                reasons: problems.0.into_iter().map(|problem| problem.message).collect(),
            }),
        }
    }
    let columns = Columns::of(sweep, &kept);
    merged.varying = columns.varying().map(|(key, _)| key.to_owned()).collect();
    merged.variants = name_all(sweep, kept, &columns, &Folders::of(experiment));
    let duplicate = |(point, place): (String, usize)| {
        let variant = merged.variants[place].name.clone();
        Duplicate { point, variant }
    };
    merged.duplicates = repeated.into_iter().map(duplicate).collect();
    merged
}

/// A point in the words of a name, its values in normal form.
fn label(sweep: &Sweep, point: &Point, values: &[Value]) -> String {
    sweep.label_with(point, |key, _| value_at(sweep, values, key))
}

fn value_at(sweep: &Sweep, values: &[Value], key: &str) -> Value {
    let place = sweep.keys.iter().position(|swept| swept == key);
    place.map(|place| values[place].clone()).unwrap_or_default()
}

fn settings(point: &Point, value: impl Fn(&str, &toml::Value) -> Value) -> Vec<(String, Value)> {
    point.settings.iter().map(|(key, raw)| (key.clone(), value(key, raw))).collect()
}

/// The swept keys over all variants.
struct Columns<'a> {
    keys: &'a [String],
    /// Whether each key's value differs between variants.
    varies: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn of(sweep: &'a Sweep, kept: &[Kept]) -> Columns<'a> {
        let value = |kept: &'_ Kept, place: usize| kept.candidate.values[place].clone();
        let varies = |place: usize| {
            let mut others = kept.iter();
            let first = others.next().map(|first| value(first, place));
            first.is_some_and(|first| others.any(|other| other.candidate.values[place] != first))
        };
        Columns { varies: (0..sweep.keys.len()).map(varies).collect(), keys: &sweep.keys }
    }

    /// Keys that vary, with their places.
    fn varying(&self) -> impl Iterator<Item = (&'a str, usize)> + '_ {
        let places = (0..self.keys.len()).filter(|&place| self.varies[place]);
        places.map(|place| (self.keys[place].as_str(), place))
    }

    /// The keys that name a point: those of its own form that vary. The only point of a product is named by
    /// all of them.
    fn naming(&self, sweep: &Sweep, point: &Point) -> Vec<(&'a str, usize)> {
        let place = |key: &str| self.keys.iter().position(|swept| swept == key);
        let known = |key: &str| place(key).map(|place| (self.keys[place].as_str(), place));
        let product = || sweep.product_keys().filter_map(known);
        let varies = |(_, place): &(&str, usize)| self.varies[*place];
        match point.origin {
            Origin::Product if !product().any(|key| varies(&key)) => product().collect(),
            Origin::Product | Origin::Base => product().filter(varies).collect(),
            Origin::OneAtATime | Origin::Variant(_) => {
                point.settings.iter().filter_map(|(key, _)| known(key)).collect()
            }
        }
    }
}

fn name_all(sweep: &Sweep, kept: Vec<Kept>, columns: &Columns<'_>, folders: &Folders) -> Vec<Variant> {
    let identities: Vec<&str> = kept.iter().map(|kept| kept.candidate.identity.as_str()).collect();
    let ids = identity::ids(&identities);
    let variant = |(Kept { candidate, title }, id): (Kept, String)| {
        let Candidate { point, config, facts, identity, values } = candidate;
        let (id, name) = match folders.find(&identity, &id) {
            Some((id, name)) => (id.to_owned(), name.to_owned()),
            None => {
                let label = title.clone().unwrap_or_else(|| {
                    let named = columns.naming(sweep, &point);
                    name::label(named.into_iter().map(|(key, place)| (key, &values[place])))
                });
                let id = folders.free_id(&identity, &id);
                (id.to_owned(), name::folder(&label, id))
            }
        };
        let overrides =
            columns.varying().map(|(key, place)| (key.to_owned(), values[place].clone())).collect();
        let Facts { parameters, train_flops_per_image, schedule, notes } = facts;
        let seeds = sweep.seeds.clone();
        Variant {
            name,
            title,
            id,
            identity,
            overrides,
            config,
            seeds,
            parameters,
            train_flops_per_image,
            schedule,
            notes,
        }
    };
    kept.into_iter().zip(ids).map(variant).collect()
}
