//! Files swapped with others, and checkpoints that belong elsewhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ablate::rundir::{Disk, Manifest, ManifestMeta, Owner, RunDir, checkpoint};

use super::{FILES, LOGS, NEWEST, OLDER, Subject};
use crate::support::golden;

#[test]
fn twenty_swapped_files_are_detected() {
    let subject = Subject::new();
    let in_step = |step: u64, name: &str| subject.run.checkpoint_path(step).join(name);
    let mut pairs: Vec<(PathBuf, PathBuf)> =
        FILES.map(|name| (in_step(NEWEST, name), in_step(OLDER, name))).into_iter().collect();
    for step in [OLDER, NEWEST] {
        for (first, second) in [(0, 1), (0, 2), (1, 2), (3, 4)] {
            pairs.push((in_step(step, FILES[first]), in_step(step, FILES[second])));
        }
    }
    for (first, second) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        pairs.push((subject.run.path().join(LOGS[first]), subject.run.path().join(LOGS[second])));
    }
    pairs.push((in_step(NEWEST, FILES[0]), subject.run.metrics_path()));
    assert_eq!(pairs.len(), 20);
    for (first, second) in pairs {
        let what = format!("{} swapped with {}", first.display(), second.display());
        let (one, other) = (fs::read(&first).unwrap(), fs::read(&second).unwrap());
        assert_ne!(one, other, "{what} changes nothing");
        fs::write(&first, &other).unwrap();
        fs::write(&second, &one).unwrap();
        let audit = subject.audit();
        for path in [&first, &second] {
            let folder = path.parent().filter(|folder| *folder != subject.run.path()).unwrap_or(path);
            let found = audit.findings.iter().any(|finding| finding.path.starts_with(folder));
            assert!(found, "{what}: {audit:?}");
        }
        fs::write(&first, &one).unwrap();
        fs::write(&second, &other).unwrap();
    }
    assert_eq!(subject.audit().damaged(), 0);
}

/// A checkpoint of the same files under another owner, whole in itself.
fn of_another(subject: &Subject, owner: Owner, step: u64) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let other = RunDir::at(folder.path().canonicalize().unwrap());
    let Manifest { files, logs, best, .. } =
        checkpoint::verify(&Disk, &subject.run.checkpoint_path(NEWEST), None).unwrap().manifest;
    let fill = |folder: &Path| -> io::Result<()> {
        let mut names = files.keys();
        names.try_for_each(|name| {
            fs::copy(subject.run.checkpoint_path(NEWEST).join(name), folder.join(name)).map(drop)
        })
    };
    let made = checkpoint::save(&Disk, &other, step, ManifestMeta { owner, logs, best }, fill).unwrap();
    (folder, made.path)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in crate::support::files_below(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

#[test]
fn twenty_foreign_checkpoints_are_detected() {
    let subject = Subject::new();
    let done = golden::run(&subject.place, 0);
    let earlier = golden::workplace(&golden::formats()[0]);
    let own = subject.owner.clone();
    let (_a, other_variant) = of_another(&subject, Owner { run_id: "0".repeat(64), ..own.clone() }, NEWEST);
    let (_b, other_seed) = of_another(&subject, Owner { seed: 2, ..own.clone() }, NEWEST);
    let (_c, other_step) = of_another(&subject, own, 18);
    let sources = [
        subject.run.checkpoint_path(OLDER),
        done.join("checkpoints/step-00000024"),
        other_variant,
        other_seed,
        golden::run(&earlier, 0).join("checkpoints/step-00000024"),
    ];
    let mut cases = 0;
    for source in &sources {
        for step in [14, NEWEST, 20, 24] {
            cases += 1;
            let target = subject.run.checkpoint_path(step);
            let aside = subject.run.path().join("aside");
            if step == NEWEST {
                fs::rename(&target, &aside).unwrap();
            }
            copy(source, &target);
            let what = format!("{} as step {step}", source.display());
            let audit = subject.audit();
            let named = |path: &Path| path.starts_with(&target);
            assert!(audit.findings.iter().any(|finding| named(&finding.path)), "{what}: {audit:?}");
            let latest = checkpoint::latest_verified(&Disk, &subject.run, Some(&subject.owner)).unwrap();
            let expected = if step == NEWEST { OLDER } else { NEWEST };
            assert_eq!(latest.checkpoint.unwrap().step, expected, "{what}");
            fs::remove_dir_all(&target).unwrap();
            if step == NEWEST {
                fs::rename(&aside, &target).unwrap();
            }
        }
    }
    assert_eq!(cases, 20);

    // The right owner and name, but no such step in the progress inside; and the same run, trained elsewhere: its
    // weights may be the same, its clock was not.
    for (source, step, told) in [
        (other_step, 18, "progress.json"),
        (golden::run(&earlier, 1).join("checkpoints/step-00000016"), NEWEST, "timing.csv"),
    ] {
        let target = subject.run.checkpoint_path(step);
        if step == NEWEST {
            fs::remove_dir_all(&target).unwrap();
        }
        copy(&source, &target);
        let audit = subject.audit();
        assert!(audit.findings.iter().any(|finding| finding.path.ends_with(told)), "{told}: {audit:?}");
        if step != NEWEST {
            fs::remove_dir_all(&target).unwrap();
        }
    }
}
