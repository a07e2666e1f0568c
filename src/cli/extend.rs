//! `ablate extend RUN --steps N`: the same run, longer, as a run of its own that starts from where this one is.
//!
//! The beginning is copied, so the original stays as it is. A kill at any moment leaves either no new run or one
//! that the same command, `resume` and `run` go on with.

use std::path::{Path, PathBuf};

use super::failure::{ExitCode, Failure, exit};
use super::output::note;
use super::run::{
    Entry, Options, Session, check_precision, end_at_once_until_launched, refuse_inexact, refuse_newer,
    require_torch, storage, take,
};
use crate::config::{self, Config};
use crate::guard::printable;
use crate::launch::Slots;
use crate::plan::Extension;
use crate::rundir::plan_file::PlanFile;
use crate::rundir::{
    Checkpoint, Disk, ExperimentDir, Fork, Held, Located, Owner, RunDir, RunLock, checkpoint,
};

/// Options of `ablate extend`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run's folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Optimizer steps of the longer run, those of this one included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    steps: u64,
    #[command(flatten)]
    options: Options,
}

/// Copies the beginning where that was not done yet, then trains.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    end_at_once_until_launched()?;
    let (source, directory) = find(&args.run)?;
    let config = config::read_run_config(&source.config_path()).map_err(|error| {
        Failure::user(printable(&error.to_string()))
            .with_help("`ablate check` says what is wrong with the run")
    })?;
    let refused = |reason: String| Failure::user(format!("{} cannot be extended: {reason}", source.label()));
    let extension = Extension::plan(&directory, &source, &config, args.steps)
        .map_err(|error| refused(error.to_string()).with_help(from_the_start(args.steps)))?;
    let exists = extension.run.config_path().is_file();
    let basis = if exists { &extension.run } else { &source };
    // The longer run is executed as the one it goes on from.
    let mut basis = [Entry::found(basis.clone(), extension.config.clone())];
    refuse_newer(&directory, &basis)?;
    let unusable = |error: crate::rundir::RunDirError| {
        let help = "`ablate run` with the experiment file writes it again";
        Failure::user(printable(&error.to_string())).with_help(help)
    };
    PlanFile::read(&directory).map_err(unusable)?;
    require_torch()?;
    let notes = check_precision(&mut basis, &|_| None)?;
    if args.options.require_exact {
        refuse_inexact(&basis.iter().collect::<Vec<_>>())?;
    }
    if !args.options.quiet {
        notes.iter().for_each(note);
    }
    let lock = take(&directory)?;
    if !exists {
        let step = copy_beginning(&source, &config, &extension, args.options.quiet)?;
        if !args.options.quiet {
            println!("{} goes on from step {step} of {}", extension.run.label(), source.label());
        }
    }
    extension.record(&directory).map_err(storage)?;
    let slots = Slots::alone(&extension.config.runtime);
    let [basis] = basis;
    let entry = Entry { environment: basis.environment, ..Entry::found(extension.run, extension.config) };
    Session { directory: &directory, slots, options: &args.options, _lock: lock }.train(&[entry])
}

fn find(path: &Path) -> Result<(RunDir, ExperimentDir), Failure> {
    let located = Located::at(path).map_err(|error| Failure::user(printable(&error.to_string())))?;
    if let Located::Run(run) = located
        && let Some(experiment) = run.experiment()
    {
        return Ok((run, experiment));
    }
    Err(Failure::user(format!("{} is not a run folder", path.display()))
        .with_help("name one run: runs/<experiment>/<variant>/seed-<n>"))
}

fn from_the_start(steps: u64) -> String {
    format!("`ablate run` with the experiment file and -s training.steps={steps} trains it from the start")
}

/// Makes the new run's folder; returns the step it goes on from.
fn copy_beginning(
    source: &RunDir,
    config: &Config,
    extension: &Extension,
    quiet: bool,
) -> Result<u64, Failure> {
    let _in_use = RunLock::acquire(source).map_err(|held| match held {
        Held::Unusable(error) => storage(error),
        held @ Held::By { .. } => {
            Failure::new(&held, exit::HELD).with_help("wait for it, or stop it; then extend it")
        }
    })?;
    let (good, left_out) = usable(source, config, extension).map_err(storage)?;
    if !quiet {
        left_out.iter().for_each(note);
    }
    let steps = extension.config.training.steps.unwrap_or_default();
    let Some(from) = good.last() else {
        let reason = "it has no checkpoint that a longer run would also have";
        return Err(Failure::user(format!("{} cannot be extended: {reason}", source.label()))
            .with_help(from_the_start(steps)));
    };
    let text = config::to_toml(&extension.config)
        .map_err(|error| Failure::user(format!("the configuration cannot be written as TOML: {error}")))?;
    let fork = Fork {
        source,
        checkpoints: &good,
        owner: Owner { run_id: extension.identity.clone(), seed: config.training.seed },
        total_steps: steps,
        config: &text,
        sample_every: config.sampling.every,
    };
    fork.write(&Disk, &extension.run).map_err(storage)?;
    Ok(from.step)
}

/// The good checkpoints that a longer run would also have had, oldest first, and why others are not among them.
fn usable(
    source: &RunDir,
    config: &Config,
    extension: &Extension,
) -> Result<(Vec<Checkpoint>, Vec<String>), crate::rundir::RunDirError> {
    let owner = Owner::of(config);
    let last = config.training.steps.unwrap_or_default();
    let (mut good, mut left_out) = (Vec::new(), Vec::new());
    for (step, path) in checkpoint::list(&Disk, source)? {
        match checkpoint::verify(&Disk, &path, Some(&owner)) {
            Ok(found) if extension.agrees_at(step, last) => good.push(found),
            Ok(_) => left_out.push(format!(
                "step {step} is the last of {}: a longer run has no row there (training.log_every = {}, \
                 evaluation.every = {})",
                source.label(),
                config.training.log_every,
                config.evaluation.every
            )),
            Err(error) => left_out.push(format!("not used: {error}")),
        }
    }
    Ok((good, left_out))
}
