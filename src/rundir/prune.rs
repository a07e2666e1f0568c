//! Deleting checkpoints that nobody asked to keep.
//!
//! In: a run whose lock is held, and what stays. Out: what was deleted. Only a folder goes whose every file a
//! manifest of ours names; the newest good checkpoint, the best and the pinned ones stay, and so does whatever is
//! damaged. A kill leaves each checkpoint whole, or under a temporary name that the next pruning or attempt removes.

use std::path::PathBuf;

use super::fs::Fs;
use super::{Checkpoint, Owner, Retention, RunDir, RunDirError, checkpoint};
use crate::guard::printable;

/// What a pruning did, or would do.
#[derive(Debug, Default, PartialEq)]
pub struct Pruned {
    /// Steps that went, with their bytes, oldest first.
    pub deleted: Vec<(u64, u64)>,
    /// Steps that stayed, oldest first.
    pub kept: Vec<u64>,
    /// Checkpoints that were left alone, and why.
    pub left_alone: Vec<(PathBuf, String)>,
}

impl Pruned {
    /// Bytes of everything that went.
    pub fn freed_bytes(&self) -> u64 {
        self.deleted.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Deletes what `retention` lets go of the checkpoints that are `owner`'s: one that came from elsewhere neither goes nor
/// counts. With `dry_run` nothing is touched and no lock needed.
///
/// # Errors
/// The folder cannot be listed, or a deletion fails; what went before it is gone.
pub fn prune(
    fs: &dyn Fs,
    run: &RunDir,
    owner: &Owner,
    retention: Retention<'_>,
    dry_run: bool,
) -> Result<Pruned, RunDirError> {
    let mut pruned = Pruned::default();
    if !dry_run {
        // No attempt comes to a run that is done, so that what a kill left would stay for ever.
        checkpoint::remove_leftovers(fs, run)?;
    }
    let mut good: Vec<Checkpoint> = Vec::new();
    for (_, path) in checkpoint::list(fs, run)? {
        match checkpoint::verify(fs, &path, Some(owner)) {
            Ok(found) => good.push(found),
            Err(error) => pruned.left_alone.push((path, error.to_string())),
        }
    }
    let best = good.last().and_then(|newest| newest.manifest.best).map(|best| best.step);
    let newest = good.len().saturating_sub(retention.keep.max(1));
    for (place, found) in good.into_iter().enumerate() {
        let step = found.step;
        if place >= newest || best == Some(step) || retention.pinned.contains(&step) {
            pruned.kept.push(step);
        } else if let Some(stranger) = checkpoint::stranger(fs, &found)? {
            let reason = format!(
                "it holds {}, which its manifest does not name",
                printable(&stranger.to_string_lossy())
            );
            pruned.left_alone.push((found.path, reason));
        } else {
            if !dry_run {
                checkpoint::delete(fs, &found.path, &found.manifest)?;
            }
            pruned.deleted.push((step, found.manifest.total_bytes()));
        }
    }
    Ok(pruned)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::io;

    use super::*;
    use crate::rundir::{Best, Disk, ManifestMeta};

    const ALL: [u64; 6] = [1, 2, 3, 4, 5, 6];

    fn owner() -> Owner {
        Owner { run_id: "a".into(), seed: 0 }
    }

    fn save(run: &RunDir, step: u64, owner: Owner, best: u64) {
        let best = Some(Best { step: best, value: 1.0, metric: None });
        let meta = ManifestMeta { owner, logs: BTreeMap::new(), best };
        let fill = |folder: &std::path::Path| -> io::Result<()> {
            fs::write(folder.join("model.safetensors"), vec![7; 100 * step as usize])
        };
        checkpoint::save(&Disk, run, step, meta, fill).unwrap();
    }

    fn run(best: u64) -> (tempfile::TempDir, RunDir) {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path().canonicalize().unwrap().join("run"));
        fs::create_dir(run.path()).unwrap();
        ALL.iter().for_each(|step| save(&run, *step, owner(), best));
        (folder, run)
    }

    fn steps(run: &RunDir) -> Vec<u64> {
        checkpoint::list(&Disk, run).unwrap().into_iter().map(|(step, _)| step).collect()
    }

    #[test]
    fn the_newest_the_best_and_the_pinned_stay() {
        let (_folder, run) = run(2);
        let retention = Retention { keep: 2, pinned: &[4, 99] };
        let planned = prune(&Disk, &run, &owner(), retention, true).unwrap();
        assert_eq!(steps(&run), ALL, "a dry run deletes nothing");
        let pruned = prune(&Disk, &run, &owner(), retention, false).unwrap();
        assert_eq!(pruned, planned);
        assert_eq!(pruned.deleted, [(1, 100), (3, 300)]);
        assert_eq!((pruned.kept.clone(), pruned.freed_bytes()), (vec![2, 4, 5, 6], 400));
        assert_eq!(steps(&run), [2, 4, 5, 6]);
        assert!(prune(&Disk, &run, &owner(), retention, false).unwrap().deleted.is_empty());
    }

    #[test]
    fn the_last_good_one_stays_whatever_is_asked() {
        let (_folder, run) = run(1);
        fs::write(run.checkpoint_path(6).join("model.safetensors"), "cut").unwrap();
        let pruned = prune(&Disk, &run, &owner(), Retention { keep: 0, pinned: &[] }, false).unwrap();
        assert_eq!(pruned.kept, [1, 5]);
        assert_eq!(steps(&run), [1, 5, 6], "what is damaged is left alone");
        assert!(pruned.left_alone[0].1.contains("its manifest says 600"), "{:?}", pruned.left_alone);
    }

    #[test]
    fn what_is_not_ours_is_neither_deleted_nor_followed() {
        let (folder, run) = run(6);
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "canary").unwrap();
        fs::write(run.checkpoint_path(1).join("notes.txt"), "mine").unwrap();
        std::os::unix::fs::symlink(outside.join("precious"), run.checkpoint_path(2).join("link")).unwrap();
        fs::remove_dir_all(run.checkpoint_path(3)).unwrap();
        std::os::unix::fs::symlink(&outside, run.checkpoint_path(3)).unwrap();
        fs::create_dir(run.checkpoints_path().join("step-7")).unwrap();
        let pruned = prune(&Disk, &run, &owner(), Retention { keep: 1, pinned: &[] }, false).unwrap();
        assert_eq!(pruned.deleted, [(4, 400), (5, 500)]);
        assert_eq!(pruned.left_alone.len(), 3);
        assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "canary");
        assert_eq!(steps(&run), [1, 2, 3, 6]);
    }
    #[test]
    fn a_checkpoint_of_another_run_does_not_count_as_the_newest() {
        let (_folder, run) = run(1);
        save(&run, 9, Owner { seed: 1, ..owner() }, 9);
        let pruned = prune(&Disk, &run, &owner(), Retention { keep: 1, pinned: &[] }, false).unwrap();
        assert_eq!(pruned.kept, [1, 6]);
        assert!(pruned.left_alone[0].1.contains("it belongs to run a seed 1"), "{:?}", pruned.left_alone);
        assert_eq!(steps(&run), [1, 6, 9]);
    }
}
