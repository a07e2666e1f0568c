//! Finding runs in a tree that crashes and people have been at.
//!
//! In: a folder. Out: the runs in it, and what could not be read as one. Links are never followed.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::layout::{is_safe_name, parse_seed};
use super::{ExperimentDir, RunDir, RunDirError};

/// A run folder that a walk came across.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRun {
    /// The variant's folder name.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// Its paths.
    pub dir: RunDir,
}

/// Something in the tree that could not be read as a run; the rest of the walk goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where.
    pub path: PathBuf,
    /// What is wrong.
    pub reason: String,
}

impl ExperimentDir {
    /// Every run folder, variants by name, seeds by number. Links are reported, never followed; a folder
    /// that cannot be read is reported and the others still come.
    pub fn walk(&self) -> Vec<Result<FoundRun, Damage>> {
        let mut found = Vec::new();
        let walk =
            WalkDir::new(self.path()).min_depth(1).max_depth(2).follow_links(false).follow_root_links(true);
        let visible = |entry: &walkdir::DirEntry| {
            entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
        };
        for entry in walk.sort_by(|a, b| order(a).cmp(&order(b))).into_iter().filter_entry(visible) {
            match entry {
                Ok(entry) => found.extend(self.classify(&entry)),
                Err(error) => found.push(Err(Damage {
                    path: error.path().unwrap_or(self.path()).to_path_buf(),
                    reason: error.io_error().map_or_else(|| error.to_string(), ToString::to_string),
                })),
            }
        }
        found
    }

    fn classify(&self, entry: &walkdir::DirEntry) -> Option<Result<FoundRun, Damage>> {
        let damage =
            |reason: &str| Some(Err(Damage { path: entry.path().to_path_buf(), reason: reason.to_owned() }));
        let Some(name) = entry.file_name().to_str() else {
            return if entry.file_type().is_dir() { damage("its name is not UTF-8") } else { None };
        };
        if entry.depth() == 1 {
            return if entry.file_type().is_symlink() { damage("a link, not followed") } else { None };
        }
        let seed = parse_seed(name)?;
        if !entry.file_type().is_dir() {
            return damage(if entry.file_type().is_symlink() {
                "a link, not followed"
            } else {
                "not a folder"
            });
        }
        let variant = entry.path().parent()?.file_name()?.to_str()?;
        if !is_safe_name(variant) {
            return damage("the variant's name has characters we never write");
        }
        let dir = RunDir::at(entry.path());
        Some(Ok(FoundRun { variant: variant.to_owned(), seed, dir }))
    }
}

/// Folders by name; seeds by number.
fn order(entry: &walkdir::DirEntry) -> (u64, std::ffi::OsString) {
    let seed = entry.file_name().to_str().and_then(parse_seed);
    (seed.unwrap_or(0), entry.file_name().to_owned())
}

/// What a folder that a user names turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Located {
    /// One run.
    Run(RunDir),
    /// One experiment.
    Experiment(ExperimentDir),
    /// A folder of experiments.
    Root(Vec<ExperimentDir>),
}

impl Located {
    /// Looks at a folder: a run has `config.toml` or `status.json` and lies in `seed-<n>`, or has all that a run has
    /// under any name, as an imported one may; an experiment has a plan or run folders, and anything else is taken as
    /// the root of experiments.
    ///
    /// # Errors
    /// The folder cannot be opened, or is a run that is reached by a link in the experiment's folder: as in a walk,
    /// it is not followed. The experiment's own folder may be one.
    pub fn at(named: &Path) -> Result<Located, RunDirError> {
        let io = |source| RunDirError::io("open folder", named, source);
        // Absolute, so that "." and "runs/x/.." have the names that seed and variant are read from.
        let path = named.canonicalize().map_err(io)?;
        let run = RunDir::at(&path);
        let (has_config, has_status) = (run.config_path().is_file(), run.status_path().is_file());
        let is_complete = has_config && has_status && run.checkpoints_path().is_dir();
        if is_complete || run.seed().is_some() && (has_config || has_status) {
            let named = std::path::absolute(named).map_err(io)?;
            // A run under a name of its own lies in no experiment.
            let depth = if run.seed().is_some() { 2 } else { 1 };
            if let Some(link) = named.ancestors().take(depth).find(|folder| folder.is_symlink()) {
                let reason =
                    format!("a link, which is not followed; name the run itself: {}", path.display());
                return Err(RunDirError::malformed(link, crate::guard::printable(&reason)));
            }
            return Ok(Located::Run(run));
        }
        let experiment = ExperimentDir::at(&path);
        if is_experiment(&experiment) {
            return Ok(Located::Experiment(experiment));
        }
        let walk = WalkDir::new(&path).min_depth(1).max_depth(1).sort_by_file_name();
        let experiments = walk
            .into_iter()
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_dir())
            .map(|entry| ExperimentDir::at(entry.path()))
            .filter(is_experiment)
            .collect();
        Ok(Located::Root(experiments))
    }
}

fn is_experiment(experiment: &ExperimentDir) -> bool {
    experiment.plan_path().is_file() || experiment.walk().iter().any(Result::is_ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_run_is_not_reached_by_a_link_in_its_experiment_and_an_experiment_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("x/a-1/seed-0");
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("config.toml"), "").unwrap();
        let link = |from: &str, to: &str| {
            fs::create_dir_all(folder.path().join(from).parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(folder.path().join(to), folder.path().join(from)).unwrap();
            folder.path().join(from)
        };
        let refused = [link("y/a-1/seed-0", "x/a-1/seed-0"), link("z/a-1", "x/a-1").join("seed-0")];
        for path in refused {
            let error = Located::at(&path).unwrap_err().to_string();
            assert!(error.contains("a link, which is not followed; name the run itself"), "{error}");
        }
        let moved = link("moved", "x").join("a-1/seed-0");
        assert!(matches!(Located::at(&moved), Ok(Located::Run(_))));
        assert!(matches!(Located::at(&run), Ok(Located::Run(_))));
    }

    #[test]
    fn a_walk_finds_runs_and_reports_what_is_odd() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        for (variant, seed) in [("b-2", 10), ("b-2", 9), ("a-1", 0)] {
            fs::create_dir_all(experiment.run(variant, seed).path()).unwrap();
        }
        fs::create_dir_all(experiment.request_path()).unwrap();
        fs::create_dir_all(folder.path().join(".hidden/seed-0")).unwrap();
        fs::create_dir_all(folder.path().join("esc\u{1b}[31m/seed-0")).unwrap();
        fs::write(folder.path().join("a-1/seed-7"), "a file").unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("a-1/seed-8")).unwrap();

        let walk = experiment.walk();
        let runs: Vec<_> = walk.iter().flatten().map(|run| (run.variant.as_str(), run.seed)).collect();
        assert_eq!(runs, [("a-1", 0), ("b-2", 9), ("b-2", 10)]);
        let mut damaged: Vec<_> =
            walk.iter().filter_map(|r| r.as_ref().err()).map(|d| d.reason.as_str()).collect();
        damaged.sort_unstable();
        assert_eq!(
            damaged,
            [
                "a link, not followed",
                "a link, not followed",
                "not a folder",
                "the variant's name has characters we never write"
            ]
        );
    }

    #[test]
    fn a_folder_is_recognised_as_run_experiment_or_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let experiment = ExperimentDir::at(root.join("x"));
        let run = experiment.run("v-1", 3);
        fs::create_dir_all(run.path()).unwrap();
        fs::write(run.config_path(), "").unwrap();
        assert_eq!(Located::at(run.path()).unwrap(), Located::Run(run.clone()));
        assert_eq!(Located::at(experiment.path()).unwrap(), Located::Experiment(experiment.clone()));
        assert_eq!(Located::at(&root).unwrap(), Located::Root(vec![experiment]));
        assert_eq!(run.seed(), Some(3));
        assert_eq!(run.variant(), Some("v-1"));
        assert_eq!(run.label(), "v-1/seed-3");
    }

    #[test]
    fn a_folder_with_all_that_a_run_has_is_one_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path().canonicalize().unwrap().join("ddpm"));
        fs::create_dir_all(run.checkpoints_path()).unwrap();
        fs::write(run.config_path(), "").unwrap();
        assert_eq!(Located::at(run.path()).unwrap(), Located::Root(vec![]));
        fs::write(run.status_path(), "").unwrap();
        assert_eq!(Located::at(run.path()).unwrap(), Located::Run(run));
    }
}
