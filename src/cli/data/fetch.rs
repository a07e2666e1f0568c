//! `ablate data fetch NAME...`: brings data sets into the data folder.
//!
//! In: names, perhaps a mirror. Out: the published files, verified; one line a data set on standard output,
//! progress on standard error.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::DataDir;
use super::progress::Progress;
use crate::cli::failure::{ExitCode, Failure, exit};
use crate::cli::output::print;
use crate::data::fetch::{self, Catalogue, Entry, Fault, FetchError, Mirror, Options, Outcome, size};
use crate::guard::printable;

/// `ablate data fetch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data sets, as in data.dataset
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Take the files from here instead of the publisher: a base address, or a folder
    #[arg(long, value_name = "URL|DIR")]
    mirror: Option<String>,
    #[command(flatten)]
    data_dir: DataDir,
    /// Fetch again what is there, and replace files that are not the published ones
    #[arg(long)]
    force: bool,
    /// Say nothing but errors
    #[arg(long)]
    quiet: bool,
}

/// Runs the command.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let catalogue = Catalogue::built_in();
    let wanted: Result<Vec<&Entry>, FetchError> =
        args.names.iter().map(|name| catalogue.find(name).and_then(fetchable)).collect();
    let mirror: Option<Mirror> = args.mirror.as_deref().map(str::parse).transpose().map_err(failure)?;
    let wanted = wanted.map_err(failure)?;
    let data_dir = args.data_dir.settings()?.runtime.data_dir;
    let options = Options { mirror, force: args.force, interrupted: listen()?, ..Options::default() };
    for entry in wanted {
        let mut progress = Progress::new(args.quiet);
        let outcome = fetch::fetch(entry, &data_dir, &options, &mut progress).map_err(failure)?;
        drop(progress);
        if !args.quiet {
            print(&line(&entry.name, &outcome))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses before anything is fetched what never is.
fn fetchable(entry: &Entry) -> Result<&Entry, FetchError> {
    match &entry.note {
        Some(note) => Err(FetchError::NotFetched { name: entry.name.clone(), reason: note.clone() }),
        None => Ok(entry),
    }
}

/// A flag that the first signal sets; a second Ctrl-C ends the program at once.
fn listen() -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let register = || {
        let code = i32::from(exit::KILLED);
        signal_hook::flag::register_conditional_shutdown(SIGINT, code, Arc::clone(&interrupted))?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        Ok(())
    };
    register()
        .map_err(|error: std::io::Error| Failure::internal(format!("cannot listen for signals: {error}")))?;
    Ok(interrupted)
}

fn line(name: &str, outcome: &Outcome) -> String {
    let folder = shown(&outcome.folder);
    match outcome.fetched.len() {
        0 => format!("{name}: complete in {folder}, nothing to fetch\n"),
        1 => format!("{name}: fetched 1 file into {folder}\n"),
        count => format!("{name}: fetched {count} files into {folder}\n"),
    }
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

/// The error with its exit code and what to do.
fn failure(error: FetchError) -> Failure {
    let code = match error.fault() {
        Fault::Input => exit::USER,
        Fault::Storage => exit::STORAGE,
        Fault::Source => exit::INTERNAL,
        Fault::Held => exit::HELD,
        Fault::Interrupted => exit::INTERRUPTED,
    };
    let lines: Vec<String> = error.to_string().lines().map(printable).collect();
    let failure = Failure::new(lines.join("\n"), code);
    match help(&error) {
        Some(help) => failure.with_help(help),
        None => failure,
    }
}

fn help(error: &FetchError) -> Option<String> {
    let text = match error {
        FetchError::Foreign { .. } => "move it away, or replace it with --force".to_owned(),
        FetchError::Unobtainable { kept: 0, .. } => {
            "--mirror takes another base address, or a folder that has the file".to_owned()
        }
        FetchError::Unobtainable { kept, .. } => {
            format!("{} are kept, and the same command goes on; or try --mirror", size(*kept))
        }
        FetchError::NoRoom { .. } => "make room, or choose another folder with --data-dir".to_owned(),
        FetchError::Held { .. } => "wait for it, and then run this again".to_owned(),
        FetchError::Io { .. } => "what is there already is kept, and the same command goes on".to_owned(),
        FetchError::Mirror { .. } => {
            "give a base address, or a folder, that has the files under their published names".to_owned()
        }
        _ => return None,
    };
    Some(text)
}
