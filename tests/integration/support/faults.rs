//! A command that is killed, or refused by the disk, at one system call after another; and what must follow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use super::strace::{Call, Fault, Trace, traced};
use super::training::{only_run, runs_of};
use super::{Ran, Workplace, files_below};

/// A command, what is there before it, and what it must leave in the end.
pub(crate) struct Scene {
    /// What is there before the command.
    pub(super) before: Workplace,
    pub(super) command: Vec<String>,
    /// Ends what the command began.
    pub(super) again: Vec<String>,
    pub(super) expected: BTreeMap<String, Vec<u8>>,
    /// The folder that it writes in.
    pub(super) tree: PathBuf,
    /// Every file there in the end, without those that an attempt may add.
    pub(super) names: BTreeSet<String>,
    pub(super) keeps_more: bool,
    /// Keeps the data set's cache that the configuration names.
    pub(super) _finished: Option<Workplace>,
}

impl Scene {
    /// The same where an old checkpoint may stay: none is deleted before a newer one was read to its last byte.
    pub(crate) fn keeping_more(mut self) -> Scene {
        self.keeps_more = true;
        self
    }

    /// The calls by which an undisturbed command may change the tree.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.all_calls().into_iter().filter(|call| call.changes).collect()
    }

    /// Those by which it reads from the tree, the first of each kind at each place. The experiment's file is the
    /// user's: one that cannot be read is wrong input.
    pub(crate) fn reads(&self) -> Vec<Call> {
        let reads = |call: &Call| !call.changes && call.again == 0 && call.path != "x.toml";
        self.all_calls().into_iter().filter(reads).collect()
    }

    fn all_calls(&self) -> Vec<Call> {
        let place = copy_of(&self.before);
        let (ran, trace) = run_traced(&place, &self.command, None);
        ran.exits(0);
        trace.calls
    }

    /// What a worker does before its first row: the rest is what a fresh one does.
    pub(crate) fn calls_before_training(&self) -> Vec<Call> {
        let row = |call: &Call| call.name == "write" && call.path.ends_with("/metrics.csv");
        before(self.calls(), row)
    }

    /// What a launcher does before its first worker. Afterwards a clock decides how often it looks.
    pub(crate) fn calls_before_workers(&self) -> Vec<Call> {
        let log = |call: &Call| call.path.ends_with("/stderr.log");
        let mut calls = self.calls();
        let last = calls.iter().find(|call| log(call)).cloned();
        calls = before(calls, log);
        calls.extend(last);
        calls
    }

    /// What a launcher does for its summary, which comes last.
    pub(crate) fn calls_of_the_summary(&self) -> Vec<Call> {
        let calls = self.calls();
        let first = calls.iter().position(|call| call.path.contains("summary.csv")).expect("a summary");
        calls[first..].to_vec()
    }

    /// Runs the command once, with a fault at a call.
    fn strike(&self, call: &Call, fault: Fault) -> (Workplace, Ran, Trace) {
        let place = copy_of(&self.before);
        let (ran, trace) = run_traced(&place, &self.command, Some((call, fault)));
        (place, ran, trace)
    }

    /// Runs the command with a fault at this very call. Its number changes where a machine is so busy that the program
    /// reports in between: then it is aimed again.
    pub(crate) fn strike_at(&self, call: &Call, fault: Fault) -> (Workplace, Ran, Trace) {
        let mut aim = call.clone();
        for off in [0, 1, -1, 2, -2, 3] {
            let struck = self.strike(&aim, fault);
            let trace = &struck.2;
            if trace.struck().is_some_and(|struck| struck.is_like(call)) {
                return struck;
            }
            let seen = trace.calls.iter().find(|seen| seen.is_like(call));
            aim.nth = seen.map_or_else(|| call.nth.saturating_add_signed(off), |seen| seen.nth);
        }
        panic!("{call} was never reached for {fault:?}")
    }

    /// Whether nothing that a run has is damaged: what is half done has a name that says so.
    #[track_caller]
    pub(crate) fn assert_sound(&self, place: &Workplace, context: &str) {
        let checked = place.ablate(&["check", "runs"]);
        let began = !runs_of(place).is_empty();
        let fine = checked.code == Some(0) || !began && checked.code == Some(2);
        assert!(fine, "{context}: {}{}", checked.stdout, checked.stderr);
    }

    /// Runs the command again, undisturbed: it must end with an uninterrupted run's bytes and leave no litter.
    #[track_caller]
    pub(crate) fn assert_recovers(&self, place: &Workplace, context: &str) {
        let arguments: Vec<&str> = self.again.iter().map(String::as_str).collect();
        let ran = place.ablate(&arguments);
        assert_eq!(ran.code, Some(0), "{context}: {}", ran.stderr);
        let run = only_run(place);
        assert_eq!(run.state(), "done", "{context}");
        run.assert_equals(&self.expected, context);
        let log = run.read("log.jsonl");
        assert!(!log.contains("checkpoint is damaged"), "{context}: a damaged checkpoint\n{log}");
        let mut found = names(&place.path(&self.tree));
        if self.keeps_more {
            found.retain(|name| self.names.contains(name) || !name.contains("checkpoints/step-"));
        }
        assert_eq!(found, self.names, "{context}: other files than an uninterrupted run's");
    }

    /// Whether the run has its last state and bytes.
    #[track_caller]
    pub(crate) fn assert_ended(&self, place: &Workplace, context: &str) {
        let run = only_run(place);
        assert_eq!(run.state(), "done", "{context}");
        run.assert_equals(&self.expected, context);
    }
}

/// The calls before the first of a kind.
fn before(mut calls: Vec<Call>, kind: impl Fn(&Call) -> bool) -> Vec<Call> {
    let first = calls.iter().position(kind).unwrap_or_else(|| panic!("not among {calls:?}"));
    calls.truncate(first);
    calls
}

/// Every file of a tree, without those that depend on how many attempts it took. A summary that was cut off keeps
/// its name, which is its writer's own: somebody else may be writing at the same time.
pub(super) fn names(tree: &Path) -> BTreeSet<String> {
    let more = [".rewound-", "/stdout.log", "/stderr.log", ".summary.csv.", "/tensorboard/"];
    let names = files_below(tree).into_iter();
    names.filter(|name| !more.iter().any(|part| format!("/{name}").contains(part))).collect()
}

fn copy_of(place: &Workplace) -> Workplace {
    let copy = Workplace::new();
    for entry in walkdir::WalkDir::new(place.path("")).min_depth(1).into_iter().map(Result::unwrap) {
        let to = copy.path(entry.path().strip_prefix(place.path("")).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir(to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
    copy
}

fn run_traced(place: &Workplace, command: &[String], fault: Option<(&Call, Fault)>) -> (Ran, Trace) {
    let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = traced(&place.command(&arguments), log.path(), fault).output().unwrap();
    let signal = output.status.signal();
    let ran = Ran::of(output);
    let killed = matches!(fault, Some((_, Fault::Kill)));
    assert!(signal.is_none() || killed, "{fault:?}: died of signal {signal:?}\n{}", ran.stderr);
    (ran, Trace::read(log.path(), &place.path("")))
}
