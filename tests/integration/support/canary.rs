//! A tree outside of the runs and data folders that no command may change, and trees of runs that lead there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::Workplace;
use super::limits::{Measured, measured_command};

/// Longest that any command may take here.
const LIMIT: Duration = Duration::from_secs(10);
/// The exit codes that the documentation names.
const CODES: [i32; 7] = [0, 1, 2, 3, 4, 74, 75];

/// What is known of an entry: kind and mode, time of the last change, and content.
type Seen = (u32, i64, i64, Vec<u8>);

/// The tree outside.
pub(crate) struct Canary {
    folder: TempDir,
    before: BTreeMap<PathBuf, Seen>,
}

impl Canary {
    /// A tree with a copy of a run in it, so that whoever follows a link finds what was looked for.
    pub(crate) fn with_copy_of(tree: &Path) -> Canary {
        let folder = tempfile::tempdir().unwrap();
        copy(tree, &folder.path().join("copy"));
        fs::write(folder.path().join("keep.txt"), "mine\n").unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        Canary { folder, before: BTreeMap::new() }
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Remembers how everything is.
    pub(crate) fn remember(&mut self) {
        self.before = seen(self.folder.path());
    }

    /// Fails with the names of what came, went or changed.
    #[track_caller]
    pub(crate) fn assert_untouched(&self, after: &str) {
        let now = seen(self.folder.path());
        let names = self.before.keys().chain(now.keys().filter(|name| !self.before.contains_key(*name)));
        let touched: Vec<&PathBuf> = names.filter(|name| self.before.get(*name) != now.get(*name)).collect();
        assert!(touched.is_empty(), "{after} touched {touched:?}");
    }
}

fn seen(folder: &Path) -> BTreeMap<PathBuf, Seen> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let look = |entry: walkdir::DirEntry| {
        let found = entry.metadata().unwrap();
        let content = if found.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        let seen = (found.mode(), found.mtime(), found.mtime_nsec(), content);
        (entry.path().strip_prefix(folder).unwrap().to_owned(), seen)
    };
    entries.map(look).collect()
}

/// Copies a tree of regular files.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Runs a command that may meet anything: it ends in time with a documented code and leaves the canary alone.
#[track_caller]
pub(crate) fn survives(case: &str, place: &Workplace, canary: &Canary, arguments: &[&str]) -> Measured {
    let name = format!("{case}: {}", arguments.join(" "));
    let found = measured_command(place.command(arguments), &name, LIMIT);
    let code = found.ran.code;
    let said = format!("stdout:\n{}\nstderr:\n{}", found.ran.stdout, found.ran.stderr);
    assert!(code.is_some_and(|code| CODES.contains(&code)), "{name} exited {code:?}\n{said}");
    // A worker's panic is the launcher's report.
    assert!(!said.contains("panicked"), "{name}: a worker panicked\n{said}");
    canary.assert_untouched(&name);
    found
}
