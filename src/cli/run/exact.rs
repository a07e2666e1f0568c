//! `--require-exact`: before anything is written, would every run go on under the conditions it began under?
//!
//! In: the runs. Out: nothing, or all that would only be continued with `exact: false`, each with its reason. The
//! runs stay as they are and can be resumed.

use super::{Entry, Options};
use crate::cli::failure::Failure;

/// Refuses to go on where the promise of equal bytes would be broken, or was broken by an earlier attempt. Runs that
/// the command would not start are not looked at.
#[cfg(feature = "torch")]
pub(in crate::cli) fn require_exact(entries: &[Entry], options: &Options) -> Result<(), Failure> {
    if !options.require_exact {
        return Ok(());
    }
    refuse_inexact(&entries.iter().filter(|entry| goes_on(entry, options)).collect::<Vec<_>>())
}

/// The same for all of these runs.
#[cfg(feature = "torch")]
pub(in crate::cli) fn refuse_inexact(entries: &[&Entry]) -> Result<(), Failure> {
    use crate::guard::printable;
    use crate::rundir::provenance::Attempt;

    let here =
        Attempt { libtorch: crate::train::libtorch_version().to_owned(), ..Attempt::of_this_process() };
    let reasons = entries.iter().filter_map(|entry| Some((&entry.label, reason(entry, &here)?)));
    let inexact: Vec<_> = reasons.collect();
    if inexact.is_empty() {
        return Ok(());
    }
    let lines = inexact.iter().map(|(label, reason)| format!("\n  {label}: {}", printable(reason)));
    let (count, of) = (inexact.len(), entries.len());
    let runs = if of == 1 { "run" } else { "runs" };
    Err(Failure::user(format!("{count} of {of} {runs} cannot go on exactly{}", lines.collect::<String>()))
        .with_help("nothing was changed; go on where and as they began, or without --require-exact"))
}

/// Without libtorch nothing is trained, and the command has said so before it gets here.
#[cfg(not(feature = "torch"))]
pub(in crate::cli) fn require_exact(_: &[Entry], _: &Options) -> Result<(), Failure> {
    Ok(())
}

/// As [`require_exact`].
#[cfg(not(feature = "torch"))]
pub(in crate::cli) fn refuse_inexact(_: &[&Entry]) -> Result<(), Failure> {
    Ok(())
}

/// Whether the command would start the run; one that cannot be read is reported when the runs are sorted.
#[cfg(feature = "torch")]
fn goes_on(entry: &Entry, options: &Options) -> bool {
    use crate::launch::{Standing, standing};

    match standing(&entry.run) {
        Ok(Standing::Pending) => true,
        Ok(Standing::Failed(_)) => options.retry_failed,
        Ok(Standing::Done | Standing::Held(_)) | Err(_) => false,
    }
}

/// Why the run could not go on exactly, here and now.
#[cfg(feature = "torch")]
fn reason(entry: &Entry, here: &crate::rundir::provenance::Attempt) -> Option<String> {
    use crate::rundir::provenance::{Attempt, Provenance};
    use crate::rundir::{Disk, Status, checkpoint};
    use crate::train::{Execution, device_name, precision::CPU_LIMIT};

    let run = &entry.run;
    let provenance = match Provenance::read(run) {
        Ok(provenance) => provenance,
        Err(error) => return Some(error.to_string()),
    };
    let Some(first) = provenance.attempts.first() else {
        let trained = !checkpoint::list(&Disk, run).unwrap_or_default().is_empty();
        let unknown =
            "nothing says under which conditions it was trained: provenance.json is missing or empty";
        return trained.then(|| unknown.to_owned());
    };
    if let Some(status) = Status::read(run).ok().flatten().filter(|status| !status.exact) {
        let before = status.inexact_reason.unwrap_or_else(|| "for a reason that was not recorded".to_owned());
        return Some(format!("an earlier attempt was not exact: {before}"));
    }
    let Ok(Some(execution)) = Execution::read(run) else {
        return Some("nothing says how it was executed: execution.json is missing or damaged".to_owned());
    };
    // A device that is not there is the worker's to report.
    let device = device_name(entry.config.runtime.device).ok()?;
    let facts = Attempt { device: device.to_string(), threads: execution.threads, ..here.clone() };
    let given = entry.environment.iter().find(|(name, _)| name == CPU_LIMIT).map(|(_, value)| value.clone());
    let limit = given.or_else(|| std::env::var(CPU_LIMIT).ok());
    first.difference(&facts).or_else(|| execution.inexact_under(device, limit))
}
