//! Tests of `fork`: the copy is whole, under its new owner, and shares nothing with the original.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::*;
use crate::rundir::{Best, Disk, ExperimentDir, Journal, Latest, Retention};

const ALL: Retention<'static> = Retention { keep: 9, pinned: &[] };

fn owner(id: &str) -> Owner {
    Owner { run_id: id.to_owned(), seed: 3 }
}

/// A run with a row a step, checkpoints at 2, 4 and 6, and a row that only the log knows.
fn trained(run: &RunDir) -> Vec<Checkpoint> {
    let (mut journal, _) = Journal::open(&Disk, run, owner("short"), 1, ALL).unwrap();
    let mut saved = vec![];
    for step in 1..=7_u64 {
        let mut row = vec![crate::rundir::Cell::Missing; 11];
        row[0] = step.into();
        journal.metrics.append(&row).unwrap();
        if step % 2 == 0 {
            let best = Some(Best { step: 2, value: 0.5, metric: None });
            let fill = |folder: &Path| fs::write(folder.join("model.safetensors"), format!("weights {step}"));
            saved.push(journal.save(step, best, fill).unwrap());
        }
    }
    fs::create_dir(run.samples_path()).unwrap();
    for step in [3, 4, 6] {
        fs::write(run.sample_path(step), format!("grid {step}")).unwrap();
    }
    fs::write(run.execution_path(), "{\"threads\": 1}").unwrap();
    let mut status = Status::planned(7).next_attempt();
    (status.exact, status.inexact_reason) = (false, Some("threads changed".to_owned()));
    status.write(run).unwrap();
    saved
}

fn folder() -> (tempfile::TempDir, RunDir, RunDir) {
    let folder = tempfile::tempdir().unwrap();
    let experiment = ExperimentDir::at(folder.path().canonicalize().unwrap());
    let (source, target) = (experiment.run("base-0000000a", 3), experiment.run("steps9-0000000b", 3));
    fs::create_dir_all(source.path()).unwrap();
    (folder, source, target)
}

fn fork<'a>(source: &'a RunDir, checkpoints: &'a [Checkpoint]) -> Fork<'a> {
    Fork { source, checkpoints, owner: owner("long"), total_steps: 9, config: "a = 1\n", sample_every: 2 }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_new_run_goes_on_where_the_checkpoint_was() {
    let (_folder, source, target) = folder();
    let saved = trained(&source);
    fork(&source, &saved[..2]).write(&Disk, &target).unwrap();
    assert_eq!(fs::read_to_string(target.config_path()).unwrap(), "a = 1\n");
    assert_eq!(fs::read_to_string(target.execution_path()).unwrap(), "{\"threads\": 1}");
    assert_eq!(names(&target.samples_path()), ["step-00000004.png"]);
    let status = Status::read(&target).unwrap().unwrap();
    assert_eq!((status.state, status.step, status.total_steps), (State::Interrupted, 4, 9));
    assert_eq!(status.inexact_reason.as_deref(), Some("threads changed"));
    let origin = Provenance::read(&target).unwrap().extended_from.unwrap();
    assert_eq!((origin.run.as_path(), origin.step), (source.path(), 4));

    let (journal, Latest { checkpoint, damaged }) =
        Journal::open(&Disk, &target, owner("long"), 2, ALL).unwrap();
    let found = checkpoint.unwrap();
    assert_eq!((found.step, damaged.len()), (4, 0));
    assert_eq!(found.manifest.files, saved[1].manifest.files);
    assert_eq!(fs::read_to_string(journal.metrics.path()).unwrap().lines().count(), 5);
    assert_eq!(checkpoint::list(&Disk, &target).unwrap().len(), 2);
    assert!(names(target.path()).iter().all(|name| !name.contains("rewound")), "nothing was too long");
}

#[test]
fn no_byte_is_shared_and_the_source_stays_as_it_is() {
    let (_folder, source, target) = folder();
    let saved = trained(&source);
    let before = names(source.path());
    fork(&source, &saved).write(&Disk, &target).unwrap();
    assert_eq!(names(source.path()), before);
    for run in [&source, &target] {
        let file = fs::metadata(run.checkpoint_path(6).join("model.safetensors")).unwrap();
        assert_eq!(file.nlink(), 1);
    }
    let again = checkpoint::verify(&Disk, &source.checkpoint_path(6), Some(&owner("short"))).unwrap();
    assert_eq!(again, saved[2]);
    assert!(checkpoint::verify(&Disk, &target.checkpoint_path(6), Some(&owner("short"))).is_err());
}

#[test]
fn what_a_kill_left_is_replaced_and_a_changed_log_is_refused() {
    let (_folder, source, target) = folder();
    let saved = trained(&source);
    let leftover = target.experiment().unwrap().path().join(NEW);
    fs::create_dir_all(leftover.join("checkpoints/.tmp-step-00000002")).unwrap();
    fs::write(leftover.join("metrics.csv"), "half").unwrap();
    let good = fs::read(source.metrics_path()).unwrap();
    let mut bad = good.clone();
    bad[60] ^= 1;
    fs::write(source.metrics_path(), bad).unwrap();
    let error = fork(&source, &saved).write(&Disk, &target).unwrap_err().to_string();
    assert!(error.contains("metrics.csv does not hold") && error.contains("its bytes differ"), "{error}");
    assert!(!target.path().exists());
    fs::write(source.metrics_path(), good).unwrap();
    fork(&source, &saved).write(&Disk, &target).unwrap();
    assert!(!leftover.exists());
    assert_eq!(checkpoint::list(&Disk, &target).unwrap().len(), 3);
}
