//! What is wrong in a run tree, without changing any of it.
//!
//! In: a run or an experiment. Out: an [`Audit`]: each damaged thing with its file, the reason and what to do, and
//! what a kill left, which the next attempt mends by itself. A run in use is read as it is: what is being written
//! there is no damage.

mod checkpoints;
mod logs;
mod records;
mod tree;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::fs::Fs;
use super::plan_file::PlanFile;
use super::{ExperimentDir, RunDir, RunDirError, State, Status, files, fork, owner_is_alive};
use crate::config::Config;

/// What a kill may leave in an experiment's folder.
const LEFTOVERS: [&str; 4] = [".request-new", ".request-replaced", ".plan.json.tmp", fork::NEW];

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// Something is lost, or stands in the way.
    Damage,
    /// It does no harm, or the next attempt mends it.
    Note,
}

/// One thing that is not as a run in good order has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub gravity: Gravity,
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
    /// What happens now, or what to do.
    pub remedy: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Runs that were looked at.
    pub runs: usize,
    /// Checkpoints that verified.
    pub checkpoints: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Everything that was found, in the order of the tree.
    pub findings: Vec<Finding>,
}

impl Audit {
    /// How many of the findings are damage.
    pub fn damaged(&self) -> usize {
        self.findings.iter().filter(|finding| finding.gravity == Gravity::Damage).count()
    }

    /// Puts another audit's numbers and findings behind this one's.
    pub fn extend(&mut self, other: Audit) {
        self.runs += other.runs;
        self.checkpoints += other.checkpoints;
        self.bytes += other.bytes;
        self.findings.extend(other.findings);
    }

    fn damage(&mut self, path: &Path, reason: impl Into<String>, remedy: impl Into<String>) {
        self.add(Gravity::Damage, path, reason.into(), remedy.into());
    }

    fn note(&mut self, path: &Path, reason: impl Into<String>, remedy: impl Into<String>) {
        self.add(Gravity::Note, path, reason.into(), remedy.into());
    }

    fn add(&mut self, gravity: Gravity, path: &Path, reason: String, remedy: String) {
        self.findings.push(Finding { gravity, path: path.to_path_buf(), reason, remedy });
    }

    /// An error of reading: its own path and words where it has them.
    fn error(&mut self, path: &Path, error: &RunDirError, remedy: &str) {
        match error {
            RunDirError::Malformed { path, reason } => self.damage(path, reason.clone(), remedy),
            RunDirError::Newer { path, what, found, known } => self.damage(
                path,
                format!("{what} format {found}; this program knows formats up to {known}"),
                "use the newer ablate that wrote it",
            ),
            error => self.damage(path, error.to_string(), remedy),
        }
    }
}

/// Names and shapes of the tensors of the network that a configuration describes.
pub type Tensors<'a> = &'a dyn Fn(&Config) -> Vec<(String, Vec<usize>)>;

/// Looks at run trees.
#[derive(Clone, Copy)]
pub struct Auditor<'a> {
    /// Where they lie.
    pub fs: &'a dyn Fs,
    /// What their networks are made of.
    pub tensors: Tensors<'a>,
}

impl fmt::Debug for Auditor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auditor").field("fs", &self.fs).finish_non_exhaustive()
    }
}

impl Auditor<'_> {
    /// Looks at a run: every byte of its checkpoints, every row of its logs, every record.
    pub fn run(&self, run: &RunDir) -> Audit {
        let mut audit = self.once(run);
        // A run in use moves on while it is read: only what is found twice is there.
        if audit.damaged() > 0 && in_use(run) {
            let again = self.once(run);
            audit.findings.retain(|finding| again.findings.contains(finding));
        }
        audit
    }

    fn once(&self, run: &RunDir) -> Audit {
        let mut audit = Audit { runs: 1, ..Audit::default() };
        let live = in_use(run);
        tree::check(self.fs, run, live, &mut audit);
        let config = records::config(run, &mut audit);
        let status = records::status(run, &mut audit);
        let wanted = config.as_ref().map(|config| checkpoints::Wanted::of(config, self.tensors));
        let done = status.filter(|status| status.state == State::Done).map(|status| status.step);
        let verified = checkpoints::check(self.fs, run, wanted.as_ref(), done, &mut audit);
        // An imported run has a checkpoint of step 0, and nothing was executed yet.
        let trained = verified.iter().any(|found| found.step > 0);
        records::conditions(self.fs, run, trained, &mut audit);
        logs::check(self.fs, run, &verified, (live, done.is_some()), &mut audit);
        audit
    }

    /// Looks at what an experiment's folder says of all its runs; they are not looked into.
    pub fn experiment(&self, experiment: &ExperimentDir) -> Audit {
        let mut audit = Audit::default();
        let path = experiment.plan_path();
        let remedy = "`ablate run` with the experiment file writes it again";
        match PlanFile::read(experiment) {
            Ok(Some(plan)) if plan.lost > 0 => {
                audit.damage(&path, format!("{} of its variants cannot be read", plan.lost), remedy);
            }
            Ok(_) => {}
            Err(error) => audit.error(&path, &error, remedy),
        }
        for name in files::names_in(self.fs, experiment.path()).unwrap_or_default() {
            if name.to_str().is_some_and(|name| LEFTOVERS.contains(&name)) {
                let (path, remedy) = (experiment.path().join(name), "the next `run` or `extend` replaces it");
                audit.note(&path, "half written when a process was killed", remedy);
            }
        }
        for damage in experiment.walk().into_iter().filter_map(Result::err) {
            audit.damage(&damage.path, damage.reason, "take it out of the run tree");
        }
        audit
    }
}

/// Whether a process is at work on the run.
pub fn in_use(run: &RunDir) -> bool {
    let status = Status::read(run).ok().flatten();
    status.is_some_and(|status| status.state == State::Running && owner_is_alive(run, &status))
}
