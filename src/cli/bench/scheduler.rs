//! What the scheduler adds to the time of training: planning a sweep, and starting runs whose workers do nothing.
//!
//! In: how many points and runs. Out: [`Scheduling`]. The plan is that of `ablate plan`; the runs go through what `ablate
//! run` does with each: a folder with its configuration, a process in a slot, its end, the summary. The worker is the
//! system's `true`; the status that a worker would leave is there before it starts.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Serialize;

use super::{FORMAT, Machine};
use crate::cli::failure::{Failure, exit};
use crate::cli::run::session::write_summary;
use crate::cli::run::{Entry, end_at_once_until_launched, prepare};
use crate::config::{Experiment, Request};
use crate::launch::progress::Quiet;
use crate::launch::{End, Launcher, Local, Slots};
use crate::plan::{Plan, Progress};
use crate::rundir::{State, Status, files};

/// Processes whose bare cost is measured.
const PROCESSES: usize = 200;
const EXPERIMENT: &str = "scheduler-bench";

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Scheduling {
    format: u32,
    pub(super) machine: Machine,
    pub(super) plan: Planning,
    /// Workers one after the other, then as many at a time as there are cores.
    pub(super) launches: Vec<Launching>,
    /// A process that does nothing, from its start to its end, by the standard library alone.
    pub(super) bare_process_seconds: f64,
}

/// A plan, in seconds.
#[derive(Debug, Serialize)]
pub(super) struct Planning {
    pub(super) points: usize,
    /// Reading the experiment.
    pub(super) load_seconds: f64,
    /// Expanding, resolving, checking, naming and pricing every point.
    pub(super) build_seconds: f64,
    /// Looking for the state of every run.
    pub(super) states_seconds: f64,
    pub(super) total_seconds: f64,
}

/// A launch, in seconds a run.
#[derive(Debug, Serialize)]
pub(super) struct Launching {
    pub(super) runs: usize,
    /// Workers at a time.
    pub(super) slots: usize,
    /// Making folders and configurations, and forcing them to the disk once.
    pub(super) prepare_seconds: f64,
    /// Starting and reaping processes, reading their status.
    pub(super) launch_seconds: f64,
    /// `summary.csv`.
    pub(super) summary_seconds: f64,
    pub(super) total_seconds: f64,
}

/// Measures, in a temporary folder that is deleted in the end.
pub(super) fn measure(runs: usize, points: usize) -> Result<Scheduling, Failure> {
    let machine = Machine::here();
    let program = no_op()?;
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::internal(format!("cannot make a temporary folder: {error}")))?;
    let plan = planning(points, folder.path())?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut slots = vec![1, cores];
    slots.dedup();
    let launches = slots
        .into_iter()
        .map(|slots| launching(runs, slots, &program, &folder.path().join(slots.to_string())))
        .collect::<Result<_, _>>()?;
    let bare_process_seconds = bare(&program)?;
    Ok(Scheduling { format: FORMAT, machine, plan, launches, bare_process_seconds })
}

fn planning(points: usize, folder: &Path) -> Result<Planning, Failure> {
    let begun = Instant::now();
    let experiment = experiment(points, folder)?;
    let loaded = begun.elapsed().as_secs_f64();
    let plan = Plan::build(&experiment)?;
    let built = begun.elapsed().as_secs_f64();
    let progress = Progress::of(&plan);
    let total_seconds = begun.elapsed().as_secs_f64();
    debug_assert_eq!(progress.states.len(), plan.variants.len());
    Ok(Planning {
        points: plan.variants.len(),
        load_seconds: loaded,
        build_seconds: built - loaded,
        states_seconds: total_seconds - built,
        total_seconds,
    })
}

/// A grid of at least so many points over two keys, in a runs folder of its own.
fn experiment(points: usize, folder: &Path) -> Result<Experiment, Failure> {
    let side = points.isqrt() + usize::from(points.isqrt().pow(2) < points);
    let axis = |step: f64| {
        let values: Vec<String> = (1..=side).map(|i| format!("{:e}", i as f64 * step)).collect();
        values.join(", ")
    };
    let mut text = format!("name = \"{EXPERIMENT}\"\n[sweep]\nmax_runs = {}\n[sweep.grid]\n", side * side);
    let _ = writeln!(text, "\"training.learning_rate\" = [{}]", axis(1e-6));
    let _ = writeln!(text, "\"training.weight_decay\" = [{}]", axis(1e-4));
    let file = PathBuf::from(format!("{EXPERIMENT}.toml"));
    let runs_dir = format!("runtime.runs_dir={:?}", folder.to_string_lossy());
    let request = Request { experiment: file, set: vec![runs_dir], ..Request::default() };
    Ok(Experiment::of_text(&request, &text)?)
}

fn launching(runs: usize, slots: usize, program: &Path, folder: &Path) -> Result<Launching, Failure> {
    let internal = |error: &dyn std::fmt::Display| Failure::internal(error);
    let plan = Plan::build(&experiment(runs, folder)?)?;
    let directory = plan.experiment_dir();
    let entries: Vec<Entry> = plan.runs().take(runs).map(|run| Entry::planned(&run)).collect();
    std::fs::create_dir_all(directory.path()).map_err(|error| {
        Failure::internal(format!("cannot create {}: {error}", directory.path().display()))
    })?;

    // A launch listens to signals itself, and leaves them to nobody.
    end_at_once_until_launched()?;
    let begun = Instant::now();
    for entry in &entries {
        prepare(entry).map_err(|error| internal(&error))?;
    }
    files::sync_file_system(directory.path()).map_err(|error| internal(&error))?;
    let prepare_seconds = begun.elapsed().as_secs_f64();

    let mut done = Status::planned(1);
    done.state = State::Done;
    entries.iter().try_for_each(|entry| done.write_progress(&entry.run)).map_err(|error| internal(&error))?;

    let begun = Instant::now();
    let jobs: Vec<_> = entries.iter().map(Entry::job).collect();
    let room = Slots { jobs: slots, threads: 1, thread_budget: None, held_back: None };
    let outcome = Local::new(program.to_owned(), &[], room, false)
        .launch(&jobs, &mut Quiet)
        .map_err(|error| internal(&error))?;
    let launch_seconds = begun.elapsed().as_secs_f64();
    end_at_once_until_launched()?;
    if outcome.stop.is_some() {
        return Err(Failure::new("stopped by a signal", exit::INTERRUPTED));
    }
    let ended = outcome.ended.iter().filter(|ended| ended.end == End::Done).count();
    if ended < runs {
        return Err(Failure::internal(format!("{} of {runs} workers that do nothing failed", runs - ended)));
    }

    let begun = Instant::now();
    write_summary(&directory).map_err(|error| internal(&error))?;
    let summary_seconds = begun.elapsed().as_secs_f64();
    let each = |seconds: f64| seconds / runs as f64;
    Ok(Launching {
        runs,
        slots,
        prepare_seconds: each(prepare_seconds),
        launch_seconds: each(launch_seconds),
        summary_seconds: each(summary_seconds),
        total_seconds: each(prepare_seconds + launch_seconds + summary_seconds),
    })
}

/// What a process costs that nobody schedules.
fn bare(program: &Path) -> Result<f64, Failure> {
    let begun = Instant::now();
    for _ in 0..PROCESSES {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
            .status()
            .map_err(|error| Failure::internal(format!("cannot start {}: {error}", program.display())))?;
    }
    Ok(begun.elapsed().as_secs_f64() / PROCESSES as f64)
}

/// The system's `true`, which takes any arguments and does nothing.
fn no_op() -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("true"));
    found.find(|program| program.is_file()).ok_or_else(|| {
        Failure::internal("there is no program `true` to stand for a worker that does nothing")
            .with_help("put one into a folder of PATH")
    })
}
