//! Checkpoints as transactions.
//!
//! In: a step, what to note about it, and code that fills a folder. Out: `checkpoints/step-<n>`, whole, or
//! nothing. Files go into `.tmp-step-<n>` and are forced to the disk, the manifest follows, one rename
//! makes the checkpoint, the parent folder is forced to the disk. A name that begins with `.tmp-` is the
//! leftover of a kill and is removed by the next attempt.

use std::error::Error as StdError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::files;
use super::fs::Fs;
use super::layout::{parse_step, step_name};
use super::manifest::{MANIFEST_NAME, Manifest, ManifestMeta, Owner};
use super::{RunDir, RunDirError};

const TEMPORARY: &str = ".tmp-";

/// A checkpoint whose every byte was checked, or that was written just now.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Steps done: the next one to train.
    pub step: u64,
    /// Its folder.
    pub path: PathBuf,
    /// What it says about itself.
    pub manifest: Manifest,
}

/// What a search for the newest good checkpoint found.
#[derive(Debug, Default)]
pub struct Latest {
    /// The highest step that verifies; `None`: begin at step 0.
    pub checkpoint: Option<Checkpoint>,
    /// Higher steps that do not, with the reason: fall back and say so.
    pub damaged: Vec<(PathBuf, String)>,
}

/// Writes a checkpoint. `fill` puts plain files into the folder it is given; an error of it, or of the
/// disk, leaves the earlier checkpoints as they were and must end the run (nothing is tried twice).
pub fn save<E>(
    fs: &dyn Fs,
    run: &RunDir,
    step: u64,
    meta: ManifestMeta,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<Checkpoint, RunDirError>
where
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let folder = run.checkpoints_path();
    files::create_dir(fs, &folder)?;
    remove_leftovers(fs, run)?;
    check_space(fs, run)?;
    let path = run.checkpoint_path(step);
    let temporary = folder.join(format!("{TEMPORARY}{}", step_name(step)));
    let written = fill_folder(fs, &temporary, &path, fill)
        .and_then(|()| Manifest::write(fs, &temporary, step, meta))
        .and_then(|manifest| publish(fs, &temporary, &path).map(|()| manifest));
    match written {
        Ok(manifest) => Ok(Checkpoint { step, path, manifest }),
        Err(error) => {
            // A part of a checkpoint may be what fills the disk; the error to report is the first one.
            let _ = files::remove_tree(fs, &temporary);
            Err(error)
        }
    }
}

fn fill_folder<E>(
    fs: &dyn Fs,
    temporary: &Path,
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), RunDirError>
where
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    files::create_dir(fs, temporary)?;
    fill(temporary).map_err(|error| RunDirError::Save { path: path.to_path_buf(), source: error.into() })
}

fn publish(fs: &dyn Fs, temporary: &Path, path: &Path) -> Result<(), RunDirError> {
    let folder = files::parent_of(path);
    if fs.entry(path).is_ok() {
        // Only a damaged checkpoint can stand here: a resume starts from the highest good one. It is kept
        // under another name, since nothing says which of its files are ours.
        let aside = (1..).map(|n| path.with_extension(format!("damaged-{n}")));
        if let Some(aside) = aside.into_iter().find(|aside| fs.entry(aside).is_err()) {
            files::rename(fs, path, &aside)?;
        }
    }
    files::rename(fs, temporary, path)?;
    files::sync_dir(fs, folder)
}

/// Removes what a kill left of saves and rotations.
pub fn remove_leftovers(fs: &dyn Fs, run: &RunDir) -> Result<(), RunDirError> {
    let folder = run.checkpoints_path();
    for name in files::names_in(fs, &folder)? {
        let ours = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY)).and_then(parse_step);
        if ours.is_some() {
            files::remove_tree(fs, &folder.join(name))?;
        }
    }
    Ok(())
}

/// Every folder that is named like a checkpoint, by step; none is looked into.
pub fn list(fs: &dyn Fs, run: &RunDir) -> Result<Vec<(u64, PathBuf)>, RunDirError> {
    let folder = run.checkpoints_path();
    let mut found: Vec<_> = files::names_in(fs, &folder)?
        .into_iter()
        .filter_map(|name| Some((parse_step(name.to_str()?)?, folder.join(&name))))
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Checks every byte of a checkpoint and, where `owner` is given, that it is this run's.
pub fn verify(fs: &dyn Fs, path: &Path, owner: Option<&Owner>) -> Result<Checkpoint, RunDirError> {
    let manifest = Manifest::read(fs, path)?;
    if owner.is_some_and(|owner| *owner != manifest.owner) {
        let reason = format!("it belongs to run {} seed {}", manifest.owner.run_id, manifest.owner.seed);
        return Err(RunDirError::malformed(path, crate::guard::printable(&reason)));
    }
    manifest.verify_files(fs, path)?;
    Ok(Checkpoint { step: manifest.step, path: path.to_path_buf(), manifest })
}

/// The highest step that verifies, and the damaged ones above it.
///
/// # Errors
/// A checkpoint is of a newer version of the program; or none verifies, and one of them could not be read and may be
/// whole: a run is not begun anew because a disk was away for a moment.
pub fn latest_verified(fs: &dyn Fs, run: &RunDir, owner: Option<&Owner>) -> Result<Latest, RunDirError> {
    let mut latest = Latest::default();
    let mut unreadable = None;
    for (_, path) in list(fs, run)?.into_iter().rev() {
        match verify(fs, &path, owner) {
            Ok(checkpoint) => {
                latest.checkpoint = Some(checkpoint);
                return Ok(latest);
            }
            // A version this program cannot read is no damage: training over it would lose work.
            Err(error @ RunDirError::Newer { .. }) => return Err(error),
            Err(error) => {
                latest.damaged.push((path, error.to_string()));
                if error.is_unreadable() {
                    unreadable.get_or_insert(error);
                }
            }
        }
    }
    unreadable.map_or(Ok(latest), Err)
}

/// Deletes old checkpoints: the newest `keep` (at least one) and every step in `protect` (the best, pinned
/// ones) stay, and so does whatever a manifest of this owner does not fully account for. Nothing goes unless the
/// newest is good to its last byte. Returns the steps deleted.
pub fn rotate(
    fs: &dyn Fs,
    run: &RunDir,
    owner: &Owner,
    keep: usize,
    protect: &[u64],
) -> Result<Vec<u64>, RunDirError> {
    let readable = |(step, path): (u64, PathBuf)| {
        let manifest = Manifest::read(fs, &path).ok().filter(|manifest| manifest.owner == *owner)?;
        Some((step, manifest, path))
    };
    let all: Vec<_> = list(fs, run)?.into_iter().rev().filter_map(readable).collect();
    let may_go = |(step, ..): &&(u64, Manifest, PathBuf)| !protect.contains(step);
    let mut newest_first = all.as_slice();
    while let [(_, _, newest), older @ ..] = newest_first
        && newest_first.iter().skip(keep.max(1)).any(|found| may_go(&found))
        && verify(fs, newest, None).is_err()
    {
        newest_first = older;
    }
    let mut deleted = Vec::new();
    for (step, manifest, path) in newest_first.iter().skip(keep.max(1)).filter(may_go) {
        if delete(fs, path, manifest)? {
            deleted.push(*step);
        }
    }
    Ok(deleted)
}

/// The first of a folder's names that a checkpoint's manifest does not account for.
fn first_stranger<'n>(names: &'n [OsString], manifest: &Manifest) -> Option<&'n OsString> {
    let known = |name: &str| name == MANIFEST_NAME || manifest.files.contains_key(name);
    names.iter().find(|name| !name.to_str().is_some_and(known))
}

/// A file of a checkpoint's folder that its manifest does not name.
pub(super) fn stranger(fs: &dyn Fs, found: &Checkpoint) -> Result<Option<OsString>, RunDirError> {
    let names = files::names_in(fs, &found.path)?;
    Ok(first_stranger(&names, &found.manifest).cloned())
}

/// Renames first, so that a kill never leaves half a checkpoint under a checkpoint's name. A folder that
/// holds anything else than the manifest's files is left alone.
pub(super) fn delete(fs: &dyn Fs, path: &Path, manifest: &Manifest) -> Result<bool, RunDirError> {
    let names = files::names_in(fs, path)?;
    if first_stranger(&names, manifest).is_some() {
        return Ok(false);
    }
    let temporary = path.with_file_name(format!("{TEMPORARY}{}", step_name(manifest.step)));
    files::rename(fs, path, &temporary)?;
    // Without this a power cut may undo the rename and keep the deletions.
    files::sync_dir(fs, files::parent_of(path))?;
    for name in names {
        files::remove_file(fs, &temporary.join(name))?;
    }
    files::remove_dir(fs, &temporary)?;
    Ok(true)
}

/// Refuses a save that the last checkpoint's size says cannot fit, before the disk is full.
fn check_space(fs: &dyn Fs, run: &RunDir) -> Result<(), RunDirError> {
    let folder = run.checkpoints_path();
    let newest = list(fs, run)?.into_iter().rev().find_map(|(_, path)| Manifest::read(fs, &path).ok());
    let Some(needed_bytes) = newest.map(|manifest| manifest.total_bytes()) else { return Ok(()) };
    match fs.free_bytes(&folder) {
        Some(free_bytes) if free_bytes < needed_bytes => {
            Err(RunDirError::NoSpace { path: folder, free_bytes, needed_bytes })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
