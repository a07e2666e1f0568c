//! `ablate worker DIR`: train one run folder. Launchers start it; its exit code tells them how it ended.

use std::path::PathBuf;

use super::failure::{ExitCode, Failure};

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
    /// Whoever started this asked whether the machine can compute in the run's precision, and set what it needs.
    #[arg(long)]
    precision_checked: bool,
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
    let refusal = if args.precision_checked { None } else { check_precision(&run)? };
    let stop = listen()?;
    let outcome = worker::run(&Request { run, threads: args.threads, refusal, stop });
    match outcome {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(error) => Err(Failure::new(&error, error.exit_code())),
    }
}

/// Asks whether this machine can compute in the run's precision. Where libtorch needs variables for it, this process
/// becomes the same worker with them set: they are read when libtorch is loaded.
#[cfg(feature = "torch")]
fn check_precision(run: &crate::rundir::RunDir) -> Result<Option<crate::train::precision::Refusal>, Failure> {
    use std::os::unix::process::CommandExt;

    // What cannot be read is the worker's to report, once it has the run's lock.
    let Ok(config) = crate::config::read_run_config(&run.config_path()) else { return Ok(None) };
    let recorded = crate::train::Execution::read(run).ok().flatten();
    let needed = match crate::train::precision::environment(&config, recorded.as_ref()) {
        Ok(variables) => variables,
        Err(refusal) => return Ok(Some(refusal)),
    };
    if needed.iter().all(|(name, value)| std::env::var(name).is_ok_and(|set| set == *value)) {
        return Ok(None);
    }
    let failed = |error: std::io::Error| Failure::internal(format!("cannot start the worker anew: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let arguments = std::env::args_os().skip(1);
    let error =
        std::process::Command::new(program).args(arguments).arg("--precision-checked").envs(needed).exec();
    Err(failed(error))
}

/// Structured lines, appended, one JSON object each.
#[cfg(feature = "torch")]
fn log_to(path: &std::path::Path) -> Result<(), Failure> {
    let file = crate::rundir::files::open_log(path).map_err(super::run::session::storage)?;
    tracing_subscriber::fmt().json().with_writer(std::sync::Mutex::new(file)).init();
    Ok(())
}

/// Signals ask for a checkpoint and an end, or for an end at once while there is nothing to checkpoint; a second INT
/// ends at once with 130.
#[cfg(feature = "torch")]
fn listen() -> Result<std::sync::Arc<crate::worker::Stop>, Failure> {
    use signal_hook::consts::SIGINT;
    use signal_hook::flag;
    use signal_hook::iterator::Signals;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    let failed = |error: std::io::Error| Failure::internal(format!("cannot watch for signals: {error}"));
    let stop = Arc::new(crate::worker::Stop::default());
    let interrupted = Arc::new(AtomicBool::new(false));
    let killed = i32::from(super::failure::exit::KILLED);
    // Order matters: the shutdown must be asked before this signal raises its own flag, and the flag must be up
    // before the thread is told.
    flag::register_conditional_shutdown(SIGINT, killed, interrupted.clone()).map_err(failed)?;
    flag::register(SIGINT, interrupted).map_err(failed)?;
    let asking = crate::launch::signals_to_stop();
    for signal in &asking {
        flag::register(*signal, stop.flag().clone()).map_err(failed)?;
    }
    let mut signals = Signals::new(asking).map_err(failed)?;
    let told = stop.clone();
    let work = move || signals.forever().for_each(|_| told.end_preparation());
    std::thread::Builder::new().name("signals".to_owned()).spawn(work).map_err(failed)?;
    Ok(stop)
}
