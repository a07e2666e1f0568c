//! T8: 1,240 corruptions of a run's checkpoints and logs. Each is detected, none panics, and a resume takes the
//! checkpoint before the damaged one. No program is started: the logic itself is asked, in this process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ablate::config::{self, Config};
use ablate::rundir::audit::{Audit, Auditor, Gravity};
use ablate::rundir::{Disk, Manifest, ManifestMeta, Owner, RunDir, checkpoint};
use ablate::sizing::{self, Layer};

use crate::support::Workplace;
use crate::support::golden;

const OLDER: u64 = 12;
const NEWEST: u64 = 16;
const FILES: [&str; 5] =
    ["model.safetensors", "ema.safetensors", "optimizer.safetensors", "progress.json", "manifest.json"];
const LOGS: [&str; 4] = ["metrics.csv", "timing.csv", "eval.csv", "levels.csv"];

/// Numbers that are the same in every run of the tests (SplitMix64), so that a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn one_of<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[self.below(things.len())]
    }
}

/// A killed run with two good checkpoints.
struct Subject {
    _place: Workplace,
    run: RunDir,
    owner: Owner,
    /// Everything that a checkpoint vouches for, with the number of bytes it does.
    files: Vec<(PathBuf, usize)>,
}

impl Subject {
    fn new() -> Subject {
        let place = golden::workplace(&golden::formats()[1]);
        let run = RunDir::at(golden::run(&place, 1));
        let config = config::read_run_config(&run.config_path()).unwrap();
        let owner = Owner { run_id: config::identity(&config), seed: 1 };
        let newest = checkpoint::verify(&Disk, &run.checkpoint_path(NEWEST), Some(&owner)).unwrap();
        let of_checkpoint = |step| FILES.map(|name| run.checkpoint_path(step).join(name));
        let whole = [OLDER, NEWEST].into_iter().flat_map(of_checkpoint);
        let whole = whole.map(|path| (path.clone(), fs::metadata(&path).unwrap().len() as usize));
        let seen = LOGS.map(|name| (run.path().join(name), newest.manifest.logs[name].bytes as usize));
        let files = whole.chain(seen).collect();
        let subject = Subject { _place: place, run, owner, files };
        assert_eq!(subject.audit().damaged(), 0, "{:?}", subject.audit());
        subject
    }

    fn audit(&self) -> Audit {
        Auditor { fs: &Disk, tensors: &tensors }.run(&self.run)
    }

    /// Asserts that the damage to `path` is found under its name, and that the right checkpoint is taken.
    #[track_caller]
    fn notices(&self, path: &Path, what: &str) {
        let audit = self.audit();
        let damage = audit.findings.iter().filter(|finding| finding.gravity == Gravity::Damage);
        let checkpoint = path.parent().filter(|folder| *folder != self.run.path());
        let found = damage.clone().any(|finding| {
            finding.path == path || checkpoint.is_some_and(|folder| finding.path.starts_with(folder))
        });
        assert!(found, "{what}: {audit:?}");
        assert!(damage.clone().all(|finding| !finding.reason.is_empty() && !finding.remedy.is_empty()));

        let latest = checkpoint::latest_verified(&Disk, &self.run, Some(&self.owner)).unwrap();
        let newest_hit = path.starts_with(self.run.checkpoint_path(NEWEST));
        let expected = if newest_hit { OLDER } else { NEWEST };
        assert_eq!(latest.checkpoint.map(|found| found.step), Some(expected), "{what}");
        assert_eq!(latest.damaged.len(), usize::from(newest_hit), "{what}: {:?}", latest.damaged);
        if newest_hit {
            let said = damage.into_iter().any(|finding| finding.remedy == "a resume falls back to step 12");
            assert!(said, "{what}: {audit:?}");
        }
    }

    /// Changes a file, asks, and puts it back.
    #[track_caller]
    fn with(&self, path: &Path, what: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let good = fs::read(path).unwrap();
        let mut bad = good.clone();
        change(&mut bad);
        assert_ne!(good, bad, "{what} changes nothing");
        fs::write(path, &bad).unwrap();
        self.notices(path, what);
        fs::write(path, &good).unwrap();
    }
}

fn tensors(config: &Config) -> Vec<(String, Vec<usize>)> {
    let layers = sizing::layers(&config.model, &config.data);
    layers.iter().flat_map(Layer::tensors).map(|tensor| (tensor.name, tensor.shape)).collect()
}

#[test]
fn a_thousand_bit_flips_are_detected() {
    let (subject, mut numbers) = (Subject::new(), Numbers(1));
    for case in 0..1000 {
        let (path, seen) = numbers.one_of(&subject.files).clone();
        let (at, bit) = (numbers.below(seen), numbers.below(8));
        subject.with(&path, &format!("case {case}: bit {bit} of byte {at} of {}", path.display()), |bytes| {
            bytes[at] ^= 1 << bit;
        });
    }
}

#[test]
fn a_hundred_truncations_are_detected() {
    let (subject, mut numbers) = (Subject::new(), Numbers(2));
    for case in 0..100 {
        let (path, seen) = numbers.one_of(&subject.files).clone();
        let length = numbers.below(seen);
        subject.with(&path, &format!("case {case}: {} cut to {length}", path.display()), |bytes| {
            bytes.truncate(length);
        });
    }
}

#[test]
fn a_hundred_zeroed_blocks_are_detected() {
    let (subject, mut numbers) = (Subject::new(), Numbers(3));
    for case in 0..100 {
        let (path, seen) = numbers.one_of(&subject.files).clone();
        let content = fs::read(&path).unwrap();
        let (start, length) = std::iter::repeat_with(|| (numbers.below(seen), 1 + numbers.below(4096)))
            .find(|&(start, length)| content[start..seen.min(start + length)].iter().any(|&byte| byte != 0))
            .unwrap();
        let what = format!("case {case}: {length} bytes from {start} of {} zeroed", path.display());
        subject.with(&path, &what, |bytes| bytes[start..seen.min(start + length)].fill(0));
    }
}

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
    let done = golden::run(&subject._place, 0);
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
