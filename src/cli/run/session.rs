//! One launch over an experiment's runs, shared by `run` and `resume`.
//!
//! In: entries in order, room for workers, options. Out: trained runs, `summary.csv`, the list of failures
//! and the exit code.

use std::io;
use std::time::{Duration, Instant};

use super::Entry;
use super::estimate::Estimates;
use super::prepare::{PrepareError, prepare};
use crate::cli::compare;
use crate::cli::failure::{ExitCode, Failure, exit};
use crate::cli::output::{note, say, tell, warn};
use crate::guard::printable;
use crate::launch::{
    self, End, LaunchError, Launcher, Local, Outcome, Slots, Standing, Stop, progress, standing,
};
use crate::report;
use crate::rundir::{
    self, Disk, ExperimentDir, ExperimentLock, Fs, Held, RunDir, RunDirError, files,
    lock::network_file_system,
};

/// How long workers take to notice that their launcher was killed. With the experiment's lock in hand no
/// launcher lives here, so a live worker is most likely such an orphan.
const ORPHAN_GRACE: Duration = Duration::from_secs(1);

/// Options of every command that trains.
#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::cli) struct Options {
    /// Try runs that failed or diverged once more
    #[arg(long)]
    pub(in crate::cli) retry_failed: bool,
    /// Stop all runs when one fails
    #[arg(long)]
    pub(in crate::cli) fail_fast: bool,
    /// Refuse to go on with a run where its bytes might differ from an uninterrupted run's
    #[arg(long)]
    pub(in crate::cli) require_exact: bool,
    /// Print failures only
    #[arg(long)]
    pub(in crate::cli) quiet: bool,
}

/// The right to launch, and how.
pub(in crate::cli) struct Session<'a> {
    pub(in crate::cli) directory: &'a ExperimentDir,
    pub(in crate::cli) slots: Slots,
    pub(in crate::cli) options: &'a Options,
    pub(in crate::cli) _lock: ExperimentLock,
}

/// Refuses to train without libtorch, before anything is written.
pub(in crate::cli) fn require_torch() -> Result<(), Failure> {
    #[cfg(feature = "torch")]
    return Ok(());
    #[cfg(not(feature = "torch"))]
    Err(crate::cli::failure::without_torch("train"))
}

/// Lets a signal end this process at once, until there are workers to be asked first.
pub(in crate::cli) fn end_at_once_until_launched() -> Result<(), Failure> {
    launch::end_at_once_until_launched().map_err(|error| system(&error))
}

/// An error of the launcher itself, with its cause.
fn system(error: &LaunchError) -> Failure {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    Failure::internal(format!("{error}{}", cause.unwrap_or_default()))
}

/// Creates the experiment's folder and takes its lock, or says who has it or why it cannot be written.
pub(in crate::cli) fn take(directory: &ExperimentDir) -> Result<ExperimentLock, Failure> {
    let unwritable = |error: RunDirError| match &error {
        RunDirError::Io { source, .. } if !is_a_choice(source.kind()) => storage(error),
        RunDirError::Malformed { .. } => Failure::user(error),
        _ => Failure::user(format!("the runs folder cannot be written: {error}"))
            .with_help("choose another with -s runtime.runs_dir=DIR, or allow writing there"),
    };
    // The folder itself may be a link: people move an experiment to another disk.
    if !directory.path().is_dir() {
        files::create_dir(&Disk, directory.path()).map_err(unwritable)?;
    }
    let lock = ExperimentLock::acquire(directory).map_err(|held| match held {
        Held::Unusable(error) => unwritable(error),
        held @ Held::By { .. } => {
            Failure::new(&held, exit::HELD).with_help("it is left alone; `ablate status` shows what it does")
        }
    })?;
    if let Some(kind) = network_file_system(directory.path()) {
        warn(format_args!(
            "{} is on {kind}: a second launcher on another host may not be noticed",
            directory.path().display()
        ));
    }
    Ok(lock)
}

/// Whether a folder is refused for what it is, not for the state of its disk: trying again would not help.
fn is_a_choice(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        AlreadyExists, InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound,
        PermissionDenied, ReadOnlyFilesystem,
    };
    matches!(
        kind,
        AlreadyExists
            | InvalidFilename
            | InvalidInput
            | IsADirectory
            | NotADirectory
            | NotFound
            | PermissionDenied
            | ReadOnlyFilesystem
    )
}

/// A disk that refused, as the documented exit code.
pub(in crate::cli) fn storage(error: RunDirError) -> Failure {
    let code = if error.is_storage() { exit::STORAGE } else { exit::INTERNAL };
    Failure::new(error, code)
}

/// What became of the entries, by their place.
#[derive(Default)]
struct Sorted {
    done: usize,
    pending: Vec<usize>,
    /// Failed before and not tried again.
    failed: Vec<(usize, Option<String>)>,
    held: Vec<(usize, String)>,
}

impl Session<'_> {
    /// Trains whatever is not done.
    pub(in crate::cli) fn train(&self, entries: &[Entry]) -> Result<ExitCode, Failure> {
        let sorted = self.sort(entries)?;
        self.warn_about_space(entries, &sorted.pending);
        if let Some(fitting) =
            self.slots.held_back.filter(|_| !self.options.quiet && !sorted.pending.is_empty())
        {
            note(fitting.sentence());
        }
        let launched: Vec<&Entry> = sorted.pending.iter().map(|&index| &entries[index]).collect();
        let jobs: Vec<_> = launched.iter().map(|entry| entry.job()).collect();
        let estimates = Estimates::before(&launched, &self.slots);
        let outcome = if jobs.is_empty() {
            Outcome::default()
        } else {
            let program = std::env::current_exe().map_err(|error| {
                Failure::internal(format!("cannot find this program's own file: {error}"))
            })?;
            let worker = ["worker", "--precision-checked"];
            let local = Local::new(program, &worker, self.slots, self.options.fail_fast);
            let mut progress = progress::choose(self.options.quiet, &jobs, sorted.done, self.slots.jobs);
            local.launch(&jobs, progress.as_mut()).map_err(|error| system(&error))?
        };
        let summary = write_summary(self.directory);
        self.print(entries, &sorted, &outcome);
        self.hold_against(estimates, &launched, &outcome);
        summary.map_err(storage)?;
        Ok(ExitCode::from(exit_code(&sorted, &outcome)))
    }

    /// How right the estimates were, for this launch and for later plans.
    fn hold_against(&self, estimates: Option<Estimates>, launched: &[&Entry], outcome: &Outcome) {
        match estimates.map(|mut estimates| estimates.after(launched, outcome)) {
            Some(Ok(Some(sentence))) if !self.options.quiet => tell(sentence),
            Some(Err(error)) => warn(error),
            _ => {}
        }
    }

    fn sort(&self, entries: &[Entry]) -> Result<Sorted, Failure> {
        let mut sorted = Sorted::default();
        let deadline = Instant::now() + ORPHAN_GRACE;
        let mut unsynced = false;
        for (index, entry) in entries.iter().enumerate() {
            match settled_standing(&entry.run, deadline)? {
                Standing::Done => sorted.done += 1,
                Standing::Failed(status) if !self.options.retry_failed => {
                    sorted.failed.push((index, status.error));
                }
                Standing::Held(status) => {
                    sorted.held.push((index, status.owner.to_string()));
                }
                Standing::Pending | Standing::Failed(_) => match prepare(entry) {
                    Ok(written) => {
                        unsynced |= written;
                        sorted.pending.push(index);
                    }
                    Err(PrepareError::Held(held)) => sorted.held.push((index, held.to_string())),
                    Err(PrepareError::RunDir(error)) if error.is_storage() => return Err(storage(error)),
                    Err(PrepareError::RunDir(error)) => {
                        sorted.failed.push((index, Some(error.to_string())));
                    }
                    Err(error @ PrepareError::Unwritable { .. }) => {
                        let help = "keep experiments, data and runs in folders whose paths are UTF-8";
                        return Err(Failure::user(error).with_help(help));
                    }
                    Err(error @ PrepareError::Foreign { .. }) => {
                        return Err(
                            Failure::user(error).with_help("move the run's folder away to train it anew")
                        );
                    }
                },
            }
        }
        if unsynced {
            files::sync_file_system(self.directory.path()).map_err(storage)?;
        }
        Ok(sorted)
    }

    fn warn_about_space(&self, entries: &[Entry], pending: &[usize]) {
        let needed: u64 = pending.iter().map(|&index| entries[index].disk_bytes()).sum();
        let Some(free) = Disk.free_bytes(self.directory.path()) else { return };
        if needed > free {
            let mebibytes = |bytes: u64| bytes >> 20;
            warn(format_args!(
                "{} has {} MiB free; the checkpoints of {} runs may take {} MiB",
                self.directory.path().display(),
                mebibytes(free),
                pending.len(),
                mebibytes(needed)
            ));
        }
    }

    fn print(&self, entries: &[Entry], sorted: &Sorted, outcome: &Outcome) {
        for (index, owner) in &sorted.held {
            say(format_args!("in use: {}, by {owner}", entries[*index].label));
        }
        for ended in outcome.ended.iter().filter(|ended| ended.end == End::Held) {
            say(format_args!("in use: {}", ended.error.as_deref().unwrap_or("by another process")));
        }
        let ended = outcome.ended.iter().map(|ended| (&entries[sorted.pending[ended.index]], ended));
        let new = ended.filter(|(_, ended)| is_bad(ended.end)).map(|(entry, ended)| (entry, &ended.error));
        let old = sorted.failed.iter().map(|(index, error)| (&entries[*index], error));
        let bad: Vec<_> = new.chain(old).collect();
        if !bad.is_empty() {
            say("failed:");
        }
        for (entry, error) in bad {
            let reason = printable(error.as_deref().unwrap_or("no reason recorded"));
            say(format_args!("  {}: {reason}", entry.label));
            say(format_args!("    log: {}", log_of(&entry.run).display()));
        }
        if !sorted.failed.is_empty() {
            say(format_args!("{} failed before; --retry-failed tries them again", sorted.failed.len()));
        }
        if self.options.quiet {
            return;
        }
        tell(counts(entries.len(), sorted, outcome));
        let unfinished = outcome.not_started > 0 || outcome.ended.iter().any(|ended| is_resumable(ended.end));
        if unfinished {
            tell("run the same command again to go on");
        }
        if sorted.done > 0 || outcome.ended.iter().any(|ended| ended.end == End::Done) {
            let folder = self.directory.path();
            tell(format_args!("\n{}", compare::default_table(folder)));
            tell(format_args!("more: ablate compare {}", printable(&folder.display().to_string())));
        }
    }
}

/// Where a run stands, once a worker whose launcher was killed a moment ago has noticed and ended.
fn settled_standing(run: &RunDir, deadline: Instant) -> Result<Standing, Failure> {
    loop {
        let found = standing(run).map_err(|error| match &error {
            RunDirError::Newer { .. } => Failure::user(error),
            _ => storage(error),
        })?;
        match &found {
            Standing::Held(status) if status.owner.is_local() && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            _ => return Ok(found),
        }
    }
}

/// The log that says most: the structured one only has what the worker lived to write.
fn log_of(run: &RunDir) -> std::path::PathBuf {
    let said = |path: &std::path::Path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
    Some(run.stderr_path()).filter(|path| said(path)).unwrap_or_else(|| run.log_path())
}

fn is_bad(end: End) -> bool {
    matches!(end, End::Failed | End::Diverged | End::Storage)
}

fn is_resumable(end: End) -> bool {
    matches!(end, End::Interrupted | End::Storage)
}

/// `8 runs: 6 done, 1 failed, 1 interrupted`.
fn counts(total: usize, sorted: &Sorted, outcome: &Outcome) -> String {
    let ended = |wanted: &[End]| outcome.ended.iter().filter(|ended| wanted.contains(&ended.end)).count();
    let parts = [
        (sorted.done + ended(&[End::Done]), "done"),
        (sorted.failed.len() + ended(&[End::Failed, End::Diverged]), "failed"),
        (ended(&[End::Interrupted, End::Storage]), "interrupted"),
        (sorted.held.len() + ended(&[End::Held]), "in use elsewhere"),
        (outcome.not_started, "not started"),
    ];
    let parts: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    format!("{total} run{}: {}", if total == 1 { "" } else { "s" }, parts.join(", "))
}

/// The most urgent of what happened.
fn exit_code(sorted: &Sorted, outcome: &Outcome) -> u8 {
    let any = |wanted: &[End]| outcome.ended.iter().any(|ended| wanted.contains(&ended.end));
    match outcome.stop {
        Some(Stop::Killed) => exit::KILLED,
        Some(Stop::Asked) if outcome.not_started > 0 || any(&[End::Interrupted]) => exit::INTERRUPTED,
        _ if any(&[End::Storage]) => exit::STORAGE,
        _ if !sorted.failed.is_empty() || any(&[End::Failed, End::Diverged]) => exit::SOME_FAILED,
        _ if any(&[End::Interrupted]) => exit::INTERRUPTED,
        _ if !sorted.held.is_empty() || any(&[End::Held]) => exit::HELD,
        _ => 0,
    }
}

/// Rewrites `summary.csv` from what the run tree says now.
pub(in crate::cli) fn write_summary(directory: &ExperimentDir) -> Result<(), RunDirError> {
    let table = report::summary::summary(directory)?;
    rundir::summary::write(directory, &table.header, &table.rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Ended;

    fn outcome(ends: &[End], not_started: usize, stop: Option<Stop>) -> Outcome {
        let ended = |(index, &end)| Ended { index, end, error: None, seconds: 0.0 };
        Outcome { ended: ends.iter().enumerate().map(ended).collect(), not_started, stop }
    }

    #[test]
    fn the_exit_code_tells_the_most_urgent_thing() {
        let none = Sorted::default();
        let code = |ends: &[End], not_started, stop| exit_code(&none, &outcome(ends, not_started, stop));
        assert_eq!(code(&[], 0, None), 0);
        assert_eq!(code(&[End::Done, End::Done], 0, None), 0);
        assert_eq!(code(&[End::Done, End::Failed, End::Interrupted], 0, None), 1);
        assert_eq!(code(&[End::Done, End::Interrupted], 0, None), 75);
        assert_eq!(code(&[End::Failed, End::Storage], 3, Some(Stop::Storage)), 74);
        assert_eq!(code(&[End::Failed, End::Interrupted], 3, Some(Stop::Asked)), 75);
        assert_eq!(code(&[End::Done], 0, Some(Stop::Asked)), 0, "the signal came when all was done");
        assert_eq!(code(&[End::Interrupted], 0, Some(Stop::Killed)), 130);
        assert_eq!(code(&[End::Done, End::Held], 0, None), 4);
        let failed_before = Sorted { failed: vec![(0, None)], ..Sorted::default() };
        assert_eq!(exit_code(&failed_before, &Outcome::default()), 1);
    }

    #[test]
    fn the_counts_name_only_what_there_is() {
        let sorted = Sorted { done: 5, ..Sorted::default() };
        let text = counts(8, &sorted, &outcome(&[End::Done, End::Diverged], 1, Some(Stop::FailFast)));
        assert_eq!(text, "8 runs: 6 done, 1 failed, 1 not started");
        assert_eq!(counts(1, &Sorted { done: 1, ..Sorted::default() }, &Outcome::default()), "1 run: 1 done");
    }
}
