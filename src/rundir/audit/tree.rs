//! What lies in a run's folder: files and folders where they belong, no link, and what a kill left.

use std::io;
use std::path::Path;

use super::Audit;
use crate::rundir::RunDir;
use crate::rundir::columns::logs_of;
use crate::rundir::fs::{Fs, Kind};

/// Deeper than anything a run has.
const DEEPEST: usize = 6;

/// Looks at every entry below the folder.
pub(super) fn check(fs: &dyn Fs, run: &RunDir, live: bool, audit: &mut Audit) {
    let records = [run.config_path(), run.provenance_path(), run.status_path(), run.execution_path()];
    let files = records.into_iter().chain(logs_of(run).map(|(path, _)| path)).chain([run.lock_path()]);
    for (path, wanted) in files.map(|path| (path, Kind::File)).chain(
        [run.checkpoints_path(), run.samples_path(), run.tensorboard_path()].map(|path| (path, Kind::Folder)),
    ) {
        let found = fs.entry(&path).ok().map(|entry| entry.kind);
        if found.is_some_and(|found| found != wanted && found != Kind::Other) {
            let reason = if wanted == Kind::File { "a folder, not a file" } else { "a file, not a folder" };
            audit.damage(&path, reason, "move it away");
        }
    }
    below(fs, run.path(), live, DEEPEST, audit);
}

fn below(fs: &dyn Fs, folder: &Path, live: bool, depth: usize, audit: &mut Audit) {
    let mut names = match fs.names(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return audit.damage(folder, error.to_string(), "mend its permissions, or the disk"),
    };
    names.sort_unstable();
    for name in names {
        let path = folder.join(&name);
        let kind = match fs.entry(&path) {
            Ok(entry) => entry.kind,
            // Gone since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                audit.damage(&path, error.to_string(), "mend its permissions, or the disk");
                continue;
            }
        };
        let name = name.to_string_lossy();
        if kind == Kind::Other {
            let remedy = "remove it, or put the file itself in its place";
            audit.damage(&path, "a link, a pipe or a device; nothing of the kind is ever followed", remedy);
        } else if name.starts_with(".tmp-") || name.starts_with('.') && name.ends_with(".tmp") {
            if !live {
                audit.note(&path, "half written when a process was killed", "the next attempt replaces it");
            }
        } else if name.contains(".damaged-") {
            let remedy = "delete it when nobody needs it";
            audit.note(&path, "a damaged checkpoint that a resume set aside", remedy);
        } else if kind == Kind::Folder && depth > 0 {
            below(fs, &path, live, depth - 1, audit);
        }
    }
}
