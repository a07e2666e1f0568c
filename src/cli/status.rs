//! `ablate status [DIR]`: where every run stands, how fast it goes and how long it will take.
//!
//! Reads the run tree alone, so that it works while, after and without a launcher. A folder that cannot be
//! read is listed with the reason; the others still show.

mod args;
mod row;
mod table;
mod trend;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::failure::{ExitCode, Failure};
use super::output::{note, print};
use super::run::session::write_summary;
use super::terminal;
use crate::guard::{escape_json, printable};
use crate::report::load;
use crate::report::metric::Log;
use crate::rundir::{ExperimentDir, State, is_launching};
use args::View;
use row::Row;
use table::Look;

pub(crate) use args::Args;

/// Curves of the loss are drawn for so many runs at most: each costs some reads.
const MOST_TRENDS: usize = 500;

/// Every state, in the order in which they are counted.
const STATES: [State; 8] = [
    State::Done,
    State::Running,
    State::Submitted,
    State::Planned,
    State::Interrupted,
    State::Paused,
    State::Failed,
    State::Diverged,
];

/// Everything there is to show.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Overview {
    runs: Vec<Row>,
    /// Runs by state.
    counts: BTreeMap<&'static str, usize>,
    /// What could not be read, one sentence each.
    notes: Vec<String>,
}

/// Reads and prints, once or for as long as there is something to see.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let view = View::of(args)?;
    let overview = read(&view.folder)?;
    refresh_summaries(&overview);
    match view.refresh {
        Some(refresh) => watch::watch(&view, refresh, overview)?,
        None => print(&render(&overview, &view)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(folder: &Path) -> Result<Overview, Failure> {
    let loaded = load::load(&[folder.to_path_buf()], Log::Eval).map_err(|error| {
        Failure::user(printable(&error.to_string())).with_help("name a folder that `ablate run` wrote")
    })?;
    let mut notes = loaded.notes;
    let mut runs: Vec<Row> = loaded
        .variants
        .iter()
        .flat_map(|variant| variant.runs.iter().map(move |run| (variant, run)))
        .map(|(variant, run)| Row::read(variant, run, &mut notes))
        .collect();
    if runs.len() <= MOST_TRENDS {
        runs.iter_mut().for_each(|row| row.trend = trend::of(&row.run()));
    }
    let mut counts = BTreeMap::new();
    for row in &runs {
        *counts.entry(row.state.name()).or_default() += 1;
    }
    Ok(Overview { runs, counts, notes })
}

impl Overview {
    /// The experiments that the runs are of.
    fn experiments(&self) -> Vec<ExperimentDir> {
        let mut experiments: Vec<ExperimentDir> =
            self.runs.iter().filter_map(|row| row.run().experiment()).collect();
        experiments.dedup();
        experiments
    }

    /// Whether a worker or a launcher is at work on any of them.
    fn is_at_work(&self) -> bool {
        self.runs.iter().any(|row| row.state == State::Running) || self.experiments().iter().any(is_launching)
    }
}

/// Brings each experiment's `summary.csv` up to date. A tree that may only be read is no error here.
fn refresh_summaries(overview: &Overview) {
    for experiment in overview.experiments() {
        if let Err(error) = write_summary(&experiment) {
            note(error);
        }
    }
}

fn render(overview: &Overview, view: &View) -> Result<String, Failure> {
    if view.json {
        return json(overview, view.refresh.is_some());
    }
    let look = Look { width: terminal::width(), color: terminal::in_color() };
    Ok(text(overview, &view.folder, &overview.runs, look))
}

/// One document; on one line where more follow.
fn json(overview: &Overview, one_line: bool) -> Result<String, Failure> {
    let text =
        if one_line { serde_json::to_string(overview) } else { serde_json::to_string_pretty(overview) };
    let text =
        text.map_err(|error| Failure::internal(format!("cannot write the status as JSON: {error}")))?;
    Ok(format!("{}\n", escape_json(&text)))
}

/// A table of these of the runs, and what is said of all of them.
fn text(overview: &Overview, folder: &Path, shown: &[Row], look: Look) -> String {
    let mut text = String::new();
    if overview.runs.is_empty() {
        text.push_str(&format!("no runs in {}\n", printable(&folder.display().to_string())));
    } else {
        text.push_str(&table::table(shown, look));
        text.push_str(&format!("\n{}\n", counts(&overview.counts)));
    }
    for sentence in &overview.notes {
        text.push_str(&format!("note: {}\n", printable(sentence)));
    }
    text
}

fn counts(counts: &BTreeMap<&'static str, usize>) -> String {
    let total: usize = counts.values().sum();
    let parts = STATES
        .iter()
        .filter_map(|state| counts.get(state.name()).map(|number| format!("{number} {}", state.name())));
    format!("{total} run{}: {}", if total == 1 { "" } else { "s" }, parts.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;
