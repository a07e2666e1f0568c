//! `ablate status [DIR]`: where every run stands, how fast it goes and how long it will take.
//!
//! Reads the run tree alone, so that it works while, after and without a launcher. A folder that cannot be
//! read is listed with the reason; the others still show.

mod row;
mod table;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use super::failure::Failure;
use super::output::{note, print};
use super::run::session::write_summary;
use crate::guard::{escape_json, printable};
use crate::report::load;
use crate::report::metric::Log;
use crate::rundir::{ExperimentDir, State};
use row::Row;

const REFRESH: Duration = Duration::from_secs(2);

/// Options of `ablate status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run, variant, experiment or folder of experiments
    #[arg(value_name = "DIR", default_value = "runs")]
    folder: PathBuf,
    /// Show it again every two seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Everything there is to show.
#[derive(Debug, Serialize)]
struct Overview {
    runs: Vec<Row>,
    /// Runs by state.
    counts: BTreeMap<&'static str, usize>,
    /// What could not be read, one sentence each.
    notes: Vec<String>,
}

/// Reads and prints, once or again and again.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let overview = read(&args.folder)?;
    refresh_summaries(&overview);
    print(&render(&overview, &args)?)?;
    if !args.watch {
        return Ok(ExitCode::SUCCESS);
    }
    // Home, then clear to the end: the picture is replaced without a flash.
    let clear = if io::stdout().is_terminal() { "\x1b[H\x1b[J" } else { "" };
    loop {
        std::thread::sleep(REFRESH);
        let text = render(&read(&args.folder)?, &args)?;
        print(&format!("{clear}{text}"))?;
    }
}

fn read(folder: &Path) -> Result<Overview, Failure> {
    let loaded = load::load(&[folder.to_path_buf()], Log::Eval).map_err(|error| {
        Failure::user(printable(&error.to_string())).with_help("name a folder that `ablate run` wrote")
    })?;
    let mut notes = loaded.notes;
    let runs: Vec<Row> = loaded
        .variants
        .iter()
        .flat_map(|variant| variant.runs.iter().map(move |run| (variant, run)))
        .map(|(variant, run)| Row::read(variant, run, &mut notes))
        .collect();
    let mut counts = BTreeMap::new();
    for row in &runs {
        *counts.entry(row.state.name()).or_default() += 1;
    }
    Ok(Overview { runs, counts, notes })
}

/// Brings each experiment's `summary.csv` up to date. A tree that may only be read is no error here.
fn refresh_summaries(overview: &Overview) {
    let mut experiments: Vec<ExperimentDir> =
        overview.runs.iter().filter_map(|row| row.run().experiment()).collect();
    experiments.dedup();
    for experiment in experiments {
        if let Err(error) = write_summary(&experiment) {
            note(error);
        }
    }
}

fn render(overview: &Overview, args: &Args) -> Result<String, Failure> {
    if args.json {
        // One document a line under --watch, so that a program can read them as they come.
        let text =
            if args.watch { serde_json::to_string(overview) } else { serde_json::to_string_pretty(overview) };
        let text =
            text.map_err(|error| Failure::internal(format!("cannot write the status as JSON: {error}")))?;
        return Ok(format!("{}\n", escape_json(&text)));
    }
    let mut text = String::new();
    if overview.runs.is_empty() {
        text.push_str(&format!("no runs in {}\n", args.folder.display()));
    } else {
        text.push_str(&table::table(&overview.runs));
        text.push_str(&format!("\n{}\n", counts(&overview.counts)));
    }
    for sentence in &overview.notes {
        text.push_str(&format!("note: {}\n", printable(sentence)));
    }
    Ok(text)
}

fn counts(counts: &BTreeMap<&'static str, usize>) -> String {
    let total: usize = counts.values().sum();
    let order = [
        State::Done,
        State::Running,
        State::Submitted,
        State::Planned,
        State::Interrupted,
        State::Paused,
        State::Failed,
        State::Diverged,
    ];
    let parts =
        order.iter().filter_map(|state| counts.get(state.name()).map(|n| format!("{n} {}", state.name())));
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
        let args = Args { folder: folder.to_path_buf(), watch: false, json };
        render(&read(folder).unwrap(), &args).unwrap()
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
