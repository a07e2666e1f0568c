//! `ablate run EXPERIMENT`: plan, write down what was asked for, train whatever is not done.
//!
//! Everything that can be wrong with the input is found before anything is written; from then on the run
//! tree says where each run stands, and the same command again goes on from there.

mod entry;
mod estimate;
mod exact;
mod glob;
mod images;
mod precision;
mod prepare;
pub(super) mod session;

pub(super) use entry::{Entry, make_paths_absolute};
pub(super) use exact::{refuse_inexact, require_exact};
pub(super) use precision::check_precision;
pub(super) use prepare::prepare;
pub(super) use session::{Options, Session, end_at_once_until_launched, require_torch, storage, take};

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::experiment_args::ExperimentArgs;
use super::failure::{ExitCode, Failure};
use super::output::{note, warn};
use super::plan::fit::Fit;
use super::plan::left_out;
use crate::config::{Experiment, Runtime};
use crate::guard::printable;
use crate::launch::Slots;
use crate::memory::{Fitting, Room};
use crate::plan::{self, Plan, run_state};
use crate::rundir::{ExperimentDir, State, format};

/// Options of `ablate run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    experiment: ExperimentArgs,
    /// Workers at a time (runtime.jobs); 0 chooses from the cores
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Threads per worker (runtime.threads); 0 chooses from the cores
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Who starts the workers (launcher.kind)
    #[arg(long, value_name = "KIND")]
    launcher: Option<String>,
    /// Train only variants whose name matches, with * and ?; `NAME/seed-N` names one run
    #[arg(long, value_name = "GLOB")]
    only: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// Plans, records, trains, reports.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    session::end_at_once_until_launched()?;
    let experiment = Experiment::load(&request(&args))?;
    let plan = Plan::build(&experiment)?;
    images::check(&experiment, &plan)?;
    let mut entries = chosen(&plan, args.only.as_deref())?;
    require_torch()?;
    let notes = check_precision(&mut entries, &|key| experiment.location(key))?;
    let directory = plan.experiment_dir();
    refuse_newer(&directory, &entries)?;
    require_exact(&entries, &args.options)?;
    for warning in plan.warnings.iter().chain(&too_large(&plan, &entries, &experiment.base().runtime)) {
        warn(warning);
    }
    if !args.options.quiet {
        print_notes(&plan);
        notes.iter().for_each(note);
    }

    let new = missing_folders(directory.path());
    let lock = take(&directory)?;
    if let Err(failure) = images::prepare(&experiment, &plan, args.options.quiet) {
        // Wrong input leaves no trace: the folders and the lock file in them were made just now.
        if !new.is_empty() {
            let _ = std::fs::remove_file(directory.lock_path());
            new.iter().for_each(|folder| drop(std::fs::remove_dir(folder)));
        }
        return Err(failure);
    }
    let command: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let recorded =
        plan::record_request(&directory, &experiment, &command).and_then(|()| plan::write_record(&plan));
    for warning in recorded.map_err(session::storage)? {
        warn(warning);
    }
    let runtime = &experiment.base().runtime;
    let fitting = || Fitting::of(plan.variants.iter().map(|variant| &variant.config), Room::shared());
    let slots = Slots::choose(runtime, plan.runs().count(), fitting);
    Session { directory: &directory, slots, options: &args.options, _lock: lock }.train(&entries)
}

/// Refuses to touch what a newer version of the program wrote, before anything is written.
pub(super) fn refuse_newer(directory: &ExperimentDir, entries: &[Entry]) -> Result<(), Failure> {
    format::refuse_newer_experiment(directory)
        .and_then(|()| entries.iter().try_for_each(|entry| format::refuse_newer_run(&entry.run)))
        .map_err(Failure::user)
}

/// A folder and those above it that are not there yet, the deepest first.
fn missing_folders(folder: &Path) -> Vec<PathBuf> {
    let above = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    above.map(Path::to_path_buf).collect()
}

/// The request with the flags that stand for keys.
fn request(args: &Args) -> crate::config::Request {
    let mut request = args.experiment.request();
    let numbers = [("runtime.jobs", args.jobs), ("runtime.threads", args.threads)];
    for (key, value) in numbers {
        request.set.extend(value.map(|value| format!("{key}={value}")));
    }
    request.set.extend(args.launcher.as_ref().map(|kind| format!("launcher.kind={kind}")));
    request
}

/// Every run of the plan that `--only` lets through, in the plan's order.
fn chosen(plan: &Plan, only: Option<&str>) -> Result<Vec<Entry>, Failure> {
    let wanted = |entry: &Entry| {
        only.is_none_or(|pattern| {
            let variant = entry.run.variant().unwrap_or_default();
            glob::matches(pattern, variant) || glob::matches(pattern, &entry.label)
        })
    };
    let entries: Vec<Entry> = plan.runs().map(|run| Entry::planned(&run)).filter(wanted).collect();
    if entries.is_empty() {
        let names = plan.variants.iter().take(8).map(|variant| format!("\n    {}", variant.name));
        let pattern = printable(only.unwrap_or("*"));
        return Err(Failure::user(format!("--only {pattern} matches no variant of {}", plan.experiment))
            .with_help(format!(
                "the plan has {} variant{}:{}",
                plan.variants.len(),
                if plan.variants.len() == 1 { "" } else { "s" },
                names.collect::<String>()
            )));
    }
    Ok(entries)
}

/// A warning for each variant that this machine has no memory for, of those that are to be trained.
fn too_large(plan: &Plan, entries: &[Entry], runtime: &Runtime) -> Vec<String> {
    let left = entries.iter().filter(|entry| run_state(&entry.run).state != State::Done);
    let left: HashSet<&str> = left.filter_map(|entry| entry.run.variant()).collect();
    Fit::here(plan, runtime).warnings_of(|variant| left.contains(variant.name.as_str()))
}

/// What the plan finds odd, each sentence once.
fn print_notes(plan: &Plan) {
    if let Some(left_out) = left_out::line(plan) {
        note(format_args!("{left_out}; `ablate plan` says which and why"));
    }
    let mut said: Vec<&String> = Vec::new();
    for sentence in plan.variants.iter().flat_map(|variant| &variant.notes) {
        if !said.contains(&sentence) {
            said.push(sentence);
            note(sentence);
        }
    }
}
