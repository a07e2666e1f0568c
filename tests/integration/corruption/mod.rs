//! T8: 1,240 corruptions of a run's checkpoints and logs. Each is detected, none panics, and a resume takes the
//! checkpoint before the damaged one. No program is started: the logic itself is asked, in this process.

mod bytes;
mod files;

use std::fs;
use std::path::{Path, PathBuf};

use ablate::config::{self, Config};
use ablate::rundir::audit::{Audit, Auditor, Gravity};
use ablate::rundir::{Disk, Owner, RunDir, checkpoint};
use ablate::sizing::{self, Layer};

use crate::support::Workplace;
use crate::support::golden;

const OLDER: u64 = 12;
const NEWEST: u64 = 16;
const FILES: [&str; 5] =
    ["model.safetensors", "ema.safetensors", "optimizer.safetensors", "progress.json", "manifest.json"];
const LOGS: [&str; 5] = ["metrics.csv", "timing.csv", "eval.csv", "levels.csv", "images.csv"];

/// A killed run with two good checkpoints.
struct Subject {
    place: Workplace,
    run: RunDir,
    owner: Owner,
    /// Everything that a checkpoint vouches for, with the number of bytes it does.
    files: Vec<(PathBuf, usize)>,
}

impl Subject {
    fn new() -> Subject {
        let place = golden::workplace(&golden::newest());
        let run = RunDir::at(golden::run(&place, 1));
        let config = config::read_run_config(&run.config_path()).unwrap();
        let owner = Owner { run_id: config::identity(&config), seed: 1 };
        let newest = checkpoint::verify(&Disk, &run.checkpoint_path(NEWEST), Some(&owner)).unwrap();
        let of_checkpoint = |step| FILES.map(|name| run.checkpoint_path(step).join(name));
        let whole = [OLDER, NEWEST].into_iter().flat_map(of_checkpoint);
        let whole = whole.map(|path| (path.clone(), fs::metadata(&path).unwrap().len() as usize));
        let seen = LOGS.map(|name| (run.path().join(name), newest.manifest.logs[name].bytes as usize));
        let files = whole.chain(seen).collect();
        let subject = Subject { place, run, owner, files };
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
