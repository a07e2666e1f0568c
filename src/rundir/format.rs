//! Versions of the files we write. A file of a newer version is refused by name, never guessed at.
//!
//! A file that names no version is of the first. What lies beside a checkpoint's manifest is versioned by it, and
//! `config.toml` by its keys: one that this program does not know is refused.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Disk, ExperimentDir, RunDir, RunDirError, checkpoint, files, manifest};

/// Version of `status.json`.
pub const STATUS_FORMAT: u32 = 1;
/// Version of a checkpoint's `manifest.json`.
pub const MANIFEST_FORMAT: u32 = 1;
/// Version of `provenance.json`.
pub const PROVENANCE_FORMAT: u32 = 1;
/// Version of `execution.json`.
pub const EXECUTION_FORMAT: u32 = 1;
/// Version of an experiment's `plan.json`.
pub const PLAN_FORMAT: u32 = 1;
/// Version of `request/request.json`.
pub const REQUEST_FORMAT: u32 = 1;
/// Settings of later evaluations, `evals/<fingerprint>.json`. The second version has evaluations of drawn images, with
/// columns of their own; the others are written as the first.
pub const EVALS_FORMAT: u32 = 2;

/// Far above any file that carries a version.
const SIZE_LIMIT: u64 = 1 << 28;

#[derive(Deserialize)]
struct Versioned {
    #[serde(default = "first")]
    format: u32,
}

/// The version of a file that names none.
pub(crate) fn first() -> u32 {
    1
}

/// Parses JSON that carries a `format` number, which is looked at first: a newer file may have fields
/// this program would call damage.
pub(crate) fn parse<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    what: &'static str,
    known: u32,
) -> Result<T, RunDirError> {
    let version: Versioned =
        serde_json::from_str(text).map_err(|error| RunDirError::malformed(path, error))?;
    if version.format > known {
        return Err(RunDirError::Newer { path: path.to_path_buf(), what, found: version.format, known });
    }
    serde_json::from_str(text).map_err(|error| RunDirError::malformed(path, error))
}

/// Refuses a run in which any file is of a newer version, before something is written there. Damage is not looked
/// for: whoever needs a file says what is wrong with it.
///
/// # Errors
/// Names the first such file.
pub fn refuse_newer_run(run: &RunDir) -> Result<(), RunDirError> {
    refuse_newer(&run.status_path(), "status", STATUS_FORMAT)?;
    refuse_newer(&run.provenance_path(), "provenance", PROVENANCE_FORMAT)?;
    refuse_newer(&run.execution_path(), "execution", EXECUTION_FORMAT)?;
    for (_, checkpoint) in checkpoint::list(&Disk, run).unwrap_or_default() {
        refuse_newer(&checkpoint.join(manifest::MANIFEST_NAME), "manifest", MANIFEST_FORMAT)?;
    }
    Ok(())
}

/// Refuses an experiment whose plan or request is of a newer version; its runs are not looked at.
///
/// # Errors
/// Names the first such file.
pub fn refuse_newer_experiment(experiment: &ExperimentDir) -> Result<(), RunDirError> {
    refuse_newer(&experiment.plan_path(), "plan", PLAN_FORMAT)?;
    refuse_newer(&experiment.request_path().join("request.json"), "request", REQUEST_FORMAT)
}

pub(super) fn refuse_newer(path: &Path, what: &'static str, known: u32) -> Result<(), RunDirError> {
    let version = files::read_text(&Disk, path, SIZE_LIMIT).ok().flatten();
    match version.and_then(|text| serde_json::from_str(&text).ok()) {
        Some(Versioned { format: found }) if found > known => {
            Err(RunDirError::Newer { path: path.to_path_buf(), what, found, known })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_file_with_a_version_refuses_a_newer_one_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        let run = experiment.run("a-1", 0);
        let checkpoint = run.checkpoint_path(3);
        fs::create_dir_all(&checkpoint).unwrap();
        fs::create_dir_all(experiment.request_path()).unwrap();
        let check = || refuse_newer_experiment(&experiment).and_then(|()| refuse_newer_run(&run));
        let cases = [
            ("status", run.status_path()),
            ("provenance", run.provenance_path()),
            ("execution", run.execution_path()),
            ("manifest", checkpoint.join("manifest.json")),
            ("plan", experiment.plan_path()),
            ("request", experiment.request_path().join("request.json")),
        ];
        for (what, path) in cases {
            for readable in ["{\"format\": 1}", "{}", "", "\u{0}", "[]", "{\"format\": -2}"] {
                fs::write(&path, readable).unwrap();
                check().unwrap();
            }
            fs::write(&path, "{\"format\": 2, \"state\": [\"unheard of\"]}").unwrap();
            let said = check().unwrap_err().to_string();
            assert!(said.starts_with(&path.display().to_string()), "{said}");
            let expected =
                format!("has {what} format 2, this program knows formats up to 1; use a newer ablate");
            assert!(said.ends_with(&expected), "{said}");
            fs::remove_file(&path).unwrap();
        }
    }
}
