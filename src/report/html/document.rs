//! Everything a page shows, as plain data.
//!
//! In: folders. Out: a [`Report`], and from it the [`Document`] that the scripts of the page read. Texts are printable
//! here already, so that a copy of them into a terminal is harmless too.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::Utc;
use serde::Serialize;

use super::comparisons::{Costs, Ranking, all_costs, rankings};
use super::curves::{self, CurveName, VariantCurves};
use super::failures::{Failure, failures};
use super::page::data_json;
use super::samples::{Samples, samples};
use super::schedules::{Drawn, schedules};
use super::settings::{Difference, differences};
use crate::guard::printable;
use crate::report::load::{self, Loaded, RunRow, VariantRuns};
use crate::report::metric::Log;
use crate::report::progress::Progress;
use crate::report::varying::{columns, compact, titles};
use crate::rundir::status::timestamp;
use crate::rundir::{RunDir, RunDirError, State, Status};

/// Version of the data in a page.
const FORMAT: u32 = 1;
/// Bytes of all curves in a file.
const CURVES: usize = 720 << 10;
/// Bytes of all thumbnails in a file.
const THUMBNAILS: usize = 800 << 10;

/// Whether a page lies in a file or comes from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// It carries everything.
    File,
    /// It asks for curves and samples, and again and again for what changed.
    Live,
}

/// What was read for a page.
#[derive(Debug)]
pub(crate) struct Report {
    title: String,
    eval: Loaded,
    training: Loaded,
}

/// What a page shows.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    format: u32,
    title: String,
    program: &'static str,
    /// When the folders were read, RFC 3339, UTC.
    generated: String,
    live: bool,
    /// Runs by state.
    counts: BTreeMap<&'static str, usize>,
    /// The keys that vary.
    keys: Vec<VaryingKey>,
    /// In the plan's order; everything else names them by place.
    variants: Vec<Variant>,
    rankings: Vec<Ranking>,
    curve_names: Vec<CurveName>,
    /// Empty in a live page.
    curves: Vec<VariantCurves>,
    samples: Samples,
    schedules: Vec<Drawn>,
    failures: Vec<Failure>,
    /// What could not be read or was left out, one sentence each.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct VaryingKey {
    key: String,
    title: String,
}

#[derive(Debug, Serialize)]
struct Variant {
    /// What requests name it by.
    key: String,
    label: String,
    id: String,
    asked: bool,
    /// Its values of the varying keys.
    values: Vec<Setting>,
    /// Where it leaves the common settings; absent where no run has a readable configuration.
    differences: Option<Vec<Difference>>,
    costs: Costs,
    runs: Vec<Run>,
}

/// One value: its text, and the number where it is one.
#[derive(Debug, Serialize)]
struct Setting(String, Option<f64>);

#[derive(Debug, Serialize)]
struct Run {
    seed: u64,
    state: State,
    found: bool,
    exact: bool,
    step: u64,
    total_steps: u64,
    images_per_second: Option<f64>,
    seconds_left: Option<f64>,
}

/// A label in a request: hexadecimal, so that nothing has to be escaped.
pub(super) fn key_of(label: &str) -> String {
    blake3::hash(label.as_bytes()).to_hex()[..16].to_owned()
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

impl Document {
    /// Everything but the time of reading, as text: equal texts show equal pages.
    pub(crate) fn undated(&mut self) -> String {
        let generated = std::mem::take(&mut self.generated);
        let text = data_json(self);
        self.generated = generated;
        text
    }

    /// The page's name.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// What is concluded under the default metric.
    pub(super) fn verdict(&self) -> &str {
        self.rankings.first().map_or("there are no runs", Ranking::verdict)
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
    printable(&crate::report::verdict::list(&names))
}

fn described(
    variant: &VariantRuns,
    keys: &[String],
    differences: Option<Vec<Difference>>,
    costs: Costs,
) -> Variant {
    let setting = |key: &String| {
        let value = variant.value(key);
        Setting(printable(&compact(value)), value.and_then(serde_json::Value::as_f64))
    };
    Variant {
        key: key_of(&variant.label),
        label: printable(&variant.label),
        id: printable(&variant.id),
        asked: variant.asked,
        values: keys.iter().map(setting).collect(),
        differences,
        costs,
        runs: variant.runs.iter().map(|run| progress(variant, run)).collect(),
    }
}

/// A run as `status` shows it.
fn progress(variant: &VariantRuns, run: &RunRow) -> Run {
    let status = Status::read(&run.dir).ok().flatten();
    let Progress { total_steps, images_per_second, seconds_left } =
        Progress::of(variant, run, status.as_ref());
    Run {
        seed: run.seed,
        state: run.state,
        found: run.found,
        exact: run.exact,
        step: run.step,
        total_steps,
        images_per_second,
        seconds_left,
    }
}
