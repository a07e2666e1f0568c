//! `ablate resume DIR`: go on with what an experiment's or a run's folder holds, from the folder alone.
//!
//! Each run's `config.toml` says what to train and `plan.json` in which order; the experiment file is not
//! needed and not looked at.

use std::path::PathBuf;

use super::failure::{ExitCode, Failure, exit};
use super::output::{note, warn};
use super::run::{
    Entry, Options, Session, check_precision, end_at_once_until_launched, refuse_newer, require_exact,
    require_torch, take,
};
use crate::config;
use crate::guard::printable;
use crate::launch::Slots;
use crate::memory::{Fitting, Room};
use crate::report::load::{self, Loaded};
use crate::report::metric::Log;
use crate::rundir::ExperimentDir;

/// What to do about a configuration that cannot be read.
const AGAIN: &str = "`ablate run` with the experiment file writes it again";

/// Options of `ablate resume`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An experiment's, a variant's or a run's folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Workers at a time; 0 chooses from the cores [default: as the runs were planned]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Threads of a worker that never ran; 0 chooses from the cores [default: as the runs were planned]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    options: Options,
}

/// Finds the runs and trains whatever is not done.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    end_at_once_until_launched()?;
    let loaded = read(&args.folder)?;
    let directory = experiment_of(&args, &loaded)?;
    let Found { mut entries, left_out } = entries(&args, &loaded)?;
    // The size of the whole plan decides about threads, as it did when the experiment was run.
    let planned = read(directory.path())?;
    let runs =
        planned.variants.iter().filter(|variant| variant.asked).map(|variant| variant.runs.len()).sum();
    require_torch()?;
    let notes = check_precision(&mut entries, &|_| None)?;
    refuse_newer(&directory, &entries)?;
    require_exact(&entries, &args.options)?;
    if !args.options.quiet {
        notes.iter().for_each(note);
    }
    let lock = take(&directory)?;
    let mut runtime = entries[0].config.runtime.clone();
    runtime.jobs = args.jobs.unwrap_or(runtime.jobs);
    runtime.threads = args.threads.unwrap_or(runtime.threads);
    let configs = planned.variants.iter().filter_map(|variant| variant.config.as_deref());
    let slots = Slots::choose(&runtime, runs, || Fitting::of(configs, Room::shared()));
    let session = Session { directory: &directory, slots, options: &args.options, _lock: lock };
    let ended = session.train(&entries)?;
    Ok(if left_out > 0 && ended == ExitCode::SUCCESS { ExitCode::from(exit::SOME_FAILED) } else { ended })
}

/// The runs to go on with.
struct Found {
    entries: Vec<Entry>,
    /// Those whose configuration cannot be read.
    left_out: usize,
}

fn read(folder: &std::path::Path) -> Result<Loaded, Failure> {
    load::load(&[folder.to_path_buf()], Log::Eval).map_err(|error| {
        Failure::user(printable(&error.to_string())).with_help("name a folder that `ablate run` wrote")
    })
}

/// The one experiment all runs lie in.
fn experiment_of(args: &Args, loaded: &Loaded) -> Result<ExperimentDir, Failure> {
    let runs = loaded.variants.iter().flat_map(|variant| &variant.runs);
    let mut experiments: Vec<ExperimentDir> = runs.filter_map(|run| run.dir.experiment()).collect();
    experiments.sort();
    experiments.dedup();
    let folder = args.folder.display();
    match experiments.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::user(format!("{folder} holds no runs"))
            .with_help("name a folder that `ablate run` wrote")),
        several => {
            let names: Vec<String> =
                several.iter().map(|one| format!("\n    {}", one.path().display())).collect();
            Err(Failure::user(format!("{folder} holds {} experiments", several.len()))
                .with_help(format!("resume one of them:{}", names.concat())))
        }
    }
}

/// Every run that is still asked for, or that was named itself; seeds outermost, as in the plan.
fn entries(args: &Args, loaded: &Loaded) -> Result<Found, Failure> {
    let named = loaded.variants.len() == 1;
    let wanted = || loaded.variants.iter().filter(|variant| variant.asked || named);
    let mut runs: Vec<_> = wanted().flat_map(|variant| variant.runs.iter().enumerate()).collect();
    runs.sort_by_key(|(replicate, _)| *replicate);
    let (mut entries, mut left_out) = (Vec::new(), Vec::new());
    for (_, run) in runs {
        if !run.found {
            note(format_args!(
                "{} was never laid out; `ablate run` with its experiment file starts it",
                run.dir.label()
            ));
            continue;
        }
        match config::read_run_config(&run.dir.config_path()) {
            Ok(config) => entries.push(Entry::found(run.dir.clone(), config)),
            Err(error) if error.is_storage() => return Err(Failure::new(error, exit::STORAGE)),
            Err(error) => left_out.push(error),
        }
    }
    if entries.is_empty() && !left_out.is_empty() {
        return Err(Failure::user(left_out.remove(0)).with_help(AGAIN));
    }
    for error in &left_out {
        warn(format_args!("left out: {error}\n  help: {AGAIN}"));
    }
    if entries.is_empty() {
        return Err(Failure::user(format!("{} holds no runs to resume", args.folder.display()))
            .with_help("`ablate run` with the experiment file starts what is planned"));
    }
    Ok(Found { entries, left_out: left_out.len() })
}
