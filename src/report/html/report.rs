//! From folders to what a page shows of them.
//!
//! In: folders, and whether the page lies in a file or comes from a server. Out: a [`Report`], and from it the
//! [`Document`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::Utc;

use super::comparisons::{Ranking, all_costs, rankings};
use super::curves::{self, VariantCurves};
use super::document::{Document, FORMAT, Target, VaryingKey, described, key_of};
use super::failures::failures;
use super::samples::samples;
use super::schedules::schedules;
use super::settings::differences;
use crate::guard::printable;
use crate::report::load::{self, Loaded};
use crate::report::metric::Log;
use crate::report::varying::{columns, titles};
use crate::report::verdict::list;
use crate::rundir::status::timestamp;
use crate::rundir::{RunDir, RunDirError};

/// Bytes of all curves in a file.
const CURVES: usize = 720 << 10;
/// Bytes of all thumbnails in a file.
const THUMBNAILS: usize = 800 << 10;

/// What was read for a page.
#[derive(Debug)]
pub(crate) struct Report {
    title: String,
    eval: Loaded,
    training: Loaded,
}

impl Report {
    /// Reads every run below `folders`. A folder that is not there is an error; whatever else is wrong is noted.
    pub(crate) fn read(folders: &[PathBuf]) -> Result<Report, RunDirError> {
        let eval = load::load(folders, Log::Eval)?;
        let training = load::load(folders, Log::Metrics)?;
        Ok(Report { title: title(folders, &eval), eval, training })
    }

    /// Whether there is no run.
    pub(crate) fn is_empty(&self) -> bool {
        self.eval.variants.is_empty()
    }

    /// What could not be read.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &String> {
        let new = |note: &&String| !self.eval.notes.contains(note);
        self.eval.notes.iter().chain(self.training.notes.iter().filter(new))
    }

    /// Every run by its variant's key.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (String, u64, &RunDir)> {
        self.eval.variants.iter().flat_map(|variant| {
            let key = key_of(&variant.label);
            variant.runs.iter().map(move |run| (key.clone(), run.seed, &run.dir))
        })
    }

    /// The curves that a live page asks for.
    pub(crate) fn curves(&self) -> Vec<VariantCurves> {
        let names = curves::names(&self.eval, &self.training);
        let all: Vec<usize> = (0..self.eval.variants.len()).collect();
        // As much for each variant as a file has for all of a few.
        let budget = CURVES.max(self.eval.variants.len() * (CURVES / 8));
        curves::curves(&self.eval, &self.training, &all, &names, budget)
    }

    /// What a page for `target` shows.
    pub(crate) fn document(&self, target: Target) -> Document {
        let (eval, training) = (&self.eval, &self.training);
        let mut notes: Vec<String> = self.notes().map(|note| printable(note)).collect();
        let rankings = rankings(eval, training);
        let curve_names = curves::names(eval, training);
        let curves = match target {
            Target::Live => Vec::new(),
            Target::File => {
                let order = rankings.first().map(Ranking::order).filter(|order| !order.is_empty());
                let order = order.unwrap_or_else(|| (0..eval.variants.len()).collect());
                let curves = curves::curves(eval, training, &order, &curve_names, CURVES);
                if curves.len() < eval.variants.len() {
                    notes.push(format!(
                        "to stay small, this file has the curves of the best {} of {} variants",
                        curves.len(),
                        eval.variants.len()
                    ));
                }
                curves
            }
        };
        let samples = samples(eval, target, THUMBNAILS);
        notes.extend(samples.notes.iter().cloned());
        let keys = columns(eval);
        let mut counts = BTreeMap::new();
        for run in curves::runs(eval) {
            *counts.entry(run.state.name()).or_default() += 1;
        }
        let differences = differences(eval);
        Document {
            format: FORMAT,
            title: self.title.clone(),
            program: concat!("ablate ", env!("CARGO_PKG_VERSION")),
            generated: timestamp(Utc::now()),
            live: target == Target::Live,
            counts,
            variants: eval
                .variants
                .iter()
                .zip(differences)
                .zip(all_costs(eval))
                .map(|((variant, differences), costs)| described(variant, &keys, differences, costs))
                .collect(),
            keys: keys
                .iter()
                .zip(titles(&keys))
                .map(|(key, title)| VaryingKey { key: printable(key), title: printable(&title) })
                .collect(),
            rankings,
            curve_names,
            curves,
            samples,
            schedules: schedules(eval),
            failures: failures(eval),
            notes,
        }
    }
}

/// The experiments' names.
fn title(folders: &[PathBuf], loaded: &Loaded) -> String {
    let runs = curves::runs(loaded);
    let mut names: Vec<String> =
        runs.filter_map(|run| run.dir.experiment()).map(|experiment| experiment.name()).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        names = folders.iter().map(|folder| folder.display().to_string()).collect();
    }
    printable(&list(&names))
}
