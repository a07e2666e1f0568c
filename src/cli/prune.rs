//! `ablate prune DIR`: delete the checkpoints that retention lets go.
//!
//! The newest good one, the best, the pinned ones and the newest `keep` stay. A run in use is left alone and named.

use std::path::PathBuf;

use super::failure::{ExitCode, Failure, exit};
use super::output::print;
use super::run::storage;
use super::scope::Scope;
use crate::config;
use crate::guard::printable;
use crate::rundir::audit::in_use;
use crate::rundir::{Disk, Held, Owner, Pruned, Retention, RunDir, RunLock, prune};

/// Options of `ablate prune`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run, variant, experiment or folder of experiments
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The newest so many stay [default: each run's checkpoint.keep]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
}

/// Totals over all runs.
#[derive(Default)]
struct Totals {
    deleted: usize,
    bytes: u64,
    in_use: usize,
}

/// Prunes every run below the folder.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let scope = Scope::at(&args.folder)?;
    let mut totals = Totals::default();
    for run in &scope.runs {
        one(run, &args, &mut totals)?;
    }
    let Totals { deleted, bytes, in_use } = totals;
    let would = if args.dry_run { "would delete" } else { "deleted" };
    let plural = if deleted == 1 { "" } else { "s" };
    print(&format!("{would} {deleted} checkpoint{plural}, {bytes} bytes ({} MiB)\n", bytes >> 20))?;
    Ok(ExitCode::from(if in_use > 0 { exit::HELD } else { 0 }))
}

fn one(run: &RunDir, args: &Args, totals: &mut Totals) -> Result<(), Failure> {
    let label = run.label();
    // What is pinned is written in the configuration alone.
    let config = match config::read_run_config(&run.config_path()) {
        Ok(config) => config,
        Err(_) => {
            return print(&format!(
                "left alone: {label}: its config.toml cannot be read; see ablate check\n"
            ));
        }
    };
    let held = |owner: &str, totals: &mut Totals| {
        totals.in_use += 1;
        print(&format!("in use: {label}{owner}\n"))
    };
    let _lock = if args.dry_run {
        if in_use(run) {
            return held("", totals);
        }
        None
    } else {
        match RunLock::acquire(run) {
            Ok(lock) => Some(lock),
            Err(Held::By { owner, .. }) => {
                let owner = owner.map(|owner| format!(", by {owner}"));
                return held(&owner.unwrap_or_default(), totals);
            }
            Err(Held::Unusable(error)) => return Err(storage(error)),
        }
    };
    let keep = args.keep.map_or(config.checkpoint.keep, |keep| keep as usize);
    let retention = Retention { keep, pinned: &config.checkpoint.pin };
    let owner = Owner::of(&config);
    let pruned = prune(&Disk, run, &owner, retention, args.dry_run).map_err(storage)?;
    totals.deleted += pruned.deleted.len();
    totals.bytes += pruned.freed_bytes();
    print(&told(&label, &pruned, args.dry_run))
}

/// One line a checkpoint that goes or that was left alone.
fn told(label: &str, pruned: &Pruned, dry_run: bool) -> String {
    let would = if dry_run { "would delete" } else { "deleted" };
    let deleted =
        pruned.deleted.iter().map(|(step, bytes)| format!("{would}: {label} step {step}, {bytes} bytes\n"));
    let left = pruned.left_alone.iter().map(|(path, reason)| {
        format!("{}\n", printable(&format!("left alone: {}: {reason}", path.display())))
    });
    deleted.chain(left).collect()
}
