//! Tests of `checkpoint` and `manifest`: leftovers of kills, damage of every kind, rotation.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::*;
use crate::rundir::{Best, CsvLog, Disk, Mark};

fn owner() -> Owner {
    Owner { run_id: "1f3a9c02".to_owned(), seed: 3 }
}

fn meta() -> ManifestMeta {
    let mark = Mark { bytes: 5, blake3: blake3::hash(b"12345").to_hex().to_string() };
    let logs = BTreeMap::from([("metrics.csv".to_owned(), mark)]);
    ManifestMeta { owner: owner(), logs, best: Some(Best { step: 2, value: 0.1 + 0.2, metric: None }) }
}

fn run() -> (tempfile::TempDir, RunDir) {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::at(folder.path());
    (folder, run)
}

fn write(run: &RunDir, step: u64) -> Checkpoint {
    save(&Disk, run, step, meta(), |folder| {
        fs::write(folder.join("model.safetensors"), format!("weights {step}"))?;
        fs::write(folder.join("optimizer.safetensors"), vec![7; 1000])
    })
    .unwrap()
}

fn steps(run: &RunDir) -> Vec<u64> {
    list(&Disk, run).unwrap().into_iter().map(|(step, _)| step).collect()
}

#[test]
fn a_checkpoint_reads_back_as_written_to_the_last_bit() {
    let (_folder, run) = run();
    let saved = write(&run, 1000);
    assert_eq!(saved.path, run.checkpoints_path().join("step-00001000"));
    let latest = latest_verified(&Disk, &run, Some(&owner())).unwrap();
    assert_eq!(latest.checkpoint, Some(saved));
    assert!(latest.damaged.is_empty());
    assert_eq!(latest.checkpoint.unwrap().manifest.best.unwrap().value.to_bits(), (0.1f64 + 0.2).to_bits());
}

#[test]
fn the_latest_is_the_highest_number() {
    let (_folder, run) = run();
    for step in [99_999_999, 100_000_000, 5] {
        write(&run, step);
    }
    assert_eq!(steps(&run), [5, 99_999_999, 100_000_000]);
    assert_eq!(latest_verified(&Disk, &run, None).unwrap().checkpoint.unwrap().step, 100_000_000);
}

#[test]
fn a_kill_during_a_save_leaves_nothing_that_counts_and_the_next_save_tidies() {
    let (_folder, run) = run();
    write(&run, 1);
    let leftover = run.checkpoints_path().join(".tmp-step-00000002");
    fs::create_dir(&leftover).unwrap();
    fs::write(leftover.join("model.safetensors"), "hal").unwrap();
    assert_eq!(latest_verified(&Disk, &run, None).unwrap().checkpoint.unwrap().step, 1);
    write(&run, 2);
    assert!(!leftover.exists());
    assert_eq!(steps(&run), [1, 2]);
}

#[test]
fn a_failed_save_reports_the_cause_and_keeps_the_earlier_checkpoint() {
    let (_folder, run) = run();
    write(&run, 1);
    let error = save(&Disk, &run, 2, meta(), |_| Err(io::Error::from_raw_os_error(28))).unwrap_err();
    assert!(error.is_storage());
    assert!(error.to_string().contains("step-00000002"), "{error}");
    assert_eq!(steps(&run), [1]);
    assert_eq!(files::names_in(&Disk, &run.checkpoints_path()).unwrap().len(), 1);
    let error = save(&Disk, &run, 2, meta(), |_| Err("a tensor has no data")).unwrap_err();
    assert!(!error.is_storage());
}

#[test]
fn every_changed_byte_of_every_file_is_detected() {
    let (_folder, run) = run();
    let saved = write(&run, 1);
    for name in ["model.safetensors", "optimizer.safetensors", "manifest.json"] {
        let path = saved.path.join(name);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, &bad).unwrap();
            assert!(verify(&Disk, &saved.path, Some(&owner())).is_err(), "byte {at} of {name}");
        }
        for length in [0, 1, good.len() / 2, good.len() - 1] {
            fs::write(&path, &good[..length]).unwrap();
            assert!(verify(&Disk, &saved.path, Some(&owner())).is_err(), "{name} cut to {length}");
        }
        fs::remove_file(&path).unwrap();
        assert!(verify(&Disk, &saved.path, Some(&owner())).is_err(), "{name} missing");
        fs::write(&path, &good).unwrap();
    }
    verify(&Disk, &saved.path, Some(&owner())).unwrap();
}

#[test]
fn damage_falls_back_to_the_checkpoint_before_and_says_so() {
    let (_folder, run) = run();
    write(&run, 1);
    let second = write(&run, 2);
    fs::write(second.path.join("model.safetensors"), "weights X").unwrap();
    let latest = latest_verified(&Disk, &run, Some(&owner())).unwrap();
    assert_eq!(latest.checkpoint.unwrap().step, 1);
    assert_eq!(latest.damaged.len(), 1);
    assert!(latest.damaged[0].1.contains("model.safetensors is damaged: its hash"), "{:?}", latest.damaged);

    write(&run, 2);
    assert_eq!(latest_verified(&Disk, &run, Some(&owner())).unwrap().checkpoint.unwrap().step, 2);
    assert!(run.checkpoints_path().join("step-00000002.damaged-1").exists());
}

#[test]
fn a_foreign_or_renamed_checkpoint_is_refused() {
    let (_folder, run) = run();
    let saved = write(&run, 1);
    let other = Owner { run_id: "1f3a9c02".to_owned(), seed: 4 };
    let error = verify(&Disk, &saved.path, Some(&other)).unwrap_err().to_string();
    assert!(error.contains("it belongs to run 1f3a9c02 seed 3"), "{error}");
    let renamed = run.checkpoint_path(9);
    fs::rename(&saved.path, &renamed).unwrap();
    assert!(verify(&Disk, &renamed, Some(&owner())).unwrap_err().to_string().contains("another step"));
}

#[test]
fn a_newer_checkpoint_stops_the_search() {
    let (_folder, run) = run();
    write(&run, 1);
    let newer = run.checkpoint_path(2);
    fs::create_dir(&newer).unwrap();
    fs::write(newer.join("manifest.json"), r#"{"format": 9, "anything": "else"}"#).unwrap();
    let error = latest_verified(&Disk, &run, None).unwrap_err().to_string();
    assert!(error.contains("manifest format 9"), "{error}");
}

#[test]
fn rotation_keeps_the_newest_the_best_and_what_is_not_ours() {
    let (_folder, run) = run();
    for step in 1..=6 {
        write(&run, step);
    }
    fs::write(run.checkpoint_path(3).join("notes.txt"), "mine").unwrap();
    fs::create_dir(run.checkpoints_path().join("step-00000000")).unwrap();
    fs::create_dir(run.checkpoints_path().join("other")).unwrap();
    assert_eq!(rotate(&Disk, &run, &owner(), 2, &[1]).unwrap(), [4, 2]);
    assert_eq!(steps(&run), [0, 1, 3, 5, 6]);
    assert!(run.checkpoints_path().join("other").exists());
    assert_eq!(rotate(&Disk, &run, &owner(), 0, &[]).unwrap(), [5, 1], "keep 0 still keeps the last");
}

#[test]
fn anothers_checkpoint_neither_goes_nor_counts_as_the_newest() {
    let (_folder, run) = run();
    for step in 1..=4 {
        write(&run, step);
    }
    let other = Owner { seed: 9, ..owner() };
    assert!(rotate(&Disk, &run, &other, 1, &[]).unwrap().is_empty());
    let foreign = run.checkpoint_path(4);
    let manifest = Manifest::read(&Disk, &foreign).unwrap();
    fs::remove_file(foreign.join(MANIFEST_NAME)).unwrap();
    Manifest::write(&Disk, &foreign, 4, ManifestMeta { owner: other, logs: manifest.logs, best: None })
        .unwrap();
    assert_eq!(rotate(&Disk, &run, &owner(), 2, &[]).unwrap(), [1]);
    assert_eq!(steps(&run), [2, 3, 4]);
}

#[test]
fn rotation_never_deletes_the_only_good_checkpoint() {
    let (_folder, run) = run();
    for step in 1..=3 {
        write(&run, step);
    }
    for step in [2, 3] {
        fs::write(run.checkpoint_path(step).join("model.safetensors"), "weights X").unwrap();
    }
    assert!(rotate(&Disk, &run, &owner(), 1, &[]).unwrap().is_empty());
    assert_eq!(latest_verified(&Disk, &run, None).unwrap().checkpoint.unwrap().step, 1);
}

#[test]
fn logs_go_back_to_where_the_checkpoint_saw_them() {
    let (_folder, run) = run();
    let mut log = CsvLog::open(&Disk, run.metrics_path(), &["step"]).unwrap();
    log.append(&[1u64.into()]).unwrap();
    let logs = BTreeMap::from([("metrics.csv".to_owned(), log.mark().unwrap())]);
    let meta = ManifestMeta { logs, ..meta() };
    save(&Disk, &run, 1, meta, |_| Ok::<(), io::Error>(())).unwrap();
    log.append(&[2u64.into()]).unwrap();
    let manifest = latest_verified(&Disk, &run, None).unwrap().checkpoint.unwrap().manifest;
    log.rewind_to(&manifest.logs["metrics.csv"], 2).unwrap();
    assert_eq!(fs::read_to_string(run.metrics_path()).unwrap(), "step\n1\n");
}
