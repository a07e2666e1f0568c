//! `ablate report [DIR]`: one HTML file with everything there is to see of an experiment, for a browser without network.

use std::path::{Path, PathBuf};

use super::failure::{ExitCode, Failure, exit};
use super::output::{note, tell};
use crate::guard::printable;
use crate::report::html::{self, Report, Target};
use crate::rundir::{Disk, ExperimentDir, Located, RunDirError, files};

/// Arguments of `ablate report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run, variant, experiment or folder of experiments.
    #[arg(value_name = "DIR", default_value = "runs")]
    folder: PathBuf,

    /// The file to write [default: report.html in the experiment's folder, or in DIR where that holds several].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Reads everything and writes the page.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let report = read(&args.folder)?;
    let file = match args.output {
        Some(file) => file,
        None => default_file(&args.folder)?,
    };
    let page = html::page(&report.document(Target::File), Target::File);
    files::replace_shared(&Disk, &file, page.as_bytes()).map_err(|error| unwritten(&error))?;
    report.notes().for_each(note);
    tell(printable(&format!("wrote {} ({} kB)", file.display(), page.len().div_ceil(1000))));
    Ok(ExitCode::SUCCESS)
}

/// Everything below a folder; a folder that is not there, or without any run, is the user's mistake.
pub(super) fn read(folder: &Path) -> Result<Report, Failure> {
    const HELP: &str = "train some with `ablate run EXPERIMENT`, or name the folder they are in";
    let report = Report::read(&[folder.to_owned()])
        .map_err(|error| Failure::user(printable(&error.to_string())).with_help(HELP))?;
    if report.is_empty() {
        report.notes().for_each(note);
        return Err(
            Failure::user(printable(&format!("no runs found in {}", folder.display()))).with_help(HELP)
        );
    }
    Ok(report)
}

/// `report.html` of the one experiment; several have theirs in the folder that was named.
fn default_file(folder: &Path) -> Result<PathBuf, Failure> {
    let located = Located::at(folder).map_err(|error| Failure::user(printable(&error.to_string())))?;
    let experiment = match located {
        Located::Experiment(experiment) => experiment,
        Located::Run(run) => run.experiment().unwrap_or_else(|| ExperimentDir::at(run.path())),
        Located::Root(experiments) => match experiments.as_slice() {
            [only] => only.clone(),
            // No experiment in it: a variant's own folder.
            [] => ExperimentDir::at(
                folder
                    .canonicalize()
                    .ok()
                    .and_then(|path| Some(path.parent()?.to_owned()))
                    .unwrap_or_else(|| folder.to_owned()),
            ),
            _ => ExperimentDir::at(folder),
        },
    };
    Ok(experiment.report_path())
}

fn unwritten(error: &RunDirError) -> Failure {
    Failure::new(printable(&error.to_string()), exit::STORAGE).with_help("name another file with -o FILE")
}
