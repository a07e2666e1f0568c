//! What the fuzz targets of `tests/fuzz` call, and a small sample of it among the tests.
//!
//! In: any bytes. Out: nothing; a panic is a finding. Whatever is accepted is held to what must be true of it, and
//! whatever is refused to a message that a terminal can show. Compiled for tests and under feature `fuzzing` alone.

use std::path::{Path, PathBuf};

use crate::config::{self, Experiment, Problem, Request};
use crate::guard::printable_lines;
use crate::plan::Plan;
use crate::report::Series;
use crate::rundir::layout::is_safe_name;
use crate::rundir::provenance::Provenance;
use crate::rundir::{Manifest, Status};

/// Plans of more runs than this are counted, not built: the file itself may ask for a million.
const MOST_RUNS: i64 = 2_000;

/// An experiment file, TOML, or JSON where it opens like JSON: read, resolved, expanded into a plan.
pub fn experiment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let name = if text.trim_start().starts_with('{') { "x.json" } else { "x.toml" };
    let request = Request { experiment: PathBuf::from(name), ..Request::default() };
    plan(&request, name, text);
}

/// Settings, one a line, as if each stood behind `-s`; a line that begins with `--pin ` stands behind that.
pub fn setting(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (pins, set): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("--pin "));
    let request = Request {
        experiment: PathBuf::from("x.toml"),
        set: set.into_iter().map(str::to_owned).collect(),
        pin: pins.into_iter().map(|line| line["--pin ".len()..].to_owned()).collect(),
        ..Request::default()
    };
    plan(
        &request,
        "x.toml",
        "[sweep.grid]\n\"model.dropout\" = [0.1, 0.2]\n\"ema.warmup\" = [true, false]\n",
    );
}

/// A checkpoint's manifest, and the other JSON files of a run.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let folder = Path::new("step-00000008");
    // A changed byte is found by the manifest's own hash: what lies behind it is reached by sealing anew.
    for text in [Some(text.to_owned()), Manifest::resealed(text)].into_iter().flatten() {
        match Manifest::parse(folder, &text) {
            Ok(manifest) => {
                assert!(manifest.files.keys().all(|name| is_safe_name(name)), "{:?}", manifest.files);
                assert_eq!(manifest.step, 8);
                // Sizes that a file claims may be anything.
                let _ = manifest.total_bytes();
            }
            Err(error) => is_shown_safely(&error.to_string()),
        }
    }
    let path = Path::new("run.json");
    if let Ok(status) = Status::parse(path, text) {
        let next = status.next_attempt();
        assert!(next.attempt >= status.attempt);
    }
    if let Ok(provenance) = Provenance::parse(path, text) {
        let _ = provenance.comparable_fingerprint("1-abc");
    }
    if let Err(error) = crate::rundir::plan_file::PlanFile::parse(path, text) {
        is_shown_safely(&error.to_string());
    }
}

/// The CSV files of a run: rows rise, have the header's width and finite numbers, and a longer file only adds rows.
pub fn csv(bytes: &[u8]) {
    let series = Series::parse(bytes);
    let steps: Vec<u64> = series.rows.iter().map(|row| row.step).collect();
    assert!(steps.is_sorted(), "{steps:?}");
    for row in &series.rows {
        assert_eq!(row.values.len(), series.columns.len());
        assert!(row.values.iter().flatten().all(|value| value.is_finite()), "{row:?}");
    }
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    assert_eq!(series.torn, whole < bytes.len());
    let cut = &bytes[..whole.saturating_sub(1)];
    let shorter = Series::parse(cut);
    assert!(series.rows.starts_with(&shorter.rows), "a longer file changed rows before its end");
}

/// Loads and plans, with all other files absent.
fn plan(request: &Request, name: &str, text: &str) {
    let open = |path: &Path| {
        if path == Path::new(name) {
            Ok(text.to_owned())
        } else {
            Err(Problem::new(format!("{} does not exist", path.display())))
        }
    };
    let experiment = match Experiment::load_from(request, &open) {
        Ok(experiment) => experiment,
        Err(problems) => return is_shown_safely(&problems.to_string()),
    };
    let base = experiment.base();
    let allowed = experiment.sweep().and_then(|sweep| sweep.get("max_runs")?.as_integer());
    // Whatever file a fuzzer thinks of, it is not read.
    if base.training.initial_weights.is_some() || allowed.is_some_and(|runs| runs > MOST_RUNS) {
        return;
    }
    match Plan::build(&experiment) {
        Ok(plan) => holds(&plan),
        Err(problems) => is_shown_safely(&problems.to_string()),
    }
}

/// A plan's variants have folders of their own, and configurations that a worker reads back.
fn holds(plan: &Plan) {
    let mut names: Vec<&str> = plan.variants.iter().map(|variant| variant.name.as_str()).collect();
    assert!(names.iter().all(|name| is_safe_name(name)), "{names:?}");
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two variants share a folder");
    assert!(plan.runs().count() as i64 <= MOST_RUNS);
    for variant in plan.variants.iter().take(4) {
        let text = config::to_toml(&variant.config).expect("a path that came from a text is a text");
        let back = config::parse_run_config(&text, Path::new("config.toml"));
        assert_eq!(back.as_ref(), Ok(&variant.config), "{text}");
    }
}

/// What is said about bad input must not reach a terminal as anything but text.
fn is_shown_safely(text: &str) {
    assert!(!text.is_empty());
    // Paths are the operating system's and are made safe where they are shown.
    let shown = printable_lines(text);
    assert!(shown.chars().all(|character| character == '\n' || !character.is_control()), "{shown:?}");
}

#[cfg(test)]
#[path = "fuzzing_tests.rs"]
mod tests;
