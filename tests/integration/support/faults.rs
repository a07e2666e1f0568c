//! Commands that are killed, or refused by the disk, at one system call after another; and what must follow.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::strace::{Call, Fault, Trace, missing, traced};
use super::tier::Tier;
use super::training::{Run, only_run};
use super::{Ran, Workplace, files_below};

/// A training of three steps in which everything happens: rows, an evaluation, images, checkpoints, a best one that
/// stays, an old one that goes.
const SHORT: &str = r#"
[data]
image_size = 8
in_channels = 1
limit = 64
[model]
base_channels = 8
channel_multipliers = [1, 1]
num_res_blocks = 1
attention_resolutions = []
norm_groups = 2
[training]
steps = 3
batch_size = 4
warmup_steps = 2
log_every = 1
[checkpoint]
every = 1
keep = 1
[evaluation]
every = 2
images = 4
[sampling]
every = 2
num_samples = 1
steps = 2
[runtime]
device = "cpu"
threads = 1
"#;

/// A command, what is there before it, and what it must leave in the end.
pub(crate) struct Scene {
    /// What is there before the command.
    before: Workplace,
    command: Vec<String>,
    /// Ends what the command began.
    again: Vec<String>,
    expected: BTreeMap<String, Vec<u8>>,
    /// Every file in the end, without those that an attempt may add.
    names: Vec<String>,
    /// Keeps the data set's cache that the configuration names.
    _finished: Option<Workplace>,
}

impl Scene {
    /// A worker that begins its run.
    pub(crate) fn worker() -> Scene {
        let finished = finished();
        let run = only_run(&finished);
        let below = run.path.strip_prefix(finished.path("")).unwrap().to_owned();
        let before = Workplace::new();
        before.write(below.join("config.toml").to_str().unwrap(), run.read("config.toml"));
        let command = vec!["worker".to_owned(), below.to_str().unwrap().to_owned()];
        Scene {
            before,
            again: command.clone(),
            command,
            expected: run.bytes(),
            names: names(&run),
            _finished: Some(finished),
        }
    }

    /// A worker that goes on where one was killed just before its second checkpoint got its name: rows to move
    /// aside, and a whole checkpoint under a temporary name to remove.
    pub(crate) fn worker_resumed() -> Scene {
        let mut scene = Scene::worker();
        let calls = scene.calls();
        let publishes = |call: &Call| {
            call.name.starts_with("rename") && call.path.ends_with("/checkpoints/step-00000002")
        };
        let publish = calls.iter().find(|call| publishes(call)).expect("a second checkpoint");
        let (place, _, trace) = scene.strike(publish, Fault::Kill);
        assert!(trace.struck().is_some_and(|struck| struck.is_like(publish)));
        scene.before = place;
        scene
    }

    /// The launcher in an empty folder.
    pub(crate) fn launcher() -> Scene {
        let finished = finished();
        let run = only_run(&finished);
        let command = vec!["run".to_owned(), "x.toml".to_owned()];
        Scene {
            before: Workplace::with("x.toml", SHORT),
            again: command.clone(),
            command,
            expected: run.bytes(),
            names: names(&run),
            _finished: None,
        }
    }

    /// The launcher where one was killed before its first worker, asked for something else that identity leaves out:
    /// the request, the plan and the configuration are replaced.
    pub(crate) fn launcher_again() -> Scene {
        let mut scene = Scene::launcher();
        let calls = scene.calls();
        let first = calls.iter().find(|call| call.path.ends_with("stdout.log"));
        let (place, _, _) = scene.strike(first.expect("a worker's output"), Fault::Kill);
        assert!(only_run(&place).status().is_none(), "no worker was started");
        scene.before = place;
        scene.command.extend(["-s".to_owned(), "checkpoint.keep=2".to_owned()]);
        scene
    }

    /// The calls on the tree that an undisturbed command makes.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let place = copy_of(&self.before);
        let (ran, trace) = run_traced(&place, &self.command, None);
        ran.exits(0);
        trace.calls
    }

    /// What a worker does before its first row: the rest is what a fresh one does.
    pub(crate) fn calls_before_training(&self) -> Vec<Call> {
        let mut calls = self.calls();
        let row = |call: &Call| call.name == "write" && call.path.ends_with("/metrics.csv");
        let first = calls.iter().position(row).unwrap_or_else(|| panic!("no row in {calls:?}"));
        calls.truncate(first);
        calls
    }

    /// Runs the command once, with a fault at a call.
    fn strike(&self, call: &Call, fault: Fault) -> (Workplace, Ran, Trace) {
        let place = copy_of(&self.before);
        let (ran, trace) = run_traced(&place, &self.command, Some((call, fault)));
        (place, ran, trace)
    }

    /// Runs the command with a fault at this very call. Its number changes a little where a clock decides how often
    /// the program looks or reports: then it is aimed again.
    pub(crate) fn strike_at(&self, call: &Call, fault: Fault) -> (Workplace, Ran, Trace) {
        let mut aim = call.clone();
        for off in [0, 1, -1, 2, -2, 3, -3, 4] {
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
        assert_eq!(names(&run), self.names, "{context}: other files than an uninterrupted run's");
    }

    /// Whether the run has its last state and bytes.
    #[track_caller]
    pub(crate) fn assert_ended(&self, place: &Workplace, context: &str) {
        let run = only_run(place);
        assert_eq!(run.state(), "done", "{context}");
        run.assert_equals(&self.expected, context);
    }
}

/// Whether calls cannot be traced here, or this tier leaves the test out; which is then said.
pub(crate) fn left_out(test: &str) -> bool {
    if let Some(reason) = missing() {
        eprintln!("skipped: {test}: {reason}");
        return true;
    }
    Tier::asked().leaves_out(Tier::Standard, test)
}

/// The points to try: all in the full tier, else some of each kind, evenly spread.
pub(crate) fn chosen(calls: &[Call]) -> Vec<&Call> {
    let mut kinds: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    calls.iter().for_each(|call| kinds.entry(&call.name).or_default().push(call));
    let mut points = Vec::new();
    for of in kinds.values() {
        let wanted = Tier::asked().pick(0, of.len().div_ceil(10), of.len());
        points.extend((0..wanted).map(|i| of[(2 * i + 1) * of.len() / (2 * wanted)]));
    }
    points
}

/// Runs every case, also after one that failed, and fails if any did.
pub(crate) fn try_each<T: fmt::Debug>(cases: impl IntoIterator<Item = T>, mut case: impl FnMut(&T)) {
    // Nothing outlives a case but counters.
    let failed: Vec<T> =
        cases.into_iter().filter(|one| catch_unwind(AssertUnwindSafe(|| case(one))).is_err()).collect();
    assert!(failed.is_empty(), "{} cases failed, see above: {failed:?}", failed.len());
}

/// `12 points (fsync 5, write 7)`.
pub(crate) fn counted<'c>(calls: impl IntoIterator<Item = &'c Call>) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    calls.into_iter().for_each(|call| *kinds.entry(&call.name).or_default() += 1);
    let parts: Vec<String> = kinds.iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!("{} points ({})", kinds.values().sum::<usize>(), parts.join(", "))
}

/// [`SHORT`] trained to its end.
fn finished() -> Workplace {
    let place = Workplace::with("x.toml", SHORT);
    place.ablate(&["run", "x.toml"]).exits(0);
    place
}

/// A run's files, without what depends on how many attempts it took.
fn names(run: &Run) -> Vec<String> {
    let mut names = files_below(&run.path);
    names.retain(|name| {
        !name.contains(".rewound-") && !name.ends_with("out.log") && !name.ends_with("err.log")
    });
    names
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
