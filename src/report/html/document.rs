//! Everything a page shows, as plain data: what its scripts read.
//!
//! In: variants with their runs. Out: the parts of a [`Document`]. Texts are printable here already, so that a copy of
//! them into a terminal is harmless too.

use std::collections::BTreeMap;

use serde::Serialize;

use super::comparisons::{Costs, Ranking};
use super::curves::{CurveName, VariantCurves};
use super::failures::Failure;
use super::page::data_json;
use super::samples::Samples;
use super::schedules::Drawn;
use super::settings::Difference;
use crate::guard::printable;
use crate::report::load::{RunRow, VariantRuns};
use crate::report::progress::Progress;
use crate::report::varying::compact;
use crate::rundir::{State, Status};

/// Version of the data in a page.
pub(super) const FORMAT: u32 = 1;

/// Whether a page lies in a file or comes from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// It carries everything.
    File,
    /// It asks for curves and samples, and again and again for what changed.
    Live,
}

/// What a page shows.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    pub(super) format: u32,
    pub(super) title: String,
    pub(super) program: &'static str,
    /// When the folders were read, RFC 3339, UTC.
    pub(super) generated: String,
    pub(super) live: bool,
    /// Runs by state.
    pub(super) counts: BTreeMap<&'static str, usize>,
    /// The keys that vary.
    pub(super) keys: Vec<VaryingKey>,
    /// In the plan's order; everything else names them by place.
    pub(super) variants: Vec<Variant>,
    pub(super) rankings: Vec<Ranking>,
    pub(super) curve_names: Vec<CurveName>,
    /// Empty in a live page.
    pub(super) curves: Vec<VariantCurves>,
    pub(super) samples: Samples,
    pub(super) schedules: Vec<Drawn>,
    pub(super) failures: Vec<Failure>,
    /// What could not be read or was left out, one sentence each.
    pub(super) notes: Vec<String>,
}

/// A key that varies.
#[derive(Debug, Serialize)]
pub(super) struct VaryingKey {
    pub(super) key: String,
    pub(super) title: String,
}

/// One variant.
#[derive(Debug, Serialize)]
pub(super) struct Variant {
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

/// A variant with its runs.
pub(super) fn described(
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
