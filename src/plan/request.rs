//! `request/`: what was asked, kept so that the same can be planned again from the run tree alone.
//!
//! In: an [`Experiment`] and the command line. Out: every layer verbatim, numbered from the lowest, and
//! `request.json` with where each came from. The folder is built beside the old one and takes its place as
//! a whole.

use std::path::Path;

use serde::Serialize;

use crate::config::{Experiment, Source};
use crate::rundir::format::REQUEST_FORMAT;
use crate::rundir::{Disk, ExperimentDir, RunDirError, files};

const INDEX: &str = "request.json";
/// The folder while it is filled.
const NEW: &str = ".request-new";
/// The older folder until it is deleted.
const REPLACED: &str = ".request-replaced";

#[derive(Serialize)]
struct Index<'a> {
    format: u32,
    /// Name of the experiment.
    experiment: &'a str,
    /// The command line, program first.
    command: &'a [String],
    /// Lowest first.
    layers: Vec<Layer<'a>>,
}

#[derive(Serialize)]
struct Layer<'a> {
    /// Its copy in this folder.
    file: String,
    /// Where it came from: a path, or `environment`, `--pin`, `-s`.
    source: &'a str,
}

/// Replaces the experiment's `request/` with this request. The experiment's folder must exist, and its lock
/// be held.
///
/// # Errors
/// A file or folder cannot be written.
pub fn record_request(
    directory: &ExperimentDir,
    experiment: &Experiment,
    command: &[String],
) -> Result<(), RunDirError> {
    record(directory, experiment.name(), experiment.sources(), command)
}

fn record(
    directory: &ExperimentDir,
    experiment: &str,
    sources: &[Source],
    command: &[String],
) -> Result<(), RunDirError> {
    let (new, replaced) = (directory.path().join(NEW), directory.path().join(REPLACED));
    files::remove_tree(&Disk, &new)?;
    files::create_dir(&Disk, &new)?;
    let mut layers = Vec::with_capacity(sources.len());
    for (number, source) in sources.iter().enumerate() {
        let file = file_name(number, &source.name);
        files::create(&Disk, &new.join(&file), source.text.as_bytes())?;
        layers.push(Layer { file, source: &source.name });
    }
    let index = Index { format: REQUEST_FORMAT, experiment, command, layers };
    let index_path = new.join(INDEX);
    let mut bytes = serde_json::to_vec_pretty(&index)
        .map_err(|error| RunDirError::Malformed { path: index_path.clone(), reason: error.to_string() })?;
    bytes.push(b'\n');
    files::create(&Disk, &index_path, &bytes)?;
    files::sync_dir(&Disk, &new)?;

    // Where a kill came between the two renames, the older request is the replaced one already.
    let current = directory.request_path();
    if current.exists() {
        files::remove_tree(&Disk, &replaced)?;
        files::rename(&Disk, &current, &replaced)?;
    }
    files::rename(&Disk, &new, &current)?;
    files::sync_dir(&Disk, directory.path())?;
    files::remove_tree(&Disk, &replaced)
}

/// `03-quickstart.toml`; settings that were no file end in `.txt`.
fn file_name(number: usize, source: &str) -> String {
    let path = Path::new(source);
    let extension = path.extension().and_then(|extension| extension.to_str());
    let extension = extension.filter(|extension| ["toml", "json"].contains(extension)).unwrap_or("txt");
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let stem: String = stem.chars().filter(allowed).take(64).collect();
    let stem = stem.trim_matches('-');
    format!("{number:02}-{}.{extension}", if stem.is_empty() { "layer" } else { stem })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    fn listing(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn layers_are_kept_verbatim_and_numbered() {
        let folder = tempfile::tempdir().unwrap();
        let directory = ExperimentDir::at(folder.path());
        let sources = [
            source("default.toml", "# defaults\n"),
            source("experiments/depth study.toml", "name = \"d\"  # mine\n"),
            source("../../more.json", "{}"),
            source("-s", "training.steps=5\n"),
        ];
        let command = ["ablate".to_owned(), "run".to_owned()];
        record(&directory, "d", &sources, &command).unwrap();
        let request = directory.request_path();
        let names = ["00-default.toml", "01-depthstudy.toml", "02-more.json", "03-s.txt", "request.json"];
        assert_eq!(listing(&request), names);
        assert_eq!(fs::read_to_string(request.join("01-depthstudy.toml")).unwrap(), "name = \"d\"  # mine\n");
        let index: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(request.join(INDEX)).unwrap()).unwrap();
        assert_eq!(index["command"], serde_json::json!(["ablate", "run"]));
        assert_eq!(
            index["layers"][2],
            serde_json::json!({"file": "02-more.json", "source": "../../more.json"})
        );
    }

    #[test]
    fn a_later_request_replaces_the_whole_folder_whatever_a_kill_left() {
        let folder = tempfile::tempdir().unwrap();
        let directory = ExperimentDir::at(folder.path());
        record(&directory, "d", &[source("a.toml", "1"), source("b.toml", "2")], &[]).unwrap();
        for leftover in [NEW, REPLACED] {
            fs::create_dir(folder.path().join(leftover)).unwrap();
            fs::write(folder.path().join(leftover).join("x"), "old").unwrap();
        }
        record(&directory, "d", &[source("c.toml", "3")], &[]).unwrap();
        assert_eq!(listing(&directory.request_path()), ["00-c.toml", "request.json"]);
        assert_eq!(listing(folder.path()), ["request"]);
    }
}
