//! T19: `prune` is killed, or met by an error, at every system call that changes the tree. A good checkpoint remains
//! each time, nothing is damaged, and pruning again ends where an undisturbed one does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ablate::rundir::{Disk, ManifestMeta, RunDir, checkpoint};

use crate::support::golden;
use crate::support::points::{chosen, counted, left_out};
use crate::support::strace::{Call, Fault, Trace, traced};
use crate::support::{Ran, Workplace};

const LAST: u64 = 24;
const PRUNE: &[&str] = &["prune", golden::EXPERIMENT, "--keep", "1"];

fn run(place: &Workplace) -> RunDir {
    RunDir::at(golden::run(place, 0))
}

/// A run that is done, with four more checkpoints than it keeps.
fn scene() -> Workplace {
    let place = golden::workplace(&golden::newest());
    fs::remove_dir_all(golden::run(&place, 1)).unwrap();
    let run = run(&place);
    let last = checkpoint::verify(&Disk, &run.checkpoint_path(LAST), None).unwrap();
    for step in [4, 8, 16, 20] {
        let manifest = last.manifest.clone();
        let (owner, logs, best) = (manifest.owner, manifest.logs, manifest.best);
        let fill = |folder: &Path| -> io::Result<()> {
            for name in manifest.files.keys() {
                fs::copy(last.path.join(name), folder.join(name))?;
            }
            let progress = fs::read_to_string(folder.join("progress.json"))?;
            fs::write(folder.join("progress.json"), progress.replacen("24", &step.to_string(), 1))
        };
        checkpoint::save(&Disk, &run, step, ManifestMeta { owner, logs, best }, fill).unwrap();
    }
    place.ablate(&["check", golden::EXPERIMENT]).exits(0);
    place
}

fn prune(place: &Workplace, fault: Option<(&Call, Fault)>) -> (Ran, Trace) {
    let log = tempfile::tempdir().unwrap();
    let log = log.path().join("strace.log");
    let ran = Ran::of(traced(&place.command(PRUNE), &log, fault).output().unwrap());
    (ran, Trace::read(&log, &place.path(golden::EXPERIMENT)))
}

fn names(run: &RunDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.checkpoints_path()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<PathBuf> = entries.map(|path| path.file_name().unwrap().into()).collect();
    names.sort();
    names
}

#[test]
fn a_pruning_that_is_cut_short_at_any_call_leaves_a_good_checkpoint() {
    if left_out("pruning under strace") {
        return;
    }
    let place = scene();
    let (ran, Trace { mut calls, .. }) = prune(&place, None);
    ran.exits(0);
    calls.retain(|call| call.changes);
    let expected = names(&run(&place));
    assert!(expected.contains(&"step-00000024".into()) && expected.len() < 5, "{expected:?}");

    let faults = [Fault::Kill, Fault::Error("EIO"), Fault::Error("ENOSPC")];
    for fault in faults {
        let mut struck = Vec::new();
        for (call, fault) in chosen(&calls, &[fault]) {
            let context = format!("{fault:?} at {call}");
            let place = scene();
            let (ran, trace) = prune(&place, Some((call, fault)));
            let Some(found) = trace.struck() else { panic!("{context}: never reached") };
            struck.push(found.clone());
            match fault {
                Fault::Kill => assert_eq!(ran.code, None, "{context}: {}", ran.stderr),
                // The lock's record is words for people, and pruning goes on without it or stops.
                Fault::Error(_) => assert!(matches!(ran.code, Some(0 | 74)), "{context}: {ran:?}"),
            }
            let run = run(&place);
            let newest = checkpoint::latest_verified(&Disk, &run, None).unwrap();
            assert_eq!(newest.checkpoint.map(|found| found.step), Some(LAST), "{context}");
            let checked = place.ablate(&["check", golden::EXPERIMENT]);
            assert_eq!(checked.code, Some(0), "{context}: {}", checked.stdout);
            let again = place.ablate(PRUNE);
            assert_eq!(again.code, Some(0), "{context}: {}", again.stderr);
            assert_eq!(names(&run), expected, "{context}");
        }
        eprintln!("T19, {fault:?}: struck at {}", counted(&struck));
    }
}
