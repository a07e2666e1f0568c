//! What `ablate eval` left in the runs: evaluations on any split, each under the fingerprint of its settings.
//!
//! In: run folders. Out: the one evaluation per run that may be put side by side, or why there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::CompareError;
use super::load::{Loaded, RunRow};
use super::query::Split;
use super::series::Series;
use super::trust::in_groups;
use crate::rundir::{EvalSettings, RunDir};

/// A row for every step and average of a long run.
const ROWS_LIMIT: u64 = 8 << 20;
/// Above the number of ways anybody evaluates one run.
const MAX_EVALUATIONS: usize = 256;

/// One evaluation of one run.
#[derive(Debug)]
pub(super) struct Evaluation {
    fingerprint: String,
    settings: EvalSettings,
    /// The rows, as those of `eval.csv`.
    pub(super) series: Series,
    /// Where its denoising curve is.
    pub(super) levels: PathBuf,
    /// Where what each image has in the numbers is.
    pub(super) images: PathBuf,
}

/// Every run's evaluations that can be read, variants and runs in the order they were loaded.
pub(super) struct Evaluations {
    runs: Vec<Vec<Vec<Evaluation>>>,
    /// What cannot, one sentence each.
    pub(super) notes: Vec<String>,
}

impl Evaluations {
    /// Reads those of one split.
    pub(super) fn read(loaded: &Loaded, split: Split) -> Self {
        use rayon::prelude::*;
        let split = split.to_string();
        let read = |run: &RunRow| if run.found { of_run(&run.dir, &split) } else { Default::default() };
        let read: Vec<Vec<(Vec<Evaluation>, Vec<String>)>> =
            loaded.variants.par_iter().map(|variant| variant.runs.iter().map(read).collect()).collect();
        let mut notes = Vec::new();
        let runs = read.into_iter().map(|variant| {
            variant
                .into_iter()
                .map(|(evaluations, damage)| {
                    notes.extend(damage);
                    evaluations
                })
                .collect()
        });
        Self { runs: runs.collect(), notes }
    }

    /// Whether any has a value in this column.
    pub(super) fn have(&self, column: &str) -> bool {
        self.runs.iter().flatten().flatten().any(|evaluation| evaluation.has(column))
    }

    /// Per run its evaluation under the settings that are common to all runs with a value in this column.
    ///
    /// # Errors
    /// No one way of asking is shared by every run that was asked at all.
    pub(super) fn alike(
        self,
        loaded: &Loaded,
        metric: &str,
        column: &str,
    ) -> Result<Vec<Vec<Option<Evaluation>>>, CompareError> {
        let Some(fingerprint) = self.shared(column) else {
            return Err(self.differ(loaded, metric, column));
        };
        let choose = |mut run: Vec<Evaluation>| {
            let at = run.iter().position(|one| one.fingerprint == fingerprint)?;
            Some(run.swap_remove(at))
        };
        Ok(self.runs.into_iter().map(|runs| runs.into_iter().map(choose).collect()).collect())
    }

    /// The settings that every run with the column was evaluated under: those with the most images.
    fn shared(&self, column: &str) -> Option<String> {
        let asked = self.runs.iter().flatten().map(|run| {
            let having = run.iter().filter(|evaluation| evaluation.has(column));
            having.map(|one| (one.settings.images, one.fingerprint.clone())).collect::<BTreeSet<_>>()
        });
        let shared = asked.filter(|run| !run.is_empty()).reduce(|left, right| &left & &right)?;
        shared.last().map(|(_, fingerprint)| fingerprint.clone())
    }

    fn differ(&self, loaded: &Loaded, metric: &str, column: &str) -> CompareError {
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (variant, runs) in loaded.variants.iter().zip(&self.runs) {
            for one in runs.iter().flatten().filter(|one| one.has(column)) {
                groups.entry(words(&one.settings)).or_default().insert(variant.label.clone());
            }
        }
        CompareError::SettingsDiffer {
            metric: metric.to_owned(),
            reason: format!("no evaluation is common to all runs: {}", in_groups(groups)),
        }
    }
}

impl Evaluation {
    fn has(&self, column: &str) -> bool {
        let at = self.series.column(column);
        at.is_some_and(|at| self.series.rows.iter().any(|row| row.values[at].is_some()))
    }
}

fn words(settings: &EvalSettings) -> String {
    let stride = match settings.stride {
        1 => String::new(),
        stride => format!(", each at every {stride}th noise level"),
    };
    format!("{} images of {}{stride}, data {}", settings.images, settings.split, settings.data)
}

/// The evaluations of one split in a run's folder, and what is wrong with others.
fn of_run(run: &RunDir, split: &str) -> (Vec<Evaluation>, Vec<String>) {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    let Ok(entries) = std::fs::read_dir(run.evals_path()) else { return (found, notes) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    if paths.len() > MAX_EVALUATIONS {
        notes.push(format!(
            "left out {}: it has more than {MAX_EVALUATIONS} files",
            run.evals_path().display()
        ));
        return (found, notes);
    }
    for path in paths {
        match one(&path, split) {
            Ok(evaluation) => found.extend(evaluation),
            Err(reason) => notes.push(format!("left out {}: {reason}", path.display())),
        }
    }
    (found, notes)
}

/// One evaluation; `None` where it is of another split.
fn one(path: &Path, split: &str) -> Result<Option<Evaluation>, String> {
    let settings = EvalSettings::read(path).map_err(|error| error.to_string())?;
    let Some(settings) = settings.filter(|settings| settings.split == split) else { return Ok(None) };
    let rows = path.with_extension("csv");
    if std::fs::symlink_metadata(&rows).is_ok_and(|found| found.len() > ROWS_LIMIT) {
        return Err(format!("its rows take more than {} MiB", ROWS_LIMIT >> 20));
    }
    let series = Series::read(&rows).map_err(|error| error.to_string())?;
    if series.bad_rows > 0 || series.torn {
        return Err("its rows are damaged; `ablate eval` measures them again".to_owned());
    }
    let fingerprint = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let [levels, images] = ["levels.csv", "images.csv"].map(|ending| path.with_extension(ending));
    Ok(Some(Evaluation { fingerprint, settings, series, levels, images }))
}
