//! `ablate status [DIR]`: where every run stands, how fast it goes and how long it will take.
//!
//! Reads the run tree alone, so that it works while, after and without a launcher. A folder that cannot be
//! read is listed with the reason; the others still show.

mod row;
mod table;
mod trend;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use super::failure::Failure;
use super::output::{note, print};
use super::run::session::write_summary;
use super::terminal;
use crate::guard::{escape_json, printable};
use crate::report::load;
use crate::report::metric::Log;
use crate::rundir::{ExperimentDir, State, is_launching};
use row::Row;
use table::Look;

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

/// Options of `ablate status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run, variant, experiment or folder of experiments
    #[arg(value_name = "DIR", default_value = "runs")]
    folder: PathBuf,
    /// Show it again every so many seconds (2 where none are given) for as long as somebody is at work on the runs, or
    /// until Ctrl-C; a line for each change where the output is no terminal
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = refresh
    )]
    watch: Option<Duration>,
    /// Print JSON; with --watch a document a line, whenever something has changed
    #[arg(long)]
    json: bool,
}

/// Seconds between two looks.
fn refresh(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "use a number of seconds from 0.1 to 3600".to_owned())
}

/// Everything there is to show.
#[derive(Debug, PartialEq, Serialize)]
struct Overview {
    runs: Vec<Row>,
    /// Runs by state.
    counts: BTreeMap<&'static str, usize>,
    /// What could not be read, one sentence each.
    notes: Vec<String>,
}

/// Reads and prints, once or for as long as there is something to see.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let overview = read(&args.folder)?;
    refresh_summaries(&overview);
    match args.watch {
        Some(refresh) => watch::watch(&args, refresh, overview)?,
        None => print(&render(&overview, &args)?)?,
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

fn render(overview: &Overview, args: &Args) -> Result<String, Failure> {
    if args.json {
        return json(overview, args.watch.is_some());
    }
    let look = Look { width: terminal::width(), color: terminal::in_color() };
    Ok(text(overview, &args.folder, &overview.runs, look))
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
mod tests {
    use super::*;
    use crate::rundir::Status;

    fn write(experiment: &ExperimentDir, variant: &str, change: impl FnOnce(&mut Status)) {
        let run = experiment.run(variant, 0);
        std::fs::create_dir_all(run.path()).unwrap();
        let mut status = Status::planned(200).next_attempt();
        change(&mut status);
        status.write(&run).unwrap();
    }

    fn shown(folder: &Path, json: bool) -> String {
        let overview = read(folder).unwrap();
        let look = Look { width: 120, color: false };
        if json {
            super::json(&overview, false).unwrap()
        } else {
            text(&overview, folder, &overview.runs, look)
        }
    }

    #[test]
    fn every_run_has_a_line_and_a_dead_owner_is_no_runner() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path().join("x"));
        write(&experiment, "a-1", |status| (status.step, status.loss) = (50, Some(0.25)));
        write(&experiment, "b-2", |status| status.owner.boot_id = "earlier".to_owned());
        write(&experiment, "c-3", |status| {
            status.state = State::Failed;
            status.error = Some("no \x1b[31mimages".to_owned());
        });
        let text = shown(folder.path(), false);
        let line = |variant: &str| text.lines().find(|line| line.contains(variant)).unwrap().to_owned();
        assert!(line("a-1").contains("running") && line("a-1").contains("50/200  25%   0.2500"), "{text}");
        assert!(line("b-2").contains("interrupted"), "{text}");
        assert!(line("c-3").contains("no \\u{1b}[31mimages"), "{text}");
        assert!(text.contains("3 runs: 1 running, 1 interrupted, 1 failed"), "{text}");
    }

    #[test]
    fn a_damaged_run_is_listed_beside_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path().join("x"));
        write(&experiment, "a-1", |status| status.state = State::Done);
        write(&experiment, "b-2", |_| {});
        std::fs::write(experiment.run("b-2", 0).status_path(), "{").unwrap();
        let text = shown(folder.path(), false);
        assert!(text.contains("a-1") && text.contains("b-2"), "{text}");
        assert!(text.contains("status.json is damaged"), "{text}");
    }

    #[test]
    fn states_are_coloured_and_nothing_else_moves() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path().join("x"));
        write(&experiment, "done-1", |status| status.state = State::Done);
        write(&experiment, "failed-2", |status| {
            (status.state, status.error) = (State::Failed, Some("done, said nobody".to_owned()));
        });
        let overview = read(folder.path()).unwrap();
        let colored = |width, color| text(&overview, folder.path(), &overview.runs, Look { width, color });
        for width in [60, 120] {
            let (with, without) = (colored(width, true), colored(width, false));
            assert!(with.contains("\x1b[32mdone\x1b[0m") && with.contains("\x1b[31mfailed\x1b[0m"), "{with}");
            assert_eq!(with.matches('\x1b').count(), 4, "{with}");
            let bare =
                ["\x1b[32m", "\x1b[31m", "\x1b[0m"].iter().fold(with, |text, code| text.replace(code, ""));
            assert_eq!(bare, without);
            assert!(without.lines().all(|line| line.chars().count() <= width.into()), "{without}");
        }
    }

    #[test]
    fn a_curve_is_shown_where_there_is_room_and_a_course() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path().join("x"));
        write(&experiment, "a-1", |status| status.state = State::Done);
        let at = |width| {
            let overview = read(folder.path()).unwrap();
            text(&overview, folder.path(), &overview.runs, Look { width, color: false })
        };
        assert!(!at(120).contains("trend"));
        let rows = "1,0,0,0.9,,,,,,,\n2,0,0,0.1,,,,,,,\n";
        let text = crate::rundir::METRICS_HEADER.join(",") + "\n" + rows;
        std::fs::write(experiment.run("a-1", 0).metrics_path(), text).unwrap();
        assert!(at(120).contains("trend") && at(120).contains("█▁"));
        assert!(!at(80).contains("trend"));
    }

    #[test]
    fn somebody_is_at_work_while_a_run_or_its_launcher_lives() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path().join("x"));
        write(&experiment, "a-1", |status| status.state = State::Interrupted);
        assert!(!read(folder.path()).unwrap().is_at_work());
        let lock = crate::rundir::ExperimentLock::acquire(&experiment).unwrap();
        assert!(read(folder.path()).unwrap().is_at_work());
        drop(lock);
        write(&experiment, "b-2", |_| {});
        assert!(read(folder.path()).unwrap().is_at_work(), "this very process runs it");
    }

    #[test]
    fn json_has_states_and_counts_for_programs() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path().join("x"));
        write(&experiment, "a-1", |status| (status.state, status.step) = (State::Done, 200));
        let value: serde_json::Value = serde_json::from_str(&shown(folder.path(), true)).unwrap();
        assert_eq!(value["counts"]["done"], 1);
        assert_eq!(value["runs"][0]["step"], 200);
        assert_eq!(value["runs"][0]["variant"], "a-1");
    }
}
