//! `ablate worker DIR`: train one run folder. Launchers start it; its exit code tells them how it ended.

use std::path::PathBuf;
use std::process::ExitCode;

use super::failure::Failure;

/// Options of `ablate worker`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run folder, holding config.toml.
    dir: PathBuf,
    /// Threads for a run that has no recorded number yet.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// End at once when standard input closes: the launcher is gone.
    #[arg(long)]
    die_with_parent: bool,
}

#[cfg(not(feature = "torch"))]
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let Args { dir, .. } = args;
    Err(super::failure::without_torch(&format!("train {}", dir.display())))
}

#[cfg(feature = "torch")]
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    use crate::rundir::RunDir;
    use crate::worker::{self, Request};

    if args.die_with_parent {
        crate::launch::death_watch::start();
    }
    let dir = args
        .dir
        .canonicalize()
        .map_err(|error| Failure::user(format!("cannot open run folder {}: {error}", args.dir.display())))?;
    let run = RunDir::at(dir);
    log_to(&run.log_path())?;
    let stop = signals()?;
    let outcome = worker::run(&Request { run, threads: args.threads, stop });
    match outcome {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(error) => Err(Failure::new(&error, error.exit_code())),
    }
}

/// Structured lines, appended, one JSON object each.
#[cfg(feature = "torch")]
fn log_to(path: &std::path::Path) -> Result<(), Failure> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
        Failure::new(format!("cannot write {}: {error}", path.display()), super::failure::exit::STORAGE)
    })?;
    tracing_subscriber::fmt().json().with_writer(std::sync::Mutex::new(file)).init();
    Ok(())
}

/// INT, TERM, HUP and USR1 ask for a checkpoint and an end; a second INT ends at once with 130.
#[cfg(feature = "torch")]
fn signals() -> Result<std::sync::Arc<std::sync::atomic::AtomicBool>, Failure> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    use signal_hook::flag;

    let failed = |error: std::io::Error| Failure::internal(format!("cannot watch for signals: {error}"));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let interrupted = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let killed = i32::from(super::failure::exit::KILLED);
    // Order matters: the shutdown must be asked before this signal raises its own flag.
    flag::register_conditional_shutdown(SIGINT, killed, interrupted.clone()).map_err(failed)?;
    flag::register(SIGINT, interrupted).map_err(failed)?;
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] {
        flag::register(signal, stop.clone()).map_err(failed)?;
    }
    Ok(stop)
}
